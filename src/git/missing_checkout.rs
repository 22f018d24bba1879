//! Worktrees that have a branch checked out and whose folder is missing.

use std::path::PathBuf;

use crate::base::text::shell_path;
use crate::git::repo::Repo;

/// A worktree whose folder is missing, while git keeps its branch for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingCheckout {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The folder.
    pub path: PathBuf,
    /// The reason of its lock, which may be empty; `None` if it is not locked.
    pub lock: Option<String>,
}

impl MissingCheckout {
    /// Says what is missing.
    pub fn sentence(&self) -> String {
        let lock = match self.lock.as_deref() {
            None => String::new(),
            Some("") => " and locked".to_owned(),
            Some(reason) => format!(" and locked ({reason})"),
        };
        format!(
            "{} is checked out in the worktree {}, which is missing{lock}",
            self.branch,
            self.path.display()
        )
    }

    /// Says what the user can do.
    pub fn advice(&self) -> String {
        let path = shell_path(&self.path);
        let forget = match self.lock {
            None => "`git worktree prune`".to_owned(),
            Some(_) => format!("`git worktree unlock {path}`, then `git worktree prune`"),
        };
        format!(
            "bring it back, or if it is gone for good: {forget}; `git worktree repair` finds one that was moved"
        )
    }
}

impl Repo {
    /// Finds a linked worktree that has a branch checked out and whose folder is missing.
    pub fn missing_checkout(&self, branch: &str) -> Option<MissingCheckout> {
        let mut worktrees = self.worktrees_on(branch).into_iter();
        let missing = worktrees.find(|worktree| !worktree.exists())?;
        Some(MissingCheckout {
            branch: branch.to_owned(),
            lock: missing.lock_reason(),
            path: missing.path,
        })
    }
}
