//! Loads the text of panes in a thread of its own, so that keys are never held up.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::base::process::Program;
use crate::base::text::error_chain;
use crate::engine::kernel::known_settings;
use crate::engine::runs::log::{LogPart, read_log};
use crate::git::{Repo, Store};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::tui::content::{Content, Mark, Wanted};
use crate::tui::key::Input;
use crate::tui::message::Message;

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
    while let Ok(first) = inbox.recv() {
        let (wanted, state) = inbox.try_iter().last().unwrap_or(first);
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
        Wanted::Prompt(task) => printed(repo, &["prompt", state.run.as_str(), &task.0.to_string()]),
        Wanted::Pair(a, b) => {
            let pair = format!("{}:{}", a.0, b.0);
            let words = ["conflicts", state.run.as_str(), "--explain", &pair];
            printed(repo, &words).map(|content| marked(&content))
        }
    }
}

fn log(repo: &Repo, state: &RunState, task: TaskNumber) -> Result<Content, String> {
    let shown = state.task(task).shown_attempt();
    let attempt = shown.ok_or_else(|| format!("{task} has not started"))?;
    let store = Store::open(repo).map_err(|error| error_chain(&error))?;
    let of = (task, attempt.number);
    let bytes = read_log((repo, &store), state, of, LogPart::Worker);
    let bytes = bytes.map_err(|error| error_chain(&error))?;
    let cut = bytes.len().saturating_sub(LOG_LIMIT);
    let text = String::from_utf8_lossy(&bytes[cut..]);
    // The first line is not whole where the beginning was cut off.
    let text = match cut {
        0 => &text,
        _ => text.split_once('\n').map_or("", |(_, rest)| rest),
    };
    let content = Content::plain(text);
    let content = match content.lines.is_empty() {
        true => Content::remark("nothing was written yet"),
        false => content,
    };
    Ok(match cut {
        0 => content,
        cut => content.below(&format!("… {cut} bytes before"), Mark::Faint),
    })
}

fn diff(repo: &Repo, state: &RunState, task: TaskNumber) -> Result<Content, String> {
    let change = state.task_change(task);
    let change = change.ok_or_else(|| format!("{task} has changed nothing"))?;
    known_settings::refuse_changed(repo).map_err(|error| error_chain(&error))?;
    let (from, to) = (change.from.to_string(), change.to.to_string());
    let options = [
        "diff",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--find-renames",
        "--word-diff=porcelain",
    ];
    let args = [&options[..], &[from.as_str(), to.as_str(), "--"]].concat();
    let bytes = repo.git().run(&args).map_err(|error| error_chain(&error))?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(DIFF_LIMIT)]);
    let mut content = Content::word_diff(&text);
    if bytes.len() > DIFF_LIMIT {
        let more = format!("… {} more bytes", bytes.len() - DIFF_LIMIT);
        content.lines.extend(Content::remark(&more).lines);
    }
    Ok(content)
}

/// Returns what a command of this program prints.
fn printed(repo: &Repo, words: &[&str]) -> Result<Content, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let command = Program::new(program).args(words).folder(&repo.top);
    let command = command.env("NO_COLOR", "1").output();
    let finished = command.map_err(|error| error_chain(&error))?;
    let (out, errors) = (finished.stdout, finished.stderr);
    match out.is_empty() {
        true => Err(String::from_utf8_lossy(&errors).into_owned()),
        false => Ok(Content::plain(&String::from_utf8_lossy(&out))),
    }
}

/// Marks the removed and added lines of an explanation.
fn marked(content: &Content) -> Content {
    let lines = content.lines.iter().map(|line| {
        let mut line = line.clone();
        for piece in &mut line {
            let text = piece.text.trim_start();
            piece.mark = match text {
                _ if text.starts_with("- ") || text.starts_with("[-") => Mark::Removed,
                _ if text.starts_with("+ ") || text.starts_with("{+") => Mark::Added,
                _ => piece.mark,
            };
        }
        line
    });
    Content {
        lines: lines.collect(),
    }
}
