//! Reads the state that all worktrees of a repository share, at a cost that does not grow with the
//! number of worktrees or of files, nor with that of dispatch's own branches where references are files.
//!
//! A reading is believed until the signature of a file or folder it came from changes: inode, size,
//! mode and times of HEAD, the index, the configuration, the hooks, `packed-refs` and the folders
//! of references. git writes a reference by renaming a file into its folder, so the folder's
//! signature stands for all references in it. A reftable changes with every reference, and git lists all
//! references in it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::git::command::{Git, GitError};
use crate::git::object_hash::digest;
use crate::git::repo::Repo;
use crate::merge::oid::Oid;
use crate::model::outside_changes::SharedState;

mod files;
mod references;
mod settings;
mod sources;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use files::read_files;
use references::{read_compared, read_copied, read_head};
use settings::read_settings;
use sources::Sources;

/// Reads the shared state of one repository again and again.
#[derive(Debug)]
pub struct SharedStateReader {
    repo: Repo,
    /// Branches of dispatch, as a folder in the git folder: `refs/heads/dispatch`.
    own_branches: String,
    head: Part<String>,
    index: Part<Option<Oid>>,
    references: Part<BTreeMap<String, String>>,
    files: Part<BTreeMap<String, Oid>>,
    settings: Part<BTreeMap<String, Oid>>,
    /// The references of which a worker gets a copy.
    copied: Part<Arc<BTreeMap<String, String>>>,
    last: Reading,
}

/// The result of one reading.
#[derive(Clone, Debug)]
pub struct Reading {
    /// A hash of the state: equal for equal states.
    pub name: Oid,
    /// The state.
    pub state: Arc<SharedState>,
}

impl SharedStateReader {
    /// Reads this repository; branches below `branch_prefix` are left out.
    pub fn new(repo: &Repo, branch_prefix: &str) -> SharedStateReader {
        SharedStateReader {
            repo: repo.clone(),
            own_branches: format!("refs/heads/{branch_prefix}"),
            head: Part::default(),
            index: Part::default(),
            references: Part::default(),
            files: Part::default(),
            settings: Part::default(),
            copied: Part::default(),
            last: Reading::default(),
        }
    }

    /// Returns the references of which a worker gets a copy, by name, as their files read.
    ///
    /// # Errors
    /// When git fails.
    pub fn copied_references(&mut self) -> Result<Arc<BTreeMap<String, String>>, GitError> {
        let (repo, own) = (&self.repo, self.own_branches.as_str());
        self.copied
            .update(|sources| read_copied(repo, own, sources).map(Arc::new))?;
        Ok(Arc::clone(&self.copied.value))
    }

    /// Returns the state now. A file that cannot be read is left out.
    ///
    /// # Errors
    /// When git fails, which says nothing about the state.
    pub fn read(&mut self) -> Result<Reading, GitError> {
        let (repo, own) = (&self.repo, self.own_branches.as_str());
        let mut changed = vec![
            self.head.update(|sources| read_head(repo, sources))?,
            self.references
                .update(|sources| read_compared(repo, own, sources))?,
            self.files.update(|sources| Ok(read_files(repo, sources)))?,
        ];
        let parts = [
            &self.head.sources,
            &self.references.sources,
            &self.files.sources,
        ];
        let irregular: BTreeSet<String> = parts
            .iter()
            .flat_map(|sources| sources.irregular.iter().cloned())
            .collect();
        // git would wait for a pipe in place of its configuration or its references.
        if irregular.is_empty() {
            changed.push(self.index.update(|sources| read_index(repo, sources))?);
            changed.push(
                self.settings
                    .update(|sources| read_settings(repo, sources))?,
            );
        }
        if changed.contains(&true) {
            self.last = Reading::of(SharedState {
                head: self.head.value.clone(),
                index: self.index.value,
                references: self.references.value.clone(),
                files: self.files.value.clone(),
                settings: self.settings.value.clone(),
                irregular,
            });
        }
        Ok(self.last.clone())
    }
}

impl Reading {
    fn of(state: SharedState) -> Reading {
        // Maps of strings always serialise.
        let text = serde_json::to_vec(&state).unwrap_or_default();
        let name = Oid::from_bytes(digest(&text));
        let state = Arc::new(state);
        Reading { name, state }
    }
}

impl Default for Reading {
    fn default() -> Reading {
        Reading::of(SharedState::default())
    }
}

/// A part of the state, with the signatures of what it was read from.
#[derive(Debug, Default)]
struct Part<T> {
    sources: Sources,
    value: T,
}

impl<T> Part<T> {
    /// Reads the value again if a source has changed; `true` if it did.
    fn update(
        &mut self,
        read: impl FnOnce(&mut Sources) -> Result<T, GitError>,
    ) -> Result<bool, GitError> {
        if self.sources.are_unchanged() {
            return Ok(false);
        }
        let mut sources = Sources::default();
        self.value = read(&mut sources)?;
        self.sources = sources;
        Ok(true)
    }
}

/// Hashes the index. git lists the entries, so that any format of the index is understood; their file times, which
/// `git status` refreshes, do not count.
fn read_index(repo: &Repo, sources: &mut Sources) -> Result<Option<Oid>, GitError> {
    let index = repo.common.join("index");
    sources.add(&index);
    if !index.is_file() {
        return Ok(None);
    }
    let git = Git::at(repo.home());
    let entries = git.run_unless_invalid(&["ls-files", "--stage", "-z"])?;
    Ok(entries.map(|entries| Oid::from_bytes(digest(&entries))))
}
