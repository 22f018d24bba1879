//! Takes what a node pushes: the progress of its attempt, and the end.

use std::sync::Arc;

use crate::base::text::error_chain;
use crate::engine::kernel::message::Message;
use crate::engine::remote::accept::{Expected, NOT_OF_NODE, is_fact_of, take_over};
use crate::engine::remote::attempt::{Next, Progressed, RemoteAttempt};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::failure;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::outcome_record::{Claim, Progress, WORKER_LOG, read_log};
use crate::engine::remote::package::with_store;
use crate::exec::log;
use crate::merge::oid::Oid;
use crate::model::event::Event;

impl RemoteAttempt {
    /// Fetches the end of the attempt and takes it over.
    pub(super) async fn take(
        &self,
        now: &mut Progressed,
        end: Oid,
        claim: Option<Oid>,
    ) -> Result<Next, RemoteError> {
        let (context, spec, fleet) = (
            Arc::clone(&self.context),
            Arc::clone(&self.spec),
            Arc::clone(&self.fleet),
        );
        let (refs, package) = (self.refs(), now.package);
        let taken = off_loop(move || {
            fleet.transport.fetch(&[&refs.outcome()])?;
            let package = match package {
                Some(package) => package,
                None => fleet
                    .transport
                    .list(refs.folder())?
                    .get(&refs.package())
                    .copied()
                    .unwrap_or(Oid::ZERO),
            };
            take_over(&context, &spec, end, Expected { package, claim })
        });
        let record = match taken.await {
            Ok(record) => record,
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
        self.remove_progress();
        Ok(Next::Over(outcome))
    }

    /// Removes the progress from the remote. All else stays until `dispatch clean`: it is small, and a
    /// process that takes the run over reads it.
    fn remove_progress(&self) {
        let (fleet, refs) = (Arc::clone(&self.fleet), self.refs());
        tokio::spawn(off_loop(move || {
            let name = refs.progress();
            match fleet.transport.list(refs.folder())?.contains_key(&name) {
                true => fleet.transport.remove(&[name]),
                false => Ok(()),
            }
        }));
    }

    /// Posts the facts and shows the log of a running attempt.
    pub(super) async fn show(&self, now: &mut Progressed, progress: Oid, claim: Option<Oid>) {
        if now.seen_progress == Some(progress) {
            return;
        }
        let (context, fleet, refs) = (
            Arc::clone(&self.context),
            Arc::clone(&self.fleet),
            self.refs(),
        );
        let (folder, key) = (self.folder().join("worker"), self.spec.key());
        let shown = off_loop(move || {
            fleet.transport.fetch(&[&refs.progress(), &refs.claim()])?;
            with_store(&context, |store| {
                let record = Progress::read(store, progress)?;
                let invalid = |why: &str| RemoteError::Invalid {
                    what: refs.progress(),
                    why: why.to_owned(),
                };
                if Some(record.claim) != claim {
                    return Err(invalid("it is from a node that did not claim the attempt"));
                }
                if !record.facts.iter().all(|fact| is_fact_of(key, fact)) {
                    return Err(invalid(NOT_OF_NODE));
                }
                let output = read_log(store, progress, WORKER_LOG).unwrap_or_default();
                // The log is shown again at the end.
                let _ = log::write_copy(&folder, &output);
                Ok((Claim::read(store, record.claim)?, record))
            })
        });
        // What cannot be read now comes with the end.
        if let Ok((claim, record)) = shown.await {
            now.seen_progress = Some(progress);
            self.placed(now, &claim.host);
            self.post_facts(now, &record.facts);
        }
    }

    /// Posts the facts that are new.
    fn post_facts(&self, now: &mut Progressed, facts: &[Event]) {
        for fact in facts {
            if !now.posted.contains(fact) {
                now.posted.push(fact.clone());
                self.post(Message::Fact(fact.clone()));
            }
        }
    }

    pub(super) fn placed(&self, now: &mut Progressed, host: &str) {
        if now.host.as_deref() == Some(host) && now.last_note.is_empty() {
            return;
        }
        now.host = Some(host.to_owned());
        // It takes the note of this process away, and that of the worker is posted again.
        now.last_note.clear();
        now.posted
            .retain(|fact| !matches!(fact, Event::ProgressReported { .. }));
        self.post_submitted(now.host.clone());
    }
}
