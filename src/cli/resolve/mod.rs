//! `dispatch resolve`: resolves the conflict of a task by hand.

mod abort;
mod accept;
mod list;
mod open;

use clap::Args;

use self::open::Output;
use crate::cli::drive::context;
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::publish::publish_due;
use crate::engine::runs::load::Loaded;
use crate::journal::{Journal, runs};
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::model::task_list::and_list;
use crate::report::suggest;
use crate::ui::Ui;

/// The number of runs that are searched for an open conflict.
const NEWEST: usize = 20;

const AFTER_HELP: &str = "\
The worktree is as `git merge` leaves it: markers in the files, three stages in the index.
Edit the files, `git add` them, then run `dispatch resolve --continue`. The checks run on the
result; if they fail, edit and continue again. The resolution is recorded and used the next time
the same files conflict.";

/// Resolve the conflict of a task by hand, in a worktree of its own
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ResolveArgs {
    /// The run [default: the latest unfinished one, or the one with an open conflict]
    run: Option<String>,
    /// The task, by number or tag [default: list the conflicts, or take the one that is open]
    task: Option<String>,
    /// Start git's merge tool in the worktree
    #[arg(long, conflicts_with_all = ["accept", "abort"])]
    tool: bool,
    /// Accept the resolution, check it and assemble the run again
    #[arg(long = "continue", conflicts_with = "abort")]
    accept: bool,
    /// Remove the worktree; changes in it are saved under refs/dispatch
    #[arg(long)]
    abort: bool,
    /// Print one JSON object with the worktree; with --continue, one per event, one a line
    #[arg(long, conflicts_with = "tool")]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such conflict, or its resolution cannot be accepted.
pub(crate) fn run(args: ResolveArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    if args.accept || args.abort {
        let (run, task) = find_open(&here, &args)?;
        return match args.abort {
            true => abort::abort(&here, &run, task, args.json, ui),
            false => accept::accept_and_assemble(&here, &run, task, args.json, ui),
        };
    }
    let (run, task) = match (&args.run, &args.task) {
        (Some(run), Some(task)) => (Some(run.as_str()), task),
        // A single name is that of the task.
        (Some(task), None) => (None, task),
        _ => return list::list(&here, args.json, ui),
    };
    let run = here.find_run(run, DefaultRun::Unfinished)?;
    let output = match (args.tool, args.json) {
        (true, _) => Output::MergeTool,
        (_, true) => Output::Json,
        _ => Output::Text,
    };
    open::open(&here, &run, task, output, ui)
}

/// Finds the open conflict that the command line names, or the only one.
fn find_open(here: &RepoContext, args: &ResolveArgs) -> Result<(RunId, TaskNumber), CommandError> {
    if let (Some(run), Some(task)) = (&args.run, &args.task) {
        let run = here.find_run(Some(run), DefaultRun::Unfinished)?;
        let state = here.read_state(&run)?;
        let number = find_task(&state.plan, task)?.number;
        return Ok((run, number));
    }
    let mut open = Vec::new();
    for entry in runs::list(&here.store)?.iter().rev().take(NEWEST) {
        let Ok(state) = here.read_state(&entry.run) else {
            continue;
        };
        let is_named = |number: &TaskNumber| match &args.run {
            Some(name) => {
                let found = state.plan.find(name).map(|task| task.number);
                state.run.as_str().starts_with(name.as_str()) || found == Some(*number)
            }
            None => true,
        };
        let numbers = state.open_resolutions().into_iter().filter(is_named);
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

/// Names the tasks that a task with an open conflict conflicts with.
fn opponents(state: &RunState, number: TaskNumber) -> String {
    let open_resolution = state.task(number).open_resolution.as_ref();
    match open_resolution.map_or(&[][..], |open_resolution| &open_resolution.conflict.with) {
        [] => "the integration branch".to_owned(),
        with => and_list(with),
    }
}

/// Records an event, and commits the board that shows it.
fn record(
    here: &RepoContext,
    loaded: &Loaded,
    event: Event,
    what: &str,
) -> Result<RunState, CommandError> {
    let journal = Journal::reopen(&here.repo, &loaded.replayed);
    let mut journal = journal.map_err(EngineError::from)?;
    let recorded = journal.append(vec![event], here.clock.now());
    let mut state = loaded.state.clone();
    for recorded in recorded.map_err(EngineError::from)? {
        state.apply(&recorded);
    }
    publish_due(&context_of(here, loaded)?, &state, format!("board: {what}"))?;
    Ok(state)
}

fn context_of(here: &RepoContext, loaded: &Loaded) -> Result<Context, CommandError> {
    let settings = loaded.settings.clone();
    Ok(context(&here.repo, &loaded.state, settings, here.clock)?)
}
