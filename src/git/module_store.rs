//! Carries the commits of submodules from a worktree into the repository's own module store.
//!
//! A commit counts as carried once a reference of the store reaches it. The reference is written
//! after all its objects, so an interrupted carry is repeated from the start and leaves no reference
//! to a commit that is not whole.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::git::command::{Git, GitError};
use crate::git::repo::Repo;
use crate::git::submodules::{Known, Submodule, known_commits, without_files};
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// The work in the submodules of a worktree could not be carried into the module store.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// git could not read a submodule, or the file that declares them.
    #[error("could not read the submodule {}", .0.display())]
    Unread(PathBuf, #[source] Box<GitError>),
    /// A commit is not in the store.
    #[error("could not keep commit {} of the submodule {submodule} in {}", commit.short(), store.display())]
    NotKept {
        /// The path of the submodule.
        submodule: String,
        /// The commit.
        commit: Oid,
        /// The store.
        store: PathBuf,
        /// The cause.
        #[source]
        cause: Box<CarryCause>,
    },
}

impl CarryError {
    /// Creates the error about a submodule that git could not read.
    pub fn unread(path: &Path, error: GitError) -> CarryError {
        CarryError::Unread(path.to_owned(), Box::new(error))
    }

    /// Returns the error of git that caused it.
    pub fn git_error(&self) -> Option<&GitError> {
        match self {
            CarryError::Unread(_, error) => Some(error),
            CarryError::NotKept { cause, .. } => match &**cause {
                CarryCause::Git(error) => Some(error),
                _ => None,
            },
        }
    }
}

/// The cause of a [`CarryError`].
#[derive(Debug, thiserror::Error)]
pub enum CarryCause {
    /// git could not read or write a commit.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store could not be created.
    #[error("could not create it")]
    Io(#[from] io::Error),
    /// The store did not take it.
    #[error("git did not accept it there")]
    Rejected,
    /// The worktree has no such commit.
    #[error("its repository in the worktree does not have it")]
    Missing,
}

/// Settings of a fetch between two folders of this machine. Objects are on the disk before the
/// reference is.
const FETCH: [&str; 5] = [
    "protocol.version=2",
    "protocol.file.allow=always",
    "fetch.writeCommitGraph=false",
    "core.fsync=committed,loose-object,reference",
    "core.fsyncMethod=batch",
];

/// Keeps the other side, whose configuration a worker may have written, from fetching. Lets it start where `core.worktree` names no folder, as after `git rm` of a submodule.
/// It runs in its own git folder.
pub(super) const UPLOAD_PACK: &str =
    "--upload-pack=GIT_ALLOW_PROTOCOL=none GIT_WORK_TREE=. git-upload-pack";

impl Repo {
    /// Lists those of some commits and tags that no reference of a submodule's store reaches.
    ///
    /// # Errors
    /// When git cannot read the store.
    pub fn not_in_store(
        &self,
        submodule: &Submodule,
        commits: &[Oid],
    ) -> Result<Vec<Oid>, GitError> {
        if commits.is_empty() || !submodule.store.join("objects").is_dir() {
            return Ok(commits.to_vec());
        }
        let git = without_files(&submodule.store);
        let present = known_commits(&git, commits)?;
        let unreached = unreached_commits(&git, &present)?;
        let is_in = |commit: &&Oid| present.contains(commit) && !unreached.contains(commit);
        let missing = commits.iter().filter(|commit| !is_in(commit));
        Ok(missing.copied().collect())
    }

    /// Carries commits of a submodule into its store, each under `<references>/<commit>`, with
    /// everything they need. Returns those that were not there before.
    ///
    /// # Errors
    /// [`CarryError`] names a commit that is not in the store.
    pub fn carry(
        &self,
        submodule: &Submodule,
        commits: &[Oid],
        references: &str,
    ) -> Result<Vec<Oid>, CarryError> {
        let unread = |error| CarryError::unread(&submodule.path, error);
        let missing = self.not_in_store(submodule, commits).map_err(unread)?;
        let Some(first) = missing.first().copied() else {
            return Ok(missing);
        };
        let not_kept = |commit: Oid, cause: CarryCause| CarryError::NotKept {
            submodule: submodule.shown(),
            commit,
            store: submodule.store.clone(),
            cause: Box::new(cause),
        };
        let known = known_commits(&submodule.git(), &missing).map_err(unread)?;
        if let Some(gone) = missing.iter().find(|commit| !known.contains(commit)) {
            return Err(not_kept(*gone, CarryCause::Missing));
        }
        let created = self.create_store(submodule);
        created.map_err(|cause| not_kept(first, cause))?;
        fault::point("submodule", "before its commits are carried");
        // A worker may have cloned it without its whole history. git then exits 0 and leaves out
        // the references, unless it may note the new end of history in the store.
        let mut left = missing.clone();
        for options in [&[][..], &["--update-shallow"]] {
            let fetched = fetch(options, submodule, &left, references);
            fetched.map_err(|error| not_kept(first, error.into()))?;
            left = self.not_in_store(submodule, &left).map_err(unread)?;
            if left.is_empty() {
                fault::point("submodule", "carried");
                return Ok(missing);
            }
        }
        Err(not_kept(left[0], CarryCause::Rejected))
    }

