//! Room on the disk as the loop knows it: what is short, and when to look again.

use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::FIRST_PAUSE;
use crate::engine::kernel::disk_space::LOOK;
use crate::engine::kernel::disk_space::pause;
use crate::engine::kernel::disk_space::shortage;
use crate::engine::run::quota;
use crate::model::shortage::Resource;
use crate::model::shortage::Shortage;
use std::time::Duration;
use std::time::Instant;
/// How often it is looked at whether what is kept is below the user's limits.
const RARE_LOOK: Duration = Duration::from_secs(5);

/// What the loop knows about the room there is.
#[derive(Debug, Default)]
pub struct Room {
    lack: Option<Lack>,
    /// How often in a row something failed though there was room.
    tries: u32,
}

/// Something there is too little of.
#[derive(Debug)]
struct Lack {
    shortage: Shortage,
    look_at: Instant,
    may_end: Instant,
}

impl Room {
    /// Whether nothing is to be written now.
    pub fn is_short(&self) -> bool {
        self.lack.is_some()
    }

    /// There is too little of something; `true` if that is news.
    pub fn lacks(&mut self, shortage: &Shortage, now: Instant) -> bool {
        let is_new = self.lack.is_none();
        if is_new {
            self.tries += 1;
            let may_end = now + pause(self.tries);
            self.lack = Some(Lack {
                shortage: shortage.clone(),
                look_at: may_end.min(now + LOOK),
                may_end,
            });
        }
        is_new
    }

    /// How long until the disk is to be looked at.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let lack = self.lack.as_ref()?;
        Some(lack.look_at.saturating_duration_since(now))
    }

    /// Something was written after all.
    pub fn works(&mut self) {
        self.tries = 0;
    }

    /// Looks, if it is time; `true` once there is room again, or there may be.
    pub fn look(&mut self, context: &Context, worktrees: u64, now: Instant) -> bool {
        let Some(lack) = self.lack.as_mut().filter(|lack| lack.look_at <= now) else {
            return false;
        };
        lack.look_at = now + LOOK.min(lack.may_end.saturating_duration_since(now).max(FIRST_PAUSE));
        let short = match lack.shortage.resource {
            Resource::Bytes | Resource::Files => {
                shortage(&context.repo, &context.settings, context.size(), worktrees)
            }
            Resource::Worktrees | Resource::TotalDisk => {
                // Everything is read for it.
                lack.look_at = now + RARE_LOOK;
                quota::passed(context)
            }
        };
        if short.is_some() || lack.may_end > now {
            return false;
        }
        self.lack = None;
        true
    }

    /// What there is too little of.
    pub fn shortage(&self) -> Option<&Shortage> {
        self.lack.as_ref().map(|lack| &lack.shortage)
    }
}
