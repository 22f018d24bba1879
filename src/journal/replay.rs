//! Reads a journal back, from the first commit to the last.

use crate::base::text::one_line;
use crate::git::{Store, StoreError};
use crate::journal::record::{RecordError, VERSION, parse_record, run_in};
use crate::journal::{JournalError, journal_ref};
use crate::merge::oid::Oid;
use crate::model::event::Recorded;
use crate::model::ids::RunId;

/// The content of a journal.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The run.
    pub run: RunId,
    /// The events, oldest first.
    pub records: Vec<Recorded>,
    /// The last commit of the chain.
    pub tip: Oid,
    /// The trees with the files of the run, oldest first, each with the number of its first event.
    pub trees: Vec<(u64, Oid)>,
}

/// Reads the journal of a run.
///
/// # Errors
/// When the run does not exist, or a commit of the chain cannot be read.
pub fn replay(store: &Store, run: &RunId) -> Result<Replayed, JournalError> {
    replay_to(store, run, tip(store, run)?)
}

/// Reads the journal of a run up to a commit that need not be the run's own.
///
/// # Errors
/// When a commit of the chain cannot be read, or belongs to another run.
pub fn replay_to(store: &Store, run: &RunId, tip: Oid) -> Result<Replayed, JournalError> {
    let replayed = walk(store, run, tip, None)?;
    expect_numbers(&replayed, 1)?;
    Ok(replayed)
}

/// Reads the events after event number `seq`, which the commit `known` records last. Reads the whole
/// journal where `known` is not part of it.
///
/// # Errors
/// When there is no such run, or a commit of the chain cannot be read; nothing is guessed.
pub fn replay_after(
    store: &Store,
    run: &RunId,
    known: Oid,
    seq: u64,
) -> Result<Replayed, JournalError> {
    let replayed = walk(store, run, tip(store, run)?, Some(known))?;
    let is_whole = replayed.records.first().is_some_and(|first| first.seq == 1);
    expect_numbers(&replayed, if is_whole { 1 } else { seq + 1 })?;
    Ok(replayed)
}

/// Reads the latest version of a file of the run, such as `settings.json`, and none of its earlier events.
/// The last commit alone vouches for it, so it is for what is shown, never for what is run.
///
/// # Errors
/// When there is no such run, its last commit is not one of a journal, or the file cannot be read.
pub fn latest_file(store: &Store, run: &RunId, name: &str) -> Result<String, JournalError> {
    let tip = tip(store, run)?;
    let commit = store.commit(tip).map_err(|source| JournalError::Store {
        run: run.clone(),
        source,
    })?;
    let records = read_commit(run, tip, &commit.message)?;
    let first = records.first().map_or(1, |recorded| recorded.seq);
    let last = Replayed {
        run: run.clone(),
        records,
        tip,
        trees: vec![(first, commit.tree)],
    };
    last.file(store, name)
}

fn tip(store: &Store, run: &RunId) -> Result<Oid, JournalError> {
    let tip = store.reference(&journal_ref(run));
    let tip = tip.map_err(|source| JournalError::Store {
        run: run.clone(),
        source,
    })?;
    tip.ok_or_else(|| JournalError::NoRun(run.clone()))
}

/// Reads the chain from its tip back to the first event, or to the commit `known`, which is left out.
fn walk(
    store: &Store,
    run: &RunId,
    tip: Oid,
    known: Option<Oid>,
) -> Result<Replayed, JournalError> {
    let mut commits = Vec::new();
    let mut trees: Vec<(u64, Oid)> = Vec::new();
    let mut next = Some(tip);
    while let Some(oid) = next.filter(|oid| Some(*oid) != known) {
        let commit = store.commit(oid).map_err(|source| JournalError::Store {
            run: run.clone(),
            source,
        })?;
        // The run's base is a parent of the first commit; only journal commits are followed.
        let records = read_commit(run, oid, &commit.message)?;
        let first = records.first().map_or(1, |recorded| recorded.seq);
        match trees.last_mut() {
            Some((since, tree)) if *tree == commit.tree => *since = first,
            _ => trees.push((first, commit.tree)),
        }
        commits.push(records);
        next = commit.parents.first().copied().filter(|_| first != 1);
    }
    trees.reverse();
    Ok(Replayed {
        run: run.clone(),
        records: commits.into_iter().rev().flatten().collect(),
        tip,
        trees,
    })
}

