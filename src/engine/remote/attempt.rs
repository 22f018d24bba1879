//! The side of the run: hands one attempt to an executor, follows it, and posts its end.
//!
//! One loop serves a new attempt, one that another process handed over, and one that is to stop: each
//! round reads what is there (git first, then the engine) and does the next step. So it does not matter
//! where the process before was killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::base::fault;
use crate::base::files::FileLock;
use crate::base::text::{clip, error_chain, one_line};
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::kernel::remote_refs::RemoteRefs;
use crate::engine::remote::accept::{Expected, take_over};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::fleet::{Fleet, Look, Slot};
use crate::engine::remote::job_record::JobRecord;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::outcome_record::{
    Claim, OutcomeRecord, Progress, RecordCommit, WORKER_LOG, read_log,
};
use crate::engine::remote::package::{Package, with_store};
use crate::engine::remote::transport::Created;
use crate::engine::remote::{CLAIMED, failure};
use crate::engine::spec::AttemptSpec;
use crate::exec::engine::{EngineFault, JobExit, JobId, JobState, NewJob};
use crate::exec::{StopSignal, Stopper, log};
use crate::git::object_hash::digest;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::outcome::Outcome;

/// The time for which git may be behind the engine: the end of a job is believed only after it.
const BEHIND: Duration = Duration::from_secs(5);

/// The longest time to the end of a node that was asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(60);

/// The number of times that a package is pushed to a remote that refuses it.
const PUSHES: u32 = 3;

/// An attempt that runs elsewhere, with everything that its steps need.
pub struct RemoteAttempt {
    /// The fixed data of the run.
    pub context: Arc<Context>,
    /// The attempt.
    pub spec: Arc<AttemptSpec>,
    /// Stops it.
    pub cancel: CancelHandle,
    /// Where facts and the end go.
    pub post: Post,
    /// The executor.
    pub fleet: Arc<Fleet>,
    /// The label that its host must have.
    pub label: Option<String>,
}

/// The progress of an attempt elsewhere, as this process knows it.
#[derive(Default)]
struct Progressed {
    package: Option<Oid>,
    job: Option<JobId>,
    slot: Option<Slot>,
    /// The facts that were posted.
    posted: Vec<Event>,
    seen_progress: Option<Oid>,
    host: Option<String>,
    /// The job has ended, or is lost: since when, and how.
    over: Option<(Instant, Over)>,
    unreachable: Option<Instant>,
    refused: u32,
    stop_asked: Option<Instant>,
    last_note: String,
}

/// The end of a job, as its engine tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Over {
    Ended(JobExit),
    Lost(String),
    Vanished,
}

/// What the next round does.
enum Next {
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
                self.show(now, *progress, refs.get(&own.claim()).copied()).await;
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

    /// Pushes the package and starts the job, as soon as there is a slot.
    async fn hand_over(&self, now: &mut Progressed) -> Result<Next, RemoteError> {
        if self.context.is_stopping() || self.cancel.is_cancelled() {
            return match now.package {
                // Nothing is known of a job, but there may be one.
                Some(package) => self.give_up(package, failure::stopped()).await,
                None => Ok(Next::Over(Some(Box::new(failure::stopped())))),
            };
        }
        if now.slot.is_none() {
            now.slot = self.fleet.take_slot(self.label.as_deref());
        }
        let Some(slot) = &now.slot else {
            self.note(now, format!("waits for a slot of {}", self.fleet.profile.name));
            return Ok(Next::Wait);
        };
        let host = slot.host.clone();
        let package = match now.package {
            Some(package) => package,
            None => match self.push_package(now).await? {
                Some(package) => package,
                None => return Ok(Next::Wait),
            },
        };
        let mut record = JobRecord {
            package,
            host: host.clone(),
            job: None,
        };
        record.save(&self.folder())?;
        fault::point("remote", "before its job starts");
        let (fleet, job) = (Arc::clone(&self.fleet), self.new_job(package, host.clone()));
        match off_loop(move || Ok(fleet.engine.submit(&job))).await? {
            Ok(job) => {
                fault::point("remote", "after its job has started");
                record.job = Some(job.clone());
                record.save(&self.folder())?;
                now.host.clone_from(&host);
                self.post_submitted(host);
                now.adopt(&self.fleet, job);
            }
            Err(EngineFault::Unreachable(said)) => {
                if let Some(host) = &host {
                    self.fleet.distrust(host);
                }
                // Another host may answer. One that did get the job finds its claim taken.
                now.slot = None;
                self.note(now, format!("{} does not answer: {said}", self.fleet.profile.name));
            }
            Err(EngineFault::Refused(said)) => {
                let executor = &self.fleet.profile.name;
                let outcome = failure::refused(
                    one_line(&format!("{executor} does not start the job: {said}")),
                    "`dispatch doctor` checks the executor".to_owned(),
                );
                return self.give_up(package, outcome).await;
            }
        }
        Ok(Next::Wait)
    }

