//! The folder and the worktree of a request to a planner, for as long as it takes.
//!
//! A lock beside the folder is held until the end, so that a later process recognises the folder of
//! one that was killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::base::files::FileLock;
use crate::base::regular_file::{self, LINE_LIMIT};
use crate::base::removal::remove_own_folder;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::kernel::sweep::sweep;
use crate::git::Repo;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;

/// The place of a planner's worktrees, where those of a run have its name.
const PLANNER: &str = "planner";

/// The file that names the worktree, written before that is made.
const WORKTREE: &str = "worktree";

/// Returns the folder of all planners of a repository.
pub(super) fn root(repo: &Repo) -> PathBuf {
    repo.dispatch_folder().join(PLANNER)
}

/// Returns the lock that belongs to a planner's folder.
pub(super) fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

/// The folder of one request, with its worktree.
pub(super) struct PlannerFolder {
    repo: Repo,
    /// The folder: prompts, logs and process records of the calls.
    pub(super) path: PathBuf,
    /// The worktree, detached at the base.
    pub(super) worktree: Worktree,
    /// The files that differ right after the checkout, by filters or line endings.
    differing: BTreeSet<String>,
    _lock: FileLock,
}

impl PlannerFolder {
    /// Creates the folder and checks out a commit in a worktree of its own.
    ///
    /// # Errors
    /// When either cannot be made; what was made until then is removed again.
    pub(super) fn create(
        repo: &Repo,
        settings: &Settings,
        base: Oid,
    ) -> Result<PlannerFolder, EngineError> {
        let root = root(repo);
        let failed = |error| EngineError::File(root.display().to_string(), error);
        fs::create_dir_all(&root).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("plan-").tempdir_in(&root);
        let folder = folder.map_err(failed)?;
        let lock = FileLock::wait(&lock_of(folder.path())).map_err(failed)?;
        fault::point("planner", "with its folder");
        let name = folder.path().file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let place = settings.worktree.folder(repo.home(), PLANNER, &name);
        let recorded = folder.path().join(WORKTREE);
        fs::write(&recorded, place.as_os_str().as_encoded_bytes()).map_err(failed)?;
        let reason = format!("dispatch {PLANNER}/{name}");
        let made = repo.add_worktree(&place, &Head::Detached(base), &reason);
        let worktree = match made {
            Ok(worktree) => worktree,
            Err(error) => {
                remove(repo, folder.path())?;
                return Err(error.into());
            }
        };
        fault::point("planner", "with its worktree");
        let differing = changed_files(repo, &worktree, base)?;
        Ok(PlannerFolder {
            repo: repo.clone(),
            path: folder.keep(),
            worktree,
            differing,
            _lock: lock,
        })
    }

    /// Checks the base out again, and returns the files that were changed, in order. Files that git
    /// ignores do not count.
    ///
    /// # Errors
    /// When git cannot read or write the worktree.
    pub(super) fn restore(&self, base: Oid) -> Result<Vec<String>, EngineError> {
        let changed = changed_files(&self.repo, &self.worktree, base)?;
        let changed: Vec<String> = changed.difference(&self.differing).cloned().collect();
        let head = Head::Detached(base);
        if !changed.is_empty() || self.worktree.head().as_ref() != Some(&head) {
            let git = self.repo.git_in(&self.worktree)?;
            git.run(&["read-tree", "--reset", "-u", &base.to_string()])?;
            sweep(&git)?;
            self.worktree.set_head(&head)?;
        }
        Ok(changed)
    }

    /// Removes the worktree with whatever is in it, then the folder.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub(super) fn remove(self) -> Result<(), EngineError> {
        remove(&self.repo, &self.path)
    }
}

/// Lists the files of a worktree that differ from a commit, and those that it does not have.
fn changed_files(
    repo: &Repo,
    worktree: &Worktree,
    base: Oid,
) -> Result<BTreeSet<String>, EngineError> {
    let git = repo.git_in(worktree)?;
    let base = base.to_string();
    let modified = git.run(&["diff", "--name-only", "--no-renames", "-z", &base])?;
    let new = git.run(&["ls-files", "--others", "--exclude-standard", "-z"])?;
    let names = [modified, new].concat();
    let names = names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(names.collect())
}

/// Removes the folder of a planner whose processes have ended, and its worktree.
///
/// # Errors
/// When files cannot be removed.
pub(super) fn remove(repo: &Repo, folder: &Path) -> Result<(), EngineError> {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    let recorded = regular_file::read(&folder.join(WORKTREE), LINE_LIMIT).unwrap_or_default();
    let place = PathBuf::from(OsString::from_vec(recorded));
    if place.is_absolute() {
        match repo.find_worktree(&place) {
            Some(worktree) => repo.remove_worktree(&worktree)?,
            None => repo.remove_orphan(&place)?,
        }
        // Only empty folders are removed: that of the planners, then that of the repository.
        let parents = place.ancestors().skip(1).take(2);
        parents.for_each(|folder| drop(fs::remove_dir(folder)));
    }
    fault::point("planner", "without its worktree");
    let failed = |error| EngineError::File(folder.display().to_string(), error);
    if folder.exists() {
        remove_own_folder(folder, 3).map_err(failed)?;
    }
    let _ = fs::remove_file(lock_of(folder));
    Ok(())
}
