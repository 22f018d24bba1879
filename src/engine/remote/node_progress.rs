//! The progress that a node pushes while its attempt runs: the facts, and the end of the log.
//!
//! A quiet attempt is pushed again at every heartbeat, so that the run knows that its node lives. Where
//! nothing is new, or a push takes long, the next one comes later.

use std::time::Instant;

use tokio::task::JoinHandle;

use crate::engine::remote::PROTOCOL;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::node::{Node, off_loop};
use crate::engine::remote::outcome_record::{Progress, WORKER_LOG};
use crate::engine::remote::record_commit::RecordCommit;
use crate::engine::remote::shown::{LONGEST, Pushed, SHORTEST};
use crate::exec::log::Follower;
use crate::merge::oid::Oid;

/// A push may take this part of the time, and no more.
const SHARE: u32 = 5;

impl Node {
    /// Starts to push what is new; none if nothing is.
    pub(super) fn show_progress(
        &mut self,
        output: &mut Follower,
    ) -> Option<JoinHandle<Result<Pushed, RemoteError>>> {
        let new = output.read().unwrap_or_default();
        let secrets = &self.context.secrets;
        let has_output = self.shown.log.add(new, |lines| secrets.mask_bytes(lines));
        let is_due = self.shown.beat.1.elapsed() >= self.heartbeat;
        let is_new = has_output || self.changes != self.shown.changes;
        if is_due {
            self.shown.beat = (self.shown.beat.0 + 1, Instant::now());
        }
        if self.facts.is_empty() || !(is_new || is_due) {
            let shortest = SHORTEST.min(self.heartbeat);
            let longer = (self.shown.pause * 2).clamp(shortest, LONGEST);
            self.shown.pause = longer.min(self.heartbeat);
            return None;
        }
        self.shown.changes = self.changes;
        let new = self.write_progress().ok()?;
        let (transport, old, refs) = (self.transport.clone(), self.shown.pushed, self.refs.clone());
        Some(tokio::spawn(off_loop(move || {
            let start = Instant::now();
            let old = match old {
                Some(old) if !is_due => Some(old),
                // Of an earlier process of this node, at first.
                _ => {
                    let there = transport.list(refs.folder())?;
                    if there.contains_key(&refs.outcome()) {
                        return Ok(Pushed::Over);
                    }
                    there.get(&refs.progress()).copied()
                }
            };
            Ok(match transport.replace(&refs.progress(), old, new) {
                Ok(()) => Pushed::Yes(new, start.elapsed()),
                Err(_) => Pushed::No(start.elapsed()),
            })
        })))
    }

    /// Notes the result of a push. Returns `true` if the attempt is over.
    pub(super) fn note_pushed(&mut self, pushed: Option<Pushed>) -> bool {
        let took = match pushed {
            Some(Pushed::Over) => return true,
            Some(Pushed::Yes(new, took)) => {
                self.shown.pushed = Some(new);
                took
            }
            Some(Pushed::No(took)) => {
                self.shown.pushed = None;
                self.shown.changes = u64::MAX;
                took
            }
            None => {
                self.shown.pushed = None;
                self.shown.changes = u64::MAX;
                self.heartbeat
            }
        };
        let shortest = SHORTEST.min(self.heartbeat);
        self.shown.pause = (took * SHARE).clamp(shortest, self.heartbeat.max(shortest));
        false
    }

    fn write_progress(&self) -> Result<Oid, RemoteError> {
        let progress = Progress {
            protocol: PROTOCOL,
            claim: self.claim,
            facts: self.facts.clone(),
            beat: self.shown.beat.0,
            log_from: self.shown.log.before,
        };
        let (trailers, log) = (self.trailers(), self.shown.log.bytes.clone());
        self.context.repo.with_store(|store| {
            let commit = RecordCommit {
                store,
                // The same progress is the same commit.
                time: jiff::Timestamp::UNIX_EPOCH,
                subject: "Progress of an attempt",
                trailers: &trailers,
            };
            progress.write(&commit, &[(WORKER_LOG, log)])
        })
    }
}
