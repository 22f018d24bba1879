//! The side of the node: fetches an attempt, claims it, carries it out, and pushes its end.
//!
//! Every step may be repeated: a node that is killed and started again finds its own claim, adopts a
//! worker that still runs, and pushes an end that it has not pushed yet. The steps are in `node_claim.rs`
//! and `node_end.rs`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

use crate::base::clock::Clock;
use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::attempt::run;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::Message;
use crate::engine::kernel::remote_refs::RemoteRefs;
use crate::engine::kernel::signals::{SignalRequest, Signals};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::outcome_record::{Progress, RecordCommit, WORKER_LOG};
use crate::engine::remote::package::with_store;
use crate::engine::remote::transport::Transport;
use crate::engine::remote::{PROTOCOL, failure};
use crate::engine::spec::AttemptSpec;
use crate::exec::{StopSignal, adopt_orphans, log};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::outcome::Outcome;

/// The time between two pushes of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// The request to carry out one attempt.
#[derive(Clone, Debug)]
pub struct NodeRequest {
    /// The address of the git remote.
    pub address: String,
    /// The folder of the attempt's references.
    pub folder: String,
    /// The package that is to be there.
    pub package: Oid,
    /// The name of this node.
    pub host: String,
    /// Tells the mirrors of different users apart.
    pub user: String,
}

/// The result of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeEnd {
    /// The end of the attempt is on the remote.
    Pushed,
    /// Another node has claimed the attempt, or its end was there before.
    Claimed,
}

/// A claimed attempt.
pub(super) struct Node {
    pub(super) context: Arc<Context>,
    pub(super) transport: Transport,
    pub(super) refs: RemoteRefs,
    pub(super) request: NodeRequest,
    pub(super) spec: AttemptSpec,
    pub(super) claim: Oid,
    pub(super) facts: Vec<Event>,
    pub(super) warnings: Vec<String>,
    pub(super) is_out_of_space: bool,
    /// The progress that was pushed last, and the one that was written last.
    pub(super) pushed: Option<Oid>,
    pub(super) shown: Option<(usize, usize)>,
}

/// Carries out an attempt.
///
/// # Errors
/// When the package cannot be used, or the remote or git fails. Where the attempt was claimed, the same
/// request may be made again.
pub async fn carry_out(request: NodeRequest, clock: Clock) -> Result<NodeEnd, RemoteError> {
    let mut signals = Signals::listen()
        .map_err(|error| EngineError::File("signal handlers".to_owned(), error))?;
    adopt_orphans();
    let asked = request.clone();
    let claimed = off_loop(move || Node::claim(&asked, clock)).await?;
    let Some((mut node, is_resumed, _lock)) = claimed else {
        return Ok(NodeEnd::Claimed);
    };
    fault::point("node", "claimed");
    let refs = node.refs.clone();
    if let Some(end) = node.written_outcome()? {
        return node.push_outcome(end).await;
    }
    let (post, mut inbox) = unbounded_channel();
    let cancel = CancelHandle::default();
    let context = Arc::clone(&node.context);
    let execution = Execution::new(context, node.spec.clone(), cancel.clone(), post);
    let carried = tokio::spawn(async move {
        match is_resumed {
            true => run::adopt(execution).await,
            false => run::run(execution).await,
        }
    });
    let outcome = node.follow(&mut inbox, &mut signals, &cancel).await;
    // It has ended, or panicked, which is a failure of dispatch.
    let outcome = match carried.await {
        Ok(()) => outcome,
        Err(error) => Some(failure::lost(format!("dispatch failed: {error}"), None)),
    };
    fault::point("node", "with the end");
    let end = node.write_outcome(outcome)?;
    let pushed = node.push_outcome(end).await?;
    tracing::debug!(folder = refs.folder(), "pushed");
    Ok(pushed)
}

impl Node {
    pub(super) fn key(&self) -> AttemptKey {
        (self.spec.task, self.spec.attempt)
    }

    /// Follows the attempt to its end, and pushes its progress.
    async fn follow(
        &mut self,
        inbox: &mut UnboundedReceiver<Message>,
        signals: &mut Signals,
        cancel: &CancelHandle,
    ) -> Option<Outcome> {
        let mut tick = interval(PROGRESS_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outcome = None;
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    // The attempt has dropped its end.
                    None => return outcome,
                    Some(Message::Ended { outcome: end, .. }) => outcome = Some(*end),
                    Some(message) => self.note(message),
                },
                request = signals.next() => if request == SignalRequest::Stop {
                    let signal = match cancel.is_cancelled() {
                        true => StopSignal::Kill,
                        false => StopSignal::Terminate,
                    };
                    self.context.stop();
                    cancel.cancel(signal);
                },
                _ = tick.tick() => self.show_progress().await,
            }
        }
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Fact(fact) => {
                // Of notes, only the last one matters.
                if matches!(fact, Event::ProgressReported { .. }) {
                    self.facts
                        .retain(|known| !matches!(known, Event::ProgressReported { .. }));
                }
                self.facts.push(fact);
            }
            Message::Warning(text) => self.warnings.push(text),
            Message::OutOfSpace(_) => self.is_out_of_space = true,
            _ => {}
        }
    }

    /// Pushes the facts and the log so far, if there are new ones. What cannot be pushed now is pushed
    /// later.
    async fn show_progress(&mut self) {
        if self.facts.is_empty() {
            return;
        }
        let log = self.log_so_far();
        let shown = Some((self.facts.len(), log.len()));
        if self.shown == shown && !matches!(self.facts.last(), Some(Event::ProgressReported { .. }))
        {
            return;
        }
        let Ok(new) = self.write_progress(log) else {
            return;
        };
        if self.pushed == Some(new) {
            return;
        }
        let (transport, old) = (self.transport.clone(), self.pushed);
        let name = self.refs.progress();
        let pushed = off_loop(move || {
            // Of an earlier process of this node.
            let old = match old {
                Some(old) => Some(old),
                None => transport.list(&name)?.get(&name).copied(),
            };
            transport.replace(&name, old, new)
        });
        if pushed.await.is_ok() {
            self.pushed = Some(new);
            self.shown = shown;
        }
    }

    fn write_progress(&self, log: Vec<u8>) -> Result<Oid, RemoteError> {
        let progress = Progress {
            protocol: PROTOCOL,
            claim: self.claim,
            facts: self.facts.clone(),
        };
        let (context, trailers) = (&self.context, self.trailers());
        with_store(context, |store| {
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

    /// Returns the worker's output so far in whole lines, so that no part of a secret is shown.
    fn log_so_far(&self) -> Vec<u8> {
        let (task, attempt) = self.key();
        let folder = self.context.attempt_folder(task, attempt).join("worker");
        let mut log = log::read(&folder).unwrap_or_default();
        let end = log.iter().rposition(|byte| *byte == b'\n');
        log.truncate(end.map_or(0, |end| end + 1));
        self.context.secrets.mask_bytes(log)
    }

    pub(super) fn trailers(&self) -> String {
        self.context.trailers(self.spec.task, self.spec.attempt)
    }
}

/// Runs blocking work of the transport in the background.
pub(super) async fn off_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RemoteError> + Send + 'static,
) -> Result<T, RemoteError> {
    match blocking(move || Ok(work())).await {
        Ok(result) => result,
        Err(error) => Err(error.into()),
    }
}
