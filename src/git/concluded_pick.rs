//! Recognises cherry-picks and reverts that are done although their marks are there.
//!
//! git removes `CHERRY_PICK_HEAD` with a lock on `packed-refs`, which belongs to the whole repository and
//! which the sandbox refuses to a worker. The mark then outlives the commit; git would take a merge for
//! impossible, and the next commit for that of the picked one's author. Two files that git removes without
//! a lock tell both apart: `MERGE_MSG` is there until the commit is made, and `sequencer` until the last of
//! several picks.

use std::fs;

use crate::git::worktree::Worktree;

/// The marks that git removes as references.
const MARKS: [&str; 2] = ["CHERRY_PICK_HEAD", "REVERT_HEAD"];

impl Worktree {
    /// Returns `true` for the mark of an operation that is done.
    pub(super) fn is_concluded(&self, mark: &str) -> bool {
        let is_there = |name: &str| self.admin.join(name).symlink_metadata().is_ok();
        MARKS.contains(&mark) && is_there(mark) && !is_there("MERGE_MSG") && !is_there("sequencer")
    }

    /// Removes the marks of operations that are done.
    pub(super) fn remove_concluded_marks(&self) {
        for mark in MARKS.into_iter().filter(|mark| self.is_concluded(mark)) {
            // One that stays is recognised again.
            let _ = fs::remove_file(self.admin.join(mark));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_is_done_once_its_message_and_its_list_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let worktree = Worktree {
            path: folder.path().to_owned(),
            admin: folder.path().to_owned(),
        };
        let write = |name: &str| fs::write(folder.path().join(name), "x").unwrap();
        assert!(!worktree.is_concluded("CHERRY_PICK_HEAD"));
        write("CHERRY_PICK_HEAD");
        write("MERGE_MSG");
        assert_eq!(worktree.unfinished(), Some("cherry-pick"));
        fs::remove_file(folder.path().join("MERGE_MSG")).unwrap();
        write("sequencer");
        assert_eq!(worktree.unfinished(), Some("cherry-pick"));
        fs::remove_file(folder.path().join("sequencer")).unwrap();
        assert_eq!(worktree.unfinished(), None);
        write("MERGE_HEAD");
        assert_eq!(worktree.unfinished(), Some("merge"));
        worktree.remove_concluded_marks();
        assert!(!folder.path().join("CHERRY_PICK_HEAD").exists());
        assert!(folder.path().join("MERGE_HEAD").exists());
    }
}
