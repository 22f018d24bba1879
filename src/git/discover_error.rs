//! Folders without a usable repository.

use std::path::PathBuf;

use crate::git::bare_setting::BareSetting;
use crate::git::command::GitError;
use crate::git::store_error::StoreError;

/// The oldest supported git: the first with `merge-tree --stdin`.
pub const OLDEST_GIT: (u32, u32) = (2, 39);

/// A folder without a usable repository.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// No `git` on PATH.
    #[error("the program `git` was not found on PATH")]
    NoGit,
    /// The git on PATH is too old.
    #[error("git {0} is too old; dispatch needs 2.39 or newer")]
    OldGit(String),
    /// The folder is not inside a repository.
    #[error("{} is not inside a git repository", .0.display())]
    NoRepository(PathBuf),
    /// git rejects the repository (`safe.directory`, unknown extension).
    #[error("git cannot open the repository at {}: {}", .0.display(), .1)]
    Refused(PathBuf, String),
    /// A repository without a checkout.
    #[error("{} is a bare repository, which has no checkout to work beside", .0.display())]
    Bare(PathBuf),
    /// A repository with a checkout that a setting calls bare.
    #[error("core.bare is true in {}, although the repository has a checkout", .0.file().display())]
    BareSetting(BareSetting),
    /// A setting names a folder that is missing as the checkout.
    #[error("core.worktree names {}, which is not a folder, as the checkout of {}", .0.display(), .1.display())]
    NoCheckout(PathBuf, PathBuf),
    /// References in a form this git cannot read.
    #[error("{} stores its references as reftable, which git {version} cannot read", folder.display())]
    Reftable {
        /// The folder.
        folder: PathBuf,
        /// The version of git.
        version: String,
    },
    /// Objects or references in a form that dispatch does not know.
    #[error("the repository has {0} = {1}, which dispatch does not know")]
    UnknownFormat(String, String),
    /// The variable that chooses a backend has another value.
    #[error("invalid DISPATCH_STORE {0:?}")]
    UnknownStore(String),
    /// libgit2 was asked for and cannot open the repository.
    #[error("libgit2 cannot open the repository")]
    Libgit2(#[source] StoreError),
    /// A path with a line break, which `objects/info/alternates` cannot hold.
    #[error("{0:?} has a line break in its path, which git's own files cannot hold")]
    LineBreak(PathBuf),
    /// A path that is not UTF-8, which records and environment variables cannot hold.
    #[error("the path {0:?} is not UTF-8")]
    NotUtf8(PathBuf),
    /// A pipe, a device or a folder stands in place of a file of git, which would wait for it.
    #[error("{} is not a file, and git would wait for it", .0.display())]
    Irregular(PathBuf),
    /// The `git` program could not be run.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl DiscoverError {
    /// Suggests a remedy.
    pub fn hint(&self) -> &'static str {
        match self {
            DiscoverError::NoGit => "install git 2.39 or newer and put it on PATH",
            DiscoverError::OldGit(_) => "install a newer git, or put one first on PATH",
            DiscoverError::NoRepository(_) => {
                "go to a repository, or make one with `git init` and a first commit"
            }
            DiscoverError::Refused(..) | DiscoverError::Git(_) => "`git status` there says more",
            DiscoverError::Bare(_) => {
                "run dispatch from a worktree of it: `git worktree add ../work`, then `cd ../work`"
            }
            DiscoverError::BareSetting(_) => {
                "`dispatch doctor --fix` sets it to false, as does `git config --file` that file \
                 `core.bare false`"
            }
            DiscoverError::NoCheckout(..) => {
                "`git config --show-origin core.worktree` shows where it is set, and \
                 `git config --unset core.worktree` removes it"
            }
            DiscoverError::Reftable { .. } => "install git 2.45 or newer, and put it first on PATH",
            DiscoverError::UnknownFormat(..) => "use a newer dispatch",
            DiscoverError::UnknownStore(_) => "unset it, or set it to git or libgit2",
            DiscoverError::Libgit2(_) => "unset DISPATCH_STORE, or set it to git",
            DiscoverError::Irregular(_) => {
                "a worker may have put it there: remove it, and restore the file from a copy"
            }
            DiscoverError::LineBreak(_) | DiscoverError::NotUtf8(_) => {
                "give the folder another name"
            }
        }
    }
}
