//! Decides about an attempt that has no end in git yet, from what its engine says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::text::{clip, one_line};
use crate::engine::remote::attempt::{Next, Over, Progressed, RemoteAttempt};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::fleet::Look;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::outcome_record::OutcomeRecord;
use crate::engine::remote::package::heartbeat;
use crate::engine::remote::record_commit::RecordCommit;
use crate::engine::remote::transport::Created;
use crate::engine::remote::{CLAIMED, failure};
use crate::exec::engine::{JobExit, JobState};
use crate::merge::oid::Oid;
use crate::model::outcome::Outcome;

/// The time for which git may be behind the engine: the end of a job is believed only after it.
const BEHIND: Duration = Duration::from_secs(5);

impl RemoteAttempt {
    /// Compares what the engine says with git, which has no end of the attempt yet. An attempt that a node has
    /// claimed may have no job that the engine knows.
    pub(super) async fn judge(
        &self,
        now: &mut Progressed,
        look: &Look,
    ) -> Result<Next, RemoteError> {
        let Some(package) = now.package else {
            return Ok(Next::Wait);
        };
        let state = match &now.job {
            Some(job) => look.state_of(job),
            None => Some(&JobState::Vanished),
        };
        // From the time of the look: this process may have been stopped since.
        let since = |time: Instant| look.at.saturating_duration_since(time);
        match state {
            None => {}
            Some(JobState::Unreachable(said)) => {
                self.note(now, format!("does not answer: {said}"));
                let start = *now.unreachable.get_or_insert(look.at);
                let silent = since(start).min(since(now.quiet_since));
                let is_lost =
                    self.fleet.engine.loses_places() && silent >= self.fleet.profile.lost_after;
                if is_lost {
                    return self.lost(now, package, "it does not answer", None).await;
                }
            }
            Some(state) => {
                now.unreachable = None;
                self.show_state(now, state);
                match over(state) {
                    None => now.over = None,
                    Some(over) if now.over.as_ref().is_none_or(|(_, known)| *known != over) => {
                        now.over = Some((look.at, over));
                    }
                    Some(_) => {}
                }
            }
        }
        if let Some((start, over)) = now.over.clone()
            && since(start).min(since(now.quiet_since)) >= self.patience(now, &over)
        {
            return self.ended_without_end(now, package, &over).await;
        }
        match self.is_overdue(now) {
            true => self.give_up(now, package, failure::stopped()).await,
            false => Ok(Next::Wait),
        }
    }

    /// Shows where the job runs, or why it waits. The node that has claimed the attempt knows better than the
    /// engine.
    fn show_state(&self, now: &mut Progressed, state: &JobState) {
        match state {
            JobState::Running(host) => {
                let claimer = now.claimer().map(str::to_owned);
                if let Some(host) = claimer.or_else(|| host.clone()) {
                    self.placed(now, &host);
                }
            }
            JobState::Queued(why) if now.in_git.0.is_none() => {
                self.note(now, format!("queued: {why}"));
            }
            _ => {}
        }
    }

    /// Returns the time without news from the end of a job to the decision that its attempt has none.
    fn patience(&self, now: &Progressed, over: &Over) -> Duration {
        let profile = &self.fleet.profile;
        let is_claimed = now.in_git.0.is_some();
        match over {
            // Another start of the job works on it, or worked.
            Over::Ended(JobExit::Code(code)) if *code == i32::from(CLAIMED) => profile.lost_after,
            _ if now.is_claimed_elsewhere() => profile.lost_after,
            // Only git knows more.
            Over::Vanished if is_claimed => profile.lost_after,
            // An engine can lose a node that works on.
            Over::Lost(_) if is_claimed => BEHIND.max(2 * heartbeat(profile)),
            _ => BEHIND,
        }
    }

    /// Gives an attempt up whose job is over, and has pushed no end.
    async fn ended_without_end(
        &self,
        now: &mut Progressed,
        package: Oid,
        over: &Over,
    ) -> Result<Next, RemoteError> {
        if self.cancel.is_cancelled() {
            return self.give_up(now, package, failure::stopped()).await;
        }
        let (fleet, of) = (Arc::clone(&self.fleet), now.job.clone());
        let said = off_loop(move || Ok(of.map(|job| fleet.engine.logs(&job)))).await?;
        let said = said.and_then(Result::ok);
        let said = said.unwrap_or_default();
        let said = self.context.secrets.mask(&String::from_utf8_lossy(&said));
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
        let cause = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        let cause = Some(clip(&one_line(&cause), 500)).filter(|cause| !cause.is_empty());
        let why = match over {
            Over::Ended(exit) => format!("its job ended with {exit} and without a result"),
            Over::Lost(why) => why.clone(),
            Over::Vanished => "its executor has forgotten the job".to_owned(),
        };
        self.lost(now, package, &why, cause).await
    }

    async fn lost(
        &self,
        now: &mut Progressed,
        package: Oid,
        why: &str,
        cause: Option<String>,
    ) -> Result<Next, RemoteError> {
        let executor = &self.fleet.profile.name;
        let host = now.job.as_ref().and_then(|job| job.host.clone());
        let place = match &host {
            Some(host) => {
                self.fleet.distrust(host);
                format!("host {host} of {executor}")
            }
            None => executor.clone(),
        };
        let outcome = failure::lost(format!("lost on {place}: {why}"), cause);
        let next = self.give_up(now, package, outcome).await?;
        // The result of what still runs there is not taken.
        if let (Next::Over(_), Some(job)) = (&next, now.job.clone()) {
            self.fleet.stop_job(job);
        }
        Ok(next)
    }

    /// Ends the attempt on the remote, unless a node has done so first: then that is its end.
    pub(super) async fn give_up(
        &self,
        now: &Progressed,
        package: Oid,
        outcome: Outcome,
    ) -> Result<Next, RemoteError> {
        let (context, transport) = (
            Arc::clone(&self.context),
            self.fleet.transport.clone().quick(),
        );
        let trailers = context.trailers(self.spec.task, self.spec.attempt);
        let name = self.refs().outcome();
        let created = off_loop(move || {
            let end = context.repo.with_store(|store| {
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
            transport.create(&name, end)
        });
        match created.await {
            Ok(Created::Yes) => Ok(Next::Over(Some(Box::new(outcome)))),
            Err(RemoteError::Unreachable { .. }) if self.is_overdue(now) => {
                Ok(self.stop_unheard(now))
            }
            // The next look takes it.
            Ok(Created::Exists(_)) | Err(RemoteError::Unreachable { .. }) => Ok(Next::Wait),
            Err(error) => Err(error),
        }
    }
}

/// Returns the end of a job that is over.
fn over(state: &JobState) -> Option<Over> {
    match state {
        JobState::Ended(exit) => Some(Over::Ended(*exit)),
        JobState::Lost(why) => Some(Over::Lost(why.clone())),
        JobState::Vanished => Some(Over::Vanished),
        JobState::Queued(_) | JobState::Running(_) | JobState::Unreachable(_) => None,
    }
}
