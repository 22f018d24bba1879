//! The actions that a key causes outside the board.

use crate::control::Request;
use crate::model::ids::TaskNumber;
use crate::tui::content::Wanted;

/// An action; the session carries it out.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Action {
    /// Leaves the board. The run goes on.
    Leave,
    /// Loads a text.
    Load(Wanted),
    /// Asks the process that drives the run.
    Request(Request),
    /// Tries a task of a run that has ended again, in the background.
    Retry(TaskNumber),
    /// Opens a shell in the worktree of a task.
    Shell(TaskNumber),
    /// Runs dispatch with these arguments on the terminal.
    Run(Vec<String>),
    /// Copies a text to the clipboard of the terminal.
    Copy(String),
    /// Turns the mouse on or off.
    Mouse(bool),
    /// Stops this process until the shell continues it.
    Suspend,
    /// Draws the whole screen again.
    Repaint,
}
