//! `dispatch attach`: opens the agent's session of a task that has ended on the terminal, and offers what
//! was made in it.

use std::io::{IsTerminal as _, stdin};
use std::path::Path;

use clap::Args;

use crate::base::process::Program;
use crate::base::text::shell_word;
use crate::cli::attempt::{attempt_words, find_attempt, is_unclear};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::drive::reopen::{refuse_landed, reopen};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::engine::EngineError;
use crate::engine::kernel::context::local_context;
use crate::engine::runs::load::Loaded;
use crate::engine::start::retry::refuse_retry;
use crate::engine::worktree::remains::keep_remains;
use crate::git::Store;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::report::suggest;
use crate::ui::Ui;
use crate::worker::command::attach_line;

/// Open the agent's session of a task, and offer the result as the task's
#[derive(Args, Debug, Clone)]
pub(crate) struct AttachArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// The attempt, counted from 1 [default: that of the chosen variant, else the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Asks before the changes are offered
    #[command(flatten)]
    confirm: ConfirmArgs,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    json: bool,
}

/// A session that can be opened.
struct Session {
    task: TaskNumber,
    attempt: Attempt,
    worktree: Worktree,
    line: Vec<String>,
}

/// Runs the subcommand.
///
/// # Errors
/// When the task has not ended, its worktree or the command is missing, or there is no terminal.
pub(crate) fn run(args: AttachArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    here.refuse_worker()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Unfinished)?;
    // Nothing else starts an attempt of the run while the session is open.
    let lock = here.lock(&run).map_err(|error| {
        let (wait, task) = (suggest::wait(&run), shell_word(&args.name.task));
        let cancel = format!("dispatch cancel {run} {task}");
        error.hint(format!(
            "attach when it has ended: `{wait}` waits, `{cancel}` ends a task that runs"
        ))
    })?;
    let loaded = here.load(&run)?;
    let session = session(&here, &loaded, &run, &args)?;
    let path = session.worktree.path.clone();
    if is_unclear(&loaded.state, session.task, args.attempt) {
        ui.status(&attempt_words(session.task, &session.attempt));
    }
    open(&session, &path, ui)?;
    let picked = args.attempt.map(|number| format!(" --attempt {number}"));
    let picked = picked.unwrap_or_default();
    let attach = format!("dispatch attach {run} {}{picked}", session.task.0);
    let Some(made) = made(&here, &loaded, &session)? else {
        ui.status(&format!(
            "nothing has changed; {} stays as it is",
            session.task
        ));
        return Ok(ExitStatus::Ok);
    };
    let question = format!("Offer the changes as the result of {}?", session.task);
    args.confirm.confirm(ui, &question).map_err(|error| {
        error.hint(format!("the changes are kept; `{attach}` opens them again"))
    })?;
    drop(lock);
    reopen(&here, &run, args.json, ui, |loaded| {
        refuse_retry(&loaded.state, &loaded.settings, session.task, None)?;
        Ok(vec![Event::RetryRequested {
            task: session.task,
            extra_prompt: None,
            new_prompt: None,
            worker: None,
            continue_session: false,
            by_hand: Some(made),
            attempt: args.attempt,
        }])
    })
}

/// Finds the worktree and the command of the attempt.
fn session(
    here: &RepoContext,
    loaded: &Loaded,
    run: &RunId,
    args: &AttachArgs,
) -> Result<Session, CommandError> {
    let state = &loaded.state;
    let task = find_task(&state.plan, &args.name.task)?.number;
    refuse_landed(state)?;
    refuse_retry(state, &loaded.settings, task, None)?;
    let again = || format!("`{}` runs it again", suggest::retry(run, task));
    let refuse = |why: String| CommandError::failed(format!("cannot attach to {task}: {why}"));
    let attempt = find_attempt(state, task, args.attempt)?.cloned();
    let attempt =
        attempt.ok_or_else(|| refuse("it has no attempt yet".to_owned()).hint(again()))?;
    let path = here.repo.resolve_portable_path(&attempt.worktree);
    let worktree = here.repo.find_worktree(&path).filter(Worktree::exists);
    let gone = || refuse(format!("its worktree {} is gone", path.display())).hint(again());
    let worktree = worktree.ok_or_else(gone)?;
    let outcome = attempt.outcome.as_ref();
    let id = outcome.and_then(|outcome| outcome.session.as_deref());
    let profile = loaded.settings.workers.get(&attempt.worker);
    let line = profile.and_then(|worker| attach_line(worker, id, &path.to_string_lossy()));
    let line = line.ok_or_else(|| {
        let why = format!(
            "the profile of worker {} has no `attach` command",
            attempt.worker
        );
        refuse(why).hint(format!("its worktree is {}", path.display()))
    })?;
    Ok(Session {
        task,
        attempt,
        worktree,
        line,
    })
}

/// Runs the agent on the terminal until the user leaves it.
fn open(session: &Session, folder: &Path, ui: &Ui) -> Result<(), CommandError> {
    if !stdin().is_terminal() {
        let error = CommandError::usage("cannot open a session: not a terminal");
        return Err(error.hint(format!("its worktree is {}", folder.display())));
    }
    ui.status(&format!(
        "{} opens in {}",
        session.line.join(" "),
        folder.display()
    ));
    let (program, args) = session
        .line
        .split_first()
        .ok_or_else(|| CommandError::failed("the `attach` command is empty"))?;
    let ended = Program::new(program).args(args).folder(folder);
    let ended = ended.on_terminal_with_ctrl_c();
    let ended =
        ended.map_err(|error| CommandError::failed(format!("{error}: {}", error.source)))?;
    if !ended.success() {
        ui.warning(&format!("{program} ended with {ended}"));
    }
    Ok(())
}

/// Keeps what is in the worktree as a commit; `None` if that is what the attempt left.
fn made(
    here: &RepoContext,
    loaded: &Loaded,
    session: &Session,
) -> Result<Option<Oid>, CommandError> {
    let (state, attempt) = (&loaded.state, &session.attempt);
    let settings = loaded.settings.clone();
    let context = local_context(&here.repo, state, settings, here.clock)?;
    let base = attempt.base.unwrap_or(state.base);
    if let Some(operation) = session.worktree.unfinished() {
        let error = CommandError::failed(format!(
            "{} has an unfinished {operation}; nothing was offered",
            session.worktree.path.display()
        ));
        return Err(error.hint("finish it there, then attach again"));
    }
    let store = Store::open(&here.repo).map_err(EngineError::from)?;
    let (task, worktree) = (session.task, &session.worktree);
    let kept = keep_remains(&context, &store, task, attempt.number, base, worktree)?;
    let left = attempt.outcome.as_ref().and_then(|outcome| outcome.kept);
    let left = left.or(state.task(task).candidate()).unwrap_or(base);
    let tree = |commit| store.tree_of(commit).map_err(EngineError::from);
    match kept.commit {
        Some(tip) if tree(tip)? != tree(left)? => Ok(Some(tip)),
        _ => Ok(None),
    }
}
