//! Watches a full disk, or a reached limit, until there is space again; time is an argument.

use std::time::{Duration, Instant};

use crate::engine::kernel::disk_space::{FIRST_PAUSE, MEASURE_INTERVAL, pause};
use crate::model::shortage::{Resource, Shortage};

/// The interval at which a limit of the user's is measured, which reads every folder.
const QUOTA_INTERVAL: Duration = Duration::from_secs(5);

/// A shortage, and the time of the next measurement.
#[derive(Debug, Default)]
pub(super) struct DiskWatch {
    lack: Option<Lack>,
    /// The number of consecutive failures although there was space.
    tries: u32,
}

/// The kind of measurement that shows the end of a shortage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    /// The free space.
    Disk,
    /// The use of the user's limits.
    Quota,
}

#[derive(Debug)]
struct Lack {
    measure: Measure,
    measure_at: Instant,
    may_end: Instant,
}

impl DiskWatch {
    /// Returns `true` if no attempt may start.
    pub(super) fn is_short(&self) -> bool {
        self.lack.is_some()
    }

    /// Records a shortage.
    pub(super) fn record_shortage(&mut self, shortage: &Shortage, now: Instant) {
        if self.lack.is_some() {
            return;
        }
        self.tries += 1;
        let may_end = now + pause(self.tries);
        self.lack = Some(Lack {
            measure: match shortage.resource {
                Resource::Bytes | Resource::Files => Measure::Disk,
                Resource::Worktrees | Resource::TotalDisk => Measure::Quota,
            },
            measure_at: may_end.min(now + MEASURE_INTERVAL),
            may_end,
        });
    }

    /// Records a successful write.
    pub(super) fn wrote(&mut self) {
        self.tries = 0;
    }

    /// Returns the time until the next measurement.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let lack = self.lack.as_ref()?;
        Some(lack.measure_at.saturating_duration_since(now))
    }

    /// Takes the measurement that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Measure> {
        let lack = self.lack.as_mut().filter(|lack| lack.measure_at <= now)?;
        let left = lack.may_end.saturating_duration_since(now);
        lack.measure_at = now
            + match lack.measure {
                Measure::Disk => MEASURE_INTERVAL.min(left.max(FIRST_PAUSE)),
                Measure::Quota => QUOTA_INTERVAL,
            };
        Some(lack.measure)
    }

    /// Handles a measurement; returns `true` if there is or may be space again.
    pub(super) fn measured(&mut self, measure: Measure, is_short: bool, now: Instant) -> bool {
        let lack = self.lack.as_ref();
        let may_end = lack.is_some_and(|lack| lack.measure == measure && lack.may_end <= now);
        if may_end && !is_short {
            self.lack = None;
            return true;
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shortage(of: Resource) -> Shortage {
        Shortage {
            resource: of,
            place: "/".to_owned(),
            has: 0,
            needs: 1,
            kept: Vec::new(),
        }
    }

    #[test]
    fn a_disk_that_refuses_writes_although_it_has_space_is_asked_less_and_less_often() {
        let (mut watch, mut now) = (DiskWatch::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..6 {
            let since = now;
            watch.record_shortage(&shortage(Resource::Bytes), now);
            while watch.is_short() {
                now += watch.due_in(now).unwrap();
                assert!(watch.take_due(now).is_some());
                watch.measured(Measure::Disk, false, now);
            }
            waits.push((now - since).as_millis());
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200]);
        watch.wrote();
        watch.record_shortage(&shortage(Resource::Bytes), now);
        assert_eq!(watch.due_in(now), Some(2 * FIRST_PAUSE), "it starts again");
    }

    #[test]
    fn a_shortage_lasts_until_a_measurement_finds_space() {
        let (mut watch, start) = (DiskWatch::default(), Instant::now());
        watch.record_shortage(&shortage(Resource::Worktrees), start);
        let now = start + watch.due_in(start).unwrap();
        assert_eq!(watch.take_due(now), Some(Measure::Quota));
        assert_eq!(watch.take_due(now), None, "one measurement at a time");
        assert!(!watch.measured(Measure::Disk, false, now));
        assert!(!watch.measured(Measure::Quota, true, now) && watch.is_short());
        assert_eq!(watch.due_in(now), Some(QUOTA_INTERVAL));
        assert!(watch.measured(Measure::Quota, false, now) && !watch.is_short());
    }
}
