//! Finds runs whose journal is missing or damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::engine::EngineError;
use crate::engine::doctor::Problem;
use crate::engine::doctor::fix::Fix;
use crate::git::{Repo, Store};
use crate::journal::record::parse_record;
use crate::journal::runs::{PREFIX, RunLock};
use crate::journal::{journal_ref, replay};
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// Finds folders, branches and kept attempts without a journal, and journals that cannot be read.
///
/// # Errors
/// When references cannot be listed.
pub fn examine(repo: &Repo, store: &Store, prefix: &str) -> Result<Vec<Problem>, EngineError> {
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
        let fix = match tips.get(run.as_str()) {
            Some((tip, _)) => Fix::ResetReference(journal_ref(&run), *tip),
            None => fetch_it(&run),
        };
        let why = "its newest commit is missing or damaged";
        found.push(Problem::of_run(&run, &journal_ref(&run), why, fix));
    }
    for name in lost {
        let run = RunId::new(name);
        if RunLock::is_held(repo, &run) {
            continue;
        }
        match tips.get(run.as_str()) {
            Some((tip, _)) => {
                let fix = Fix::RestoreReference(journal_ref(&run), *tip);
                let why = "its reference is missing; its commits still exist";
                found.push(Problem::of_run(&run, &journal_ref(&run), why, fix));
            }
            None => found.extend(orphans(repo, store, &run, &traces[name])?),
        }
    }
    Ok(found)
}

fn fetch_it(run: &RunId) -> Fix {
    Fix::Manual(format!(
        "`git log {}` shows what is there; fetch it from where it was pushed",
        journal_ref(run)
    ))
}

/// The branches and kept attempts of every run; none for one that has only a folder.
type Traces = BTreeMap<String, Vec<(String, Oid)>>;

fn traces(repo: &Repo, store: &Store, prefix: &str) -> Result<Traces, EngineError> {
    let mut traces = Traces::new();
    for root in [
        format!("refs/heads/{prefix}/"),
        "refs/dispatch/attempts/".to_owned(),
    ] {
        for (name, tip) in store.references(&root)? {
            // A user's branch may have the same beginning; a run's has one part more.
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
    use crate::journal::JournalError::{Store as Unstored, Unreadable};
    matches!(replay(store, run), Err(Unreadable { .. } | Unstored { .. }))
}

/// Finds the newest readable commit of every journal among unreachable commits.
fn loose_tips(repo: &Repo, store: &Store) -> BTreeMap<String, (Oid, u64)> {
    let args = [
        "fsck",
        "--unreachable",
        "--no-reflogs",
        "--connectivity-only",
        "--no-progress",
    ];
    // It exits with an error if something is missing, which is expected here.
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

/// Examines the branches and the folder of a run without a journal.
fn orphans(
    repo: &Repo,
    store: &Store,
    run: &RunId,
    references: &[(String, Oid)],
) -> Result<Vec<Problem>, EngineError> {
    let mut found = Vec::new();
    let mut all_go = true;
    for (name, tip) in references {
        let is_kept = is_kept_elsewhere(store, name, *tip, run)?;
        all_go &= is_kept;
        let (why, fix) = if is_kept {
            let fix = Fix::DeleteReference(name.clone(), *tip);
            ("no run owns it; another branch contains it", fix)
        } else {
            let advice = "inspect it; rename or delete it with git";
            let why = "no run owns it, and no other branch contains its work";
            (why, Fix::Manual(advice.to_owned()))
        };
        found.push(Problem::of_run(run, name, why, fix));
    }
    let folder = repo.run_folder(run.as_str());
    let has_attempts = folder.join("attempts").exists();
    if folder.exists() && all_go {
        let (why, fix) = if has_attempts {
            let advice = "inspect it; remove it if you need nothing in it";
            let why = "the run has no journal; logs and prompts of attempts are in its folder";
            (why, Fix::Manual(advice.to_owned()))
        } else {
            let fix = Fix::Remove(folder.clone());
            ("it was killed before its first event", fix)
        };
        found.push(Problem::of_run(
            run,
            &folder.display().to_string(),
            why,
            fix,
        ));
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
