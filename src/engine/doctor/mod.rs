//! What runs left behind, explained, and repaired on request. Nothing that could be work is ever
//! removed: a repair removes only what is empty, a copy, or held by a reference; what a worktree
//! holds in no commit is committed and kept first.

use std::path::PathBuf;

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::remains::{keep, keep_remains};
use crate::git::worktree::Worktree;
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};

pub mod environment;
pub mod journals;
pub mod leftovers;
pub mod run;

/// Something that is not as it should be.
#[derive(Clone, Debug)]
pub struct Ailment {
    /// The run it belongs to, if to one.
    pub run: Option<RunId>,
    /// What it is, by name or place.
    pub what: String,
    /// Why that is so, and what it means.
    pub why: String,
    /// What can be done about it.
    pub remedy: Remedy,
}

/// What can be done about an ailment.
#[derive(Clone, Debug)]
pub enum Remedy {
    /// A person has to: in these words.
    Person(String),
    /// Nobody has to do anything: it is only said.
    Nothing,
    /// A folder or file of dispatch's own that nobody uses any more is removed.
    Remove(PathBuf),
    /// A worktree that no worker was ever in is removed.
    RemoveWorktree(Worktree),
    /// The entry of a worktree whose folder is gone is removed; this commit, if it has one that
    /// nothing else is sure to keep, is kept under this reference.
    Forget(Worktree, Option<(String, Oid)>),
    /// git may clean up after a worktree again.
    Unlock(Worktree),
    /// The links between a worktree and its entry are written anew.
    Relink {
        /// Where it is now, with its entry.
        worktree: Worktree,
        /// Whose it is, where a run taken up again will not look for it there: then what it holds
        /// is kept.
        keep: Option<(TaskNumber, AttemptNumber, Oid)>,
    },
    /// References are freed of the locks of a dead process.
    FreeReferences(Vec<String>),
    /// A reference is made.
    MakeReference(String, Oid),
    /// A reference is deleted that names nothing that another one does not.
    DeleteReference(String, Oid),
    /// A reference that names nothing readable is moved back to a commit that does.
    MoveBack(String, Oid),
}

impl Remedy {
    /// What it does, or what to do, in a few words.
    pub fn words(&self) -> String {
        match self {
            Remedy::Person(what) => what.clone(),
            Remedy::Nothing => String::new(),
            Remedy::Remove(_) => "remove it".to_owned(),
            Remedy::RemoveWorktree(_) => "remove it; no worker was ever in it".to_owned(),
            Remedy::Forget(_, None) => "remove its entry".to_owned(),
            Remedy::Forget(_, Some((name, commit))) => {
                format!("keep {} as {name}, remove its entry", commit.short())
            }
            Remedy::Unlock(_) => "unlock it".to_owned(),
            Remedy::Relink { keep: None, .. } => "link it again".to_owned(),
            Remedy::Relink { .. } => "link it again and keep what it holds".to_owned(),
            Remedy::FreeReferences(_) => "remove the lock".to_owned(),
            Remedy::MakeReference(_, commit) => format!("make it again at {}", commit.short()),
            Remedy::DeleteReference(..) => "delete it".to_owned(),
            Remedy::MoveBack(_, commit) => format!("go back to {}", commit.short()),
        }
    }

    /// Whether `--fix` does it.
    pub fn is_ours(&self) -> bool {
        !matches!(self, Remedy::Person(_) | Remedy::Nothing)
    }

    /// Does it.
    ///
    /// # Errors
    /// When something cannot be written; everything is as it was then, or done.
    pub fn carry_out(&self, repo: &Repo, context: Option<&Context>) -> Result<(), EngineError> {
        let store = Store::open(repo)?;
        let why = "dispatch: doctor";
        match self {
            Remedy::Person(_) | Remedy::Nothing => Ok(()),
            Remedy::Remove(path) => remove(path),
            Remedy::RemoveWorktree(worktree) => Ok(repo.remove_worktree(worktree)?),
            Remedy::Forget(worktree, kept) => {
                if let Some((name, commit)) = kept {
                    keep(&store, name, *commit)?;
                }
                Ok(repo.remove_worktree(worktree)?)
            }
            Remedy::Unlock(worktree) => {
                worktree.unlock();
                Ok(())
            }
            Remedy::Relink { worktree, keep } => {
                worktree.relink()?;
                if let (Some((task, attempt, base)), Some(context)) = (keep, context) {
                    keep_remains(context, &store, *task, *attempt, *base, worktree)?;
                }
                Ok(())
            }
            Remedy::FreeReferences(names) => repo
                .free_references(names)
                .map(drop)
                .map_err(|error| EngineError::File("a lock on a reference".to_owned(), error)),
            Remedy::MakeReference(name, commit) => {
                Ok(store.move_reference(name, Oid::ZERO, *commit, why)?)
            }
            Remedy::DeleteReference(name, at) => Ok(store.delete_reference(name, *at)?),
            Remedy::MoveBack(name, commit) => Ok(store.force_reference(name, *commit, why)?),
        }
    }
}

fn remove(path: &PathBuf) -> Result<(), EngineError> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        // Somebody was quicker.
        Err(_) => Ok(()),
    };
    removed.map_err(|error| EngineError::File(path.display().to_string(), error))
}
