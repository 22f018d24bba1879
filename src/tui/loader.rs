//! Loads the text of panes in a thread of its own, so that keys are never held up.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::base::clock::Clock;
use crate::base::process::Program;
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::candidates::pair::pair_of_tasks;
use crate::engine::kernel::context::{Context, local_context};
use crate::engine::kernel::known_settings;
use crate::engine::run::live_work::diff_of_work;
use crate::engine::runs::load::load as load_run;
use crate::engine::runs::log::{LogPart, secrets_of_run};
use crate::engine::runs::log_end::read_log_end;
use crate::git::diff::PATCH_OPTIONS;
use crate::git::{Repo, Store};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::report::patch::parse_patch;
use crate::tui::content::{Content, Wanted};
use crate::tui::key::Input;
use crate::tui::message::Message;
use crate::tui::patch_text::patch_lines;

/// The bytes of a log that are shown; `dispatch logs` prints all of them.
const LOG_LIMIT: usize = 256 * 1024;

/// The bytes of a diff that are shown.
const DIFF_LIMIT: usize = 1024 * 1024;

/// Loads texts one after the other.
#[derive(Debug)]
pub(super) struct Loader {
    requests: Sender<(Wanted, Arc<RunState>)>,
}

impl Loader {
    /// Starts the thread; it ends with the loader.
    pub(super) fn start(repo: Repo, to: Sender<Message>) -> Loader {
        let (requests, inbox) = channel();
        thread::spawn(move || serve(&repo, &inbox, &to));
        Loader { requests }
    }

    /// Asks for a text; an earlier request that has not begun is dropped.
    pub(super) fn load(&self, wanted: Wanted, state: Arc<RunState>) {
        // The thread ends only with this loader.
        let _ = self.requests.send((wanted, state));
    }
}

fn serve(repo: &Repo, inbox: &Receiver<(Wanted, Arc<RunState>)>, to: &Sender<Message>) {
    let mut shown = None;
    while let Ok(first) = inbox.recv() {
        let (wanted, state) = inbox.try_iter().last().unwrap_or(first);
        let now = log_size(repo, &state, wanted).map(|size| (wanted, size));
        if now.is_some() && now == shown {
            continue;
        }
        shown = now;
        let content = load(repo, &state, wanted);
        let content = content.unwrap_or_else(|why| Content::remark(&why));
        let loaded = Message::Input(Input::Loaded(wanted, content));
        if to.send(loaded).is_err() {
            return;
        }
    }
}

/// Loads a text.
///
/// # Errors
/// The reason why there is none, as a sentence.
fn load(repo: &Repo, state: &RunState, wanted: Wanted) -> Result<Content, String> {
    match wanted {
        Wanted::Log(task) => log(repo, state, task),
        Wanted::Diff(task) => diff(repo, state, task),
        Wanted::Prompt(task) => prompt(repo, state, task),
        Wanted::Pair(a, b) => pair(repo, state, [a, b]),
    }
}

/// Compares the results of two tasks.
fn pair(repo: &Repo, state: &RunState, tasks: [TaskNumber; 2]) -> Result<Content, String> {
    let failed = |error: EngineError| error_chain(&error);
    known_settings::refuse_changed(repo).map_err(failed)?;
    let context = context(repo, state)?;
    let view = pair_of_tasks(&context, state, tasks).map_err(failed)?;
    let view = view.ok_or_else(|| {
        let [a, b] = tasks;
        format!(
            "{a} and {b} conflict in work that is not committed; both sides are shown when both have \
             passed"
        )
    })?;
    Ok(Content::Pair(Box::new(view)))
}

