//! Decides which notifications are sent (`[notify]`), each once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::Settings;
use crate::model::event::Recorded;
use crate::model::run::RunState;
use crate::report::notification::{Kind, Notification, notifications};

/// The notifications of a run.
#[derive(Debug)]
pub(super) struct Notifications {
    is_enabled: bool,
    /// The end of each parking that was announced.
    parked: BTreeMap<String, Timestamp>,
}

impl Notifications {
    /// Creates the notifications of a run in this state, whose parkings the user knows.
    pub(super) fn new(settings: &Settings, state: &RunState) -> Notifications {
        let parked = state.worker_health.parked(state.updated);
        Notifications {
            is_enabled: !settings.notify.command.is_empty()
                || settings.notify.desktop
                || settings.notify.webhook.is_some(),
            parked: parked
                .map(|(worker, parking)| (worker.to_owned(), parking.until))
                .collect(),
        }
    }

    /// Returns the notifications for facts that led to this state.
    pub(super) fn collect(&mut self, state: &RunState, facts: &[Recorded]) -> Vec<Notification> {
        if !self.is_enabled {
            return Vec::new();
        }
        let mut all = notifications(state, facts);
        all.retain(|one| self.is_news(one));
        all
    }

    /// Returns `true` for a notification that was not sent yet: all live attempts hit the same
    /// limit.
    fn is_news(&mut self, one: &Notification) -> bool {
        let (Kind::QuotaParked, Some((worker, until))) = (one.kind, &one.parked) else {
            return true;
        };
        let before = self.parked.insert(worker.clone(), *until);
        before.is_none_or(|before| before <= one.time)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::event::Event;
    use crate::model::fixture::{RunFixture, start};
    use crate::model::ids::TaskNumber;

    fn parked(seconds: i64, minutes: i64) -> Recorded {
        let time = start() + SignedDuration::from_secs(seconds);
        let event = Event::WorkerParked {
            worker: "claude".to_owned(),
            task: TaskNumber(1),
            until: start() + SignedDuration::from_mins(minutes),
            reason: "usage limit".to_owned(),
        };
        Recorded {
            seq: 2,
            time,
            event,
        }
    }

    #[test]
    fn a_parking_is_sent_once_until_it_is_over() {
        let state = RunFixture::new("a").state();
        let mut settings = Settings::default();
        assert!(
            Notifications::new(&settings, &state)
                .collect(&state, &[parked(1, 5)])
                .is_empty(),
            "nothing is configured"
        );
        settings.notify.command = vec!["notify".to_owned()];
        let mut notifications = Notifications::new(&settings, &state);
        let mut count = |fact| notifications.collect(&state, &[fact]).len();
        assert_eq!(count(parked(1, 5)), 1);
        assert_eq!(count(parked(2, 5)), 0);
        assert_eq!(count(parked(301, 10)), 1);
    }
}
