//! One look at everything outside of an attempt's worktree, without touching any of it: libgit2 reads
//! the status in process and does not refresh the index of the checkout, as `git status` would.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use git2::{Repository, StatusOptions};

use crate::git::repo::Repo;
use crate::git::worktree::Worktree;
use crate::model::outside_changes::{Checkout, Outside};

/// Further checkouts are looked at until their indexes have this many bytes together (some 80,000
/// files), so that the look stays cheap. The main one always is.
const MOST_INDEX_BYTES: u64 = 8 * 1024 * 1024;

/// Of the worktrees of ended tasks so many are looked at, those that were made last: a look at all of
/// them would cost the more the more tasks have ended, and what they came to is in git already.
const MOST_SIBLINGS: usize = 8;

/// What all worktrees share besides objects and references: who writes there changes them all.
const SHARED: [&str; 4] = [
    "config",
    "info/attributes",
    "info/exclude",
    "objects/info/alternates",
];

/// When a worktree was made: git writes this file then, and never again.
fn made(worktree: &Worktree) -> Option<SystemTime> {
    fs::metadata(worktree.admin.join("commondir"))
        .and_then(|about| about.modified())
        .ok()
}

impl Repo {
    /// Looks at the main checkout, those worktrees of the folder `siblings` but `own` that were made
    /// last, branches, tags and the stash except those that begin with `but`, configuration and hooks.
    /// A worktree that is locked is at work, and what changes there is its own affair. What cannot be
    /// read is left out.
    pub fn look_outside(&self, own: &Path, siblings: &Path, but: &str) -> Outside {
        let mut checkouts = BTreeMap::new();
        let home = self.home().to_owned();
        if let Some(main) = look_at(&home, "the main checkout") {
            checkouts.insert(home, main);
        }
        let mut left = MOST_INDEX_BYTES;
        let mut worktrees = self.worktrees();
        worktrees.retain(|tree| tree.path.parent() == Some(siblings) && tree.path != own);
        worktrees.sort_by_cached_key(|tree| Reverse(made(tree)));
        let idle = worktrees.into_iter().filter(Worktree::is_idle);
        for worktree in idle.take(MOST_SIBLINGS) {
            let size = fs::metadata(worktree.admin.join("index")).map_or(0, |meta| meta.len());
            let Some(rest) = left.checked_sub(size) else {
                break;
            };
            left = rest;
            let name = worktree.path.file_name().unwrap_or_default();
            let label = format!("the worktree {}", name.to_string_lossy());
            if let Some(mut found) = look_at(&worktree.path, &label) {
                // A retry of its task takes the branch away from it.
                found.head.clear();
                checkouts.insert(worktree.path, found);
            }
        }
        Outside {
            checkouts,
            references: self.references_outside(but),
            shared: self.shared_files(),
        }
    }

    fn references_outside(&self, but: &str) -> BTreeMap<String, String> {
        let Ok(repository) = Repository::open(&self.common) else {
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for glob in ["refs/heads/*", "refs/tags/*", "refs/stash"] {
            let Ok(references) = repository.references_glob(glob) else {
                continue;
            };
            for reference in references.flatten() {
                let name = reference.name().unwrap_or_default().to_owned();
                if let Some(oid) = reference.target().filter(|_| !name.starts_with(but)) {
                    found.insert(name, oid.to_string());
                }
            }
        }
        found
    }

    fn shared_files(&self) -> BTreeMap<String, u64> {
        let mut names: Vec<String> = SHARED.map(str::to_owned).to_vec();
        let hooks = fs::read_dir(self.common.join("hooks"));
        for hook in hooks.into_iter().flatten().flatten() {
            let name = hook.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".sample") {
                names.push(format!("hooks/{name}"));
            }
        }
        let hashed = |name: String| Some((name.clone(), hash_of(&self.common.join(name))?));
        names.into_iter().filter_map(hashed).collect()
    }
}

impl Worktree {
    /// Whether no attempt is at work in it.
    fn is_idle(&self) -> bool {
        !self.admin.join("locked").exists()
    }
}

fn hash_of(file: &Path) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    fs::read(file).ok()?.hash(&mut hasher);
    let mode = fs::metadata(file).ok()?.mode();
    mode.hash(&mut hasher);
    Some(hasher.finish())
}

fn look_at(folder: &Path, label: &str) -> Option<Checkout> {
    let repository = Repository::open(folder).ok()?;
    if repository.is_bare() {
        return None;
    }
    let head = fs::read_to_string(repository.path().join("HEAD")).ok()?;
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(false)
        .exclude_submodules(true)
        .update_index(false);
    let statuses = repository.statuses(Some(&mut options)).ok()?;
    let changed = statuses.iter().map(|entry| {
        let bytes = entry.path_bytes();
        let path = String::from_utf8_lossy(bytes).into_owned();
        let mark = format!("{:?} {}", entry.status(), stat_of(&folder.join(&path)));
        (path, mark)
    });
    Some(Checkout {
        label: label.to_owned(),
        head: head.trim_end().to_owned(),
        changed: changed.collect(),
    })
}

/// What changes when a file is written again.
fn stat_of(file: &Path) -> String {
    match file.symlink_metadata() {
        Ok(meta) => format!(
            "{:o} {} {}.{}",
            meta.mode(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec()
        ),
        Err(_) => "gone".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;

    #[test]
    fn of_many_worktrees_only_some_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("repo");
        fs::create_dir(&top).unwrap();
        let git = Git::at(&top);
        git.run(&["init", "--quiet"]).unwrap();
        let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
        let commit = ["commit", "--quiet", "--allow-empty", "-m", "base"];
        git.run(&[&who[..], &commit].concat()).unwrap();
        let siblings = folder.path().join("trees");
        for n in 0..MOST_SIBLINGS + 2 {
            let place = siblings.join(n.to_string()).display().to_string();
            let add = ["worktree", "add", "--quiet", "--detach", &place];
            git.run(&add).unwrap();
        }
        let repo = Repo::discover(&top).unwrap();
        let own = siblings.join("0");
        let seen = repo.look_outside(&own, &siblings, "refs/heads/dispatch/");
        assert_eq!(seen.checkouts.len(), 1 + MOST_SIBLINGS);
        assert!(!seen.checkouts.contains_key(&own));
    }
}
