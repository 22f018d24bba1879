//! Decides when candidates and the work of running tasks are compared, in the background and
//! throttled.

use std::time::{Duration, Instant};

use crate::config::Settings;
use crate::config::reaction::OnNewConflict;
use crate::engine::run::attempts::Attempts;
use crate::engine::run::effect::Effect;
use crate::engine::run::notice::Notices;
use crate::engine::run::throttle::Throttle;
use crate::model::event::Event;
use crate::model::outcome::End;
use crate::model::run::RunState;

/// The least time between two comparisons of running work.
const WORK_INTERVAL: Duration = Duration::from_secs(1);

/// The comparisons of a run.
#[derive(Debug)]
pub(super) struct Detection {
    candidates: Throttle,
    work: Throttle,
    /// The notices for workers, if they are enabled.
    notices: Option<Notices>,
}

impl Detection {
    /// Creates the comparisons of a run with these settings.
    pub(super) fn new(settings: &Settings, now: Instant) -> Detection {
        let on_new = settings.conflicts.on_new;
        Detection {
            candidates: Throttle::default(),
            work: Throttle::every(WORK_INTERVAL, now),
            notices: (on_new == OnNewConflict::Notify).then(Notices::default),
        }
    }

    /// Applies an event: a new candidate is compared.
    pub(super) fn apply(&mut self, event: &Event) {
        let is_offer = |end: &End| {
            matches!(
                end,
                End::Passed {
                    candidate: Some(_),
                    ..
                }
            )
        };
        if let Event::AttemptEnded { outcome, .. } = event
            && is_offer(&outcome.end)
        {
            self.candidates.request();
        }
    }

    /// Returns the comparisons and notices that are due. Without running tasks the assembly compares
    /// the candidates anyway.
    pub(super) fn next(
        &mut self,
        state: &RunState,
        attempts: &Attempts,
        is_stopping: bool,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        effects.extend(self.next_candidates(state, attempts, now));
        effects.extend(self.next_work(state, attempts, is_stopping, now));
        if let Some(notices) = &mut self.notices {
            let changed = notices.changed(state, attempts.running());
            effects.extend(changed.into_iter().map(Effect::WriteNotice));
        }
        effects
    }

    fn next_candidates(
        &mut self,
        state: &RunState,
        attempts: &Attempts,
        now: Instant,
    ) -> Option<Effect> {
        if self.candidates.due_in(now) != Some(Duration::ZERO) {
            return None;
        }
        if attempts.count() == 0 || !has_candidates(state, 2) {
            self.candidates.withdraw();
            return None;
        }
        self.candidates.begin(now);
        Some(Effect::CompareCandidates)
    }

    fn next_work(
        &mut self,
        state: &RunState,
        attempts: &Attempts,
        is_stopping: bool,
        now: Instant,
    ) -> Option<Effect> {
        let running = attempts.running().count();
        if running == 0 || is_stopping {
            self.work.withdraw();
            return None;
        }
        self.work.request();
        if self.work.due_in(now) != Some(Duration::ZERO) {
            return None;
        }
        if running == 1 && !has_candidates(state, 1) {
            self.work.withdraw();
            return None;
        }
        self.work.begin(now);
        Some(Effect::CompareWork)
    }

    /// Ends a comparison of the candidates.
    pub(super) fn candidates_compared(&mut self, now: Instant) {
        self.candidates.end(now);
    }

    /// Ends a comparison of running work.
    pub(super) fn work_compared(&mut self, now: Instant) {
        self.work.end(now);
    }

    /// Returns the time until a comparison is due.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let due = [self.candidates.due_in(now), self.work.due_in(now)];
        due.into_iter().flatten().min()
    }
}

/// Returns `true` if at least this many tasks offer a candidate.
fn has_candidates(state: &RunState, least: usize) -> bool {
    let candidates = state.tasks.iter().filter_map(|task| task.candidate());
    candidates.take(least).count() == least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    const SECOND: Duration = Duration::from_secs(1);

    fn next(detection: &mut Detection, run: RunFixture, now: Instant) -> String {
        let state = run.state();
        let attempts = Attempts::resume(&state);
        let effects = detection.next(&state, &attempts, false, now);
        let names = effects.iter().map(|effect| match effect {
            Effect::CompareCandidates => "candidates",
            Effect::CompareWork => "work",
            _ => "other",
        });
        names.collect::<Vec<_>>().join(" ")
    }

    fn running() -> RunFixture {
        RunFixture::new("a · b · c · d").begin(1, "shell")
    }

    fn passed(run: RunFixture, task: u32) -> RunFixture {
        run.begin(task, "shell").pass(task, "")
    }

    #[test]
    fn running_work_is_compared_once_a_second_if_there_is_something_to_compare_it_with() {
        let start = Instant::now();
        let mut detection = Detection::new(&Settings::default(), start);
        assert_eq!(next(&mut detection, running(), start + SECOND), "");
        assert_eq!(next(&mut detection, running().begin(2, "shell"), start), "");
        assert_eq!(detection.due_in(start), Some(SECOND));
        let two = || running().begin(2, "shell");
        assert_eq!(next(&mut detection, two(), start + SECOND), "work");
        assert_eq!(next(&mut detection, two(), start + 5 * SECOND), "");
        detection.work_compared(start + 2 * SECOND);
        let with_candidate = passed(running(), 3);
        assert_eq!(
            next(&mut detection, with_candidate, start + 22 * SECOND),
            "work"
        );
    }

    #[test]
    fn candidates_are_compared_while_tasks_run_and_only_when_one_is_new() {
        let now = Instant::now();
        let mut detection = Detection::new(&Settings::default(), now);
        let two = || passed(passed(running(), 2), 3);
        assert_eq!(next(&mut detection, two(), now), "");
        detection.candidates.request();
        assert_eq!(next(&mut detection, passed(running(), 2), now), "");
        detection.candidates.request();
        let none_runs = passed(passed(RunFixture::new("a · b"), 1), 2);
        assert_eq!(next(&mut detection, none_runs, now), "");
        detection.candidates.request();
        assert_eq!(next(&mut detection, two(), now), "candidates");
        detection.candidates_compared(now);
        assert_eq!(next(&mut detection, two(), now), "");
    }
}
