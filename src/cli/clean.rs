//! `dispatch clean [RUN]`: removes the worktrees and landed branches of a finished run.

use std::collections::BTreeSet;

use clap::Args;

use crate::base::clock::Clock;
use crate::base::text::{error_chain, plural};
use crate::cli::drive::context;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::pool;
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::engine::EngineError;
use crate::engine::clean::CleanPlan;
use crate::engine::kernel::context::Context;
use crate::engine::remote::check::remove_run;
use crate::engine::runs::load::free_references;
use crate::engine::worktree::losses::Losses;
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::ui::Ui;

/// Remove the worktrees of a finished run and its landed branches
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Work that is not committed or not landed is kept. So are the journal, and the verdicts of `dispatch
conflicts` in .git/dispatch/cache, a folder that may be deleted at any time.")]
pub(crate) struct CleanArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Only print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Remove the worktrees of these tasks even with uncommitted work in them, such as 2,API
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    force: Vec<String>,
    /// Remove the free worktrees of the pool instead, which belong to no task
    #[arg(long, conflicts_with_all = ["run", "force"])]
    pool: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run is being driven, or something cannot be removed.
pub(crate) fn run(args: CleanArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    here.refuse_worker()?;
    if args.pool {
        return pool::clean(&here, args.dry_run, ui);
    }
    let run = here.find_run(args.run.as_deref(), DefaultRun::Latest)?;
    let _lock = here.lock(&run)?;
    let loaded = here.load(&run)?;
    refuse_unfinished(&loaded.state)?;
    let state = loaded.state;
    free_references(&here.repo, &run, &loaded.settings)?;
    let mut journal = Journal::reopen(&here.repo, &loaded.replayed).map_err(EngineError::from)?;
    let context = context(&here.repo, &state, loaded.settings, here.clock)?;
    let mut forced = Vec::new();
    for name in &args.force {
        forced.push(find_task(&state.plan, name)?.number);
    }
    let plan = CleanPlan::new(&context, &state, &forced)?;
    show(&plan, args.dry_run, ui);
    let attempts = state.tasks.iter().flat_map(|task| &task.attempts);
    let used: BTreeSet<&str> = attempts
        .filter_map(|attempt| attempt.executor.as_deref())
        .collect();
    if !args.dry_run
        && let Err(error) = remove_run(&here.repo, &context.settings, &run, &used)
    {
        let said = error_chain(&error);
        ui.warning(&format!(
            "what the remotes of the executors have of {run} stays: {said}"
        ));
    }
    if !plan.kept_tasks.is_empty() {
        ui.hint(&force_hint(&run, &plan));
    }
    if args.dry_run {
        return Ok(ExitStatus::Ok);
    }
    if !plan.worktrees.is_empty() || !plan.branches.is_empty() {
        apply(&context, &plan, &mut journal, here.clock, ui)?;
    }
    pool::remove_idle(&context.repo, &context.settings, ui)?;
    Ok(ExitStatus::Ok)
}

/// Records the removals, and carries them out.
fn apply(
    context: &Context,
    plan: &CleanPlan,
    journal: &mut Journal,
    clock: Clock,
    ui: &Ui,
) -> Result<(), CommandError> {
    let cleaned = Event::Cleaned {
        worktrees: plan
            .worktrees
            .iter()
            .filter(|gone| !plan.returned.contains(&gone.path))
            .map(|gone| context.recorded_path(&gone.path))
            .collect(),
        branches: plan
            .branches
            .iter()
            .map(|(branch, _)| branch.clone())
            .collect(),
    };
    journal
        .append(vec![cleaned], clock.now())
        .map_err(EngineError::from)?;
    let returned = plan.apply(context)?;
    ui.answer_text(&format!(
        "{}; the journal of {} stays\n",
        sum(
            returned,
            plan.worktrees.len() - returned,
            plan.branches.len()
        ),
        context.run
    ));
    Ok(())
}

/// Counts what was returned to the pool, and the worktrees and branches that were removed.
fn sum(returned: usize, worktrees: usize, branches: usize) -> String {
    let worktrees = (worktrees > 0 || returned == 0).then(|| plural(worktrees, "worktree"));
    let branches = match branches {
        1 => "1 branch".to_owned(),
        other => format!("{other} branches"),
    };
    let removed = match worktrees {
        Some(worktrees) => format!("removed {worktrees} and {branches}"),
        None => format!("removed {branches}"),
    };
    match returned {
        0 => removed,
        _ => format!(
            "returned {} to the pool, {removed}",
            plural(returned, "worktree")
        ),
    }
}

/// Refuses a run that has not ended, unless everything that was left of it is cancelled.
fn refuse_unfinished(state: &RunState) -> Result<(), CommandError> {
    if matches!(state.phase, RunPhase::Ended(_)) || state.is_cancelled() {
        return Ok(());
    }
    let run = &state.run;
    let cancelled = state.plan.tasks().iter().map(|task| task.number);
    let mut cancelled = cancelled.filter(|task| state.task(*task).cancelled);
    let ending = cancelled.find(|task| state.task(*task).phase == TaskPhase::Running);
    Err(match ending {
        Some(task) => CommandError::failed(format!(
            "{run} has not ended: {task} is cancelled, and the end of its worker is not recorded"
        ))
        .hint(format!(
            "`dispatch resume {run}` records it and ends the run"
        )),
        None => CommandError::failed(format!("{run} has not ended"))
            .hint(format!("`dispatch resume {run}` resumes it")),
    })
}

/// Says how the worktrees that are kept go.
fn force_hint(run: &RunId, plan: &CleanPlan) -> String {
    let tasks = plan.kept_tasks.iter().map(|task| task.0.to_string());
    format!(
        "commit or discard what is only in these worktrees; `dispatch clean {run} --force {}` removes them \
         with it",
        tasks.collect::<Vec<_>>().join(",")
    )
}

/// Prints the removals: as the answer of a dry run, otherwise as progress.
fn show(plan: &CleanPlan, dry_run: bool, ui: &Ui) {
    let say = |text: &str| match dry_run {
        true => ui.answer_text(&format!("{text}\n")),
        false => ui.status(text),
    };
    let (verb, returning) = match dry_run {
        true => ("would remove", "would return"),
        false => ("removing", "returning"),
    };
    for worktree in &plan.worktrees {
        let is_returned = plan.returned.contains(&worktree.path);
        let (verb, to) = match is_returned {
            true => (returning, " to the pool"),
            false => (verb, ""),
        };
        let losses = plan.losses.get(&worktree.path);
        let with = losses.and_then(Losses::words);
        let with = with.map(|words| format!(" with {words}"));
        let place = worktree.path.display();
        say(&format!(
            "{verb} worktree {place}{to}{}",
            with.unwrap_or_default()
        ));
    }
    for (branch, tip) in &plan.branches {
        say(&format!("{verb} branch {branch} (was {})", tip.short()));
    }
    for (name, why) in &plan.kept {
        say(&format!("keeping {name}: {why}"));
    }
    if plan.worktrees.is_empty() && plan.branches.is_empty() {
        say("nothing to remove");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_names_what_went_back_to_the_pool() {
        assert_eq!(sum(0, 2, 1), "removed 2 worktrees and 1 branch");
        assert_eq!(sum(0, 0, 2), "removed 0 worktrees and 2 branches");
        assert_eq!(
            sum(1, 0, 2),
            "returned 1 worktree to the pool, removed 2 branches"
        );
        assert_eq!(
            sum(2, 1, 0),
            "returned 2 worktrees to the pool, removed 1 worktree and 0 branches"
        );
    }
}