/// Fails if the events are not numbered one after the other from `first`.
fn expect_numbers(replayed: &Replayed, first: u64) -> Result<(), JournalError> {
    let mut numbered = replayed.records.iter().zip(first..);
    match numbered.find(|(recorded, seq)| recorded.seq != *seq) {
        Some((recorded, seq)) => {
            let what = format!("event {seq} is missing before event {}", recorded.seq);
            Err(unreadable(&replayed.run, replayed.tip, what))
        }
        None => Ok(()),
    }
}

fn read_commit(run: &RunId, oid: Oid, message: &str) -> Result<Vec<Recorded>, JournalError> {
    let mut lines = message
        .lines()
        .filter(|line| line.starts_with('{'))
        .peekable();
    // One journal below several names would count as several runs.
    if let Some(other) = lines.peek().and_then(|line| run_in(line))
        && other != run.as_str()
    {
        let what = format!("it belongs to the run {}", one_line(&other));
        return Err(unreadable(run, oid, what));
    }
    let records: Result<Vec<Recorded>, JournalError> = lines
        .map(|line| {
            parse_record(line).map_err(|error| match error {
                RecordError::Newer(found) => JournalError::Newer {
                    run: run.clone(),
                    found,
                    known: VERSION,
                },
                RecordError::Json(error) => unreadable(run, oid, error.to_string()),
            })
        })
        .collect();
    match records {
        Ok(records) if records.is_empty() => {
            Err(unreadable(run, oid, "it has no event".to_owned()))
        }
        other => other,
    }
}

fn unreadable(run: &RunId, oid: Oid, what: String) -> JournalError {
    JournalError::Unreadable {
        run: run.clone(),
        commit: oid.to_string(),
        what,
    }
}

impl Replayed {
    /// Finds the first missing tree or file of the run in any of its versions.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn missing_file(&self, store: &Store) -> Result<Option<Oid>, StoreError> {
        for (_, tree) in &self.trees {
            if !store.has(*tree) {
                return Ok(Some(*tree));
            }
            let files = store.files(*tree)?;
            if let Some(missing) = files.into_iter().find(|file| !store.has(*file)) {
                return Ok(Some(missing));
            }
        }
        Ok(None)
    }

    /// Returns the tree of the last commit.
    pub fn tree(&self) -> Oid {
        self.trees.last().map_or(Oid::ZERO, |(_, tree)| *tree)
    }

    /// Reads the latest version of a file of the journal's tree, such as `plan.json`.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn file(&self, store: &Store, name: &str) -> Result<String, JournalError> {
        self.file_at(store, name, u64::MAX)
    }

    /// Reads the version of a file at the time of an event.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn file_at(&self, store: &Store, name: &str, seq: u64) -> Result<String, JournalError> {
        let mut then = self.trees.iter().rev();
        let tree = then.find(|(since, _)| *since <= seq);
        let tree = tree.map_or(Oid::ZERO, |(_, tree)| *tree);
        let failed = |source| JournalError::Store {
            run: self.run.clone(),
            source,
        };
        let entry = store.entry(tree, name).map_err(failed)?;
        let entry =
            entry.ok_or_else(|| unreadable(&self.run, self.tip, format!("{name} is missing")))?;
        let bytes = store.blob(entry.oid).map_err(failed)?;
        String::from_utf8(bytes)
            .map_err(|_| unreadable(&self.run, self.tip, format!("{name} is not UTF-8")))
    }
}
