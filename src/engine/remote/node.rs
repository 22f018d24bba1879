//! The side of the node: fetches an attempt, claims it, carries it out, and pushes its end.
//!
//! Every step may be repeated: a node that is killed and started again finds its own claim, adopts a
//! worker that still runs, and pushes an end that it has not pushed yet. The steps are in `node_claim.rs`,
//! `node_progress.rs` and `node_end.rs`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

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
use crate::engine::remote::failure;
use crate::engine::remote::shown::{Pushed, Shown};
use crate::engine::remote::transport::Transport;
use crate::engine::spec::AttemptSpec;
use crate::exec::log::Follower;
use crate::exec::{StopSignal, adopt_orphans};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::outcome::Outcome;

/// The longest wait for a push of progress at the end of the attempt.
const LAST_PUSH: Duration = Duration::from_secs(30);

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
    /// The number of facts that came, with those that others have replaced.
    pub(super) changes: u64,
    /// The longest time in which nothing is pushed.
    pub(super) heartbeat: Duration,
    pub(super) shown: Shown,
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
        return node.push_outcome(end, &mut signals).await;
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
    let pushed = node.push_outcome(end, &mut signals).await?;
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
        let (task, attempt) = self.key();
        let folder = self.context.attempt_folder(task, attempt).join("worker");
        let mut output = Follower::new(&folder);
        let mut pushing: Option<JoinHandle<Result<Pushed, RemoteError>>> = None;
        let mut outcome = None;
        let pause = sleep(self.shown.pause(self.heartbeat));
        tokio::pin!(pause);
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    // The attempt has dropped its end.
                    None => break,
                    Some(Message::Ended { outcome: end, .. }) => outcome = Some(*end),
                    Some(message) => self.note(message),
                },
                request = signals.next() => if request == SignalRequest::Stop {
                    self.stop(cancel);
                },
                () = &mut pause, if pushing.is_none() => {
                    pushing = self.show_progress(&mut output);
                    pause.as_mut().reset(Instant::now() + self.shown.pause(self.heartbeat));
                }
                pushed = ended(&mut pushing) => {
                    pushing = None;
                    if self.note_pushed(pushed) && !cancel.is_cancelled() {
                        // Its result is not taken any more.
                        self.stop(cancel);
                    }
                    pause.as_mut().reset(Instant::now() + self.shown.pause(self.heartbeat));
                }
            }
        }
        // A progress that comes after the end would stay.
        if let Some(pushing) = pushing {
            let _ = timeout(LAST_PUSH, pushing).await;
        }
        outcome
    }

    /// Stops the attempt; the second time at once.
    fn stop(&self, cancel: &CancelHandle) {
        let signal = match cancel.is_cancelled() {
            true => StopSignal::Kill,
            false => StopSignal::Terminate,
        };
        self.context.stop();
        cancel.cancel(signal);
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Fact(fact) => {
                self.changes += 1;
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

    pub(super) fn trailers(&self) -> String {
        self.context.trailers(self.spec.task, self.spec.attempt)
    }
}

/// Waits for the push that runs, forever if there is none; none if it failed.
async fn ended(pushing: &mut Option<JoinHandle<Result<Pushed, RemoteError>>>) -> Option<Pushed> {
    match pushing {
        Some(pushing) => pushing.await.ok()?.ok(),
        None => std::future::pending().await,
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
