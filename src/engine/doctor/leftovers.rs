//! Finds leftovers of killed processes that belong to no single run.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::base::text::shell_path;
use crate::config::Settings;
use crate::engine::doctor::Problem;
use crate::engine::doctor::fix::Fix;
use crate::engine::kernel::disk_space::worktree_prefix;
use crate::engine::planner;
use crate::engine::spec::confinement::delegation;
use crate::git::Repo;
use crate::git::worktree::Worktree;

/// The age from which a lock is stale: git holds one only for the moment in which it writes a file.
const OLD: Duration = Duration::from_secs(60);

/// Finds temporary folders of killed processes, and stale locks of the whole repository.
pub fn examine(repo: &Repo, settings: &Settings) -> Vec<Problem> {
    let folders = repo.abandoned_folders().into_iter();
    let folders = folders.map(|folder| Problem {
        run: None,
        what: folder.display().to_string(),
        why: "a temporary folder of a process that was killed".to_owned(),
        fix: Fix::Remove(folder),
    });
    let locks = [
        "config.lock",
        "packed-refs.lock",
        "shallow.lock",
        "index.lock",
        "HEAD.lock",
        "reftable/tables.list.lock",
    ];
    let locks = locks.into_iter().map(|name| repo.common.join(name));
    let planners = planner::leftovers::abandoned(repo).into_iter();
    let planners = planners.map(|folder| Problem {
        run: None,
        what: folder.display().to_string(),
        why: "`dispatch plan new` was killed; nothing in it is yours".to_owned(),
        fix: Fix::ClearPlanner(folder),
    });
    let cgroups = delegation(settings).map(|found| found.abandoned());
    let cgroups = cgroups.into_iter().flatten().map(|folder| Problem {
        run: None,
        what: folder.display().to_string(),
        why: "a cgroup of a worker whose supervisor was killed; no process is in it".to_owned(),
        fix: Fix::RemoveCgroup(folder),
    });
    folders
        .chain(planners)
        .chain(cgroups)
        .chain(locks.filter_map(|lock| stale_lock(&lock)))
        .chain(foreign_worktrees(repo, settings))
        .collect()
}

fn stale_lock(lock: &Path) -> Option<Problem> {
    let age = age(lock).filter(|age| *age > OLD)?;
    let advice = "make sure that no git is running in this repository, then remove it";
    Some(Problem {
        run: None,
        what: lock.display().to_string(),
        why: format!("git has been locked for {} minutes", age.as_secs() / 60),
        fix: Fix::Manual(advice.to_owned()),
    })
}

fn age(path: &Path) -> Option<Duration> {
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    SystemTime::now().duration_since(modified).ok()
}

/// Finds worktrees of the user's that a killed `git worktree add` left locked. Those of runs are
/// examined with their run.
fn foreign_worktrees(repo: &Repo, settings: &Settings) -> impl Iterator<Item = Problem> {
    let is_stuck = |worktree: &Worktree| {
        worktree.lock_reason().as_deref() == Some("initializing")
            && age(&worktree.admin.join("locked")).is_some_and(|age| age > OLD)
    };
    // Earlier runs may have had the default path.
    let prefixes = [settings, &Settings::default()].map(|given| worktree_prefix(repo, given));
    let is_ours = move |worktree: &Worktree| {
        let mut prefixes = prefixes.iter();
        prefixes.any(|prefix| starts_with(&worktree.path, prefix))
    };
    let found = repo.worktrees().into_iter();
    let found = found.filter(move |worktree| is_stuck(worktree) && !is_ours(worktree));
    found.map(|worktree| Problem {
        run: None,
        what: worktree.path.display().to_string(),
        why: "a `git worktree add` was killed and left it locked".to_owned(),
        fix: Fix::Manual(format!(
            "`git worktree remove -f -f {}` if nothing in it is yours",
            shell_path(&worktree.path)
        )),
    })
}

/// Compares as text: a prefix may end inside a name, as in `../shop.{run}-{task}`.
fn starts_with(path: &Path, prefix: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    path.starts_with(prefix.as_os_str().as_encoded_bytes())
}
