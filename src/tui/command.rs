//! The commands of the board: their keys, their names, and the reason when one is not possible.

use crate::model::ids::TaskNumber;
use crate::model::run::RunPhase;
use crate::model::task_state::TaskPhase;
use crate::report::suggest;
use crate::tui::key::Key;
use crate::tui::view::RunView;

/// A command of the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Open,
    Log,
    Diff,
    Prompt,
    Conflicts,
    Graph,
    Timeline,
    Report,
    Cancel,
    Raise,
    Lower,
    Retry,
    Pause,
    Shell,
    Attach,
    Copy,
    Filter,
    Palette,
    Mouse,
    Help,
    Back,
    Leave,
}

/// A row of the table of keys.
#[derive(Debug)]
pub(super) struct KeyRow {
    pub(super) key: Key,
    /// The key as it is shown.
    pub(super) shown: &'static str,
    /// One or two words.
    pub(super) name: &'static str,
    /// A sentence for the help.
    pub(super) about: &'static str,
    pub(super) command: Command,
}

macro_rules! keys {
    ($($key:expr, $shown:literal, $name:literal, $command:ident, $about:literal;)*) => {
        &[$(KeyRow {
            key: $key,
            shown: $shown,
            name: $name,
            about: $about,
            command: Command::$command,
        },)*]
    };
}

/// All keys, in the order of the bottom line.
pub(super) const KEYS: &[KeyRow] = keys![
    Key::Enter, "enter", "open", Open, "open the task, or the selected pair";
    Key::Esc, "esc", "back", Back, "go back";
    Key::Char('q'), "q", "leave", Leave, "leave; the run goes on";
    Key::Char('l'), "l", "log", Log, "the output of the worker and of the checks";
    Key::Char('d'), "d", "diff", Diff, "the changes, word by word";
    Key::Char('x'), "x", "cancel", Cancel, "cancel the task (asks)";
    Key::Char('r'), "r", "retry", Retry, "try the task again (asks)";
    Key::Char('p'), "p", "pause", Pause, "start nothing new, or continue";
    Key::Char('/'), "/", "filter", Filter, "show only the tasks with these words";
    Key::Char(':'), ":", "command", Palette, "run any command of dispatch";
    Key::Char('?'), "?", "help", Help, "all keys";
    Key::Char('+'), "+", "first", Raise, "raise the priority of the task: it starts earlier";
    Key::Char('-'), "-", "later", Lower, "lower the priority of the task";
    Key::Char('c'), "c", "conflicts", Conflicts, "the conflicts as a matrix";
    Key::Char('g'), "g", "graph", Graph, "which task waits for which";
    Key::Char('t'), "t", "timeline", Timeline, "when each task waited and ran";
    Key::Char('e'), "e", "report", Report, "the report, once the run has ended";
    Key::Char('i'), "i", "prompt", Prompt, "the prompt of the last attempt";
    Key::Char('s'), "s", "shell", Shell, "a shell in the worktree of the task";
    Key::Char('a'), "a", "attach", Attach, "the agent's session of the task";
    Key::Char('y'), "y", "copy", Copy, "copy the command that shows the same";
    Key::Char('m'), "m", "mouse", Mouse, "the mouse on or off (off: text can be selected)";
];

/// Finds the command of a key.
pub(super) fn command_of(key: Key) -> Option<Command> {
    let row = KEYS.iter().find(|row| row.key == key);
    row.map(|row| row.command)
}

impl Command {
    /// Returns the reason why the command is not possible for this task now.
    pub(super) fn hindrance(self, view: &RunView, task: Option<TaskNumber>) -> Option<String> {
        match self {
            Command::Log
            | Command::Diff
            | Command::Prompt
            | Command::Cancel
            | Command::Raise
            | Command::Lower
            | Command::Retry
            | Command::Shell
            | Command::Attach => match task {
                Some(task) => self.hindrance_of_task(view, task),
                None => Some("no task is selected".to_owned()),
            },
            Command::Pause => match view.state.phase {
                RunPhase::Ended(_) => Some("the run has ended".to_owned()),
                _ if !view.is_driven => Some(format!(
                    "no process drives the run; `{}` resumes it",
                    suggest::resume(&view.state.run)
                )),
                RunPhase::Stopping => Some("the run is stopping".to_owned()),
                _ => None,
            },
            Command::Conflicts if view.pairs().is_empty() => {
                Some("no conflict is known".to_owned())
            }
            Command::Report if !view.is_over() => Some("the run has not ended".to_owned()),
            _ => None,
        }
    }

    fn hindrance_of_task(self, view: &RunView, task: TaskNumber) -> Option<String> {
        let (run, now) = (&view.state.run, view.state.task(task));
        let not_started = || {
            now.attempts
                .is_empty()
                .then(|| format!("{task} has not started"))
        };
        match self {
            Command::Log | Command::Shell => not_started(),
            Command::Diff
                if now.phase != TaskPhase::Running && view.state.task_change(task).is_none() =>
            {
                Some(format!("{task} has changed nothing"))
            }
            Command::Cancel | Command::Raise | Command::Lower if now.phase.is_over() => {
                Some(format!("{task} has ended: {}", view.state.status(task)))
            }
            Command::Raise | Command::Lower if now.phase == TaskPhase::Running => {
                Some(format!("{task} is running, so it waits for nothing"))
            }
            Command::Retry | Command::Attach if view.is_driven => Some(format!(
                "the run is being driven; {} when it has ended",
                match self {
                    Command::Retry => "retry",
                    _ => "attach",
                }
            )),
            Command::Retry if now.phase == TaskPhase::Done => Some(format!("{task} is done")),
            Command::Retry if view.state.landed.is_some() => Some(format!("{run} has landed")),
            Command::Attach => not_started().or_else(|| {
                let is_command = view.state.plan.task(task).fields.run.is_some();
                is_command.then(|| format!("{task} is a command, which has no session"))
            }),
            _ => None,
        }
    }
}
