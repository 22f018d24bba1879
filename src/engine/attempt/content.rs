//! Inspects the changes of an attempt for content that git would lose, and for large files.

use crate::engine::EngineError;
use crate::git::{Repo, Store};
use crate::merge::change::{Change, Entry};
use crate::merge::oid::Oid;
use crate::model::kept_changes::KeptChanges;

/// The size above which a file gets a remark.
const LARGE_FILE: u64 = 50 * 1024 * 1024;

/// Returns a repository inside the worktree. git stages it as a bare commit id, and its content
/// would be lost.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn embedded_repository(
    store: &Store,
    tree: Oid,
    changes: &[Change],
) -> Result<Option<String>, EngineError> {
    let is_new = |change: &&Change| {
        let is_submodule = |entry: Option<Entry>| entry.is_some_and(Entry::is_submodule);
        is_submodule(change.new) && !is_submodule(change.old)
    };
    let modules = match store.entry(tree, ".gitmodules")? {
        Some(entry) => String::from_utf8_lossy(&store.blob(entry.oid)?).into_owned(),
        None => String::new(),
    };
    let declared = |change: &&Change| {
        let path = change.path.to_string();
        let value = |line: &str| Some(line.trim().strip_prefix("path")?.trim_start().to_owned());
        let mut paths = modules.lines().filter_map(value);
        paths.any(|rest| {
            rest.strip_prefix('=')
                .is_some_and(|found| found.trim() == path)
        })
    };
    let mut found = changes
        .iter()
        .filter(is_new)
        .filter(|change| !declared(change));
    Ok(found.next().map(|change| change.path.to_string()))
}

/// Returns remarks on files that are probably not meant to be in git.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn large_files(store: &Store, changes: &[Change]) -> Result<Vec<String>, EngineError> {
    let mut remarks = Vec::new();
    for change in changes {
        let Some(entry) = change.new.filter(|entry| !entry.is_submodule()) else {
            continue;
        };
        let size = store.blob_size(entry.oid)?;
        if size > LARGE_FILE {
            let mebibytes = size / (1024 * 1024);
            remarks.push(format!(
                "{} has {mebibytes} MiB; is it meant to be in git?",
                change.path
            ));
        }
    }
    Ok(remarks)
}

/// Returns the changes of the commit that a failed attempt left.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn remains(
    repo: &Repo,
    base: Oid,
    kept: Option<Oid>,
) -> Result<Option<KeptChanges>, EngineError> {
    let Some(kept) = kept else {
        return Ok(None);
    };
    let store = Store::open(repo)?;
    let (old, new) = (store.tree_of(base)?, store.tree_of(kept)?);
    let changes = store.changes(old, new)?;
    let paths = changes.into_iter().map(|change| change.path);
    Ok(Some(KeptChanges {
        stat: store.stat(old, new)?,
        paths: paths.take(KeptChanges::NAMED).collect(),
    }))
}
