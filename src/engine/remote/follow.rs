//! Takes what a node pushes: the progress of its attempt, and the end.

use std::sync::Arc;
use std::time::Instant;

use crate::base::text::error_chain;
use crate::engine::kernel::message::Message;
use crate::engine::remote::accept::{Expected, is_fact_of, take_over};
use crate::engine::remote::attempt::{Next, Progressed, RemoteAttempt};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::failure;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::outcome_record::{Claim, Progress, WORKER_LOG, read_log};
use crate::exec::log;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::event::Event;

impl RemoteAttempt {
    /// Fetches the end of the attempt and takes it over.
    pub(super) async fn take(
        &self,
        now: &mut Progressed,
        end: Oid,
        (claim, progress): (Option<Oid>, Option<Oid>),
    ) -> Result<Next, RemoteError> {
        let (context, spec) = (Arc::clone(&self.context), Arc::clone(&self.spec));
        let (refs, package, folder) = (self.refs(), now.package, self.folder().join("worker"));
        let transport = self.transport(now);
        let taken = off_loop(move || {
            transport.fetch(&[&refs.outcome()])?;
            let package = match package {
                Some(package) => package,
                None => transport
                    .list(refs.folder())?
                    .get(&refs.package())
                    .copied()
                    .unwrap_or(Oid::ZERO),
            };
            let record = take_over(&context, &spec, end, Expected { package, claim })?;
            let show = |store: &Store| {
                let output = read_log(store, end, WORKER_LOG).unwrap_or_default();
                // Who follows the log here gets the rest of it; it is kept elsewhere.
                let _ = log::write_copy(&folder, 0, &output);
                Ok::<_, RemoteError>(())
            };
            context.repo.with_store(show)?;
            Ok(record)
        });
        let record = match taken.await {
            Ok(record) => record,
            Err(RemoteError::Unreachable { .. }) if self.is_overdue(now) => {
                return Ok(self.stop_unheard(now));
            }
            Err(error @ RemoteError::Unreachable { .. }) => {
                self.note(now, error_chain(&error));
                return Ok(Next::Wait);
            }
            Err(error) => return Err(error),
        };
        if record.claim.is_none() {
            // This run gave it up before it was killed.
            let why = "the run gave it up".to_owned();
            return Ok(Next::Over(Some(Box::new(
                match self.cancel.is_cancelled() {
                    true => failure::stopped(),
                    false => failure::lost(why, None),
                },
            ))));
        }
        self.placed(now, &record.host);
        self.post_facts(now, &record.facts);
        for warning in &record.warnings {
            self.post(Message::Warning(format!("{}: {warning}", record.host)));
        }
        let is_blocked = |fact: &Event| matches!(fact, Event::DependenciesConflict { .. });
        let outcome = match record.outcome {
            Some(outcome) => Some(Box::new(outcome)),
            None if record.facts.iter().any(is_blocked) => None,
            None => Some(Box::new(failure::lost(
                format!("{} ended the attempt without an outcome", record.host),
                None,
            ))),
        };
        if progress.is_some() {
            self.remove_progress();
        }
        if let Some(job) = now.job.clone() {
            self.fleet.discard(job);
        }
        Ok(Next::Over(outcome))
    }

    /// Removes the progress from the remote. All else stays until `dispatch clean`: it is small, and a
    /// process that takes the run over reads it.
    fn remove_progress(&self) {
        let (transport, name) = (self.fleet.transport.clone(), self.refs().progress());
        self.fleet.chores.later(async move {
            // `dispatch clean` removes it, too.
            let _ = off_loop(move || transport.remove(&[name])).await;
        });
    }

    /// Notices the claim, posts the facts and shows the log of a running attempt.
    pub(super) async fn show(
        &self,
        now: &mut Progressed,
        at: Instant,
        in_git: (Option<Oid>, Option<Oid>),
    ) {
        if now.in_git != in_git {
            now.in_git = in_git;
            now.quiet_since = at;
        }
        let (claim, progress) = in_git;
        let known = now.claimed_by.as_ref().map(|(claim, _)| *claim);
        let new_claim = claim.filter(|claim| known != Some(*claim));
        let new_progress = progress.filter(|new| now.seen_progress != Some(*new));
        if (new_claim, new_progress) == (None, None) {
            return;
        }
        let (context, refs, key) = (Arc::clone(&self.context), self.refs(), self.spec.key());
        let (transport, folder) = (self.transport(now), self.folder().join("worker"));
        let shown = off_loop(move || {
            let (of_claim, of_progress) = (refs.claim(), refs.progress());
            let names = [(new_claim, &of_claim), (new_progress, &of_progress)];
            let new = names.iter().filter(|(new, _)| new.is_some());
            transport.fetch(&new.map(|(_, name)| name.as_str()).collect::<Vec<_>>())?;
            context.repo.with_store(|store| {
                let read_claim = |claim| Some(Claim::read(store, claim).ok()?.host);
                let host = new_claim.and_then(read_claim);
                let record = new_progress.and_then(|new| {
                    // What cannot be read now comes with the end.
                    let record = Progress::read(store, new).ok()?;
                    let is_valid = Some(record.claim) == claim
                        && record.facts.iter().all(|fact| is_fact_of(key, fact));
                    let output = read_log(store, new, WORKER_LOG).unwrap_or_default();
                    if is_valid {
                        // The log is shown again at the end.
                        let _ = log::write_copy(&folder, record.log_from, &output);
                    }
                    is_valid.then_some(record)
                });
                Ok::<_, RemoteError>((host, record))
            })
        });
        let Ok((host, record)) = shown.await else {
            return;
        };
        if let (Some(claim), Some(host)) = (new_claim, host) {
            self.placed(now, &host);
            now.claimed_by = Some((claim, host));
        }
        if let Some(record) = record {
            now.seen_progress = new_progress;
            self.post_facts(now, &record.facts);
        }
    }

    /// Posts the facts that are new.
    fn post_facts(&self, now: &mut Progressed, facts: &[Event]) {
        for fact in facts {
            // The worker may say the same twice, with something else between; only its last message is shown.
            let is_new = match fact {
                Event::ProgressReported { .. } => {
                    let is_new = now.worker_note.as_ref() != Some(fact);
                    now.worker_note = Some(fact.clone());
                    is_new
                }
                _ => !now.posted.contains(fact),
            };
            if is_new {
                now.own_note.clear();
                if !matches!(fact, Event::ProgressReported { .. }) {
                    now.posted.push(fact.clone());
                }
                self.post(Message::Fact(fact.clone()));
            }
        }
    }

    /// Shows where the attempt runs, in place of a message that says why it waits.
    pub(super) fn placed(&self, now: &mut Progressed, host: &str) {
        if now.host.as_deref() == Some(host) && now.own_note.is_empty() {
            return;
        }
        now.host = Some(host.to_owned());
        now.own_note.clear();
        self.post_submitted(now.host.clone());
        // It takes every message away, and that of the worker still holds.
        if let Some(note) = now.worker_note.clone() {
            self.post(Message::Fact(note));
        }
    }
}
