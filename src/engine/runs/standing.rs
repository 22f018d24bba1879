//! Builds the view of a run, with the process that drives it taken into account.

use crate::git::Repo;
use crate::journal::runs::RunLock;
use crate::journal::seal::was_appended_here;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::view::{BoardView, Standing};

/// Builds the view of a run. One that has not ended and that no process here drives is interrupted, or
/// goes on in another clone.
pub fn standing_view(repo: &Repo, state: &RunState) -> BoardView {
    view_of(repo, state, || RunLock::is_held(repo, &state.run))
}

/// Builds the view of a run, as [`standing_view`], for a caller that knows whether a process drives it.
pub fn view_of(repo: &Repo, state: &RunState, is_driven: impl FnOnce() -> bool) -> BoardView {
    let mut view = BoardView::new(state);
    if !matches!(state.phase, RunPhase::Ended(_)) && !is_driven() {
        view.standing = match is_of_another_clone(repo, &state.run) {
            true => Standing::Elsewhere,
            false => Standing::Interrupted,
        };
    }
    view
}

/// Returns `true` if a run goes on in another clone: its journal was fetched, and no process has driven it
/// here. A user of the library has no runs of others.
pub fn is_of_another_clone(repo: &Repo, run: &RunId) -> bool {
    // A repository that was moved keeps its folders, and has no notes at its new place.
    let has_attempts = || repo.run_folder(run.as_str()).join("attempts").is_dir();
    repo.user_state().is_some() && !was_appended_here(repo, run) && !has_attempts()
}
