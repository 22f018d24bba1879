//! Records that a worktree of the pool is set up, so that the next task need not wait for that.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::pool::written_files::WrittenFiles;
use crate::engine::worktree::kept_folders::is_kept;
use crate::engine::worktree::populate::brought_paths;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::StoreError;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// The file of the record.
const FILE: &str = "set-up";

/// The state that a set-up depends on: its commands, and the files of `[worktree] setup_when`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetUpMark(String);

impl SetUpMark {
    /// Returns the mark of a commit; `None` if set-up runs for every task.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(context: &Context, commit: Oid) -> Result<Option<SetUpMark>, EngineError> {
        let settings = &context.settings.worktree;
        // What teardown took down has to be set up again.
        if settings.setup_when.is_empty() || !settings.teardown.is_empty() {
            return Ok(None);
        }
        let mut text = settings.setup.join("\n");
        context.repo.with_store(|store| {
            let tree = store.tree_of(commit)?;
            for path in &settings.setup_when {
                let entry = store.entry(tree, path)?;
                let content = entry.map_or_else(|| "-".to_owned(), |entry| entry.oid.to_string());
                text.push_str(&format!("\n{path} {content}"));
            }
            Ok::<_, EngineError>(())
        })?;
        Ok(Some(SetUpMark(text)))
    }

    /// Returns its text, which differs from that of any other state.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Lists what the set-up made in a worktree that has a mark, from its top.
    pub(super) fn products(entry: &PoolEntry) -> Vec<PathBuf> {
        let text = regular_file::read(&entry.record.join(FILE), RECORD_LIMIT).unwrap_or_default();
        let paths = text.split(|byte| *byte == 0).skip(1);
        let path = |path| Path::new(OsStr::from_bytes(path)).components().collect();
        paths.map(path).collect()
    }

    /// Records that a copy is set up as the original is.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn copy(from: &PoolEntry, to: &PoolEntry) -> Result<(), EngineError> {
        let text = regular_file::read(&from.record.join(FILE), RECORD_LIMIT);
        let copied = text.and_then(|text| files::replace(&to.record.join(FILE), &text));
        copied.map_err(|error| failed(to, error))
    }

    /// Returns `true` if a worktree was set up for the same state, and still has every folder that the
    /// set-up made.
    pub fn is_on(&self, entry: &PoolEntry) -> bool {
        let text = regular_file::read(&entry.record.join(FILE), RECORD_LIMIT).unwrap_or_default();
        let mut parts = text.split(|byte| *byte == 0);
        let is_same = parts.next() == Some(self.0.as_bytes());
        let exists = |path: &[u8]| {
            let path = entry.place.join(OsStr::from_bytes(path));
            path.symlink_metadata().is_ok()
        };
        is_same && parts.all(exists)
    }

    /// Records that a worktree is set up, if everything that the set-up made stays in it: a file outside
    /// of the kept folders goes, and has to be made again.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn put_on(
        &self,
        context: &Context,
        entry: &PoolEntry,
        worktree: &Worktree,
    ) -> Result<(), EngineError> {
        let keep = &context.settings.worktree.keep;
        let brought = brought_paths(context, &worktree.path)?;
        let start = StartingTree::read(worktree);
        let is_as_base = start.as_ref().is_none_or(StartingTree::is_as_base);
        // The next attempt gets copies and links of its own.
        let ignored = start.iter().flat_map(StartingTree::ignored);
        let mut made = ignored.filter(|path| !is_brought(&worktree.path, path, &brought));
        let mut text = self.0.clone().into_bytes();
        let all_stay = made.all(|path| {
            text.push(0);
            text.extend_from_slice(path.as_os_str().as_bytes());
            is_kept(&path, keep)
        });
        match is_as_base && all_stay {
            true => files::replace(&entry.record.join(FILE), &text)
                .map_err(|error| failed(entry, error)),
            false => remove(entry),
        }
    }
}

/// Returns `true` for a copy or a link, and for a folder that has nothing else in it.
fn is_brought(top: &Path, path: &Path, brought: &[PathBuf]) -> bool {
    let place = top.join(path);
    let is_folder = place.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    if !is_folder || brought.iter().any(|one| one == path) {
        return brought.iter().any(|one| one == path);
    }
    let Ok(entries) = fs::read_dir(&place) else {
        return false;
    };
    let is_one = |entry: fs::DirEntry| is_brought(top, &path.join(entry.file_name()), brought);
    brought.iter().any(|one| one.starts_with(path))
        && entries.into_iter().all(|entry| entry.is_ok_and(is_one))
}

/// Removes the mark if a file that decides about the set-up was written since: a worker that changes the
/// list of packages installs them, too.
///
/// # Errors
/// When the store cannot be read, or the record cannot be removed.
pub(super) fn remove_if_changed(
    context: &Context,
    entry: &PoolEntry,
    worktree: &Worktree,
) -> Result<(), EngineError> {
    let start = StartingTree::read(worktree);
    let written = WrittenFiles::read(entry);
    for name in &context.settings.worktree.setup_when {
        let path = worktree.path.join(name);
        let is_changed = match path.symlink_metadata() {
            Ok(_) => start
                .as_ref()
                .is_none_or(|start| start.is_written_since(&path)),
            // A worker has deleted it, if the commit has one.
            Err(_) => context.repo.with_store(|store| match &written {
                Some(written) if store.has(written.commit) => {
                    let tree = store.tree_of(written.commit)?;
                    Ok::<_, StoreError>(store.entry(tree, name)?.is_some())
                }
                _ => Ok(true),
            })?,
        };
        if is_changed {
            return remove(entry);
        }
    }
    Ok(())
}

/// Removes the mark.
pub(super) fn remove(entry: &PoolEntry) -> Result<(), EngineError> {
    match fs::remove_file(entry.record.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(entry, error)),
        _ => Ok(()),
    }
}

fn failed(entry: &PoolEntry, error: io::Error) -> EngineError {
    EngineError::File(entry.record.display().to_string(), error)
}
