//! Runs `dispatch conflicts` for a run or for branches.

use crate::base::interrupt;
use crate::cli::branches::{is_glob, resolve_branches};
use crate::cli::conflicts::compare::report;
use crate::cli::conflicts::subject::Subject;
use crate::cli::conflicts::{ConflictsArgs, json, pair_arg, watch};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::runs::load::load_to_compare;
use crate::model::ids::RunId;
use crate::ui::Ui;

/// Runs `dispatch conflicts`. A single name that is a revision means that revision, so that a branch
/// is never mistaken for a run.
///
/// # Errors
/// When a name is unknown, or git's merge engine fails as a whole.
pub(crate) fn run(args: ConflictsArgs, ui: &Ui) -> CommandResult {
    if args.schema {
        ui.answer(&json::schema());
        return Ok(ExitStatus::Ok);
    }
    // Without it Ctrl-C leaves temporary folders behind, which the next call removes.
    let _ = interrupt::listen();
    let answer = answer(args, ui);
    match interrupt::is_interrupted() {
        true => Ok(ExitStatus::Interrupted),
        false => answer,
    }
}

fn answer(mut args: ConflictsArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let is_revision = |name: &str| matches!(here.store.resolve(name), Ok(Some(_)));
    reclaim_target(&mut args);
    if let (true, Some((a, b))) = (args.targets.is_empty(), pair_arg::parse(&args.explain)?) {
        // Without a run both must be branches, and the error names the unknown one.
        if (is_revision(&a) && is_revision(&b)) || !here.has_runs()? {
            args.targets = vec![a, b];
        }
    }
    let run = match args.targets.as_slice() {
        [] => Some(here.find_run(None, DefaultRun::Latest)?),
        [one] if !is_glob(one) && !is_revision(one) => {
            Some(here.find_run(Some(one), DefaultRun::Latest)?)
        }
        _ => None,
    };
    match run {
        Some(run) if args.watch => watch::watch(&here, &run, &args, ui),
        None if args.watch => Err(
            CommandError::usage("`--watch` is for a run, not for branches")
                .hint("leave the branches out, or name a run"),
        ),
        Some(run) => of_run(&here, &run, &args, ui),
        None => {
            refuse_runs(&here, &args.targets)?;
            let settings = config::load(&here.repo.top, None, &Overrides::default())?;
            let branches = resolve_branches(&here.repo, &args.targets)?;
            let subject = Subject::of_branches(branches, settings.conflicts.generated);
            report(&here.repo, &subject, &args, ui)
        }
    }
}

/// Rejects runs among several targets.
fn refuse_runs(here: &RepoContext, targets: &[String]) -> Result<(), CommandError> {
    let is_name =
        |name: &&String| !is_glob(name) && !matches!(here.store.resolve(name), Ok(Some(_)));
    let Some((name, run)) = targets
        .iter()
        .filter(is_name)
        .find_map(|name| Some((name, here.find_run(Some(name), DefaultRun::Latest).ok()?)))
    else {
        return Ok(());
    };
    let branch = here.read_state(&run)?.integration_branch();
    let below = branch.trim_end_matches("integration");
    Err(CommandError::usage(format!(
        "the run {name:?} cannot be compared with other targets"
    ))
    .hint(format!(
        "`dispatch conflicts {run}` compares the candidates of its tasks"
    ))
    .hint(format!(
        "to compare its branches with others, name them: they are below {below}"
    )))
}

/// Moves the second word of `--explain A:B RUN` to the targets: no branch name has a colon.
fn reclaim_target(args: &mut ConflictsArgs) {
    if args.explain.len() == 2 && args.explain[0].contains(':') {
        args.targets.extend(args.explain.pop());
    }
}

/// Compares the candidates of a run.
///
/// # Errors
/// As [`run`].
pub(crate) fn of_run(
    here: &RepoContext,
    run: &RunId,
    args: &ConflictsArgs,
    ui: &Ui,
) -> CommandResult {
    let loaded = load_to_compare(&here.store, run)?;
    let subject = Subject::of_run(here, loaded)?;
    if subject.branches.len() < 2 && !args.json && args.explain.is_empty() {
        ui.status(&format!(
            "{run} has fewer than two candidates, so nothing can conflict"
        ));
        return Ok(ExitStatus::Ok);
    }
    report(&here.repo, &subject, args, ui)
}
