//! `dispatch resolve`: a conflict settled by hand.

use clap::Args;
use serde_json::json;

use crate::base::text::terminal_safe;
use crate::cli::drive::context;
use crate::cli::drive::reopen::{refuse_landed, reopen};
use crate::cli::error::Answer;
use crate::cli::error::{CommandError, Exit};
use crate::cli::repo_context::{Default, Place, find_task};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::accept::accept;
use crate::engine::resolve::conflict_worktree;
use crate::engine::resolve::error::ResolveError;
use crate::engine::resolve::manual::{find_conflict, finish, keep_work};
use crate::engine::runs::load::{Loaded, free_references};
use crate::git::worktree::Worktree;
use crate::journal::{Journal, runs};
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_list::and_list;
use crate::report::suggest;
use crate::ui::Ui;

/// How many runs are looked through for an open conflict.
const RUNS: usize = 20;

const AFTER_HELP: &str = "\
The worktree is as `git merge` leaves it: markers in the files, the three sides in the index, MERGE_HEAD.
Settle the files, `git add` them, then continue. The checks run on the result; if they fail, go on in
the worktree and continue again. What was done is remembered for the next time the same files meet.

Examples:
  dispatch resolve API           opens the conflict of a task of the latest unfinished run
  dispatch resolve shop-7k 2     of a task of that run
  dispatch resolve --continue    takes the result of the one that is open";

/// Settle the conflict of a task by hand, in a worktree of its own
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ResolveArgs {
    /// The run [default: the latest unfinished one, or the one with an open conflict]
    run: Option<String>,
    /// The task, by number or tag; may be left out where only one conflict is open
    task: Option<String>,
    /// Start git's merge tool in the worktree
    #[arg(long, conflicts_with_all = ["go_on", "abort"])]
    tool: bool,
    /// Take what was made of the conflict, check it and put the results together again
    #[arg(long = "continue", conflicts_with = "abort")]
    go_on: bool,
    /// Give it up: everything is as before, and what was done in the worktree is kept in a reference
    #[arg(long)]
    abort: bool,
    /// Print one JSON object with the worktree; with --continue, one per event, one a line
    #[arg(long, conflicts_with = "tool")]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such conflict, or what was made of it cannot be taken.
pub(crate) fn run(args: ResolveArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    if args.go_on || args.abort {
        let (run, task) = find_open(&place, &args)?;
        return match args.abort {
            true => abort(&place, &run, task, args.json, ui),
            false => take_and_go_on(&place, &run, task, args.json, ui),
        };
    }
    let (run, task) = match (&args.run, &args.task) {
        (Some(run), Some(task)) => (Some(run.as_str()), task),
        // One name alone is the task's.
        (Some(task), None) => (None, task),
        _ => {
            return Err(CommandError::usage("the task is missing")
                .hint("`dispatch assemble --dry-run` shows what is left out, and why"));
        }
    };
    let run = place.find_run(run, Default::Unfinished)?;
    let how = match (args.tool, args.json) {
        (true, _) => Opening::WithTool,
        (_, true) => Opening::ForPrograms,
        _ => Opening::ForPeople,
    };
    open(&place, &run, task, how, ui)
}

/// What comes after the worktree is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    ForPeople,
    ForPrograms,
    WithTool,
}

fn open(place: &Place, run: &RunId, task: &str, how: Opening, ui: &Ui) -> Answer {
    let _lock = place.lock(run)?;
    let loaded = place.load(run)?;
    let number = find_task(&loaded.state.plan, task)?.number;
    refuse_landed(&loaded.state)?;
    if !matches!(loaded.state.phase, RunPhase::Ended(_)) {
        return Err(CommandError::failed(format!("{run} has not ended"))
            .hint(format!("`{}` takes it up again", suggest::resume(run))));
    }
    free_references(&place.repo, run, &loaded.settings)?;
    let mut state = loaded.state;
    let is_new = state.task(number).open_resolution.is_none();
    let context = context(&place.repo, &state, loaded.settings, place.clock)?;
    if is_new {
        let conflict = find_conflict(&state, number)?;
        let path = context.resolve_worktree(number);
        let opened = Event::ResolutionOpened {
            task: number,
            base: conflict.chain_tip,
            candidate: conflict.candidate,
            worktree: context.recorded_path(&path),
        };
        let journal = Journal::reopen(&place.repo, &loaded.replayed);
        let mut journal = journal.map_err(EngineError::from)?;
        let recorded = journal.append(vec![opened], place.clock.now());
        for recorded in recorded.map_err(EngineError::from)? {
            state.apply(&recorded);
        }
    }
    let worktree = conflict_worktree::create(&context, &state, number)?;
    match how {
        Opening::ForPrograms => {
            let with = with(&state, number).into_iter().map(|task| task.0);
            let found = json!({
                "version": 1,
                "run": run.as_str(),
                "task": number.0,
                "with": with.collect::<Vec<_>>(),
                "worktree": worktree.path.display().to_string(),
            });
            ui.answer(&format!("{found}\n"));
            Ok(Exit::Ok)
        }
        Opening::ForPeople => {
            say_open(&state, number, &worktree, is_new, ui);
            Ok(Exit::Ok)
        }
        Opening::WithTool => {
            say_open(&state, number, &worktree, is_new, ui);
            start_tool(&worktree, run, number, ui)
        }
    }
}

