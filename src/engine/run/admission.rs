//! Admits attempts, depending on disk space, the user's limits, and the slots that all runs share.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::Settings;
use crate::engine::kernel::disk_space::DiskSpace;
use crate::engine::kernel::message::SlotAnswer;
use crate::engine::run::disk_watch::{DiskWatch, Measure};
use crate::engine::run::effect::Effect;
use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::shortage::Shortage;

/// The interval at which a slot is requested.
const SLOT_INTERVAL: Duration = Duration::from_millis(250);

/// Decides whether one more attempt may start.
#[derive(Debug)]
pub(super) struct Admission {
    /// `true` if `max_worktrees` or `max_total_disk` is set.
    has_quota: bool,
    max_parallel_total: Option<usize>,
    disk: DiskWatch,
    /// The last measurement, valid for the turn that asked for it.
    space: Option<(Instant, DiskSpace)>,
    quota: Quota,
    slots: BTreeMap<AttemptKey, Slot>,
    /// The time of the next request for slots, if all were in use.
    ask_again: Option<Instant>,
    wait_announced: bool,
}

/// The use of the user's limits on worktrees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quota {
    /// Not measured since the last worktree.
    Unknown,
    Measuring,
    Allowed,
    /// Exceeded until an attempt has ended or a worktree is removed.
    Exceeded,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Asked,
    Taken,
}

/// The answer of the admission.
#[derive(Debug)]
pub(super) enum Admitted {
    /// The attempt may start.
    Yes,
    /// It may not, because of this shortage.
    Short(Shortage),
    /// It may not start yet; this effect finds out.
    NotYet(Option<Effect>),
}

impl Admission {
    /// Creates the admission for these settings.
    pub(super) fn new(settings: &Settings) -> Admission {
        let run = &settings.run;
        Admission {
            has_quota: run.max_worktrees.is_some() || run.max_total_disk.is_some(),
            max_parallel_total: run.max_parallel_total,
            disk: DiskWatch::default(),
            space: None,
            quota: Quota::Unknown,
            slots: BTreeMap::new(),
            ask_again: None,
            wait_announced: false,
        }
    }

