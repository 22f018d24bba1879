//! Appends to the journal: one commit a turn, by compare-and-swap, durable when the call returns.

use jiff::Timestamp;

use crate::git::commit::{By, NewCommit};
use crate::git::{Repo, Store, StoreError};
use crate::journal::record::{VERSION, render_record, summary};
use crate::journal::seal;
use crate::journal::{JournalError, Replayed, journal_ref};
use crate::merge::oid::Oid;
use crate::model::event::{Event, Recorded};
use crate::model::ids::RunId;
use crate::model::outcome::End;

/// The end of a run's journal, where events are appended. Only the holder of the run lock has one.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    run: RunId,
    tip: Oid,
    tree: Oid,
    seq: u64,
}

impl Journal {
    /// Starts the journal of a new run. `files` (plan, settings) are in the tree of every commit.
    ///
    /// # Errors
    /// When the store cannot be written or the run exists.
    pub fn create(
        repo: &Repo,
        run: &RunId,
        files: &[(&str, &str)],
        first: Event,
        time: Timestamp,
    ) -> Result<(Journal, Recorded), JournalError> {
        let failed = |source| JournalError::Store {
            run: run.clone(),
            source,
        };
        let store = Store::open_durable(repo).map_err(failed)?;
        let tree = write_files(&store, files).map_err(failed)?;
        let mut journal = Journal {
            store,
            run: run.clone(),
            tip: Oid::ZERO,
            tree,
            seq: 0,
        };
        let mut recorded = journal.append(vec![first], time)?;
        Ok((journal, recorded.remove(0)))
    }

    /// Replaces the files in the tree of every further commit.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn replace_files(&mut self, files: &[(&str, &str)]) -> Result<(), JournalError> {
        let failed = |source| JournalError::Store {
            run: self.run.clone(),
            source,
        };
        self.tree = write_files(&self.store, files).map_err(failed)?;
        Ok(())
    }

    /// Continues a replayed journal.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn reopen(repo: &Repo, replayed: &Replayed) -> Result<Journal, JournalError> {
        let run = replayed.run.clone();
        let store = Store::open_durable(repo).map_err(|source| JournalError::Store {
            run: run.clone(),
            source,
        })?;
        let seq = replayed.records.last().map_or(0, |recorded| recorded.seq);
        Ok(Journal {
            store,
            run,
            tip: replayed.tip,
            tree: replayed.tree(),
            seq,
        })
    }

    /// Records events in one commit. They are durable when this returns.
    ///
    /// # Errors
    /// When the store cannot be written, or another process moved the chain; then nothing is recorded.
    pub fn append(
        &mut self,
        events: Vec<Event>,
        time: Timestamp,
    ) -> Result<Vec<Recorded>, JournalError> {
        let records: Vec<Recorded> = events
            .into_iter()
            .zip(self.seq + 1..)
            .map(|(event, seq)| Recorded { seq, time, event })
            .collect();
        self.append_records(&records)?;
        Ok(records)
    }

    /// Records numbered events in one commit. They are durable when this returns.
    ///
    /// # Errors
    /// When the numbers do not follow the last one, the store cannot be written, or another process
    /// moved the chain; then nothing is recorded.
    pub fn append_records(&mut self, records: &[Recorded]) -> Result<(), JournalError> {
        let Some(last) = records.last() else {
            return Ok(());
        };
        let numbers = records.iter().map(|recorded| recorded.seq);
        if !numbers.eq(self.seq + 1..=last.seq) {
            let (run, expected) = (self.run.clone(), self.seq + 1);
            return Err(JournalError::Order { run, expected });
        }
        let tip = self
            .write(records, last.time)
            .map_err(|source| JournalError::Store {
                run: self.run.clone(),
                source,
            })?;
        self.tip = tip;
        self.seq = last.seq;
        seal::note_last(self.store.repo(), &self.run, last.seq);
        self.store.restore_objects_if_due();
        for recorded in records {
            tracing::debug!(seq = recorded.seq, "{}", summary(&recorded.event));
        }
        Ok(())
    }

    fn write(&self, records: &[Recorded], time: Timestamp) -> Result<Oid, StoreError> {
        let mut parents = Vec::new();
        if !self.tip.is_zero() {
            parents.push(self.tip);
        }
        // A commit that a record names becomes a parent, so that it stays reachable.
        for oid in records
            .iter()
            .flat_map(|recorded| named_commits(&recorded.event))
        {
            if !parents.contains(&oid) {
                parents.push(oid);
            }
        }
        let mut message = self.message(records);
        seal::seal(self.store.repo(), self.tree, &parents, &mut message);
        let new = NewCommit {
            tree: self.tree,
            parents: &parents,
            message: &message,
            time,
            by: By::Dispatch,
        };
        let why = message.lines().next().unwrap_or_default();
        let name = journal_ref(&self.run);
        self.store
            .write_and_move(&name, self.tip, why, || self.store.write_own_commit(&new))
    }

    fn message(&self, records: &[Recorded]) -> String {
        let mut message = subject(records);
        message.push_str("\n\n");
        for recorded in records {
            message.push_str(&render_record(&self.run, recorded));
            message.push('\n');
        }
        message.push_str(&format!(
            "\nDispatch-Run: {}\nDispatch-Journal: {VERSION}\n",
            self.run
        ));
        message
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.store.settle_objects();
    }
}

fn write_files(store: &Store, files: &[(&str, &str)]) -> Result<Oid, StoreError> {
    let blobs: Result<Vec<_>, StoreError> = files
        .iter()
        .map(|(name, text)| Ok((*name, store.write_blob(text.as_bytes())?)))
        .collect();
    store.write_tree(&blobs?)
}

/// Renders the subject of a journal commit: as many events as fit on a line, important ones first.
fn subject(records: &[Recorded]) -> String {
    const LONGEST: usize = 100;
    let says_little = |recorded: &&Recorded| {
        matches!(
            recorded.event,
            Event::AttemptSubmitted { .. }
                | Event::AttemptStarted { .. }
                | Event::ProgressReported { .. }
        )
    };
    let (little, much): (Vec<&Recorded>, Vec<&Recorded>) =
        records.iter().partition(|recorded| says_little(recorded));
    let mut events = much
        .into_iter()
        .chain(little)
        .map(|recorded| summary(&recorded.event));
    let mut subject = events.next().unwrap_or_default();
    let mut left = 0;
    for event in events {
        if left == 0 && subject.chars().count() + event.chars().count() <= LONGEST {
            subject = format!("{subject}; {event}");
        } else {
            left += 1;
        }
    }
    match left {
        0 => subject,
        left => format!("{subject} (and {left} more)"),
    }
}

/// Returns the commits of an event that only the journal keeps reachable.
fn named_commits(event: &Event) -> Vec<Oid> {
    match event {
        Event::AttemptEnded { outcome, .. } => {
            let candidate = match &outcome.end {
                End::Passed { candidate, .. } => *candidate,
                _ => None,
            };
            candidate.into_iter().chain(outcome.kept).collect()
        }
        Event::Assembled { integration } => integration
            .code_tip
            .into_iter()
            .chain(integration.chain_tip)
            .chain(integration.tip)
            .collect(),
        Event::ResolutionAccepted { candidate, .. } => vec![*candidate],
        Event::LandingStarting { landing } => vec![landing.from, landing.to],
        _ => Vec::new(),
    }
}