/// The tasks whose work it meets.
fn with(state: &RunState, number: TaskNumber) -> Vec<TaskNumber> {
    let open = state.task(number).open_resolution.iter();
    open.flat_map(|open| open.conflict.with.clone()).collect()
}

fn say_open(state: &RunState, number: TaskNumber, worktree: &Worktree, is_new: bool, ui: &Ui) {
    let (run, task) = (&state.run, state.plan.task(number));
    let with = match and_list(&with(state, number)) {
        others if others.is_empty() => "what is in".to_owned(),
        others => others,
    };
    if !is_new {
        ui.status("it was open already");
    }
    ui.status(&format!(
        "{number} [{}] {} meets {with}",
        task.tag,
        terminal_safe(&task.title)
    ));
    ui.answer(&format!("{}\n", worktree.path.display()));
    let resolve = suggest::resolve(run, number);
    ui.hint(&format!(
        "settle the files there and `git add` them; then `{resolve} --continue`, or `{resolve} --abort`"
    ));
}

/// The user's own merge tool, as `git mergetool` finds it.
fn start_tool(worktree: &Worktree, run: &RunId, number: TaskNumber, ui: &Ui) -> Answer {
    let git = worktree.git().in_foreground();
    let settings = ["-c", "mergetool.keepBackup=false"];
    let mut program = git.program().args(settings).arg("mergetool");
    if !ui.is_interactive() {
        program = program.arg("--no-prompt");
    }
    let ended = program.on_terminal();
    let ended = ended.map_err(|error| CommandError::failed(error.to_string()))?;
    if ended.success() {
        return Ok(Exit::Ok);
    }
    let resolve = suggest::resolve(run, number);
    Err(CommandError::new(
        Exit::NeedsPerson,
        format!("git mergetool ended with {ended}"),
    )
    .hint(format!(
        "what it did stands; `{resolve} --tool` starts it again"
    )))
}

/// The open conflict that is meant.
fn find_open(place: &Place, args: &ResolveArgs) -> Result<(RunId, TaskNumber), CommandError> {
    if let (Some(run), Some(task)) = (&args.run, &args.task) {
        let run = place.find_run(Some(run), Default::Unfinished)?;
        let state = place.load(&run)?.state;
        let number = find_task(&state.plan, task)?.number;
        return Ok((run, number));
    }
    let mut open = Vec::new();
    for entry in runs::list(&place.store)?.iter().rev().take(RUNS) {
        let Ok(Loaded { state, .. }) = place.load(&entry.run) else {
            continue;
        };
        let is_meant = |number: &TaskNumber| match &args.run {
            Some(name) => {
                let found = state.plan.find(name).map(|task| task.number);
                state.run.as_str().starts_with(name.as_str()) || found == Some(*number)
            }
            None => true,
        };
        let numbers = state.open_resolutions().into_iter().filter(is_meant);
        open.extend(numbers.map(|number| (state.run.clone(), number)));
    }
    match open.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CommandError::failed("no conflict is open")
            .hint("`dispatch resolve RUN TASK` opens one")),
        several => {
            let commands = several
                .iter()
                .map(|(run, task)| suggest::resolve(run, *task));
            let commands: Vec<String> = commands.map(|one| format!("`{one}`")).collect();
            Err(CommandError::failed("several conflicts are open")
                .hint(format!("name one: {}", commands.join(", "))))
        }
    }
}

