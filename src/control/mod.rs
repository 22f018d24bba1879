//! The control socket of a run: one line of JSON each way over a Unix socket in the run's folder.
//!
//! The run lock decides which process drives a run; the socket only reaches it. A process that is
//! killed leaves its socket behind, and the next one replaces it.
//!
//! The socket serves the user alone: it and its folder are closed to others whatever the umask, every
//! request carries the secret of the run, and a process below a worker is refused.

mod client;
mod secret;
mod server;
mod wire;

use crate::git::Repo;
use crate::model::ids::RunId;
pub use client::ask;
pub use server::{Reply, Server};
use std::path::PathBuf;
pub use wire::{Request, Response};

use std::io;

/// A failure of the control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be used.
    #[error("could not use the control socket {0}")]
    Socket(String, #[source] io::Error),
    /// An invalid message.
    #[error("the running dispatch sent an invalid response")]
    Answer(#[source] serde_json::Error),
    /// The other process exited first.
    #[error("the running dispatch exited without a response")]
    NoAnswer,
}

/// Returns the path of a run's control socket.
pub fn control_socket(repo: &Repo, run: &RunId) -> PathBuf {
    repo.run_folder(run.as_str()).join("control.sock")
}
