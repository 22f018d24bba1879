//! What is left of processes that were killed, and belongs to no run alone.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::engine::doctor::{Ailment, Remedy};
use crate::git::Repo;

/// git holds a lock for the moment in which it writes a file; one that is this old has nobody
/// behind it, but only its owner can be sure.
const OLD: Duration = Duration::from_secs(60);

/// Temporary folders of killed processes, and locks of the whole repository.
pub fn examine(repo: &Repo) -> Vec<Ailment> {
    let mut found = Vec::new();
    for folder in repo.abandoned_folders() {
        found.push(Ailment {
            run: None,
            what: folder.display().to_string(),
            why: "a temporary folder of a process that was killed".to_owned(),
            remedy: Remedy::Remove(folder),
        });
    }
    for name in [
        "config.lock",
        "packed-refs.lock",
        "shallow.lock",
        "index.lock",
        "HEAD.lock",
    ] {
        let lock = repo.common.join(name);
        if let Some(age) = age(&lock).filter(|age| *age > OLD) {
            found.push(Ailment {
                run: None,
                what: lock.display().to_string(),
                why: format!("git is locked since {} minutes", age.as_secs() / 60),
                remedy: Remedy::Person(
                    "make sure that no git is at work in this repository, then remove it"
                        .to_owned(),
                ),
            });
        }
    }
    found.extend(foreign_worktrees(repo));
    found
}

fn age(path: &Path) -> Option<Duration> {
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    SystemTime::now().duration_since(modified).ok()
}

/// A worktree of somebody else that git was killed over is theirs to remove.
fn foreign_worktrees(repo: &Repo) -> Vec<Ailment> {
    let is_stuck = |worktree: &crate::git::worktree::Worktree| {
        worktree.lock_reason().as_deref() == Some("initializing")
            && age(&worktree.admin.join("locked")).is_some_and(|age| age > OLD)
    };
    let is_ours = |path: &Path| path.to_string_lossy().contains(".dispatch/");
    let found = repo.worktrees().into_iter().filter(is_stuck);
    let found = found.filter(|worktree| !is_ours(&worktree.path));
    let ailment = |worktree: crate::git::worktree::Worktree| Ailment {
        run: None,
        what: worktree.path.display().to_string(),
        why: "a `git worktree add` was killed over it; it is locked for ever".to_owned(),
        remedy: Remedy::Person(format!(
            "`git worktree remove -f -f {}` if nothing in it is yours",
            worktree.path.display()
        )),
    };
    found.map(ailment).collect()
}
