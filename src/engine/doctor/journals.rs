//! Finds runs whose journal is missing or damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::engine::EngineError;
use crate::engine::doctor::Problem;
use crate::engine::doctor::fix::Fix;
use crate::engine::doctor::objects::copy_it;
use crate::git::{Repo, Store, StoreError};
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
    let runs = known.iter().map(RunId::new);
    let damaged: Vec<(RunId, Damage)> = runs
        .filter_map(|run| damage(store, &run).map(|damage| (run, damage)))
        .collect();
    if lost.is_empty() && damaged.is_empty() {
        return Ok(Vec::new());
    }
    let tips = loose_tips(repo, store);
    let mut found = Vec::new();
    for (run, damage) in damaged {
        found.push(damaged_journal(&run, &damage, tips.get(run.as_str())));
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

/// Examines the journal of one run.
pub fn examine_run(repo: &Repo, store: &Store, run: &RunId) -> Option<Problem> {
    let damage = damage(store, run)?;
    let tips = loose_tips(repo, store);
    Some(damaged_journal(run, &damage, tips.get(run.as_str())))
}

/// The damage of a journal.
enum Damage {
    /// A commit of the chain is missing or cannot be read.
    Chain(Option<Oid>),
    /// A file of the run, such as its plan, is missing.
    File(Oid),
}

fn damage(store: &Store, run: &RunId) -> Option<Damage> {
    use crate::journal::JournalError::{Store as Unstored, Unreadable};
    match replay(store, run) {
        Ok(replayed) => match replayed.missing_file(store) {
            Ok(missing) => missing.map(Damage::File),
            Err(StoreError::Missing(oid)) => Some(Damage::File(oid)),
            Err(_) => Some(Damage::Chain(None)),
        },
        Err(Unstored {
            source: StoreError::Missing(oid),
            ..
        }) => Some(Damage::Chain(Some(oid))),
        Err(Unreadable { .. } | Unstored { .. }) => Some(Damage::Chain(None)),
        Err(_) => None,
    }
}

fn damaged_journal(run: &RunId, damage: &Damage, newest: Option<&(Oid, u64)>) -> Problem {
    let name = journal_ref(run);
    let (why, fix) = match (damage, newest) {
        (Damage::File(oid), _) => (
            format!("object {oid}, which holds its plan or settings, is missing"),
            Fix::Manual(copy_it(*oid)),
        ),
        (Damage::Chain(lost), Some((tip, _))) => {
            (chain(*lost), Fix::ResetReference(name.clone(), *tip))
        }
        (Damage::Chain(lost), None) => {
            let fetch =
                format!("`git log {name}` shows what is there; fetch it from where it was pushed");
            let copy = lost.map(|oid| format!("; {}", copy_it(oid)));
            (chain(*lost), Fix::Manual(fetch + &copy.unwrap_or_default()))
        }
    };
    Problem::of_run(run, &name, &why, fix)
}

fn chain(lost: Option<Oid>) -> String {
    match lost {
        Some(oid) => format!("its commit {oid} is missing"),
        None => "its newest commit is missing or damaged".to_owned(),
    }
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
