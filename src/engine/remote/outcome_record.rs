//! The records that a node pushes: its claim, its progress and the end of the attempt.

use serde::{Deserialize, Serialize};

use crate::engine::remote::PROTOCOL;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::record_commit::{RecordCommit, read_record};
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::outcome::{End, Outcome};

const CLAIM_FILE: &str = "claim.json";
const PROGRESS_FILE: &str = "progress.json";
const OUTCOME_FILE: &str = "outcome.json";

/// The file with the log of the worker and its checks.
pub(super) const WORKER_LOG: &str = "worker.log";

/// The file with the log of the set-up.
pub(super) const SET_UP_LOG: &str = "set-up.log";

/// The node that works on an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) protocol: u32,
    /// The package that it works on.
    pub(super) package: Oid,
    /// The name of the node.
    pub(super) host: String,
    /// The process there.
    pub(super) pid: u32,
    /// A random text, so that no two claims are the same.
    pub(super) token: String,
}

/// The facts of an attempt so far.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) protocol: u32,
    /// The claim of the node.
    pub(super) claim: Oid,
    /// The facts, in their order.
    pub(super) facts: Vec<Event>,
    /// The number of heartbeats, so that the run sees that the node lives.
    #[serde(default)]
    pub(super) beat: u64,
    /// The number of bytes of the log before those that are here.
    #[serde(default)]
    pub(super) log_from: u64,
}

/// The end of an attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct OutcomeRecord {
    pub(super) protocol: u32,
    /// The package that it is the end of.
    pub(super) package: Oid,
    /// The claim of the node; none if the run gave the attempt up.
    pub(super) claim: Option<Oid>,
    /// The name of the node.
    pub(super) host: String,
    /// The facts, in their order.
    pub(super) facts: Vec<Event>,
    /// Warnings of the node for the user.
    pub(super) warnings: Vec<String>,
    /// The outcome; none if a fact says why the attempt did not start, or the run gave it up.
    pub(super) outcome: Option<Outcome>,
    /// The references that keep work of the attempt.
    pub(super) kept: Vec<(String, Oid)>,
}

impl Claim {
    pub(super) fn write(&self, commit: &RecordCommit<'_>) -> Result<Oid, RemoteError> {
        commit.write((CLAIM_FILE, self), &[], [])
    }

    pub(super) fn read(store: &Store, commit: Oid) -> Result<Claim, RemoteError> {
        read_record(store, commit, CLAIM_FILE)
    }
}

impl Progress {
    pub(super) fn write(
        &self,
        commit: &RecordCommit<'_>,
        logs: &[(&str, Vec<u8>)],
    ) -> Result<Oid, RemoteError> {
        let commits = commits_of(&self.facts, commit.store);
        commit.write((PROGRESS_FILE, self), logs, commits)
    }

    pub(super) fn read(store: &Store, commit: Oid) -> Result<Progress, RemoteError> {
        read_record(store, commit, PROGRESS_FILE)
    }
}

impl OutcomeRecord {
    /// Returns the record with which the run gives an attempt up.
    pub(super) fn given_up(package: Oid) -> OutcomeRecord {
        OutcomeRecord {
            protocol: PROTOCOL,
            package,
            claim: None,
            host: String::new(),
            facts: Vec::new(),
            warnings: Vec::new(),
            outcome: None,
            kept: Vec::new(),
        }
    }

    pub(super) fn write(
        &self,
        commit: &RecordCommit<'_>,
        logs: &[(&str, Vec<u8>)],
    ) -> Result<Oid, RemoteError> {
        let of_outcome = self.outcome.iter().flat_map(Outcome::commits);
        let kept = self.kept.iter().map(|(_, oid)| *oid);
        let all = commits_of(&self.facts, commit.store).into_iter();
        commit.write(
            (OUTCOME_FILE, self),
            logs,
            all.chain(of_outcome).chain(kept),
        )
    }

    pub(super) fn read(store: &Store, commit: Oid) -> Result<OutcomeRecord, RemoteError> {
        read_record(store, commit, OUTCOME_FILE)
    }

    /// Returns the base of the attempt, if its worker started.
    pub(super) fn base(&self) -> Option<Oid> {
        self.facts.iter().rev().find_map(base_of)
    }

    /// Returns the candidate.
    pub(super) fn candidate(&self) -> Option<Oid> {
        match self.outcome.as_ref().map(|outcome| &outcome.end) {
            Some(End::Passed { candidate, .. }) => *candidate,
            _ => None,
        }
    }
}

fn base_of(fact: &Event) -> Option<Oid> {
    match fact {
        Event::AttemptStarted { base, .. } => Some(*base),
        _ => None,
    }
}

/// Returns the commits that facts name.
fn commits_of(facts: &[Event], store: &Store) -> Vec<Oid> {
    let bases = facts.iter().filter_map(base_of);
    bases.filter(|base| store.has(*base)).collect()
}

/// Returns `true` if a reference is one of those that keep work of an attempt, whose own is `own`.
pub(super) fn keeps_work_of(own: &str, name: &str) -> bool {
    let rest = name.strip_prefix(own);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '/']))
}

/// Reads a log of a record's tree, if it is there.
pub(super) fn read_log(store: &Store, commit: Oid, name: &str) -> Option<Vec<u8>> {
    let tree = store.tree_of(commit).ok()?;
    let entry = store.entry(tree, name).ok()??;
    store.blob(entry.oid).ok()
}
