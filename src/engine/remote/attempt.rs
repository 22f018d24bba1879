//! The side of the run: hands one attempt to an executor, follows it, and posts its end.
//!
//! One loop serves a new attempt, one that another process handed over, and one that is to stop: each
//! round reads what is there (git first, then the engine) and does the next step. So it does not matter
//! where the process before was killed. The steps are in `hand_over.rs`, `judge.rs` and `follow.rs`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::base::fault;
use crate::base::files::{FileLock, private_folder};
use crate::base::text::{clip, error_chain, one_line};
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::kernel::remote_refs::RemoteRefs;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::failure;
use crate::engine::remote::fleet::{Fleet, Slot};
use crate::engine::remote::job_record::JobRecord;
use crate::engine::remote::node::off_loop;
use crate::engine::spec::AttemptSpec;
use crate::exec::engine::{JobExit, JobId};
use crate::exec::{StopSignal, Stopper};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::outcome::Outcome;

/// An attempt that runs elsewhere, with everything that its steps need.
pub struct RemoteAttempt {
    /// The fixed data of the run.
    pub context: Arc<Context>,
    /// The attempt.
    pub spec: Arc<AttemptSpec>,
    /// Stops it.
    pub cancel: CancelHandle,
    /// The inbox of the loop, for facts and the end.
    pub post: Post,
    /// The executor.
    pub fleet: Arc<Fleet>,
    /// The label that its host must have.
    pub label: Option<String>,
}

/// The progress of an attempt elsewhere, as this process knows it.
#[derive(Default)]
pub(super) struct Progressed {
    pub(super) package: Option<Oid>,
    pub(super) job: Option<JobId>,
    pub(super) slot: Option<Slot>,
    /// The facts that were posted.
    pub(super) posted: Vec<Event>,
    pub(super) seen_progress: Option<Oid>,
    pub(super) host: Option<String>,
    /// The job has ended, or is lost: since when, and how.
    pub(super) over: Option<(Instant, Over)>,
    pub(super) unreachable: Option<Instant>,
    pub(super) refused: u32,
    pub(super) stop_asked: Option<Instant>,
    pub(super) last_note: String,
}

/// The end of a job, as its engine tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Over {
    Ended(JobExit),
    Lost(String),
    Vanished,
}

/// The decision of a round.
pub(super) enum Next {
    Wait,
    /// The attempt is over, with this outcome; none if a posted fact says why it did not start.
    Over(Option<Box<Outcome>>),
}

impl RemoteAttempt {
    /// Hands the attempt over, or goes on where another process left it, and posts its end.
    pub async fn run(self) {
        let outcome = match self.carry().await {
            Ok(outcome) => outcome,
            Err(error) => Some(Box::new(failure::refused(
                one_line(&error_chain(&error)),
                "see `dispatch doctor`, then `dispatch retry`".to_owned(),
            ))),
        };
        self.fleet.forget(&self.name());
        fault::point("remote", "with its end");
        if let Some(outcome) = outcome {
            let (task, attempt) = (self.spec.task, self.spec.attempt);
            self.post(Message::Ended {
                task,
                attempt,
                outcome,
            });
        }
    }

    /// Stops the attempt, which the edited plan no longer contains, and posts its end.
    pub async fn set_aside(self) {
        self.cancel.cancel(StopSignal::Terminate);
        self.run().await;
    }

    async fn carry(&self) -> Result<Option<Box<Outcome>>, RemoteError> {
        let (send, mut signals) = unbounded_channel();
        self.cancel.attach(Stopper::new(move |signal| {
            // The attempt may be over.
            let _ = send.send(signal);
        }));
        // While it is held, readers of the log know that more comes.
        let _alive = self.hold_log();
        let mut now = Progressed::default();
        if let Some(record) = JobRecord::load(&self.folder()) {
            now.package = Some(record.package);
            now.slot = Some(self.fleet.retake_slot(record.host.clone()));
            now.host = record.host;
            match record.job {
                Some(job) => now.adopt(&self.fleet, job),
                None => self.find(&mut now).await,
            }
        }
        loop {
            match self.round(&mut now).await? {
                Next::Over(outcome) => return Ok(outcome),
                Next::Wait => {}
            }
            self.pause(&mut now, &mut signals).await;
        }
    }

