//! The commits of an ended attempt, some of which a concurrent `git gc --prune=now` may have removed.

use crate::git::capture::CaptureError;
use crate::git::command::GitError;
use crate::git::refs::branch_ref;
use crate::git::store::{Store, StoreError};
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;

impl GitError {
    /// Returns `true` if git may have failed because another git removed an object, or its folder, at the
    /// same time.
    pub fn says_pruned(&self) -> bool {
        const WORDS: [&str; 11] = [
            "unable to write file",
            "unable to create temporary file: No such file",
            "unable to read",
            "bad object",
            "invalid object",
            "not a valid object",
            "invalid sha1 pointer",
            "nonexistent object",
            "no such object",
            "malformed object",
            "Could not read",
        ];
        match self {
            GitError::Failed { message, .. } => WORDS.iter().any(|words| message.contains(words)),
            _ => false,
        }
    }
}

impl StoreError {
    /// Returns `true` for a missing object, which another git may have removed at the same time.
    pub fn says_pruned(&self) -> bool {
        match self {
            StoreError::Missing(_) => true,
            StoreError::Git(error) => error.code() == git2::ErrorCode::NotFound,
            StoreError::Program(error) => error.says_pruned(),
            _ => false,
        }
    }
}

impl Store {
    /// Copies the commits that an ended attempt made on its branch, so that they cannot be removed. If
    /// one of their objects was removed already, the branch is moved back to `base` and the index is
    /// made again: then everything in the worktree is uncommitted work. Returns `true` in that case.
    ///
    /// # Errors
    /// When the worktree was tampered with, or its files cannot be written.
    pub fn keep_commits(&self, worktree: &Worktree, base: Oid) -> Result<bool, CaptureError> {
        worktree.verify()?;
        let Some(Head::Branch(branch)) = worktree.head() else {
            return Ok(false);
        };
        let name = branch_ref(&branch);
        let Some(head) = self.reference(&name)?.filter(|head| *head != base) else {
            return Ok(false);
        };
        match self.keep_history(base, head) {
            Err(error) if error.says_pruned() => {}
            kept => return Ok(kept.map(|()| false)?),
        }
        let git = self.repo.git_in(worktree)?;
        let sparse = git.config(&["--type=bool", "--get", "core.sparseCheckout"])?;
        if sparse.as_deref() == Some("true") {
            // What is not checked out would be removed.
            return Ok(false);
        }
        self.force_reference(&name, base, "dispatch: its commits were removed")?;
        git.run(&["read-tree", "--reset", &base.to_string()])?;
        Ok(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::git::Repo;

    /// A repository, a worktree with a commit on a branch, and the base of the branch.
    fn scene() -> (tempfile::TempDir, Repo, Worktree, Oid) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("r");
        let script = "git init -q r; cd r; echo a >kept; git add .; git commit -qm base; \
                      git worktree add -q -b work ../w; cd ../w; \
                      echo b >new; git add .; git commit -qm more; echo c >newer";
        let run = std::process::Command::new("sh")
            .args(["-ec", script])
            .current_dir(folder.path())
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@x")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@x")])
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let repo = Repo::discover(&top).unwrap();
        let worktree = repo.find_worktree(&folder.path().join("w")).unwrap();
        let base = repo.git().line(&["rev-parse", "HEAD"]).unwrap();
        (folder, repo, worktree, base.parse().unwrap())
    }

    fn remove(repo: &Repo, revision: &str) {
        let name = repo.git().line(&["rev-parse", revision]).unwrap();
        let file = repo
            .common
            .join("objects")
            .join(&name[..2])
            .join(&name[2..]);
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn commits_that_are_there_are_left_as_they_are() {
        let (_folder, repo, worktree, base) = scene();
        let store = Store::open(&repo).unwrap();
        assert!(!store.keep_commits(&worktree, base).unwrap());
        for revision in ["work:new", "work^{tree}", "work"] {
            remove(&repo, revision);
        }
        let again = Store::open(&repo).unwrap();
        assert!(again.restore_objects());
        let text = repo.git().line(&["show", "work:new"]).unwrap();
        assert_eq!(text, "b");
    }

    #[test]
    fn the_files_of_removed_commits_become_uncommitted_work() {
        for lost in ["work", "work^{tree}", "work:new"] {
            let (_folder, repo, worktree, base) = scene();
            remove(&repo, lost);
            let store = Store::open(&repo).unwrap();
            assert!(store.keep_commits(&worktree, base).unwrap(), "{lost}");
            let capture = store.capture(&worktree, &[]).unwrap();
            assert_eq!(capture.head, base);
            let tree = capture.tree.to_string();
            let names = repo.git().line(&["ls-tree", "--name-only", &tree]).unwrap();
            assert_eq!(names, "kept\nnew\nnewer");
            repo.git()
                .run(&["cat-file", "-e", &format!("{tree}:new")])
                .unwrap();
        }
    }
}
