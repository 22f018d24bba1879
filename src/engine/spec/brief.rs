//! The facts that the prompt of an attempt is rendered from.

use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::worker::prompt::{DependencyResult, EarlierWork, Neighbour};

/// The facts of a prompt besides task and plan, as of the announcement of the attempt.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Brief {
    /// The task's prompt, if the user rewrote it after the run started.
    pub rewritten_prompt: Option<String>,
    /// The workers that may run at the same time.
    pub neighbours: Vec<Neighbour>,
    /// The reports of the tasks it depends on.
    pub results: Vec<DependencyResult>,
    /// The conflict that the task returns from.
    pub conflict: Option<EarlierConflict>,
    /// The failure of the attempt before this one.
    pub previous_failure: Option<String>,
    /// The place of the previous attempt's work, if this one starts from a clean tree.
    pub earlier_work: EarlierWork,
    /// The user's message for this attempt.
    pub extra: Option<String>,
    /// The messages that are the whole prompt, if this attempt is a further turn of a session.
    #[serde(default)]
    pub turn: Option<String>,
}

/// A conflict for which a passed task runs again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EarlierConflict {
    /// The tasks it conflicted with, as far as pairs show it.
    pub with: Vec<TaskNumber>,
    /// The conflicting paths.
    pub paths: Vec<String>,
    /// The commits to show both sides from, if the task starts on top of the other side.
    pub sides: Option<BothSides>,
}

/// The two sides of a conflict, as commits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BothSides {
    /// The base of the run.
    pub run_base: Oid,
    /// The commit that the task's own candidate was based on.
    pub base: Oid,
    /// The task's own candidate.
    pub candidate: Oid,
    /// The assembled commit that it conflicts with.
    pub onto: Oid,
    /// The files in conflict; all of them if empty.
    pub paths: Vec<RepoPath>,
}
