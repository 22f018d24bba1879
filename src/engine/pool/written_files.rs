//! Records the tracked files of a worktree as dispatch wrote them: their commit, and a copy of the index.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// The file of the record.
const FILE: &str = "files";

/// The copy of the index.
const INDEX: &str = "index";

/// Settings that decide about the content of files.
const SECTIONS: [&str; 3] = ["core.", "filter.", "extensions."];

/// Files of the repository that do.
const RULES: [&str; 2] = ["info/attributes", "info/exclude"];

/// The tracked files of a worktree, as dispatch wrote them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WrittenFiles {
    /// The commit that they are of.
    pub commit: Oid,
    /// The settings with which they were written.
    settings: String,
}

impl WrittenFiles {
    /// Reads the record; `None` while files are being written, or after that was interrupted.
    pub fn read(entry: &PoolEntry) -> Option<WrittenFiles> {
        let text = regular_file::read(&entry.record.join(FILE), RECORD_LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Removes the record, before files are written.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(entry: &PoolEntry) -> Result<(), EngineError> {
        match fs::remove_file(entry.record.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(entry, error)),
            _ => Ok(()),
        }
    }

    /// Records the files of a worktree in which no worker was since they were written.
    ///
    /// # Errors
    /// When the record cannot be written, or git fails.
    pub fn record(
        context: &Context,
        entry: &PoolEntry,
        worktree: &Worktree,
        commit: Oid,
    ) -> Result<(), EngineError> {
        let record = WrittenFiles {
            commit,
            settings: settings(context, worktree)?,
        };
        let text =
            serde_json::to_vec(&record).map_err(|error| EngineError::Broken(error.to_string()))?;
        let copied = regular_file::copy_with_time(&worktree.admin.join(INDEX), &Self::index(entry));
        let written = copied.and_then(|()| files::replace(&entry.record.join(FILE), &text));
        written.map_err(|error| failed(entry, error))
    }

    /// Returns the copy of the index.
    pub fn index(entry: &PoolEntry) -> PathBuf {
        entry.record.join(INDEX)
    }

    /// Returns `true` if unchanged files of another commit are the same on disk: neither settings nor
    /// attributes differ.
    ///
    /// # Errors
    /// When git or the store fails.
    pub fn serve(
        &self,
        context: &Context,
        worktree: &Worktree,
        commit: Oid,
    ) -> Result<bool, EngineError> {
        let has_same_rules = !self.differs_in(context, commit, ".gitattributes")?;
        Ok(has_same_rules && self.settings == settings(context, worktree)?)
    }

    /// Returns `true` if a file of this name is not the same in another commit, in any folder.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn differs_in(
        &self,
        context: &Context,
        commit: Oid,
        name: &str,
    ) -> Result<bool, EngineError> {
        if self.commit == commit {
            return Ok(false);
        }
        let changes = context.repo.with_store(|store: &Store| {
            // A commit of a run that was removed may be collected.
            if !store.has(self.commit) {
                return Ok(None);
            }
            let (old, new) = (store.tree_of(self.commit)?, store.tree_of(commit)?);
            store.changes(old, new).map(Some)
        })?;
        let is_of_name =
            |path: &[u8]| path.rsplit(|byte| *byte == b'/').next() == Some(name.as_bytes());
        Ok(changes.is_none_or(|all| all.iter().any(|change| is_of_name(change.path.as_bytes()))))
    }
}

/// Lists the settings and rules by which git writes files and ignores them.
fn settings(context: &Context, worktree: &Worktree) -> Result<String, EngineError> {
    let git = context.repo.git_in(worktree)?;
    let listed = git.run(&["config", "--list", "-z"])?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let is_meant = |entry: &&str| SECTIONS.iter().any(|section| entry.starts_with(section));
    let mut text: Vec<String> = listed
        .split('\0')
        .filter(is_meant)
        .map(str::to_owned)
        .collect();
    for name in RULES {
        let content = regular_file::read_linked(&context.repo.common.join(name), RECORD_LIMIT);
        let content = content.unwrap_or_default();
        text.push(String::from_utf8_lossy(&content).into_owned());
    }
    Ok(text.join("\n"))
}

fn failed(entry: &PoolEntry, error: io::Error) -> EngineError {
    EngineError::File(entry.record.display().to_string(), error)
}
