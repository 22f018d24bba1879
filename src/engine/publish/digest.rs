//! Detects the changes for which a board is committed.

use std::collections::BTreeMap;

use crate::base::text::plural;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;

/// The part of a state that causes board commits. Progress notes are left to the next one.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Digest {
    statuses: BTreeMap<TaskNumber, Status>,
    conflicts: usize,
    speculative: Vec<(TaskNumber, TaskNumber)>,
    merged: Option<Oid>,
    ended: Option<u8>,
    parked: Vec<String>,
    cost_limit: bool,
    setup_broken: bool,
    access_denied: usize,
    shortage: bool,
}

impl Digest {
    /// Computes the digest of a state.
    pub fn of(state: &RunState) -> Digest {
        let numbers = state.plan.tasks().iter().map(|task| task.number);
        let speculative = state.speculative_conflicts.iter();
        Digest {
            statuses: numbers
                .map(|number| (number, state.status(number)))
                .collect(),
            conflicts: state.conflicts.len(),
            speculative: speculative.map(|found| found.conflict.pair()).collect(),
            merged: state
                .integration
                .as_ref()
                .and_then(|integration| integration.tip),
            ended: match state.phase {
                RunPhase::Ended(exit) => Some(exit),
                _ => None,
            },
            parked: state
                .worker_health
                .parked(state.updated)
                .map(|(worker, _)| worker.to_owned())
                .collect(),
            cost_limit: state.cost_limit_reached.is_some(),
            setup_broken: state.setup.tripped().is_some(),
            access_denied: state.worker_health.all_denied().count(),
            shortage: state.shortage.is_some(),
        }
    }
}

impl Digest {
    /// Returns `true` if the run has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Returns the digest of the same run once it is resumed.
    #[must_use]
    pub fn resumed(&self) -> Digest {
        Digest {
            ended: None,
            ..self.clone()
        }
    }
}

/// Renders the subject of a board commit: the changes since the board before.
pub fn subject(before: &Digest, now: &Digest) -> String {
    let changed = now
        .statuses
        .iter()
        .filter(|(number, status)| before.statuses.get(number) != Some(*status))
        .map(|(number, status)| format!("{number} {status}"));
    let changed: Vec<String> = changed.collect();
    let mut parts: Vec<String> = changed.iter().take(4).cloned().collect();
    if let more @ 1.. = changed.len().saturating_sub(4) {
        parts.push(format!("{more} more"));
    }
    match now.ended {
        Some(exit) if before.ended.is_none() => parts.insert(0, format!("run ended ({exit})")),
        _ => {}
    }
    if now.merged != before.merged && now.ended == before.ended {
        parts.push("assembled".to_owned());
    }
    if now.conflicts != before.conflicts {
        parts.push(plural(now.conflicts, "conflict"));
    }
    if now.speculative != before.speculative {
        let count = now.speculative.len();
        parts.push(plural(count, "speculative conflict"));
    }
    if now.parked != before.parked {
        parts.push(match now.parked.as_slice() {
            [] => "no worker parked".to_owned(),
            workers => format!("{} parked", workers.join(", ")),
        });
    }
    if now.cost_limit && !before.cost_limit {
        parts.push("out of money".to_owned());
    }
    if now.access_denied > before.access_denied {
        parts.push("a worker locked out".to_owned());
    }
    if now.setup_broken && !before.setup_broken {
        parts.push("no set-up".to_owned());
    }
    if now.shortage != before.shortage {
        let said = ["disk space available", "disk full"][usize::from(now.shortage)];
        parts.push(said.to_owned());
    }
    if parts.is_empty() {
        parts.push("its reports".to_owned());
    }
    format!("board: {}", parts.join(", "))
}
