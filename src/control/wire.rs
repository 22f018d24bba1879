//! The two messages, as lines of JSON.

use serde::{Deserialize, Serialize};

use crate::model::ids::TaskNumber;

/// What a person wants of a run that is being driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// End one task, or everything that is not over.
    Cancel {
        /// The task; all of them when absent.
        task: Option<TaskNumber>,
    },
    /// Start nothing new until told otherwise.
    Pause,
    /// Go on after a pause.
    Resume,
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub enum Response {
    /// It is recorded in the journal.
    Done,
    /// It makes no sense now; why.
    Refused {
        /// In one sentence.
        why: String,
    },
}
