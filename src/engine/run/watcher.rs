//! Shows the progress of a run to the user.

use crate::model::event::Recorded;
use crate::model::run::RunState;

/// Shows the progress of a run.
pub trait Watcher {
    /// Shows facts that are in the journal; `state` is their result.
    fn recorded(&mut self, state: &RunState, new: &[Recorded]);

    /// Shows a warning.
    fn warning(&mut self, text: &str);
}
