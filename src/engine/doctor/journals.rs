//! Runs whose journal is gone or damaged while something else of them is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::engine::EngineError;
use crate::engine::doctor::{Ailment, Remedy};
use crate::git::{Repo, Store};
use crate::journal::record::parse_record;
use crate::journal::runs::{PREFIX, RunLock};
use crate::journal::{journal_ref, replay};
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// Looks for folders, branches and kept attempts without a journal, and for journals that cannot be
/// read.
///
/// # Errors
/// When references cannot be listed.
pub fn examine(repo: &Repo, store: &Store, prefix: &str) -> Result<Vec<Ailment>, EngineError> {
    let known: BTreeSet<String> = store
        .references(PREFIX)?
        .into_iter()
        .map(|(name, _)| name[PREFIX.len()..].to_owned())
        .collect();
    let traces = traces(repo, store, prefix)?;
    let lost: Vec<&String> = traces.keys().filter(|run| !known.contains(*run)).collect();
    let damaged: Vec<RunId> = known
        .iter()
        .map(RunId::new)
        .filter(|run| is_damaged(store, run))
        .collect();
    if lost.is_empty() && damaged.is_empty() {
        return Ok(Vec::new());
    }
    let tips = loose_tips(repo, store);
    let mut found = Vec::new();
    for run in damaged {
        let remedy = match tips.get(run.as_str()) {
            Some((tip, _)) => Remedy::MoveBack(journal_ref(&run), *tip),
            None => by_hand(&run),
        };
        let why = "its newest commit is missing or damaged";
        found.push(ailment(&run, &journal_ref(&run), why, remedy));
    }
    for name in lost {
        let run = RunId::new(name);
        if RunLock::is_held(repo, &run) {
            continue;
        }
        match tips.get(run.as_str()) {
            Some((tip, _)) => {
                let remedy = Remedy::MakeReference(journal_ref(&run), *tip);
                let why = "the reference is gone, its commits are still there";
                found.push(ailment(&run, &journal_ref(&run), why, remedy));
            }
            None => found.extend(orphans(repo, store, &run, &traces[name])?),
        }
    }
    Ok(found)
}

fn ailment(run: &RunId, what: &str, why: &str, remedy: Remedy) -> Ailment {
    Ailment {
        run: Some(run.clone()),
        what: what.to_owned(),
        why: why.to_owned(),
        remedy,
    }
}

fn by_hand(run: &RunId) -> Remedy {
    Remedy::Person(format!(
        "`git log {}` shows what is there; fetch it from where it was pushed",
        journal_ref(run)
    ))
}

/// The references of every run that has a branch, a kept attempt or a folder.
type Traces = BTreeMap<String, Vec<(String, Oid)>>;

fn traces(repo: &Repo, store: &Store, prefix: &str) -> Result<Traces, EngineError> {
    let mut traces = Traces::new();
    for root in [
        format!("refs/heads/{prefix}/"),
        "refs/dispatch/attempts/".to_owned(),
    ] {
        for (name, tip) in store.references(&root)? {
            // A branch of the user's may begin alike; a run's has one part more.
            if let Some((run, _)) = name[root.len()..].split_once('/') {
                traces
                    .entry(run.to_owned())
                    .or_default()
                    .push((name.clone(), tip));
            }
        }
    }
    let folders = fs::read_dir(repo.dispatch_folder().join("runs"));
    for folder in folders.into_iter().flatten().flatten() {
        let run = folder.file_name().to_string_lossy().into_owned();
        traces.entry(run).or_default();
    }
    Ok(traces)
}

fn is_damaged(store: &Store, run: &RunId) -> bool {
    use crate::journal::JournalError::{Newer, Store as Unstored, Unreadable};
    match replay(store, run) {
        Err(Unreadable { .. } | Unstored { .. }) => true,
        Err(Newer { .. }) | Ok(_) => false,
        Err(_) => false,
    }
}

/// The newest readable commit of every journal among those that no reference leads to.
fn loose_tips(repo: &Repo, store: &Store) -> BTreeMap<String, (Oid, u64)> {
    let args = [
        "fsck",
        "--unreachable",
        "--no-reflogs",
        "--connectivity-only",
        "--no-progress",
    ];
    // It ends with an error when something is missing, which is just when it is needed.
    let finished = repo.git().finish(args);
    let text = finished.map(|finished| finished.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let commits = text
        .lines()
        .filter_map(|line| line.strip_prefix("unreachable commit "));
    let mut tips: BTreeMap<String, (Oid, u64)> = BTreeMap::new();
    for oid in commits.filter_map(|oid| oid.trim().parse::<Oid>().ok()) {
        let Ok(commit) = store.commit(oid) else {
            continue;
        };
        let (Some(run), Some(_)) = (
            commit.trailer("Dispatch-Run"),
            commit.trailer("Dispatch-Journal"),
        ) else {
            continue;
        };
        let last = commit.message.lines().rfind(|line| line.starts_with('{'));
        let Some(seq) = last.and_then(|line| parse_record(line).ok()).map(|r| r.seq) else {
            continue;
        };
        let newest = tips.entry(run.to_owned()).or_insert((oid, seq));
        if newest.1 < seq {
            *newest = (oid, seq);
        }
    }
    tips
}

/// What is left of a run that has no journal at all.
fn orphans(
    repo: &Repo,
    store: &Store,
    run: &RunId,
    references: &[(String, Oid)],
) -> Result<Vec<Ailment>, EngineError> {
    let mut found = Vec::new();
    let mut all_go = true;
    for (name, tip) in references {
        let is_kept = is_kept_elsewhere(store, name, *tip, run)?;
        all_go &= is_kept;
        let remedy = match is_kept {
            true => Remedy::DeleteReference(name.clone(), *tip),
            false => Remedy::Person("look at it; rename or delete it with git".to_owned()),
        };
        let why = match is_kept {
            true => "no run has it; everything in it is on another branch",
            false => "no run has it, and it holds work of its own",
        };
        found.push(ailment(run, name, why, remedy));
    }
    let folder = repo.run_folder(run.as_str());
    let has_attempts = folder.join("attempts").exists();
    if folder.exists() && all_go {
        let why = match has_attempts {
            true => "no journal knows this run; logs and prompts of attempts are in its folder",
            false => "it died before its first event",
        };
        let remedy = match has_attempts {
            true => Remedy::Person("look at it; remove it when nothing in it is needed".to_owned()),
            false => Remedy::Remove(folder.clone()),
        };
        found.push(ailment(run, &folder.display().to_string(), why, remedy));
    }
    Ok(found)
}

fn is_kept_elsewhere(
    store: &Store,
    name: &str,
    tip: Oid,
    run: &RunId,
) -> Result<bool, EngineError> {
    let part = format!("/{run}/");
    for (other, at) in store.references("refs/heads/")? {
        if other != name && !other.contains(&part) && store.is_ancestor(tip, at)? {
            return Ok(true);
        }
    }
    Ok(false)
}
