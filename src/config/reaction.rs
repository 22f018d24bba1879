//! Settings with a few values of their own.

use serde::{Deserialize, Serialize};

/// The reaction to a conflict between two tasks of which one still runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnNewConflict {
    /// Shows it on the board.
    Note,
    /// Shows it and tells the running workers.
    Notify,
    /// Shows it and starts no task that declares the conflicting files while the two tasks run.
    PauseLaterTask,
}

/// The reaction to a task that changes paths outside its `files` or its worktree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reaction {
    /// Skips the check.
    Ignore,
    /// Puts a remark on the board.
    Warn,
    /// Fails the attempt.
    Fail,
}

/// The confinement of workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// Confines them as far as this machine can.
    Auto,
    /// Does not confine them.
    Off,
    /// Starts nothing without confinement.
    Require,
}

/// The network of a worker that is confined strictly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The whole network.
    Open,
    /// A loopback device of its own.
    Loopback,
    /// None.
    None,
}

/// The body that a webhook gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The object that the notification command gets.
    Json,
    /// An object with a text, as Slack and compatible services take it.
    Slack,
}
