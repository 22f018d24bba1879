//! A pull request for a run or for one of its tasks.

use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;

/// A pull request, announced or opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PullRequest {
    /// The task; none for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskNumber>,
    /// The remote its branch is pushed to.
    pub remote: String,
    /// The branch on the remote.
    pub head: String,
    /// The branch it will be merged into.
    pub base: String,
    /// The pushed commit.
    pub commit: Oid,
    /// The address; none until it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
