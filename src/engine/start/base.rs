//! Finds the commit that a run starts from, and the branch that it is to land on.

use crate::engine::start::error::StartError;
use crate::git::refs::branch_ref;
use crate::git::worktree::Head;
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;

/// Finds the base of a run: a commit, and the name it has for the user.
///
/// # Errors
/// When it names no commit, or the store cannot be read.
pub(super) fn find_base(
    repo: &Repo,
    store: &Store,
    name: &str,
) -> Result<(Oid, String), StartError> {
    if let Some(base) = resolve(repo, store, name)? {
        let current = current_branch(repo).filter(|_| name == "HEAD");
        return Ok((base, current.unwrap_or_else(|| name.to_owned())));
    }
    if name == "HEAD" {
        return Err(StartError::Unborn(repo.top.clone()));
    }
    Err(StartError::NoBase(name.to_owned()))
}

/// Resolves a revision to a commit. HEAD is that of the current checkout, which may be a linked
/// worktree, while the store is the shared one.
///
/// # Errors
/// When the store cannot be read.
pub fn resolve(repo: &Repo, store: &Store, name: &str) -> Result<Option<Oid>, StoreError> {
    let names_head = name == "HEAD"
        || name.starts_with("HEAD~")
        || name.starts_with("HEAD^")
        || name == "@"
        || name.starts_with("@~")
        || name.starts_with("@^");
    if !names_head || repo.git_dir == repo.common {
        return store.resolve(name);
    }
    let spec = format!("{name}^{{commit}}");
    let line = repo
        .git()
        .line(&["rev-parse", "--verify", "--quiet", &spec]);
    Ok(line.ok().and_then(|line| line.parse().ok()))
}

/// Returns the branch of the current checkout; `None` on a detached HEAD.
pub fn current_branch(repo: &Repo) -> Option<String> {
    let here = crate::git::worktree::Worktree {
        path: repo.top.clone(),
        admin: repo.git_dir.clone(),
    };
    match here.head()? {
        Head::Branch(branch) => Some(branch),
        Head::Detached(_) => None,
    }
}

/// Finds the branch that the run is to land on; `None` on a detached HEAD.
///
/// # Errors
/// When the wanted branch does not exist.
pub(super) fn find_target(
    repo: &Repo,
    store: &Store,
    wanted: Option<&str>,
) -> Result<Option<String>, StartError> {
    let Some(name) = wanted else {
        return Ok(current_branch(repo));
    };
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    match store.reference(&branch_ref(name)) {
        // Where HEAD names it, that is the name of the checkout.
        Ok(Some(_)) if current_branch(repo).as_deref() == Some(name) => Ok(Some(name.to_owned())),
        Ok(Some(_)) => Ok(Some(repo.real_branch(name))),
        _ => Err(StartError::NoTarget(name.to_owned())),
    }
}
