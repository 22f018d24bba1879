//! Fetches runs from a remote.

use crate::engine::EngineError;
use crate::engine::runs::log::logs_ref;
use crate::engine::runs::read::read_state;
use crate::engine::share::remote::{references, talk};
use crate::engine::share::{FETCHED, ShareError, belongs};
use crate::git::{Repo, Store};
use crate::journal::{journal_ref, replay_to, runs};
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// A run that was fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The run.
    pub run: RunId,
    /// The references that are new here or have moved.
    pub moved: usize,
    /// The references that stay as they are here, because they have commits of their own or are checked
    /// out.
    pub kept: Vec<String>,
}

/// Lists the runs of a remote whose name begins with `name`, or all.
///
/// # Errors
/// When the remote cannot be read, or has no such run.
pub fn runs_on(repo: &Repo, remote: &str, name: Option<&str>) -> Result<Vec<RunId>, ShareError> {
    let pattern = format!("{}*", runs::PREFIX);
    let found = references(repo, remote, &[pattern])?;
    let names = found
        .iter()
        .filter_map(|(full, _)| full.strip_prefix(runs::PREFIX));
    let names = names.filter(|known| !known.contains('/'));
    let is_wanted = |known: &&str| name.is_none_or(|name| known.starts_with(name));
    let found: Vec<RunId> = names.filter(is_wanted).map(RunId::new).collect();
    match (found.is_empty(), name) {
        (true, Some(name)) => Err(ShareError::NoRun {
            remote: remote.to_owned(),
            run: name.to_owned(),
        }),
        _ => Ok(found),
    }
}

/// Fetches everything of a run, with every object checked. References here that have commits of their
/// own, or are checked out, stay as they are.
///
/// # Errors
/// When the journal here and that of the remote have gone different ways; then nothing is changed.
pub fn fetch(repo: &Repo, store: &Store, remote: &str, run: &RunId) -> Result<Fetched, ShareError> {
    let wanted = [
        journal_ref(run),
        logs_ref(run),
        format!("refs/heads/*/{run}/*"),
        format!("refs/dispatch/attempts/{run}/*"),
        format!("refs/dispatch/backups/{run}/*"),
    ];
    let there = references(repo, remote, &wanted)?;
    let result = take_all(repo, store, remote, run, &there);
    for (name, commit) in store.references(&folder(run))? {
        store.delete_reference(&name, commit)?;
    }
    result
}

/// The folder of the fetched references of a run.
fn folder(run: &RunId) -> String {
    format!("{FETCHED}{run}/")
}

fn take_all(
    repo: &Repo,
    store: &Store,
    remote: &str,
    run: &RunId,
    there: &[(String, Oid)],
) -> Result<Fetched, ShareError> {
    let specs: Vec<String> = there
        .iter()
        .map(|(name, _)| format!("+{name}:{}{name}", folder(run)))
        .collect();
    let mut args = vec![
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        remote,
    ];
    args.extend(specs.iter().map(String::as_str));
    let git = repo.git().in_foreground().setting("fetch.fsckObjects=true");
    talk(&git, remote, &args)?;
    let mut fetched = Fetched {
        run: run.clone(),
        moved: 0,
        kept: Vec::new(),
    };
    let name = journal_ref(run);
    let new = store.reference(&format!("{}{name}", folder(run)))?;
    take_journal(store, remote, run, (&name, new))?.then(|| fetched.moved += 1);
    let state = read_state(repo, store, run)?;
    let prefix = folder(run);
    for (place, commit) in store.references(&prefix)? {
        let own = place.strip_prefix(&prefix).unwrap_or_default();
        if own == name || !belongs(&state, own) {
            continue;
        }
        match take(repo, store, own, commit)? {
            Some(true) => fetched.moved += 1,
            Some(false) => fetched.kept.push(own.to_owned()),
            None => {}
        }
    }
    Ok(fetched)
}

/// Moves the journal forward; `false` if the one here is as new or newer.
fn take_journal(
    store: &Store,
    remote: &str,
    run: &RunId,
    (name, new): (&str, Option<Oid>),
) -> Result<bool, ShareError> {
    let Some(new) = new else {
        return Err(ShareError::NoRun {
            remote: remote.to_owned(),
            run: run.to_string(),
        });
    };
    let old = store.reference(name)?;
    if old == Some(new) {
        return Ok(false);
    }
    // A journal that cannot be read must not stand among those that can.
    replay_to(store, run, new).map_err(EngineError::from)?;
    if let Some(old) = old {
        if store.is_ancestor(new, old)? {
            return Ok(false);
        }
        if !store.is_ancestor(old, new)? {
            return Err(ShareError::OtherJournal {
                remote: remote.to_owned(),
                run: run.clone(),
            });
        }
    }
    let old = old.unwrap_or(Oid::ZERO);
    store.move_reference(name, old, new, "dispatch fetch")?;
    Ok(true)
}

/// Takes over a reference: `Some(true)` if it is new or moved forward, `Some(false)` if it stays, `None`
/// if it is the same.
fn take(repo: &Repo, store: &Store, name: &str, new: Oid) -> Result<Option<bool>, ShareError> {
    let old = store.reference(name)?;
    if old == Some(new) {
        return Ok(None);
    }
    if let Some(old) = old {
        let branch = name.strip_prefix("refs/heads/");
        let is_checked_out = branch.is_some_and(|branch| !repo.checkouts_of(branch).is_empty());
        if is_checked_out || !store.is_ancestor(old, new)? {
            return Ok(Some(false));
        }
    }
    let old = old.unwrap_or(Oid::ZERO);
    store.move_reference(name, old, new, "dispatch fetch")?;
    Ok(Some(true))
}
