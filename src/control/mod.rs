//! How other commands talk to the process that drives a run: one line of JSON each way over a Unix
//! socket in the run's folder.
//!
//! The run lock says who drives a run; the socket is only how to reach them. A socket that nobody
//! listens on is left by a process that was killed, and is taken over by the next one.

mod client;
mod server;
mod wire;

use crate::git::Repo;
use crate::model::ids::RunId;
pub use client::ask;
pub use server::{Reply, Server};
use std::path::PathBuf;
pub use wire::{Request, Response};

use std::io;

/// What kept two processes from talking.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be used.
    #[error("could not use the control socket {0}")]
    Socket(String, #[source] io::Error),
    /// What came over it is not of this form.
    #[error("the answer of the running dispatch cannot be read")]
    Answer(#[source] serde_json::Error),
    /// It ended without an answer.
    #[error("the running dispatch ended without an answer")]
    NoAnswer,
}

/// Where the process that drives a run can be reached.
pub fn control_socket(repo: &Repo, run: &RunId) -> PathBuf {
    repo.run_folder(run.as_str()).join("control.sock")
}
