//! Reads a journal back, from the first commit to the last.

use crate::git::{Store, StoreError};
use crate::journal::record::{RecordError, VERSION, parse_record};
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
    let failed = |source: StoreError| JournalError::Store {
        run: run.clone(),
        source,
    };
    let tip = store
        .reference(&journal_ref(run))
        .map_err(failed)?
        .ok_or_else(|| JournalError::NoRun(run.clone()))?;
    let mut commits = Vec::new();
    let mut next = Some(tip);
    let mut trees: Vec<(u64, Oid)> = Vec::new();
    while let Some(oid) = next {
        let commit = store.commit(oid).map_err(failed)?;
        // The run's base is a parent of the first commit; only journal commits are followed.
        let records = read_commit(run, oid, &commit.message)?;
        let first = records.first().map_or(1, |recorded| recorded.seq);
        match trees.last_mut() {
            Some((since, tree)) if *tree == commit.tree => *since = first,
            _ => trees.push((first, commit.tree)),
        }
        let is_first = records.first().is_some_and(|recorded| recorded.seq == 1);
        commits.push(records);
        next = if is_first {
            None
        } else {
            commit.parents.first().copied()
        };
    }
    let records: Vec<Recorded> = commits.into_iter().rev().flatten().collect();
    for (recorded, seq) in records.iter().zip(1..) {
        if recorded.seq != seq {
            let what = format!("event {seq} is missing before event {}", recorded.seq);
            return Err(unreadable(run, tip, what));
        }
    }
    trees.reverse();
    Ok(Replayed {
        run: run.clone(),
        records,
        tip,
        trees,
    })
}

fn read_commit(run: &RunId, oid: Oid, message: &str) -> Result<Vec<Recorded>, JournalError> {
    let lines = message.lines().filter(|line| line.starts_with('{'));
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
