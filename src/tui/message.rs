//! The messages of threads to the board.

use crate::tui::key::Input;
use crate::tui::view::RunView;

/// A message to the board.
#[derive(Debug)]
pub(super) enum Message {
    /// The run has changed; `true` if that calls for attention.
    View(RunView, bool),
    /// Something to handle.
    Input(Input),
}
