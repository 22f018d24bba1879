//! Takes over what a worker committed in its own git folder, and makes its worktree an ordinary one again.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::base::fault;
use crate::base::regular_file;
use crate::git::private_folder::hand_back::{hand_back, nested_worktrees};
use crate::git::private_folder::left::Left;
use crate::git::private_folder::objects::Objects;
use crate::git::private_folder::{MODULES, PrivateFolder};
use crate::git::private_mark::PrivateMark;
use crate::git::refs::branch_ref;
use crate::git::store::{Store, StoreError};
use crate::git::submodules::without_files;
use crate::git::worktree::{Head, Worktree, WorktreeError, at};
use crate::merge::oid::Oid;

/// Files of a worktree that name a commit, as git writes them.
const NAMING: [&str; 5] = [
    "ORIG_HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
];

/// The commits of a worker could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// Its objects or references were refused.
    #[error(
        "the commits of the worker could not be taken over; they are in the worktree's own repository"
    )]
    Refused(#[source] WorktreeError),
    /// The branch could not be moved.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Takes over what the worker of a worktree committed in its own git folder: objects, its branch, the
    /// index. Does nothing where there is no such folder, or everything was taken over. Another process
    /// may have done a part of it and been killed. Returns what its worker left in the folder.
    ///
    /// # Errors
    /// When an object is refused or missing, or a file cannot be written. Nothing is lost then.
    pub fn take_over(
        &self,
        worktree: &Worktree,
        branch: &str,
        of_user: &BTreeMap<String, String>,
    ) -> Result<Option<Left>, TakeOverError> {
        let Some(mark) = PrivateMark::read(&worktree.admin) else {
            return Ok(None);
        };
        let mut found = None;
        let private = PrivateFolder::of(self.repo(), worktree);
        if private.exists() {
            fault::point("private folder", "before it is taken over");
            let mut left = at(&private.folder, private.left()).map_err(TakeOverError::Refused)?;
            let objects = Objects::list(self.repo(), &private).map_err(TakeOverError::Refused)?;
            left.has_objects = !objects.is_empty();
            let tips = tips(&private, &left, of_user);
            let is_whole = self
                .copy_objects(&private, &objects, tips, &mark)
                .map_err(TakeOverError::Refused)?;
            fault::point("private folder", "with its objects copied");
            self.move_branch(branch, &left, &mark)?;
            fault::point("private folder", "with its branch moved");
            // Of a worker that removed its own commits, the files count, as if it had made none.
            if left.head_commit().is_none_or(|head| self.has(head)) {
                let head = self.head_to_show(&left, branch);
                let has_index = is_whole && private.entry().join("index").exists();
                hand_back(self.repo(), &private, worktree, head.as_ref(), has_index)
                    .and_then(|()| match left.head_commit().filter(|_| !has_index) {
                        Some(head) => self.repo().show_in_index(worktree, head),
                        None => Ok(()),
                    })
                    .and_then(|()| self.hand_back_references(worktree, &left))
                    .map_err(TakeOverError::Refused)?;
            }
            found = Some(left);
        }
        link_back(worktree, &mark).map_err(TakeOverError::Refused)?;
        fault::point("private folder", "linked back");
        let removed = PrivateMark::remove(&worktree.admin);
        at(&worktree.admin, removed).map_err(TakeOverError::Refused)?;
        fault::point("private folder", "taken over");
        Ok(found)
    }

    fn copy_objects(
        &self,
        private: &PrivateFolder,
        objects: &Objects,
        tips: Vec<Oid>,
        mark: &PrivateMark,
    ) -> Result<bool, WorktreeError> {
        if objects.is_empty() {
            return Ok(true);
        }
        // A `git gc` of the worker packed what is only staged, so that only the index names it.
        let staged = match objects.has_packs() {
            true => self.staged_elsewhere(private),
            false => Vec::new(),
        };
        let tips = [tips, staged.clone()].concat();
        let is_whole = objects.copy(self, tips, mark.start)?;
        Ok(is_whole || (!staged.is_empty() && staged.iter().all(|oid| self.has(*oid))))
    }

    /// Lists the objects that the worker's index names and the repository lacks; none if it cannot be
    /// read.
    fn staged_elsewhere(&self, private: &PrivateFolder) -> Vec<Oid> {
        let index = private.entry().join("index");
        if !index.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return Vec::new();
        }
        let git = without_files(&self.repo().common).env("GIT_INDEX_FILE", index.as_os_str());
        let listed = git.run(&["ls-files", "--stage", "-z"]).unwrap_or_default();
        let entries = listed.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let staged = entries.filter_map(|entry| {
            let (mode, rest) = entry.split_once(' ')?;
            let oid = rest.split(' ').next()?;
            oid.parse().ok().filter(|_| mode != "160000")
        });
        staged.filter(|oid: &Oid| !self.has(*oid)).collect()
    }

    /// Moves the task's branch to where the worker left it.
    fn move_branch(&self, branch: &str, left: &Left, mark: &PrivateMark) -> Result<(), StoreError> {
        let name = branch_ref(branch);
        let (Some(new), Some(old)) = (left.branches.get(branch), self.reference(&name)?) else {
            return Ok(());
        };
        // A branch that someone moved meanwhile stays; the worker's HEAD is kept as another commit.
        if *new == old || old != mark.start || !self.has(*new) {
            return Ok(());
        }
        self.move_reference(&name, old, *new, "dispatch: commits of the worker")
    }

    /// Gives the worktree the references of it alone, such as those of a bisection that was not finished.
    fn hand_back_references(&self, worktree: &Worktree, left: &Left) -> Result<(), WorktreeError> {
        let known = left
            .of_worktree
            .iter()
            .filter(|(_, object)| self.has(**object));
        let known = known.map(|(name, object)| (name.clone(), *object));
        worktree.set_own_references(&known.collect())
    }

    /// Returns HEAD for the ordinary worktree: other branches of the worker are not in the repository.
    fn head_to_show(&self, left: &Left, branch: &str) -> Option<Head> {
        let head = left.head.clone()?;
        let Head::Branch(own) = &head else {
            return Some(head);
        };
        let commit = left.head_commit();
        let is_there = own == branch && self.reference(&branch_ref(own)).ok().flatten() == commit;
        match commit {
            Some(commit) if !is_there => Some(Head::Detached(commit)),
            _ => Some(head),
        }
    }
}

