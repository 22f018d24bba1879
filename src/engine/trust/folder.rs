//! The folder with the user's consent: a file for each repository.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base::files::{private_folder, read_if_exists, replace_private};
use crate::base::user_folders::{is_refused, state_folder};
use crate::engine::EngineError;

/// The version of the files.
const VERSION: u32 = 1;

/// Consent to the settings of one repository.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The shared git folder of the repository.
    pub repository: PathBuf,
    /// The text of its settings file.
    pub text: String,
}

impl Record {
    /// Makes the record of a repository.
    pub(super) fn new(common: &Path, text: &str) -> Record {
        Record {
            version: VERSION,
            repository: resolved(common),
            text: text.to_owned(),
        }
    }
}

/// The folder with a file for each repository, for the user alone.
#[derive(Clone, Debug)]
pub(super) struct TrustFolder(PathBuf);

impl TrustFolder {
    /// Returns the folder of the user; `None` without a home folder.
    pub(super) fn of_user() -> Option<TrustFolder> {
        Some(TrustFolder(state_folder()?.join("dispatch/trust")))
    }

    fn file(&self, common: &Path) -> PathBuf {
        let path = resolved(common);
        let hash = Sha256::digest(path.as_os_str().as_bytes());
        let name: String = hash
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.0.join(format!("{name}.json"))
    }

    /// Reads the record of a repository. A file that cannot be parsed, is that of another path, or is where
    /// this user may not read counts as none.
    pub(super) fn read(&self, common: &Path) -> Result<Option<Record>, EngineError> {
        let record = match read_record(&self.file(common)) {
            Err(EngineError::File(_, error)) if is_refused(&error) => None,
            record => record?,
        };
        Ok(record.filter(|record| record.repository == resolved(common)))
    }

    pub(super) fn write(&self, record: &Record) -> Result<(), EngineError> {
        let file = self.file(&record.repository);
        let text =
            serde_json::to_string_pretty(record).map_err(|error| fails(&file)(error.into()))?;
        private_folder(&self.0).map_err(fails(&self.0))?;
        replace_private(&file, text.as_bytes()).map_err(fails(&file))
    }

    pub(super) fn remove(&self, common: &Path) -> Result<bool, EngineError> {
        let file = self.file(common);
        match fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(fails(&file)(error)),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Record>, EngineError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(fails(&self.0))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(fails(&self.0))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                all.extend(read_record(&path)?);
            }
        }
        all.sort_by(|a, b| a.repository.cmp(&b.repository));
        Ok(all)
    }
}

fn read_record(file: &Path) -> Result<Option<Record>, EngineError> {
    let bytes = read_if_exists(file).map_err(fails(file))?;
    let record = bytes.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    Ok(record.filter(|record| record.version == VERSION))
}

/// Returns a path without links, or the path itself if it does not exist.
pub(super) fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn fails(path: &Path) -> impl Fn(io::Error) -> EngineError {
    let name = path.display().to_string();
    move |error| EngineError::File(name.clone(), error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn consent_is_kept_for_one_path_and_the_user_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = TrustFolder(root.path().join("state/trust"));
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        assert_eq!(folder.list().unwrap(), []);
        let record = Record::new(&one, "[notify]");
        folder.write(&record).unwrap();
        assert_eq!(folder.read(&one).unwrap(), Some(record.clone()));
        assert_eq!(folder.read(&two).unwrap(), None);
        assert_eq!(folder.list().unwrap(), [record]);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        assert_eq!(mode(&folder.file(&one)), 0o600);
        // A copied file is not consent for another path.
        std::fs::copy(folder.file(&one), folder.file(&two)).unwrap();
        assert_eq!(folder.read(&two).unwrap(), None);
        assert!(folder.remove(&one).unwrap());
        assert!(!folder.remove(&one).unwrap());
        // A damaged file does not count.
        std::fs::write(folder.file(&one), "{").unwrap();
        assert_eq!(folder.read(&one).unwrap(), None);
    }
}
