//! Acts on shortages: of space on a disk, and of the user's limits on worktrees.

use crate::engine::EngineError;
use crate::engine::kernel::message::{FullDisk, Quota};
use crate::engine::run::admission::Admission;
use crate::engine::run::driver::Driver;
use crate::engine::run::effect::Effect;
use crate::engine::run::now::Now;
use crate::git::worktree::Worktree;
use crate::model::event::Event;
use crate::model::run::RunPhase;
use crate::model::shortage::Shortage;

impl Driver {
    pub(super) fn disk_is_full(&mut self, why: &FullDisk, is_news: bool, now: Now) {
        if is_news {
            let FullDisk { error, shortage } = why;
            let warning = format!("{error}: {}", shortage.message());
            self.effects.push(Effect::Warn(warning));
        }
        self.record_shortage(&why.shortage, now);
    }

    /// Records a shortage: no attempt starts until there is space again.
    pub(super) fn record_shortage(&mut self, shortage: &Shortage, now: Now) {
        self.admission.record_shortage(shortage, now.instant);
        let is_over = matches!(self.state.phase, RunPhase::Ended(_));
        if self.state.shortage.is_none() && !is_over {
            let shortage = shortage.clone();
            self.record(Event::ShortageBegan { shortage }, now);
        }
    }

    pub(super) fn space_measured(&mut self, is_over: bool) {
        if is_over {
            self.recorder.space_returned();
        } else if self.shutdown.is_requested() {
            self.recorder.retry();
        }
    }

    /// Ends the shortage. One that another process recorded is found again if it still exists.
    pub(super) fn end_shortage(&mut self, now: Now) {
        let is_paused = self.state.shortage.is_some() && !self.admission.is_short();
        if is_paused && !matches!(self.state.phase, RunPhase::Ended(_)) {
            self.record(Event::ShortageEnded {}, now);
        }
    }

    pub(super) fn quota_measured(&mut self, quota: Result<Quota, EngineError>, now: Now) {
        match quota {
            Ok(Quota::Allowed) => {
                let is_over = self.admission.quota_allowed(now.instant);
                self.space_measured(is_over);
            }
            Ok(Quota::Exceeded(shortage, worktree)) => {
                self.quota_exceeded(&shortage, worktree, now);
            }
            // Without a measurement, one more worktree is allowed.
            Err(error) => self.warn_of(Err(error), Admission::quota_granted),
        }
    }

    /// Removes a worktree whose content is in git, once that is recorded. Without such a worktree
    /// the run waits for a live attempt to end, or for the user.
    pub(super) fn quota_exceeded(
        &mut self,
        shortage: &Shortage,
        worktree: Option<Worktree>,
        now: Now,
    ) {
        self.admission.quota_exceeded();
        match worktree {
            _ if self.admission.is_short() && !self.is_at_limit() => {
                self.admission.quota_unknown();
            }
            Some(worktree) => {
                let path = self.layout.recorded_path(&worktree.path);
                let worktrees = vec![path];
                self.record(Event::WorktreesEvicting { worktrees }, now);
                self.after_write(Effect::RemoveWorktree(worktree));
            }
            None if self.attempts.count() == 0 => {
                self.admission.quota_unknown();
                self.record_shortage(shortage, now);
            }
            None => {}
        }
    }

    /// Returns `true` if the run waits because of one of the user's limits, so that it can write.
    fn is_at_limit(&self) -> bool {
        let shortage = self.state.shortage.as_ref();
        shortage.is_some_and(Shortage::is_of_a_limit)
    }
}
