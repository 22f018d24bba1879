//! Decides about an attempt that has no end in git yet, from what its engine says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::text::{clip, one_line};
use crate::engine::remote::attempt::{Next, Over, Progressed, RemoteAttempt};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::fleet::Look;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::outcome_record::{OutcomeRecord, RecordCommit};
use crate::engine::remote::package::with_store;
use crate::engine::remote::transport::Created;
use crate::engine::remote::{CLAIMED, failure};
use crate::exec::StopSignal;
use crate::exec::engine::{JobExit, JobId, JobState};
use crate::merge::oid::Oid;
use crate::model::outcome::Outcome;

/// The time for which git may be behind the engine: the end of a job is believed only after it.
const BEHIND: Duration = Duration::from_secs(5);

/// The longest time to the end of a node that was asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(60);

impl RemoteAttempt {
    /// Compares what the engine says with git, which has no end of the attempt yet.
    pub(super) async fn judge(
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
        match now
            .stop_asked
            .is_some_and(|asked| asked.elapsed() >= STOP_GRACE)
        {
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
        // The result of what still runs there is not taken.
        let (fleet, job) = (Arc::clone(&self.fleet), job.clone());
        tokio::spawn(off_loop(move || {
            Ok(fleet.engine.cancel(&job, StopSignal::Terminate))
        }));
        Ok(next)
    }

    /// Ends the attempt on the remote, unless a node has done so first: then that is its end.
    pub(super) async fn give_up(
        &self,
        package: Oid,
        outcome: Outcome,
    ) -> Result<Next, RemoteError> {
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
}
