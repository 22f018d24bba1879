//! A linked worktree with its admin folder: links, HEAD, lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::base::files;
use crate::base::regular_file::{self, LINE_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::head::{has_pseudo_reference, keeps_reftable, write_head_by_git};
use crate::git::private_mark::PrivateMark;
use crate::git::worktree_config;

pub use crate::git::head::Head;
pub(super) use crate::git::head::{read_head, render_head};

/// A worktree with the admin folder that belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worktree {
    /// Its folder.
    pub path: PathBuf,
    /// Its admin folder, `<common>/worktrees/<id>`.
    pub admin: PathBuf,
}

/// A worktree operation failed.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// Its folder already exists.
    #[error("{} already exists", .0.display())]
    Exists(PathBuf),
    /// The links between worktree and admin folder are not those that dispatch wrote.
    #[error("{} is no longer linked to {}: {what}", path.display(), admin.display())]
    Tampered {
        /// The worktree.
        path: PathBuf,
        /// Its admin folder.
        admin: PathBuf,
        /// The link and its content.
        what: String,
    },
    /// A file or folder could not be written.
    #[error("could not write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// Commits in its submodules could not be kept, so it stays.
    #[error("{} stays: commits in its submodules would be lost", .0.display())]
    Submodules(PathBuf, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The `git` program failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

pub(super) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, WorktreeError> {
    result.map_err(|error| WorktreeError::Io(path.to_owned(), error))
}

/// Files that mark an unfinished operation, as `git status` reads them.
const UNFINISHED: [(&str, &str); 6] = [
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_START", "bisect"),
];

impl Worktree {
    /// Verifies that the worktree is linked as it was created. A worker can rewrite `.git` or the
    /// admin folder so that the next git command here runs programs of its choice, so this comes
    /// before any such command.
    ///
    /// # Errors
    /// [`WorktreeError::Tampered`] names the link that differs.
    pub fn verify(&self) -> Result<(), WorktreeError> {
        let link = self.path.join(".git");
        let is_file = link.symlink_metadata().is_ok_and(|meta| meta.is_file());
        if !is_file {
            return Err(self.tampered(format!("{} is not a regular file", link.display())));
        }
        let mark = PrivateMark::read(&self.admin);
        let entry = mark.as_ref().map_or(&self.admin, |mark| &mark.entry);
        self.expect(&link, &format!("gitdir: {}", entry.display()))?;
        self.expect(&self.admin.join("commondir"), "../..")?;
        self.expect(&self.admin.join("gitdir"), &link.display().to_string())?;
        match at(&self.admin, worktree_config::foreign_setting(&self.admin))? {
            Some(setting) => Err(self.tampered(setting)),
            None => Ok(()),
        }
    }

    /// Returns `true` if its folder names its admin folder, so that it is no other folder.
    pub(super) fn is_linked_back(&self) -> bool {
        let link = regular_file::read_line(&self.path.join(".git"));
        let expected = format!("gitdir: {}", self.admin.display());
        link.is_ok_and(|link| link.trim_end() == expected)
    }

    fn expect(&self, file: &Path, expected: &str) -> Result<(), WorktreeError> {
        let found = regular_file::read(file, LINE_LIMIT).unwrap_or_default();
        let found = String::from_utf8_lossy(&found);
        if found.trim_end_matches('\n') == expected {
            return Ok(());
        }
        Err(self.tampered(format!("{} holds {:?}", file.display(), found.trim_end())))
    }

    fn tampered(&self, what: String) -> WorktreeError {
        WorktreeError::Tampered {
            path: self.path.clone(),
            admin: self.admin.clone(),
            what,
        }
    }

    /// Returns `true` if its folder exists; the entry alone may have outlived it.
    pub fn exists(&self) -> bool {
        self.path.join(".git").exists()
    }

    /// Reads HEAD.
    pub fn head(&self) -> Option<Head> {
        read_head(&self.admin)
    }

    /// Writes HEAD, without touching files or index.
    ///
    /// # Errors
    /// When the admin folder cannot be written, or git cannot.
    pub fn set_head(&self, head: &Head) -> Result<(), WorktreeError> {
        if self.head().as_ref() == Some(head) {
            return Ok(());
        }
        if keeps_reftable(&self.admin) {
            return Ok(write_head_by_git(&self.admin, head)?);
        }
        let file = self.admin.join("HEAD");
        at(&file, files::replace(&file, render_head(head).as_bytes()))
    }

    /// Locks it against `git worktree prune` and `remove`, with a reason.
    ///
    /// # Errors
    /// When the admin folder cannot be written.
    pub fn lock(&self, reason: &str) -> Result<(), WorktreeError> {
        let file = self.admin.join("locked");
        // The worker may have put a link there.
        let text = format!("{reason}\n");
        at(&file, files::replace_unsynced(&file, text.as_bytes()))
    }

    /// Returns `true` while its worker uses a git folder of its own, whose commits and index are not
    /// taken over yet.
    pub fn has_private_folder(&self) -> bool {
        PrivateMark::read(&self.admin).is_some()
    }

    /// Returns the unfinished operation, if any: `merge`, `rebase`, ….
    pub fn unfinished(&self) -> Option<&'static str> {
        let mark = PrivateMark::read(&self.admin);
        let entry = mark.as_ref().map_or(&self.admin, |mark| &mark.entry);
        let is_reftable = keeps_reftable(entry);
        let mut known = UNFINISHED.iter();
        known
            .find(|(file, _)| match is_reftable {
                true => has_pseudo_reference(entry, file),
                false => entry.join(file).exists(),
            })
            .map(|(_, word)| *word)
    }

    /// Unlocks it for `git worktree prune` and `remove`.
    pub fn unlock(&self) {
        // An absent file is an unlocked worktree; no other failure matters.
        let _ = fs::remove_file(self.admin.join("locked"));
    }

    /// Reads the reason of its lock; `None` if it is not locked.
    pub fn lock_reason(&self) -> Option<String> {
        let text = regular_file::read_line(&self.admin.join("locked")).ok()?;
        Some(text.trim().to_owned())
    }

    /// Reads the reason of a lock that the user made; `None` without one. `git worktree add` locks a worktree
    /// while it makes it, with a reason of its own.
    pub fn lock_by_user(&self) -> Option<String> {
        let is_of_program = |reason: &str| {
            matches!(reason, "dispatch" | "initializing") || reason.starts_with("dispatch ")
        };
        self.lock_reason().filter(|reason| !is_of_program(reason))
    }

    /// Rewrites both links between the folder and its entry, or that in its worker's own git folder, for
    /// their current places.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn relink(&self) -> Result<(), WorktreeError> {
        let mark = PrivateMark::read(&self.admin);
        self.relink_to(mark.as_ref().map_or(&self.admin, |mark| &mark.entry))
    }

    /// Rewrites both links, so that the folder names its entry in the repository.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub(super) fn relink_to_repository(&self) -> Result<(), WorktreeError> {
        self.relink_to(&self.admin)
    }

    fn relink_to(&self, entry: &Path) -> Result<(), WorktreeError> {
        let (link, gitdir) = (self.path.join(".git"), self.admin.join("gitdir"));
        let to_admin = format!("gitdir: {}\n", entry.display());
        let to_folder = format!("{}\n", link.display());
        fault::point("worktree", "before it is linked again");
        at(&link, files::replace(&link, to_admin.as_bytes()))?;
        fault::point("worktree", "half linked again");
        if regular_file::read(&gitdir, LINE_LIMIT).is_ok_and(|text| text == to_folder.as_bytes()) {
            return Ok(());
        }
        at(&gitdir, files::replace(&gitdir, to_folder.as_bytes()))
    }

    /// Returns git inside it, with the current settings of the repository. Its links are not read: a
    /// worker could change them at any time. [`Repo::git_in`] also leaves out changed settings.
    ///
    /// [`Repo::git_in`]: crate::git::Repo::git_in
    pub fn git(&self) -> Git {
        Git::at(&self.path)
            .env("GIT_DIR", self.admin.as_os_str())
            .env("GIT_COMMON_DIR", self.common().as_os_str())
            .env("GIT_WORK_TREE", self.path.as_os_str())
    }

    /// Returns the folder that all worktrees share.
    fn common(&self) -> &Path {
        let entries = self.admin.parent();
        let linked = entries.filter(|entries| entries.ends_with("worktrees"));
        linked.and_then(Path::parent).unwrap_or(&self.admin)
    }
}
