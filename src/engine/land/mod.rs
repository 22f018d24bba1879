//! Lands a run: the only time that a branch of the user's moves, on the user's request.
//!
//! The landing commit is built first. Then the target moves in one step: by compare-and-swap, or,
//! where it is checked out, together with its files, which keeps unrelated local changes and is
//! refused before anything changes if they block the move.
//!
//! | part | does |
//! |---|---|
//! | [`session`], [`lock`] | opens a run for landing, as the one process that may move its target |
//! | [`target`] | inspects the target, and says if the run can land there |
//! | [`commit`] | builds the landing commit |
//! | [`hooks`] | runs the user's hooks in a worktree that shows the merge |
//! | [`reintegrate`] | merges onto a target that has moved, and checks the result |
//! | [`move_target`], `checkout` | moves the branch, with its checkout |
//! | [`undo`] | moves it back |
//! | [`pull_request`] | lands by pull request |

use std::path::PathBuf;

use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::integration::Landing;

mod branch_move;
mod checkout;
pub mod commit;
pub mod error;
pub mod hooks;
pub mod lock;
pub mod move_target;
pub mod pull_request;
pub mod reintegrate;
pub mod session;
pub mod target;
pub mod undo;

/// The way in which a run lands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MergeMethod {
    /// One merge commit of the target and the integration branch.
    Merge,
    /// The target moves forward to the assembled chain.
    FastForward,
    /// One ordinary commit.
    Squash,
}

/// The user's options of a landing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LandOptions {
    /// A target other than the run's.
    pub into: Option<String>,
    /// The merge method.
    pub method: MergeMethod,
    /// The message of the landing commit, in place of the default one.
    pub message: Option<String>,
    /// Land the board, too.
    pub board: bool,
    /// Land although a check of the integration branch failed.
    pub force: bool,
    /// Skip the user's hooks.
    pub no_verify: bool,
    /// Refuse a target that has moved, rather than integrate again on top of it.
    pub no_rebuild: bool,
    /// Land on a target that no longer contains the base of the run, which brings that back.
    pub allow_rewound: bool,
}

/// A move of the target, ready to be shown and then made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreparedMove {
    /// The old and the new commit.
    pub landing: Landing,
    /// The checkout that moves with the target, if there is one.
    pub checkout: Option<PathBuf>,
}

/// Tells the change to the board file between two trees, which no task made: `adds` or `updates`;
/// `None` if there is none.
///
/// # Errors
/// When a tree cannot be read.
pub fn board_verb(
    store: &Store,
    file: &str,
    (from, to): (Oid, Oid),
) -> Result<Option<&'static str>, StoreError> {
    let (old, new) = (store.entry(from, file)?, store.entry(to, file)?);
    Ok(match old {
        _ if old == new => None,
        None => Some("adds"),
        Some(_) => Some("updates"),
    })
}