fn take_and_go_on(place: &Place, run: &RunId, number: TaskNumber, json: bool, ui: &Ui) -> Answer {
    let loaded = place.load(run)?;
    refuse_landed(&loaded.state)?;
    let exit = match stands(&loaded.state, number) {
        // Cut off after the checks had agreed.
        true => Exit::Ok,
        false => reopen(place, run, json, ui, |loaded| {
            take_now(place, loaded, number)
        })?,
    };
    if exit == Exit::Interrupted {
        return Ok(exit);
    }
    let _lock = place.lock(run)?;
    let loaded = place.load(run)?;
    let state = &loaded.state;
    if !stands(state, number) {
        let resolve = suggest::resolve(run, number);
        let message = format!("what was made of the conflict of {number} does not stand");
        return Err(CommandError::new(Exit::NeedsPerson, message)
            .hint(format!(
                "the report says why; go on in {}, then `{resolve} --continue`",
                context_of(place, &loaded)
                    .and_then(|context| Ok(conflict_worktree::find(&context, state, number)?))
                    .map_or_else(
                        |_| "its worktree".to_owned(),
                        |found| found.path.display().to_string()
                    )
            ))
            .hint(format!("`{resolve} --abort` takes it back")));
    }
    let context = context_of(place, &loaded)?;
    let kept = finish(&context, state, number)?;
    record(place, &loaded, Event::ResolutionClosed { task: number })?;
    if !json {
        ui.status(&format!(
            "the conflict of {number} is settled, and remembered"
        ));
    }
    if let Some((path, why)) = kept {
        ui.warning(&format!("{} stays: {why}", path.display()));
    }
    Ok(exit)
}

/// What was made of it is taken, unless it is the same as before.
fn take_now(
    place: &Place,
    loaded: &Loaded,
    number: TaskNumber,
) -> Result<Vec<Event>, CommandError> {
    let context = context_of(place, loaded)?;
    let candidate = accept(&context, &loaded.state, number)?;
    let by_hand = loaded.state.task(number).manual_resolution.as_ref();
    Ok(match by_hand {
        Some(by_hand) if by_hand.candidate == candidate => Vec::new(),
        _ => vec![Event::ResolutionAccepted {
            task: number,
            candidate,
        }],
    })
}

/// Whether what was made of a conflict is in, and the checks had nothing against it.
fn stands(state: &RunState, number: TaskNumber) -> bool {
    let candidate = state.task(number).manual_resolution.as_ref();
    let candidate = candidate.map(|by_hand| by_hand.candidate);
    let merged = state.integration.iter().flat_map(|found| &found.merged);
    merged
        .filter(|merged| merged.task == number)
        .any(|merged| Some(merged.candidate) == candidate)
}

fn abort(place: &Place, run: &RunId, number: TaskNumber, json: bool, ui: &Ui) -> Answer {
    let lock = place.lock(run)?;
    let loaded = place.load(run)?;
    free_references(&place.repo, run, &loaded.settings)?;
    let context = context_of(place, &loaded)?;
    if loaded.state.task(number).open_resolution.is_none() {
        return Err(ResolveError::NotOpen(number).into());
    }
    let kept = keep_work(&context, &loaded.state, number)?;
    conflict_worktree::remove(&context, &loaded.state, number)?;
    if let Some(name) = kept {
        ui.status(&format!("what was done there is kept as {name}"));
    }
    let aborted = Event::ResolutionAborted { task: number };
    if loaded.state.task(number).manual_resolution.is_none() {
        record(place, &loaded, aborted)?;
        ui.answer(&match json {
            true => format!(
                "{}\n",
                json!({"version": 1, "run": run.as_str(), "task": number.0, "worktree": null})
            ),
            false => format!("the conflict of {number} is as before\n"),
        });
        return Ok(Exit::Ok);
    }
    drop(lock);
    reopen(place, run, json, ui, |_| Ok(vec![aborted]))
}

fn record(place: &Place, loaded: &Loaded, event: Event) -> Result<(), CommandError> {
    let journal = Journal::reopen(&place.repo, &loaded.replayed);
    let mut journal = journal.map_err(EngineError::from)?;
    let recorded = journal.append(vec![event], place.clock.now());
    recorded.map_err(EngineError::from)?;
    Ok(())
}

fn context_of(place: &Place, loaded: &Loaded) -> Result<Context, CommandError> {
    let settings = loaded.settings.clone();
    Ok(context(&place.repo, &loaded.state, settings, place.clock)?)
}