/// Returns the attempt and the number of bytes of the log that is wanted, by which one that has grown
/// is known; `None` for any other text.
fn log_size(repo: &Repo, state: &RunState, wanted: Wanted) -> Option<(u32, u64)> {
    let Wanted::Log(task) = wanted else {
        return None;
    };
    let attempt = state.task(task).shown_attempt()?;
    // Once it has ended, its checks follow, which are elsewhere.
    attempt.outcome.is_none().then_some(())?;
    let folder = repo.attempt_folder(state.run.as_str(), task.0, attempt.number);
    let files = std::fs::read_dir(folder.join("worker")).ok()?;
    let sizes = files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
    Some((attempt.number, sizes.sum()))
}

fn log(repo: &Repo, state: &RunState, task: TaskNumber) -> Result<Content, String> {
    let shown = state.task(task).shown_attempt();
    let attempt = shown.ok_or_else(|| format!("{task} has not started"))?;
    let store = Store::open(repo).map_err(|error| error_chain(&error))?;
    let of = (task, attempt.number);
    let log = read_log_end((repo, &store), state, of, LogPart::Worker, LOG_LIMIT);
    let log = log.map_err(|error| error_chain(&error))?;
    let content = Content::plain(&String::from_utf8_lossy(&log.bytes));
    let content = match content.is_empty() {
        true => Content::remark("nothing was written yet"),
        false => content,
    };
    Ok(match log.before {
        0 => content,
        before => content.with_remark(&format!("… {before} bytes before"), true),
    })
}

fn diff(repo: &Repo, state: &RunState, task: TaskNumber) -> Result<Content, String> {
    known_settings::refuse_changed(repo).map_err(|error| error_chain(&error))?;
    if state.task(task).phase == TaskPhase::Running {
        let bytes = diff_of_work(&context(repo, state)?, state, task, &PATCH_OPTIONS);
        let bytes = bytes.map_err(|error| error_chain(&error))?;
        let bytes = bytes.ok_or_else(|| format!("the worktree of {task} cannot be read now"))?;
        let first = match bytes.is_empty() {
            true => "no change so far; d looks again",
            false => "work in progress, committed or not; d reads it again",
        };
        return Ok(patch(&bytes).with_remark(first, true));
    }
    let change = state.task_change(task);
    let change = change.ok_or_else(|| format!("{task} has changed nothing"))?;
    let text = repo.patch(change.from, change.to, &[]);
    Ok(patch(text.map_err(|error| error_chain(&error))?.as_bytes()))
}

fn patch(bytes: &[u8]) -> Content {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(DIFF_LIMIT)]);
    let content = Content::Lines(patch_lines(&parse_patch(&text)));
    match bytes.len().saturating_sub(DIFF_LIMIT) {
        0 => content,
        more => content.with_remark(&format!("… {more} more bytes"), false),
    }
}

/// Loads the settings of the run.
fn context(repo: &Repo, state: &RunState) -> Result<Context, String> {
    let failed = |error: EngineError| error_chain(&error);
    let store = Store::open(repo).map_err(|error| error_chain(&error))?;
    let settings = load_run(&store, &state.run).map_err(failed)?.settings;
    local_context(repo, state, settings, Clock::from_env()).map_err(failed)
}

/// Renders the prompt as `dispatch prompt` does, with secrets masked.
fn prompt(repo: &Repo, state: &RunState, task: TaskNumber) -> Result<Content, String> {
    let store = Store::open(repo).map_err(|error| error_chain(&error))?;
    let text = printed(repo, &["prompt", state.run.as_str(), &task.0.to_string()])?;
    Ok(Content::plain(&secrets_of_run(&store, state).mask(&text)))
}

/// Returns what a command of this program prints.
fn printed(repo: &Repo, words: &[&str]) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let command = Program::new(program).args(words).folder(&repo.top);
    let command = command.env("NO_COLOR", "1").output();
    let finished = command.map_err(|error| error_chain(&error))?;
    let (out, errors) = (finished.stdout, finished.stderr);
    match out.is_empty() {
        true => Err(String::from_utf8_lossy(&errors).into_owned()),
        false => Ok(String::from_utf8_lossy(&out).into_owned()),
    }
}