    async fn round(&self, now: &mut Progressed) -> Result<Next, RemoteError> {
        let look = self.fleet.look().await?;
        if let Ok(refs) = &look.refs {
            let own = self.refs();
            if let Some(end) = refs.get(&own.outcome()) {
                return self.take(now, *end, refs.get(&own.claim()).copied()).await;
            }
            if let Some(progress) = refs.get(&own.progress()) {
                self.show(now, *progress, refs.get(&own.claim()).copied())
                    .await;
            }
            if now.package.is_none() {
                // A process before this one pushed it, in this clone or another.
                now.package = refs.get(&own.package()).copied();
                if now.package.is_some() {
                    self.find(now).await;
                }
            }
        }
        match (&look.refs, now.job.clone()) {
            (Err(said), _) => {
                self.note(now, format!("the git remote does not answer: {said}"));
                Ok(Next::Wait)
            }
            (Ok(_), None) => self.hand_over(now).await,
            (Ok(_), Some(job)) => self.judge(now, &look, &job).await,
        }
    }

    pub(super) fn post_submitted(&self, host: Option<String>) {
        self.post(Message::Fact(Event::AttemptSubmitted {
            task: self.spec.task,
            attempt: self.spec.attempt,
            executor: self.fleet.profile.name.clone(),
            host,
        }));
    }

    /// Tells the user once why the attempt waits.
    pub(super) fn note(&self, now: &mut Progressed, text: String) {
        let text = clip(&one_line(&text), 300);
        if now.last_note != text {
            now.last_note.clone_from(&text);
            let task = self.spec.task;
            self.post(Message::Fact(Event::ProgressReported { task, note: text }));
        }
    }

    /// Waits for the next round, or a request to stop.
    async fn pause(&self, now: &mut Progressed, signals: &mut UnboundedReceiver<StopSignal>) {
        tokio::select! {
            () = tokio::time::sleep(self.fleet.profile.poll) => {}
            Some(signal) = signals.recv() => {
                now.stop_asked.get_or_insert_with(Instant::now);
                if let Some(job) = now.job.clone() {
                    let fleet = Arc::clone(&self.fleet);
                    // An executor that does not answer is asked no further: the attempt is given up.
                    let _ = off_loop(move || Ok(fleet.engine.cancel(&job, signal))).await;
                }
            }
        }
    }

    /// Holds the lock of the worker's folder, as a supervisor does.
    fn hold_log(&self) -> Option<FileLock> {
        let folder = self.folder().join("worker");
        private_folder(&folder).ok()?;
        FileLock::try_take(&folder.join("alive.lock")).ok()?
    }

    /// The name of the job.
    pub(super) fn name(&self) -> String {
        let (run, task) = (&self.context.run, self.spec.task.0);
        format!("dispatch/{run}/{task}/{}", self.spec.attempt)
    }

    pub(super) fn refs(&self) -> RemoteRefs {
        RemoteRefs::of(&self.context.run, (self.spec.task, self.spec.attempt))
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.context
            .attempt_folder(self.spec.task, self.spec.attempt)
    }

    pub(super) fn post(&self, message: Message) {
        // The loop ends only with the program.
        let _ = self.post.send(message);
    }
}

impl Progressed {
    pub(super) fn adopt(&mut self, fleet: &Fleet, job: JobId) {
        fleet.watch(&job);
        self.job = Some(job);
    }
}

/// Explains an executor that cannot be used for an attempt.
pub fn unusable(error: &EngineError) -> Outcome {
    failure::refused(
        one_line(&error_chain(error)),
        "`dispatch doctor` checks the executors".to_owned(),
    )
}
