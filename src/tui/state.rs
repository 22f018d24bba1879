//! The state of the board on the screen: what is selected, open, filtered and asked.

use crate::model::ids::TaskNumber;
use crate::report::board::view::TaskRow;
use crate::tui::content::{Loaded, Wanted};
use crate::tui::palette::{CliCommand, Palette};
use crate::tui::view::RunView;

/// The width from which the list and a pane are side by side.
pub(super) const WIDE: u16 = 110;

/// The lines of the screen around the rows of the list, at most.
const AROUND: u16 = 7;

/// A pane over the list of tasks, or beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pane {
    Task,
    Log,
    Diff,
    Prompt,
    Conflicts,
    Pair(TaskNumber, TaskNumber),
    Graph,
    Timeline,
    Report,
    Help,
}

/// A question that a key asks before it does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// Cancels the task.
    Cancel(TaskNumber),
    /// Tries the task again.
    Retry(TaskNumber),
    /// Stops the run, or leaves it running.
    Stop,
}

/// The receiver of keys.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Mode {
    /// The table of keys.
    Keys,
    /// The filter, while it is typed.
    Filter,
    /// The palette.
    Palette(Palette),
    /// The question.
    Question(Question),
}

/// The state of the board.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct State {
    /// The selected task.
    pub(super) selected: Option<TaskNumber>,
    /// The open panes, the one in front last.
    pub(super) panes: Vec<Pane>,
    /// The first line of the pane that is shown.
    pub(super) scroll: usize,
    /// `true` while the pane stays at its end as it grows.
    pub(super) is_at_end: bool,
    /// The selected conflict.
    pub(super) pair: usize,
    /// The words that a task must have to be listed.
    pub(super) filter: String,
    /// The receiver of keys.
    pub(super) mode: Mode,
    /// A message about the last key, until the next one.
    pub(super) message: Option<String>,
    /// `true` while the mouse belongs to the board.
    pub(super) mouse: bool,
    /// The text of the pane in front, once it is loaded.
    pub(super) content: Option<Loaded>,
    /// The size of the screen in columns and lines.
    pub(super) size: (u16, u16),
    /// The commands that the palette offers.
    pub(super) commands: Vec<CliCommand>,
    /// `true` once the end of the run was shown.
    pub(super) has_seen_end: bool,
}

impl State {
    /// Creates the state in which the board opens.
    pub(super) fn new(view: &RunView, size: (u16, u16), commands: Vec<CliCommand>) -> State {
        State {
            selected: view.board.tasks.first().map(|row| row.number),
            panes: Vec::new(),
            scroll: 0,
            is_at_end: false,
            pair: 0,
            filter: String::new(),
            mode: Mode::Keys,
            message: None,
            mouse: false,
            content: None,
            size,
            commands,
            has_seen_end: view.is_over(),
        }
    }

    /// Returns the rows of the list, in its order.
    pub(super) fn rows<'a>(&self, view: &'a RunView) -> Vec<&'a TaskRow> {
        let room = usize::from(self.size.1.saturating_sub(AROUND));
        view.rows(&self.filter, room)
    }

    /// Returns the pane in front.
    pub(super) fn pane(&self) -> Option<Pane> {
        self.panes.last().copied()
    }

    /// Returns `true` if the list and a pane fit side by side.
    pub(super) fn is_wide(&self) -> bool {
        self.size.0 >= WIDE
    }

    /// Returns the text that the pane in front needs.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        match (self.pane()?, self.selected) {
            (Pane::Log, Some(task)) => Some(Wanted::Log(task)),
            (Pane::Diff, Some(task)) => Some(Wanted::Diff(task)),
            (Pane::Prompt, Some(task)) => Some(Wanted::Prompt(task)),
            (Pane::Pair(a, b), _) => Some(Wanted::Pair(a, b)),
            _ => None,
        }
    }

    /// Returns the loaded text of the pane in front.
    pub(super) fn loaded(&self) -> Option<&Loaded> {
        let wanted = self.wanted()?;
        self.content.as_ref().filter(|loaded| loaded.of == wanted)
    }
}
