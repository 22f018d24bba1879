//! Finds problems that runs left behind, explains them, and repairs them on request.
//!
//! Work is never removed: a repair removes only what is empty, a copy, or kept by a reference;
//! uncommitted work in a worktree is committed and kept first.

use crate::model::ids::RunId;

mod attempt;
pub mod environment;
pub mod fix;
pub mod journals;
pub mod leftovers;
mod objects;
pub mod run;

use fix::Fix;

/// A problem that was found.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The run it belongs to; `None` if it belongs to the repository or the machine.
    pub run: Option<RunId>,
    /// The name or the path of the damaged thing.
    pub what: String,
    /// The cause and its meaning.
    pub why: String,
    /// The repair.
    pub fix: Fix,
}

impl Problem {
    fn of_run(run: &RunId, what: &str, why: &str, fix: Fix) -> Problem {
        Problem {
            run: Some(run.clone()),
            what: what.to_owned(),
            why: why.to_owned(),
            fix,
        }
    }
}
