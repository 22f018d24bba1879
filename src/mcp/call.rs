//! One call of a tool: its arguments, its repository, and the ways back to the client.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::mcp::error::ToolError;
use crate::mcp::repository::Repository;

/// Reports progress: the finished part, the whole, and a sentence.
pub(super) type Progress = Arc<dyn Fn(usize, usize, &str) + Send + Sync>;

/// One call of a tool.
#[derive(Clone)]
pub(super) struct Call {
    /// The name of the tool.
    pub(super) tool: &'static str,
    /// The arguments, as the client sent them.
    pub(super) arguments: Value,
    /// The folder that the repository is around, if there is one.
    pub(super) folder: Option<PathBuf>,
    /// Returns `true` once the client has cancelled the call.
    pub(super) is_cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Reports progress to a client that asked for it.
    pub(super) progress: Progress,
    /// `true` if the call runs as a task of the protocol, which may take any time.
    pub(super) is_task: bool,
}

impl Call {
    /// Reads the arguments.
    ///
    /// # Errors
    /// When they do not fit the input schema of the tool.
    pub(super) fn arguments<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        serde_json::from_value(self.arguments.clone()).map_err(|error| {
            ToolError::new(format!("invalid arguments: {error}"))
                .at(self.tool)
                .next("correct the arguments as the input schema of the tool describes them")
        })
    }

    /// Opens the repository.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn repository(&self) -> Result<Repository, ToolError> {
        let Some(folder) = &self.folder else {
            return Err(
                ToolError::new("the server was started outside of a repository")
                    .at(self.tool)
                    .next("pass the absolute path of the repository as `repository`"),
            );
        };
        Repository::open(folder).map_err(|error| error.at(folder.display().to_string()))
    }
}