/// Lists the commits that the worker may have made: those that something of its names.
fn tips(private: &PrivateFolder, left: &Left, of_user: &BTreeMap<String, String>) -> Vec<Oid> {
    let logged = left.head_log.iter().chain(&left.stash);
    let mut tips: Vec<Oid> = logged.map(|(commit, _)| *commit).collect();
    tips.extend(left.head_commit());
    tips.extend(left.changed_branches(of_user).map(|(_, commit)| commit));
    tips.extend(left.changed_others(of_user).map(|(_, object)| object));
    tips.extend(left.of_worktree.values());
    tips.extend(left.of_added.iter().map(|(.., object)| *object));
    tips.extend(&left.abandoned);
    let nested = nested_worktrees(private).into_iter();
    tips.extend(nested.filter_map(|nested| match nested.head()? {
        Head::Detached(commit) => Some(commit),
        Head::Branch(branch) => left.branches.get(&branch).copied(),
    }));
    let files = fs::read_dir(private.entry())
        .into_iter()
        .flatten()
        .flatten();
    let named = files.filter_map(|file| {
        let name = file.file_name();
        NAMING.iter().find(|known| name == **known)?;
        let text = regular_file::read_line(&file.path()).ok()?;
        Some(
            text.lines()
                .filter_map(|line| line.parse().ok())
                .collect::<Vec<Oid>>(),
        )
    });
    tips.extend(named.flatten());
    tips
}

/// Lets the worktree use its entry in the repository again. A link that the worker changed stays, and is
/// reported as every changed link.
fn link_back(worktree: &Worktree, mark: &PrivateMark) -> Result<(), WorktreeError> {
    // git refuses to remove a worktree that has this folder; one with submodules stays.
    let _ = fs::remove_dir(worktree.admin.join(MODULES));
    let link = regular_file::read_line(&worktree.path.join(".git"));
    match link {
        Ok(link) if link.trim_end() == format!("gitdir: {}", mark.entry.display()) => {
            worktree.relink_to_repository()
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            at(&worktree.path, Err(error))
        }
        _ => Ok(()),
    }
}
