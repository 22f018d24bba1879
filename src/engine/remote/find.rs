//! Looks up jobs that this process does not know: of a process that was killed, of a start without an answer,
//! and of the node that has claimed the attempt.

use std::sync::Arc;

use crate::base::text::error_chain;
use crate::engine::remote::CLAIMED;
use crate::engine::remote::attempt::{Over, Progressed, RemoteAttempt};
use crate::engine::remote::job_record::JobRecord;
use crate::engine::remote::node::off_loop;
use crate::exec::engine::{JobExit, JobId};

impl RemoteAttempt {
    /// Looks up the job, if there may be one. Returns `false` while that is not known: an engine that does not
    /// answer may have it.
    pub(super) async fn find(&self, now: &mut Progressed) -> bool {
        let Some(since) = now.search else {
            self.follow_claim(now).await;
            return true;
        };
        match self.look_up(now).await {
            Ok(found) => {
                now.search = None;
                match found {
                    Some(job) => self.adopt(now, job),
                    None => now.slot = None,
                }
                true
            }
            Err(said) => {
                let executor = &self.fleet.profile.name;
                self.note(now, format!("{executor} does not answer: {said}"));
                // The host is lost. If it has the job, the claim decides between that and the next start.
                let lost_after = self.fleet.profile.lost_after;
                let is_lost = self.fleet.engine.loses_places() && since.elapsed() >= lost_after;
                if is_lost {
                    (now.search, now.slot) = (None, None);
                }
                is_lost
            }
        }
    }

    /// Goes on with the job of the node that has claimed the attempt, once.
    async fn follow_claim(&self, now: &mut Progressed) {
        let Some((claim, _)) = now.claimed_by.clone() else {
            return;
        };
        let found_claim = Over::Ended(JobExit::Code(i32::from(CLAIMED)));
        let has_lost = matches!(&now.over, Some((_, over)) if *over == found_claim);
        if now.followed == Some(claim) || !(has_lost || now.is_claimed_elsewhere()) {
            return;
        }
        // Without an answer git alone is followed, and the engine is asked again.
        let Ok(found) = self.look_up(now).await else {
            return;
        };
        now.followed = Some(claim);
        let known = now.job.as_ref().map(|job| job.id.clone());
        if let Some(job) = found.filter(|job| !job.id.is_empty() && Some(&job.id) != known.as_ref())
        {
            self.adopt(now, job);
        }
    }

    /// Asks the engine for the job, that of the claimer first.
    async fn look_up(&self, now: &Progressed) -> Result<Option<JobId>, String> {
        let (fleet, name) = (Arc::clone(&self.fleet), self.name());
        let on = now.claimer().map(str::to_owned);
        let found = off_loop(move || Ok(fleet.engine.find(&name, on.as_deref()))).await;
        match found {
            Ok(found) => found.map_err(|fault| fault.to_string()),
            Err(error) => Err(error_chain(&error)),
        }
    }

    /// Goes on with a job, in a slot of its host.
    fn adopt(&self, now: &mut Progressed, job: JobId) {
        if now.slot.as_ref().is_none_or(|slot| slot.host != job.host) {
            now.slot = Some(self.fleet.retake_slot(job.host.clone()));
        }
        if let (Some(host), None) = (&job.host, now.claimer()) {
            now.host = Some(host.clone());
        }
        if let Some(package) = now.package {
            let record = JobRecord {
                package,
                host: job.host.clone(),
                job: Some(job.clone()),
            };
            // A later process finds it again in the same way.
            let _ = record.save(&self.folder());
        }
        now.adopt(&self.fleet, job);
    }
}
