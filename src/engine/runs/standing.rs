//! Builds the view of a run, with the process that drives it taken into account.

use crate::git::Repo;
use crate::journal::runs::RunLock;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::view::{BoardView, Standing};

/// Builds the view of a run. A run that has not ended and that no process drives is interrupted.
pub fn standing_view(repo: &Repo, state: &RunState) -> BoardView {
    let mut view = BoardView::new(state);
    let over = matches!(state.phase, RunPhase::Ended(_));
    if !over && !RunLock::is_held(repo, &state.run) {
        view.standing = Standing::Interrupted;
    }
    view
}
