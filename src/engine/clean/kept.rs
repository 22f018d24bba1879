//! Lists what dispatch keeps on disk: worktrees, logs and caches.

use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::engine::kernel::disk_use::{disk_use, worktrees};
use crate::git::Repo;
use crate::git::worktree::Worktree;

/// A folder that dispatch keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The folder.
    pub place: PathBuf,
    /// Its bytes on the disk.
    pub bytes: u64,
    /// Its use.
    pub usage: Usage,
}

/// The use of a kept folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Usage {
    /// A worktree of the pool that no task has.
    Free,
    /// A worktree that a run knows by this path.
    OfRun {
        /// The run; `None` if no run has such a path.
        run: Option<String>,
        /// The path.
        known_as: PathBuf,
        /// `true` if it is one of the pool that another task may take over.
        is_released: bool,
    },
    /// Records and logs of runs.
    Records,
    /// Verdicts of `dispatch conflicts`, which can be computed again.
    Cache,
}

/// Lists every worktree of dispatch and its own folders in the repository, with their sizes. `runs` are the
/// names of all runs.
pub fn kept(repo: &Repo, settings: &Settings, runs: &[String]) -> Vec<Kept> {
    let mut all: Vec<Kept> = worktrees(repo, settings)
        .into_iter()
        .filter(|worktree| worktree.path.is_dir())
        .map(|worktree| Kept {
            bytes: disk_use(&worktree.path),
            usage: usage(repo, settings, runs, &worktree),
            place: worktree.path,
        })
        .collect();
    all.sort_by(|one, other| one.place.cmp(&other.place));
    let own = repo.dispatch_folder();
    for (name, usage) in [("runs", Usage::Records), ("cache", Usage::Cache)] {
        let place = own.join(name);
        if place.is_dir() {
            let bytes = disk_use(&place);
            all.push(Kept {
                place,
                bytes,
                usage,
            });
        }
    }
    all
}

fn usage(repo: &Repo, settings: &Settings, runs: &[String], worktree: &Worktree) -> Usage {
    let entry = repo.in_pool(&worktree.path);
    let lease = entry.as_ref().and_then(|entry| entry.lease(repo));
    if entry.is_some() && lease.is_none() {
        return Usage::Free;
    }
    Usage::OfRun {
        run: match &lease {
            Some(lease) => Some(lease.run.clone()),
            None => run_of(repo, settings, runs, &worktree.path),
        },
        known_as: lease.map_or_else(|| worktree.path.clone(), |lease| lease.link),
        is_released: entry.is_some_and(|entry| entry.is_released()),
    }
}

/// Finds the run in whose folder a worktree is.
fn run_of(repo: &Repo, settings: &Settings, runs: &[String], place: &Path) -> Option<String> {
    const MARK: &str = "\u{1}";
    let place = place.to_string_lossy();
    let is_in = |run: &&String| {
        let folder = settings.worktree.folder(repo.home(), run, MARK);
        let folder = folder.to_string_lossy().into_owned();
        let before = folder.split(MARK).next().unwrap_or_default();
        place.starts_with(before)
    };
    // Of two runs, the name of one may begin with that of the other.
    let mut found = runs.iter().filter(is_in).collect::<Vec<_>>();
    found.sort_by_key(|run| run.len());
    found.pop().cloned()
}