    /// Writes the package and pushes it; `None` if the remote may take it later.
    async fn push_package(&self, now: &mut Progressed) -> Result<Option<Oid>, RemoteError> {
        let (context, spec, fleet) = (
            Arc::clone(&self.context),
            Arc::clone(&self.spec),
            Arc::clone(&self.fleet),
        );
        let name = self.refs().package();
        let pushed = off_loop(move || {
            let package = Package::of(&context, &spec, &fleet.profile);
            let package = with_store(&context, |store| package.write(&context, store))?;
            fault::point("remote", "before its package is pushed");
            Ok((package, fleet.transport.create(&name, package)?))
        });
        match pushed.await {
            Ok((package, created)) => {
                let package = match created {
                    Created::Yes => package,
                    Created::Exists(earlier) => earlier,
                };
                now.package = Some(package);
                Ok(Some(package))
            }
            Err(error @ RemoteError::Unreachable { .. }) => {
                self.note(now, error_chain(&error));
                Ok(None)
            }
            Err(error @ RemoteError::Refused { .. }) => {
                now.refused += 1;
                match now.refused < PUSHES {
                    true => Ok(None),
                    false => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Looks up the job of a process that was killed.
    async fn find(&self, now: &mut Progressed) {
        let (fleet, name) = (Arc::clone(&self.fleet), self.name());
        let found = off_loop(move || Ok(fleet.engine.find(&name))).await;
        match found {
            Ok(Ok(Some(job))) => {
                now.host.clone_from(&job.host);
                if now.slot.is_none() {
                    now.slot = Some(self.fleet.retake_slot(job.host.clone()));
                }
                now.adopt(&self.fleet, job);
            }
            // A second start finds the claim of the first.
            Ok(Ok(None) | Err(_)) | Err(_) => now.slot = None,
        }
    }

    /// Compares what the engine says with git, which has no end of the attempt yet.
    async fn judge(
        &self,
        now: &mut Progressed,
        look: &Look,
        job: &JobId,
    ) -> Result<Next, RemoteError> {
        let Some(package) = now.package else {
            return Ok(Next::Wait);
        };
        match look.jobs.get(&job.name) {
            None => {}
            Some(JobState::Unreachable(said)) => {
                let since = *now.unreachable.get_or_insert_with(Instant::now);
                self.note(now, format!("does not answer: {said}"));
                let is_lost = self.fleet.engine.loses_places()
                    && since.elapsed() >= self.fleet.profile.lost_after;
                if is_lost {
                    return self.lost(package, job, "it does not answer", None).await;
                }
            }
            Some(state) => {
                now.unreachable = None;
                let over = match state {
                    JobState::Ended(exit) => Some(Over::Ended(*exit)),
                    JobState::Lost(why) => Some(Over::Lost(why.clone())),
                    JobState::Vanished => Some(Over::Vanished),
                    _ => None,
                };
                match state {
                    JobState::Running(Some(host)) => self.placed(now, host),
                    JobState::Queued(why) => self.note(now, format!("queued: {why}")),
                    _ => {}
                }
                match over {
                    None => now.over = None,
                    Some(over) if now.over.as_ref().is_none_or(|(_, known)| *known != over) => {
                        now.over = Some((look.at, over));
                    }
                    Some(_) => {}
                }
            }
        }
        if let Some((since, over)) = now.over.clone()
            && look.at.duration_since(since) >= self.patience(&over, look)
        {
            return self.ended_without_end(package, job, &over).await;
        }
        match now.stop_asked.is_some_and(|asked| asked.elapsed() >= STOP_GRACE) {
            true => self.give_up(package, failure::stopped()).await,
            false => Ok(Next::Wait),
        }
    }

    /// Returns the time from the end of a job to the decision that its attempt has none.
    fn patience(&self, over: &Over, look: &Look) -> Duration {
        let is_claimed = || {
            let refs = look.refs.as_ref();
            refs.is_ok_and(|refs| refs.contains_key(&self.refs().claim()))
        };
        match over {
            // Another start of the job works on it, or worked.
            Over::Ended(JobExit::Code(code)) if *code == i32::from(CLAIMED) => {
                self.fleet.profile.lost_after
            }
            // Only git knows more.
            Over::Vanished if is_claimed() => self.fleet.profile.lost_after,
            _ => BEHIND,
        }
    }

    /// Gives an attempt up whose job is over, and has pushed no end.
    async fn ended_without_end(
        &self,
        package: Oid,
        job: &JobId,
        over: &Over,
    ) -> Result<Next, RemoteError> {
        let (fleet, of) = (Arc::clone(&self.fleet), job.clone());
        let said = off_loop(move || Ok(fleet.engine.logs(&of))).await?;
        let said = said.unwrap_or_default();
        let said = self.context.secrets.mask(&String::from_utf8_lossy(&said));
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
        let cause = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        let cause = Some(clip(&one_line(&cause), 500)).filter(|cause| !cause.is_empty());
        if self.cancel.is_cancelled() {
            return self.give_up(package, failure::stopped()).await;
        }
        let why = match over {
            Over::Ended(exit) => format!("its job ended with {exit} and without a result"),
            Over::Lost(why) => why.clone(),
            Over::Vanished => "its executor has forgotten the job".to_owned(),
        };
        self.lost(package, job, &why, cause).await
    }

    async fn lost(
        &self,
        package: Oid,
        job: &JobId,
        why: &str,
        cause: Option<String>,
    ) -> Result<Next, RemoteError> {
        let executor = &self.fleet.profile.name;
        let place = match &job.host {
            Some(host) => {
                self.fleet.distrust(host);
                format!("host {host} of {executor}")
            }
            None => executor.clone(),
        };
        let outcome = failure::lost(format!("lost on {place}: {why}"), cause);
        let next = self.give_up(package, outcome).await?;
        // Whatever still runs there works in vain.
        let (fleet, job) = (Arc::clone(&self.fleet), job.clone());
        tokio::spawn(off_loop(move || {
            Ok(fleet.engine.cancel(&job, StopSignal::Terminate))
        }));
        Ok(next)
    }

    /// Ends the attempt on the remote, unless a node has done so first: then that is its end.
    async fn give_up(&self, package: Oid, outcome: Outcome) -> Result<Next, RemoteError> {
        let (context, fleet) = (Arc::clone(&self.context), Arc::clone(&self.fleet));
        let trailers = context.trailers(self.spec.task, self.spec.attempt);
        let name = self.refs().outcome();
        let created = off_loop(move || {
            let end = with_store(&context, |store| {
                OutcomeRecord::given_up(package).write(
                    &RecordCommit {
                        store,
                        time: context.clock.now(),
                        subject: "Attempt given up by the run",
                        trailers: &trailers,
                    },
                    &[],
                )
            })?;
            fleet.transport.create(&name, end)
        });
        match created.await {
            Ok(Created::Yes) => Ok(Next::Over(Some(Box::new(outcome)))),
            // The next look takes it.
            Ok(Created::Exists(_)) | Err(RemoteError::Unreachable { .. }) => Ok(Next::Wait),
            Err(error) => Err(error),
        }
    }

    /// Fetches the end of the attempt and takes it over.
    async fn take(
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
                None => fleet.transport.list(refs.folder())?.get(&refs.package()).copied()
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
            return Ok(Next::Over(Some(Box::new(match self.cancel.is_cancelled() {
                true => failure::stopped(),
                false => failure::lost(why, None),
            }))));
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
    async fn show(&self, now: &mut Progressed, progress: Oid, claim: Option<Oid>) {
        if now.seen_progress == Some(progress) {
            return;
        }
        let (context, fleet, refs) = (
            Arc::clone(&self.context),
            Arc::clone(&self.fleet),
            self.refs(),
        );
        let folder = self.folder().join("worker");
        let shown = off_loop(move || {
            fleet.transport.fetch(&[&refs.progress(), &refs.claim()])?;
            with_store(&context, |store| {
                let record = Progress::read(store, progress)?;
                if Some(record.claim) != claim {
                    return Err(RemoteError::Invalid {
                        what: refs.progress(),
                        why: "it is from a node that did not claim the attempt".to_owned(),
                    });
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

    fn placed(&self, now: &mut Progressed, host: &str) {
        if now.host.as_deref() != Some(host) {
            now.host = Some(host.to_owned());
            self.post_submitted(now.host.clone());
        }
    }

    fn post_submitted(&self, host: Option<String>) {
        self.post(Message::Fact(Event::AttemptSubmitted {
            task: self.spec.task,
            attempt: self.spec.attempt,
            executor: self.fleet.profile.name.clone(),
            host,
        }));
    }

    /// Tells the user once why the attempt waits.
    fn note(&self, now: &mut Progressed, text: String) {
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
        crate::base::files::private_folder(&folder).ok()?;
        FileLock::try_take(&folder.join("alive.lock")).ok()?
    }

    fn new_job(&self, package: Oid, host: Option<String>) -> NewJob {
        let profile = &self.fleet.profile;
        let mut command = vec![
            profile.program.clone(),
            "node-attempt".to_owned(),
            "--package".to_owned(),
            package.to_string(),
            "--user".to_owned(),
            self.user_key(),
        ];
        if let Some(host) = &host {
            command.extend(["--host".to_owned(), host.clone()]);
        }
        command.extend([
            "--".to_owned(),
            self.fleet.node_address.clone(),
            self.refs().folder().to_owned(),
        ]);
        let value = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
        NewJob {
            name: self.name(),
            host,
            command,
            env: profile.env.iter().filter_map(value).collect(),
            env_file: profile.env_file.clone(),
        }
    }

    /// Returns a short text that tells users apart.
    fn user_key(&self) -> String {
        let user = self.context.repo.git().line(&["var", "GIT_AUTHOR_IDENT"]);
        let user = user.unwrap_or_default();
        let person = user.rsplit_once('>').map_or("", |(person, _)| person);
        Oid::from_bytes(digest(person.as_bytes())).to_string()
    }

    /// The name of the job.
    fn name(&self) -> String {
        let (run, task) = (&self.context.run, self.spec.task.0);
        format!("dispatch/{run}/{task}/{}", self.spec.attempt)
    }

    fn refs(&self) -> RemoteRefs {
        RemoteRefs::of(&self.context.run, (self.spec.task, self.spec.attempt))
    }

    fn folder(&self) -> PathBuf {
        self.context.attempt_folder(self.spec.task, self.spec.attempt)
    }

    fn post(&self, message: Message) {
        // The loop ends only with the program.
        let _ = self.post.send(message);
    }
}

impl Progressed {
    fn adopt(&mut self, fleet: &Fleet, job: JobId) {
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
