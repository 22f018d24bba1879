//! Remembers outside of the repository where dispatch itself moved an integration branch.
//!
//! Its commits have trailers that name the run, and a worker can write the same ones. So the last two
//! places of the branch are kept in the user's own folder: the one before a move, and the one after it.

use std::fs;
use std::path::PathBuf;

use crate::base::files;
use crate::base::regular_file;
use crate::base::user_folders::is_refused;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;

/// Notes that dispatch is about to move this branch.
///
/// # Errors
/// When that cannot be written.
pub fn announce(repo: &Repo, branch: &str, old: Option<Oid>, new: Oid) -> Result<(), StoreError> {
    let Some(file) = file_of(repo, branch) else {
        return Ok(());
    };
    let old = old.map_or_else(String::new, |old| format!("{old}\n"));
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| files::replace(&file, format!("{old}{new}\n").as_bytes()));
    match written {
        Err(error) if is_refused(&error) => {
            tracing::warn!("{}: {error}", file.display());
            Ok(())
        }
        written => written.map_err(|error| StoreError::Folder(file.display().to_string(), error)),
    }
}

/// Returns `true` if dispatch moved this branch to a commit, or to one that contains it. `None` if
/// nothing is known, as for a run of an older version.
///
/// # Errors
/// When the store cannot be read.
pub fn is_ours(store: &Store, branch: &str, tip: Oid) -> Result<Option<bool>, StoreError> {
    let Some(file) = file_of(store.repo(), branch) else {
        return Ok(None);
    };
    let Ok(text) = regular_file::read_line(&file) else {
        return Ok(None);
    };
    for known in text.lines().filter_map(|line| line.parse::<Oid>().ok()) {
        if known == tip || (store.has(known) && store.is_ancestor(tip, known)?) {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// Returns `true` if a commit at the tip of a branch is one of dispatch: by what it noted itself, or for a
/// run of an older version by the trailer.
///
/// # Errors
/// When the store cannot be read.
pub fn is_tip_ours(store: &Store, branch: &str, run: &str, tip: Oid) -> Result<bool, StoreError> {
    match is_ours(store, branch, tip)? {
        Some(known) => Ok(known),
        None => Ok(store.commit(tip)?.trailer("Dispatch-Run") == Some(run)),
    }
}

fn file_of(repo: &Repo, branch: &str) -> Option<PathBuf> {
    let name = branch_ref(branch).replace('/', "%");
    Some(repo.user_state()?.join("branches").join(name))
}
