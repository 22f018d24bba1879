//! A pull request that was opened for a run or for one of its tasks.

use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;

/// One pull request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PullRequest {
    /// The task, or none for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskNumber>,
    /// The remote its branch is pushed to.
    pub remote: String,
    /// Its branch there.
    pub head: String,
    /// The branch it is to be merged into.
    pub base: String,
    /// What is pushed.
    pub commit: Oid,
    /// Where it is; none before it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
