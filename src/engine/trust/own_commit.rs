//! Settings that the user committed in this repository before its first run.
//!
//! They did not come from a stranger, so they need no question. The evidence is git's own log of
//! `HEAD`, which a clone, a fetch or a pull does not bring.

use crate::config::FILE_NAME;
use crate::engine::EngineError;
use crate::git::object_hash::hash_blob;
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;

/// The latest entries of the log that are looked at.
const ENTRIES: &str = "-n500";

/// The entries of a plain `git commit`. A merge, a rebase, a cherry-pick or an amendment may bring the file
/// of a stranger.
const COMMITS: [&str; 2] = ["commit: ", "commit (initial): "];

/// Returns `true` if a commit that the user made here brought this text of the settings file, and
/// the repository has no run yet. After a run, a worker could have made such a commit.
///
/// # Errors
/// When the repository cannot be read.
pub(super) fn is_committed_here(repo: &Repo, text: &str) -> Result<bool, EngineError> {
    let store = Store::open(repo)?;
    if !store.references("refs/dispatch/runs/")?.is_empty() {
        return Ok(false);
    }
    let blob = hash_blob(store.format(), &[text.as_bytes()]);
    let has_it = |commit: Oid| -> Result<bool, EngineError> {
        let entry = store.entry(store.tree_of(commit)?, FILE_NAME)?;
        Ok(entry.is_some_and(|entry| entry.oid == blob))
    };
    for commit in commits_made_here(repo) {
        let parents = store.commit(commit)?.parents;
        let is_new = match parents.first() {
            Some(parent) => !has_it(*parent)?,
            None => true,
        };
        if is_new && has_it(commit)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists the commits that `git commit` made here, the last one first; none where there is no log.
fn commits_made_here(repo: &Repo) -> Vec<Oid> {
    let args = ["log", "--walk-reflogs", ENTRIES, "--format=%H %gs", "HEAD"];
    let log = repo.git().run(&args).unwrap_or_default();
    let log = String::from_utf8_lossy(&log).into_owned();
    let commit = |line: &str| {
        let (commit, action) = line.split_once(' ')?;
        let is_plain = COMMITS.iter().any(|plain| action.starts_with(plain));
        is_plain.then(|| commit.parse().ok())?
    };
    log.lines().filter_map(commit).collect()
}
