//! Resolves branches, revisions and globs of branches to commits with names.

use globset::GlobBuilder;

use crate::base::text::did_you_mean;
use crate::base::text::error_chain;
use crate::cli::error::CommandError;
use crate::conflicts::Branch;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;

/// Resolves a branch or a revision to a commit.
pub(crate) fn resolve_revision(repo: &Repo, revision: &str) -> Result<Oid, CommandError> {
    resolve_in(&open(repo)?, revision)
}

/// Resolves names, revisions and globs to branches, each name once.
pub(crate) fn resolve_branches(
    repo: &Repo,
    targets: &[String],
) -> Result<Vec<Branch>, CommandError> {
    let store = open(repo)?;
    let mut branches: Vec<Branch> = Vec::new();
    for target in targets {
        let is_revision = || matches!(store.resolve(target), Ok(Some(_)));
        let found = if is_glob(target) && !is_revision() {
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

/// Returns `true` if this can only be a glob: `main@{1}` and `HEAD^{tree}` have braces, too.
pub(crate) fn is_glob(target: &str) -> bool {
    let plain = target.replace("@{", "").replace("^{", "");
    plain.contains(['*', '?', '[', '{'])
}

/// The prefixes under which a glob is tried, in this order; the first with a match is used. So
/// `feature/*` means branches, `origin/pr/*` remote branches, `pull/*/head` what was fetched from a
/// forge, and `refs/…` exactly what it says.
const ROOTS: [&str; 4] = ["refs/heads/", "refs/remotes/", "refs/", ""];

fn resolve_glob(store: &Store, glob: &str) -> Result<Vec<Branch>, CommandError> {
    let matcher = GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .map_err(|error| CommandError::usage(format!("invalid glob {glob:?}: {}", error.kind())))?
        .compile_matcher();
    let references = store
        .references("refs/")
        .map_err(|error| CommandError::failed(error_chain(&error)))?;
    for root in ROOTS {
        let named = references.iter().filter(|(name, _)| {
            name.strip_prefix(root)
                .is_some_and(|rest| matcher.is_match(rest))
        });
        // A tag of a tree or a blob cannot be merged.
        let found = named.filter_map(|(name, _)| Some((name, commit_at(store, name)?)));
        let found = found.map(|(name, tip)| Branch {
            name: short_name(&references, name),
            tip,
        });
        let found: Vec<Branch> = found.collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(CommandError::failed(format!("no branch matches {glob:?}"))
        .hint("`git branch --list --all` lists the branches, `git for-each-ref` all references"))
}

fn commit_at(store: &Store, reference: &str) -> Option<Oid> {
    store.resolve(reference).ok().flatten()
}

/// Shortens a name as far as git understands it, unless it would then name a branch.
fn short_name(references: &[(String, Oid)], name: &str) -> String {
    if let Some(branch) = name.strip_prefix("refs/heads/") {
        return branch.to_owned();
    }
    let short = name.strip_prefix("refs/remotes/");
    let short = short.or_else(|| name.strip_prefix("refs/"));
    let short = short.unwrap_or(name);
    let branch = branch_ref(short);
    let is_taken = references.iter().any(|(other, _)| *other == branch);
    if is_taken { name } else { short }.to_owned()
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

/// Resolves a name to a commit; a branch of that name comes before everything else.
fn resolve_in(store: &Store, revision: &str) -> Result<Oid, CommandError> {
    let failed = |error| CommandError::failed(error_chain(&error));
    if let Some(tip) = store.reference(&branch_ref(revision)).unwrap_or(None) {
        return Ok(tip);
    }
    if let Some(tip) = store.resolve(revision).map_err(failed)? {
        return Ok(tip);
    }
    if store.is_object(revision) {
        return Err(
            CommandError::failed(format!("{revision:?} does not name a commit"))
                .hint("branches and commits can be merged, trees and files cannot"),
        );
    }
    let branches = local_branches(store)?;
    let names = branches.iter().map(|branch| branch.name.as_str());
    let error = CommandError::failed(format!("there is no run, branch or revision {revision:?}"));
    Err(match did_you_mean(revision, names) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`git branch --list` lists the branches"),
    })
}

fn open(repo: &Repo) -> Result<Store, CommandError> {
    Store::open(repo).map_err(|error| CommandError::failed(error_chain(&error)))
}
