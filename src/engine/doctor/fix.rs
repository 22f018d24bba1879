//! Repairs a problem.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::removal::remove_own_folder;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::planner;
use crate::engine::worktree::remains::{keep, keep_remains};
use crate::exec::cgroup;
use crate::exec::local::LocalExecutor;
use crate::git::worktree::Worktree;
use crate::git::{Repo, Store};
use crate::journal::runs;
use crate::journal::seal::accept_moved_back;
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};

/// The repair of a problem.
#[derive(Clone, Debug)]
pub enum Fix {
    /// The user has to follow this advice.
    Manual(String),
    /// Nothing has to be done.
    None,
    /// Removes an unused folder or file of dispatch's own.
    Remove(PathBuf),
    /// Removes a cgroup without processes.
    RemoveCgroup(PathBuf),
    /// Kills the processes of a killed planner, and removes its worktree and its folder.
    ClearPlanner(PathBuf),
    /// Removes a worktree that no worker ever used.
    RemoveWorktree(Worktree),
    /// Removes the entry of a worktree whose folder is missing. Keeps this commit under this
    /// reference first, if no other reference is sure to keep it.
    RemoveEntry(Worktree, Option<(String, Oid)>),
    /// Unlocks a worktree, so that git may prune it.
    Unlock(Worktree),
    /// Repairs the links between a worktree and its entry.
    Relink {
        /// The worktree at its present path, with its entry.
        worktree: Worktree,
        /// The attempt it belongs to, if a resumed run will not look for it there: its work is then
        /// kept.
        keep: Option<(TaskNumber, AttemptNumber, Oid)>,
    },
    /// Removes the locks of a dead process on references.
    UnlockReferences(Vec<String>),
    /// Restores a reference.
    RestoreReference(String, Oid),
    /// Deletes a reference whose commits another one contains.
    DeleteReference(String, Oid),
    /// Resets a reference that names nothing readable to a readable commit.
    ResetReference(String, Oid),
}

impl Fix {
    /// Describes the repair in a few words.
    pub fn words(&self) -> String {
        match self {
            Fix::Manual(advice) => advice.clone(),
            Fix::None => String::new(),
            Fix::Remove(_) | Fix::RemoveCgroup(_) => "remove it".to_owned(),
            Fix::ClearPlanner(_) => "end its processes, remove it and its worktree".to_owned(),
            Fix::RemoveWorktree(_) => "remove it; no worker ever used it".to_owned(),
            Fix::RemoveEntry(_, None) => "remove its entry".to_owned(),
            Fix::RemoveEntry(_, Some((name, commit))) => {
                format!("keep {} as {name}, remove its entry", commit.short())
            }
            Fix::Unlock(_) => "unlock it".to_owned(),
            Fix::Relink { keep: None, .. } => "link it again".to_owned(),
            Fix::Relink { .. } => "link it again and keep its work".to_owned(),
            Fix::UnlockReferences(_) => "remove the lock".to_owned(),
            Fix::RestoreReference(_, commit) => format!("restore it at {}", commit.short()),
            Fix::DeleteReference(..) => "delete it".to_owned(),
            Fix::ResetReference(_, commit) => format!("reset it to {}", commit.short()),
        }
    }

    /// Returns `true` if `--fix` applies it.
    pub fn is_automatic(&self) -> bool {
        !matches!(self, Fix::Manual(_) | Fix::None)
    }

    /// Applies the repair.
    ///
    /// # Errors
    /// When something cannot be written; nothing has changed then, or everything is repaired.
    pub fn apply(&self, repo: &Repo, context: Option<&Context>) -> Result<(), EngineError> {
        match self {
            Fix::Manual(_) | Fix::None => Ok(()),
            Fix::Remove(path) => remove(path),
            Fix::RemoveCgroup(folder) => cgroup::remove_abandoned(folder)
                .map_err(|error| EngineError::File(folder.display().to_string(), error)),
            Fix::ClearPlanner(folder) => {
                let executor = LocalExecutor::this_program()
                    .map_err(|error| EngineError::File("this program".to_owned(), error))?;
                planner::leftovers::clear(repo, &executor, folder)
            }
            Fix::RemoveWorktree(worktree) => Ok(repo.remove_worktree(worktree)?),
            Fix::RemoveEntry(worktree, kept) => {
                if let Some((name, commit)) = kept {
                    keep(&Store::open(repo)?, name, *commit)?;
                }
                Ok(repo.remove_worktree(worktree)?)
            }
            Fix::Unlock(worktree) => {
                worktree.unlock();
                Ok(())
            }
            Fix::Relink { worktree, keep } => {
                worktree.relink()?;
                if let (Some((task, attempt, base)), Some(context)) = (keep, context) {
                    let store = Store::open(repo)?;
                    keep_remains(context, &store, *task, *attempt, *base, worktree)?;
                }
                Ok(())
            }
            Fix::UnlockReferences(names) => repo
                .free_references(names)
                .map(drop)
                .map_err(|error| EngineError::File("a lock on a reference".to_owned(), error)),
            reference => reference.apply_to_reference(&Store::open(repo)?),
        }
    }

    fn apply_to_reference(&self, store: &Store) -> Result<(), EngineError> {
        let why = "dispatch: doctor";
        match self {
            Fix::RestoreReference(name, commit) => {
                store.move_reference(name, Oid::ZERO, *commit, why)?;
            }
            Fix::DeleteReference(name, at) => store.delete_reference(name, *at)?,
            Fix::ResetReference(name, commit) => store.force_reference(name, *commit, why)?,
            _ => return Ok(()),
        }
        let (Fix::RestoreReference(name, tip) | Fix::ResetReference(name, tip)) = self else {
            return Ok(());
        };
        if let Some(run) = name.strip_prefix(runs::PREFIX) {
            accept_moved_back(store, &RunId::new(run), *tip)?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), EngineError> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => remove_own_folder(path, 2),
        Ok(_) => fs::remove_file(path),
        // It has been removed in the meantime.
        Err(_) => Ok(()),
    };
    removed.map_err(|error| EngineError::File(path.display().to_string(), error))
}