    /// Applies an event.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::AttemptStarting { .. } => self.measure_again(),
            Event::AttemptEnded { task, attempt, .. } => {
                self.measure_again();
                self.slots.remove(&(*task, *attempt));
            }
            Event::DependenciesConflict {
                task,
                attempt: Some(attempt),
                ..
            } => {
                self.slots.remove(&(*task, *attempt));
            }
            _ => {}
        }
    }

    /// Forgets the last measurement, unless one is under way: an attempt on another executor starts at any
    /// time.
    fn measure_again(&mut self) {
        if self.quota != Quota::Measuring {
            self.quota = Quota::Unknown;
        }
    }

    /// Decides about an attempt on another executor. It needs no worktree on this machine, and counts as one
    /// of all runs.
    pub(super) fn admit_elsewhere(&mut self, attempt: AttemptKey) -> Admitted {
        self.slot(attempt)
    }

    /// Decides about an attempt on this machine, in addition to those that are starting.
    pub(super) fn admit(&mut self, attempt: AttemptKey, starting: u64, now: Instant) -> Admitted {
        let Some(space) = self.space_at(now) else {
            return Admitted::NotYet(Some(Effect::MeasureDisk));
        };
        if let Some(shortage) = space.shortage(starting + 1) {
            return Admitted::Short(shortage);
        }
        if self.has_quota && self.quota != Quota::Allowed {
            return Admitted::NotYet(self.measure_quota(starting));
        }
        // The worktree of the previous one counts once it exists.
        if self.has_quota && starting > 0 {
            return Admitted::NotYet(None);
        }
        self.slot(attempt)
    }

    fn measure_quota(&mut self, starting: u64) -> Option<Effect> {
        let is_due = self.quota == Quota::Unknown && starting == 0;
        is_due.then(|| {
            self.quota = Quota::Measuring;
            Effect::MeasureQuota
        })
    }

    fn slot(&mut self, attempt: AttemptKey) -> Admitted {
        if self.max_parallel_total.is_none() || self.slots.get(&attempt) == Some(&Slot::Taken) {
            return Admitted::Yes;
        }
        if self.ask_again.is_some() || self.slots.contains_key(&attempt) {
            return Admitted::NotYet(None);
        }
        self.slots.insert(attempt, Slot::Asked);
        Admitted::NotYet(Some(Effect::TakeSlot(attempt)))
    }

    /// Takes the slot of an attempt that is alive already.
    pub(super) fn retake_slot(&mut self, attempt: AttemptKey) -> Option<Effect> {
        self.max_parallel_total?;
        self.slots.insert(attempt, Slot::Taken);
        Some(Effect::RetakeSlot(attempt))
    }

    /// Handles the answer to a request for a slot; returns a warning.
    pub(super) fn slot_answered(
        &mut self,
        attempt: AttemptKey,
        answer: SlotAnswer,
        now: Instant,
    ) -> Option<String> {
        let (slot, warning) = match answer {
            SlotAnswer::Taken => (Some(Slot::Taken), None),
            SlotAnswer::AllInUse => {
                self.ask_again = Some(now + SLOT_INTERVAL);
                (None, self.announce_wait())
            }
            // An unusable limit does not stop a run.
            SlotAnswer::Unusable(why) => (
                Some(Slot::Taken),
                Some(format!("max_parallel_total: {why}")),
            ),
        };
        match slot {
            Some(slot) => self.slots.insert(attempt, slot),
            None => self.slots.remove(&attempt),
        };
        warning
    }

    fn announce_wait(&mut self) -> Option<String> {
        let limit = self.max_parallel_total?;
        let is_first = !std::mem::replace(&mut self.wait_announced, true);
        is_first.then(|| {
            format!(
                "waiting: {limit} attempts are alive in this repository, as max_parallel_total allows"
            )
        })
    }

    /// Releases the slots of attempts that were not started.
    pub(super) fn release_unused(&mut self, is_live: impl Fn(AttemptKey) -> bool) -> Vec<Effect> {
        let unused = |(attempt, slot): (&AttemptKey, &Slot)| {
            (*slot == Slot::Taken && !is_live(*attempt)).then_some(*attempt)
        };
        let unused: Vec<AttemptKey> = self.slots.iter().filter_map(unused).collect();
        unused.iter().for_each(|attempt| {
            self.slots.remove(attempt);
        });
        unused.into_iter().map(Effect::Release).collect()
    }

    /// Allows new requests for slots once their pause is over; returns `true` if it is.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        let is_over = self.ask_again.is_some_and(|at| at <= now);
        if is_over {
            self.ask_again = None;
        }
        is_over
    }

    /// Returns `true` if this turn has a measurement.
    pub(super) fn is_measured(&self, now: Instant) -> bool {
        self.space_at(now).is_some()
    }

    fn space_at(&self, now: Instant) -> Option<&DiskSpace> {
        let space = self.space.as_ref().filter(|(at, _)| *at == now);
        space.map(|(_, space)| space)
    }

    /// Handles a measurement of the free space; returns `true` if a shortage is over.
    pub(super) fn disk_measured(&mut self, space: DiskSpace, starting: u64, now: Instant) -> bool {
        let is_short = space.shortage(starting).is_some();
        self.space = Some((now, space));
        self.disk.measured(Measure::Disk, is_short, now)
    }

    /// Records that one more worktree may be made; returns `true` if a shortage is over.
    pub(super) fn quota_allowed(&mut self, now: Instant) -> bool {
        self.quota = Quota::Allowed;
        self.disk.measured(Measure::Quota, false, now)
    }

    /// Allows one more worktree without a measurement.
    pub(super) fn quota_granted(&mut self) {
        self.quota = Quota::Allowed;
    }

    /// Records that one more worktree would exceed a limit.
    pub(super) fn quota_exceeded(&mut self) {
        self.quota = Quota::Exceeded;
    }

    /// Records that a worktree was removed, or that the limit must be measured again.
    pub(super) fn quota_unknown(&mut self) {
        self.quota = Quota::Unknown;
    }

    /// Records a shortage: no attempt starts until it is over.
    pub(super) fn record_shortage(&mut self, shortage: &Shortage, now: Instant) {
        self.disk.record_shortage(shortage, now);
    }

    /// Records a successful write.
    pub(super) fn wrote(&mut self) {
        self.disk.wrote();
    }

    /// Returns `true` if no attempt may start.
    pub(super) fn is_short(&self) -> bool {
        self.disk.is_short()
    }

    /// Returns the measurement that is due because of a shortage.
    pub(super) fn measure_due(&mut self, now: Instant) -> Option<Effect> {
        Some(match self.disk.take_due(now)? {
            Measure::Disk => Effect::MeasureDisk,
            Measure::Quota => Effect::MeasureQuota,
        })
    }

    /// Returns the time until something is due.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let ask = self.ask_again.map(|at| at.saturating_duration_since(now));
        [self.disk.due_in(now), ask].into_iter().flatten().min()
    }
}
