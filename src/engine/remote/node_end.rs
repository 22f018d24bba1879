//! The end of an attempt on its node: written once, pushed until the remote takes it, then cleaned up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::base::fault;
use crate::base::removal::remove_own_folder;
use crate::base::text::error_chain;
use crate::engine::kernel::signals::{SignalRequest, Signals};
use crate::engine::pool::release::release;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::node::{Node, NodeEnd, off_loop};
use crate::engine::remote::outcome_record::{OutcomeRecord, SET_UP_LOG, WORKER_LOG, keeps_work_of};
use crate::engine::remote::record_commit::RecordCommit;
use crate::engine::remote::transport::Created;
use crate::engine::remote::{PROTOCOL, failure};
use crate::engine::runs::log::{LogPart, masked_logs};
use crate::engine::worktree::remove::remove_with_losses;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::outcome::{End, Outcome};

/// The number of times that the end is pushed to a remote that refuses it, with growing pauses: about ten minutes.
const REFUSALS: u32 = 12;

/// The time for which the end is pushed to a remote that does not answer.
const UNREACHABLE: Duration = Duration::from_secs(24 * 60 * 60);

impl Node {
    /// Returns the end that an earlier process of this node wrote and could not push.
    pub(super) fn written_outcome(&self) -> Result<Option<Oid>, RemoteError> {
        let name = self.refs.outcome();
        let repo = &self.context.repo;
        repo.with_store(|store| Ok(store.reference(&name)?))
    }

    /// Writes the end of the attempt, with everything that the run needs of it.
    pub(super) fn write_outcome(&self, outcome: Option<Outcome>) -> Result<Oid, RemoteError> {
        let (context, key) = (&self.context, self.key());
        let outcome = match outcome {
            // Without this the run would start it here again at once.
            Some(Outcome {
                end: End::Interrupted {},
                ..
            }) if self.is_out_of_space => Some(failure::lost(
                format!("{} has no space left on its disk", self.request.host),
                None,
            )),
            outcome => outcome,
        };
        let logs = masked_logs(&context.repo, &context.run, key, &context.secrets);
        let logs: Vec<(&str, Vec<u8>)> = logs
            .into_iter()
            .filter_map(|(part, log)| match part {
                LogPart::Worker => Some((WORKER_LOG, log)),
                LogPart::SetUp => Some((SET_UP_LOG, log)),
                LogPart::Teardown => None,
            })
            .collect();
        let (trailers, name) = (self.trailers(), self.refs.outcome());
        let attempt_ref = context.attempt_ref(key.0, key.1);
        context.repo.with_store(|store| {
            let record = OutcomeRecord {
                protocol: PROTOCOL,
                package: self.request.package,
                claim: Some(self.claim),
                host: self.request.host.clone(),
                facts: self.facts.clone(),
                warnings: self.warnings.clone(),
                outcome,
                kept: kept_by(store, &attempt_ref)?,
            };
            let commit = RecordCommit {
                store,
                time: context.clock.now(),
                subject: "End of an attempt",
                trailers: &trailers,
            };
            let end = record.write(&commit, &logs)?;
            store.move_reference(&name, Oid::ZERO, end, "dispatch: end of an attempt")?;
            Ok(end)
        })
    }

    /// Pushes the end, and removes what this node has of the attempt. A remote that does not answer is tried for
    /// a day: the result exists only here. A request to stop ends that.
    pub(super) async fn push_outcome(
        &self,
        end: Oid,
        signals: &mut Signals,
    ) -> Result<NodeEnd, RemoteError> {
        let name = self.refs.outcome();
        let (start, mut refusals) = (Instant::now(), 0);
        let mut pause = Duration::from_secs(1);
        loop {
            let (transport, name) = (self.transport.clone(), name.clone());
            let error = match off_loop(move || transport.create(&name, end)).await {
                Ok(created) => {
                    fault::point("node", "pushed");
                    let _ = self.clean().await;
                    return Ok(match created {
                        Created::Yes => NodeEnd::Pushed,
                        // The run has given the attempt up meanwhile.
                        Created::Exists(_) => NodeEnd::Claimed,
                    });
                }
                Err(error) => error,
            };
            let goes_on = match &error {
                RemoteError::Unreachable { .. } => start.elapsed() < UNREACHABLE,
                _ => {
                    refusals += 1;
                    refusals < REFUSALS
                }
            };
            if !goes_on {
                return Err(error);
            }
            tracing::debug!(said = error_chain(&error), "not pushed yet");
            tokio::select! {
                () = sleep(pause) => {}
                request = signals.next() => if request == SignalRequest::Stop {
                    return Err(error);
                }
            }
            pause = (pause * 2).min(Duration::from_secs(90));
        }
    }

    /// Removes the worktree, the references and the folder of an attempt whose end is on the remote. What
    /// stays is removed with the cache.
    async fn clean(&self) -> Result<(), RemoteError> {
        let (context, spec, refs) = (
            Arc::clone(&self.context),
            self.spec.clone(),
            self.refs.clone(),
        );
        off_loop(move || {
            let repo = &context.repo;
            let is_of_pool = repo.behind_link(&spec.worktree).is_some();
            let found = repo.find_worktree(&spec.worktree);
            match (is_of_pool, found) {
                (true, _) => release(&context, &spec.worktree)?,
                (false, Some(worktree)) => drop(remove_with_losses(&context, &worktree)?),
                (false, None) => {}
            }
            // Only an empty folder of the run goes.
            let _ = spec.worktree.parent().map(std::fs::remove_dir);
            let mut names = refs.all().to_vec();
            // The branch of a worktree of the pool goes with its next attempt.
            if !is_of_pool {
                names.push(branch_ref(&context.attempt_branch(spec.of())));
            }
            repo.with_store(|store| {
                let attempt_ref = context.attempt_ref(spec.task, spec.attempt);
                names.extend(
                    kept_by(store, &attempt_ref)?
                        .into_iter()
                        .map(|(name, _)| name),
                );
                for name in names {
                    if let Some(at) = store.reference(&name)? {
                        store.delete_reference(&name, at)?;
                    }
                }
                Ok::<_, RemoteError>(())
            })?;
            let folder: PathBuf = context.attempt_folder(spec.task, spec.attempt);
            let _ = remove_own_folder(&folder, 6);
            Ok(())
        })
        .await
    }
}

/// Returns the references that keep work of an attempt.
fn kept_by(store: &Store, attempt_ref: &str) -> Result<Vec<(String, Oid)>, RemoteError> {
    let mut kept = store.references(attempt_ref)?;
    kept.retain(|(name, _)| keeps_work_of(attempt_ref, name));
    Ok(kept)
}
