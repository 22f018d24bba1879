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
use crate::engine::remote::stop_request::Stop;
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
pub(super) struct Progressed {
    pub(super) package: Option<Oid>,
    pub(super) job: Option<JobId>,
    /// The engine may have a job that this process does not know: since when it is looked up.
    pub(super) search: Option<Instant>,
    pub(super) slot: Option<Slot>,
    /// The claim and the progress that were on the remote at last.
    pub(super) in_git: (Option<Oid>, Option<Oid>),
    /// A claim that was read, and the node that made it.
    pub(super) claimed_by: Option<(Oid, String)>,
    /// The claim whose job was looked up.
    pub(super) followed: Option<Oid>,
    pub(super) seen_progress: Option<Oid>,
    /// The last time at which git told something new about the attempt, or could not be asked. Nothing is
    /// concluded from a silence before it.
    pub(super) quiet_since: Instant,
    /// The facts that were posted.
    pub(super) posted: Vec<Event>,
    pub(super) host: Option<String>,
    /// The last message of the worker.
    pub(super) worker_note: Option<Event>,
    /// The message of this process that the board shows, if any.
    pub(super) own_note: String,
    /// The job has ended, or is lost: since when, and how.
    pub(super) over: Option<(Instant, Over)>,
    pub(super) unreachable: Option<Instant>,
    pub(super) refused: u32,
    pub(super) stop: Stop,
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
        let mut now = Progressed::new();
        let asked = Arc::clone(&now.stop.asked);
        self.cancel.attach(Stopper::new(move |signal| {
            let _ = asked.set(Instant::now());
            // The attempt may be over.
            let _ = send.send(signal);
        }));
        // While it is held, readers of the log know that more comes.
        let _alive = self.hold_log();
        if let Some(record) = JobRecord::load(&self.folder()) {
            now.package = Some(record.package);
            now.slot = Some(self.fleet.retake_slot(record.host.clone()));
            now.host = record.host;
            match record.job {
                Some(job) => now.adopt(&self.fleet, job),
                None => now.search = Some(Instant::now()),
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
        let refs = match &look.refs {
            Ok(refs) => refs,
            Err(said) => {
                now.quiet_since = look.at;
                self.note(now, format!("the git remote does not answer: {said}"));
                let has_no_job = now.package.is_none() && self.cancel.is_cancelled();
                return Ok(match has_no_job || self.is_overdue(now) {
                    true => self.stop_unheard(now),
                    false => Next::Wait,
                });
            }
        };
        let own = self.refs();
        let at = |name: &str| refs.get(name).copied();
        let (claim, progress) = (at(&own.claim()), at(&own.progress()));
        if let Some(end) = at(&own.outcome()) {
            return self.take(now, end, (claim, progress)).await;
        }
        self.show(now, look.at, (claim, progress)).await;
        if now.package.is_none() {
            // A process before this one pushed it, in this clone or another.
            now.package = at(&own.package());
            now.search = now.package.map(|_| Instant::now());
        }
        if !self.find(now).await {
            return match now.package.filter(|_| self.is_overdue(now)) {
                Some(package) => self.give_up(now, package, failure::stopped()).await,
                None => Ok(Next::Wait),
            };
        }
        match now.job.is_some() || claim.is_some() {
            // A claimed attempt is never started again.
            true => self.judge(now, &look).await,
            false => self.hand_over(now).await,
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
        if now.own_note != text {
            now.own_note.clone_from(&text);
            let task = self.spec.task;
            self.post(Message::Fact(Event::ProgressReported { task, note: text }));
        }
    }

    /// Waits for the next round, or a request to stop.
    async fn pause(&self, now: &mut Progressed, signals: &mut UnboundedReceiver<StopSignal>) {
        tokio::select! {
            () = tokio::time::sleep(self.fleet.profile.poll) => {}
            Some(signal) = signals.recv() => now.stop.signal = Some(signal),
        }
        self.deliver_stop(now).await;
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
    fn new() -> Progressed {
        Progressed {
            package: None,
            job: None,
            search: None,
            slot: None,
            in_git: (None, None),
            claimed_by: None,
            followed: None,
            seen_progress: None,
            quiet_since: Instant::now(),
            posted: Vec::new(),
            host: None,
            worker_note: None,
            own_note: String::new(),
            over: None,
            unreachable: None,
            refused: 0,
            stop: Stop::default(),
        }
    }

    pub(super) fn adopt(&mut self, fleet: &Fleet, job: JobId) {
        fleet.watch(&job);
        self.job = Some(job);
        (self.over, self.unreachable) = (None, None);
    }

    /// Returns the node that has claimed the attempt, if that is known.
    pub(super) fn claimer(&self) -> Option<&str> {
        self.claimed_by.as_ref().map(|(_, host)| host.as_str())
    }

    /// Returns `true` if another host than that of the job has claimed the attempt.
    pub(super) fn is_claimed_elsewhere(&self) -> bool {
        let chosen = self.job.as_ref().and_then(|job| job.host.as_deref());
        chosen.is_some_and(|chosen| self.claimer().is_some_and(|claimer| claimer != chosen))
    }
}

/// Explains an executor that cannot be used for an attempt.
pub fn unusable(error: &EngineError) -> Outcome {
    failure::refused(
        one_line(&error_chain(error)),
        "`dispatch doctor` checks the executors".to_owned(),
    )
}
