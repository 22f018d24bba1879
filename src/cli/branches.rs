//! From what people type (branches, revisions, globs of branches) to commits under a name.

use globset::GlobBuilder;

use crate::base::text::did_you_mean;
use crate::base::text::error_chain;
use crate::cli::error::CommandError;
use crate::engine::detect::Branch;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::model::ids::Oid;

/// The commit that one branch or revision names.
pub(crate) fn resolve_revision(repo: &Repo, revision: &str) -> Result<Oid, CommandError> {
    resolve_in(&open(repo)?, revision)
}

/// The branches that names, revisions and globs stand for, each name once.
pub(crate) fn resolve_branches(
    repo: &Repo,
    targets: &[String],
) -> Result<Vec<Branch>, CommandError> {
    let store = open(repo)?;
    let mut branches: Vec<Branch> = Vec::new();
    for target in targets {
        let found = if target.contains(['*', '?', '[', '{']) {
            resolve_glob(&store, target)?
        } else {
            let tip = resolve_in(&store, target)?;
            vec![Branch {
                name: target.clone(),
                tip,
            }]
        };
        for branch in found {
            if branches.iter().all(|known| known.name != branch.name) {
                branches.push(branch);
            }
        }
    }
    Ok(branches)
}

fn resolve_glob(store: &Store, glob: &str) -> Result<Vec<Branch>, CommandError> {
    let matcher = GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .map_err(|error| CommandError::usage(format!("{glob:?} is no glob: {error}")))?
        .compile_matcher();
    let mut found = local_branches(store)?;
    found.retain(|branch| matcher.is_match(&branch.name));
    if found.is_empty() {
        return Err(CommandError::failed(format!("no branch matches {glob:?}"))
            .hint("`git branch --list` shows the branches there are"));
    }
    Ok(found)
}

fn local_branches(store: &Store) -> Result<Vec<Branch>, CommandError> {
    let references = store
        .references("refs/heads/")
        .map_err(|error| CommandError::failed(error_chain(&error)))?;
    let branch = |(name, tip): (String, _)| Branch {
        name: name.trim_start_matches("refs/heads/").to_owned(),
        tip,
    };
    Ok(references.into_iter().map(branch).collect())
}

/// A branch of that name goes before anything else it could mean.
fn resolve_in(store: &Store, revision: &str) -> Result<Oid, CommandError> {
    let failed = |error| CommandError::failed(error_chain(&error));
    if let Some(tip) = store.reference(&branch_ref(revision)).unwrap_or(None) {
        return Ok(tip);
    }
    if let Some(tip) = store.resolve(revision).map_err(failed)? {
        return Ok(tip);
    }
    let branches = local_branches(store)?;
    let names = branches.iter().map(|branch| branch.name.as_str());
    let error = CommandError::failed(format!("there is no run, branch or revision {revision:?}"));
    Err(match did_you_mean(revision, names) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`git branch --list` shows the branches there are"),
    })
}

fn open(repo: &Repo) -> Result<Store, CommandError> {
    Store::open(repo).map_err(|error| CommandError::failed(error_chain(&error)))
}