    /// Carries everything that was committed in the submodules of a worktree and is nowhere else.
    ///
    /// # Errors
    /// As [`Repo::carry`], and when git cannot read a submodule.
    pub fn carry_all(&self, worktree: &Worktree, references: &str) -> Result<(), CarryError> {
        let found = self.submodules_in(worktree);
        let found = found.map_err(|error| CarryError::unread(&worktree.path, error))?;
        for submodule in found {
            let tips = submodule.own_tips();
            let tips = tips.map_err(|error| CarryError::unread(&submodule.path, error))?;
            self.carry(&submodule, &tips, references)?;
        }
        Ok(())
    }

    /// Creates the store of a submodule, as an interrupted `git submodule update` would leave it:
    /// a repository without files. The next `git submodule update` checks it out.
    fn create_store(&self, submodule: &Submodule) -> Result<(), CarryCause> {
        let store = &submodule.store;
        if store.join("objects").is_dir() {
            return Ok(());
        }
        let stages = self.dispatch_folder().join("stage");
        fs::create_dir_all(&stages)?;
        fault::full("module store")?;
        let stage = tempfile::tempdir_in(&stages)?;
        // `git init` would record a folder of files that it is given.
        let git = Git::at(stage.path()).env("GIT_DIR", stage.path().as_os_str());
        let format = submodule
            .git()
            .line(&["rev-parse", "--show-object-format"])?;
        let format = format!("--object-format={format}");
        git.run(&["init", "--quiet", "--template=", &format])?;
        git.run(&["config", "core.bare", "false"])?;
        git.run(&["config", "core.logAllRefUpdates", "true"])?;
        if let Some(url) = self.submodule_url(submodule) {
            git.run(&["config", "remote.origin.url", &url])?;
            let all = "+refs/heads/*:refs/remotes/origin/*";
            git.run(&["config", "remote.origin.fetch", all])?;
        }
        fault::point("submodule", "with its store staged");
        store.parent().map_or(Ok(()), fs::create_dir_all)?;
        match fs::rename(stage.path(), store) {
            // Another attempt has created it.
            Err(_) if store.join("objects").is_dir() => Ok(()),
            Ok(()) => {
                // The folder has moved; the guard has nothing to remove.
                let _ = stage.keep();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the address of a submodule in the repository's own configuration, else the one that it
    /// was cloned from. The relative addresses of submodules inside it start there.
    fn submodule_url(&self, submodule: &Submodule) -> Option<String> {
        let key = format!("submodule.{}.url", submodule.name);
        let own = self.setting(&["--get", &key]).ok().flatten();
        let origin = ["config", "--get", "remote.origin.url"];
        own.or_else(|| submodule.git().line(&origin).ok())
    }
}

/// Returns those of some commits and tags that no reference reaches.
fn unreached_commits(git: &Git, known: &Known) -> Result<HashSet<Oid>, GitError> {
    let mut unreached = unnamed_tags(git, &known.tags)?;
    let commits = &known.commits;
    if commits.is_empty() {
        return Ok(unreached);
    }
    let args = ["rev-list", "--stdin", "--not", "--all"];
    let asked: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
    let finished = git.program().args(args).stdin(asked).output()?;
    if !finished.status.success() {
        // An interrupted or rejected fetch has left a commit without its history.
        unreached.extend(commits);
        return Ok(unreached);
    }
    let listed = String::from_utf8_lossy(&finished.stdout);
    let listed = listed.lines().filter_map(|line| line.parse().ok());
    unreached.extend(listed.filter(|commit| commits.contains(commit)));
    Ok(unreached)
}

/// Returns those of some tags that no reference names.
fn unnamed_tags(git: &Git, tags: &HashSet<Oid>) -> Result<HashSet<Oid>, GitError> {
    if tags.is_empty() {
        return Ok(HashSet::new());
    }
    let listed = git.run(&["for-each-ref", "--format=%(objectname)"])?;
    let listed = String::from_utf8_lossy(&listed);
    let named: HashSet<Oid> = listed.lines().filter_map(|id| id.parse().ok()).collect();
    Ok(tags.difference(&named).copied().collect())
}

fn fetch(
    more: &[&str],
    submodule: &Submodule,
    commits: &[Oid],
    references: &str,
) -> Result<(), GitError> {
    let settings = FETCH.iter().flat_map(|setting| ["-c", setting]);
    let options = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-prune",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--refmap=",
        UPLOAD_PACK,
    ];
    let options = options.iter().chain(more).copied().chain(["--"]);
    let mut args: Vec<OsString> = settings.chain(options).map(OsString::from).collect();
    args.push(submodule.git_dir.clone().into_os_string());
    let refspec = |commit: &Oid| OsString::from(format!("{commit}:{references}/{commit}"));
    args.extend(commits.iter().map(refspec));
    without_files(&submodule.store)
        .with_fetches_from_folders()
        .run(&args)
        .map(drop)
}
