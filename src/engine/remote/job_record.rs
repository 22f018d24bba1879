//! The record of a job that was handed to an engine, in the folder of its attempt.
//!
//! It is written before the engine is asked, so that a later process looks the job up by its name instead
//! of starting it again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::engine::EngineError;
use crate::exec::engine::JobId;
use crate::merge::oid::Oid;

const FILE: &str = "job.json";

/// A job that was, or is about to be, submitted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct JobRecord {
    /// The package that was pushed.
    pub(super) package: Oid,
    /// The host that was chosen, where dispatch chooses.
    #[serde(default)]
    pub(super) host: Option<String>,
    /// The answer of the engine, once there is one.
    #[serde(default)]
    pub(super) job: Option<JobId>,
}

impl JobRecord {
    /// Reads the record of an attempt, if there is one.
    pub(super) fn load(folder: &Path) -> Option<JobRecord> {
        let text = files::read_if_exists(&folder.join(FILE)).ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&self, folder: &Path) -> Result<(), EngineError> {
        let path = folder.join(FILE);
        let failed = |error| EngineError::File(path.display().to_string(), error);
        files::private_folder(folder).map_err(failed)?;
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        files::replace_private(&path, &text).map_err(failed)
    }
}
