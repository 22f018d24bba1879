//! The ways in which the web page cannot be served or written.

use std::io;
use std::path::PathBuf;

use crate::engine::EngineError;
use crate::git::StoreError;

/// A failure of the web page.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The port is in use, or the system refuses it.
    #[error("could not listen on port {0}")]
    Listen(u16, #[source] io::Error),
    /// The server could not be started.
    #[error("could not start the server")]
    Start(#[source] io::Error),
    /// A file of the export could not be written.
    #[error("could not write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The folder of the export has files that the export did not write.
    #[error("{} has other files", .0.display())]
    Occupied(PathBuf),
    /// A run cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
