//! Sums the figures of several runs: `dispatch stats`.

mod text;
mod worker;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

pub use text::render;
pub use worker::WorkerFigures;

use crate::model::attempt::Attempt;
use crate::model::outcome::End;
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;
use crate::model::task_state::TaskState;
use crate::model::usage::Cost;

/// The figures of several runs.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Statistics {
    /// The start of the earliest run.
    pub since: Option<Timestamp>,
    /// The number of runs.
    pub runs: u64,
    /// Those of them that have ended.
    pub ended: u64,
    /// Those of them that landed and are not undone.
    pub landed: u64,
    /// The tasks, each with its status now.
    pub tasks: TaskFigures,
    /// The attempts.
    pub attempts: u64,
    /// The failed attempts, by failure class.
    pub failures: BTreeMap<&'static str, u64>,
    /// The pairs of results that conflicted, also those that were resolved since, by class.
    pub conflicts: BTreeMap<&'static str, u64>,
    /// The results that were left out of an assembly because of a conflict.
    pub left_out: u64,
    /// The dollars that workers report.
    pub cost: f64,
    /// The attempts without a reported cost.
    pub unknown_cost: u64,
    /// The run time of all workers, one after the other, in milliseconds.
    pub work_millis: u64,
    /// The time of all ended attempts, one after the other, in milliseconds: the workers with the preparation
    /// of their worktrees.
    pub attempt_millis: u64,
    /// The time during which at least one ended attempt ran, in milliseconds.
    pub busy_millis: u64,
    /// The workers, by name.
    pub workers: BTreeMap<String, WorkerFigures>,
}

/// Tasks by status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TaskFigures {
    /// All tasks.
    pub all: u64,
    /// Passed.
    pub done: u64,
    /// Failed.
    pub failed: u64,
    /// Blocked by a task that failed.
    pub blocked: u64,
    /// Skipped or cancelled by the user.
    pub given_up: u64,
    /// Not ended.
    pub unfinished: u64,
}

impl Statistics {
    /// Adds a run.
    pub fn add(&mut self, state: &RunState) {
        let earlier = self.since.is_none_or(|since| state.started < since);
        self.since = if earlier {
            Some(state.started)
        } else {
            self.since
        };
        self.runs += 1;
        self.ended += u64::from(matches!(state.phase, RunPhase::Ended(_)));
        self.landed += u64::from(state.landed.is_some());
        for task in state.plan.tasks() {
            self.tasks.add(&state.status(task.number));
            self.left_out += u64::from(state.is_left_out(task.number));
        }
        for class in state.all_conflicts.values().flat_map(BTreeMap::values) {
            *self.conflicts.entry(class.name()).or_default() += 1;
        }
        for task in &state.tasks {
            task.attempts
                .iter()
                .for_each(|attempt| self.add_attempt(attempt));
            self.add_judges(task);
        }
        worker::add(&mut self.workers, state);
        let (all, busy) = times(state);
        self.attempt_millis += all.as_millis() as u64;
        self.busy_millis += busy.as_millis() as u64;
    }

    fn add_attempt(&mut self, attempt: &Attempt) {
        self.attempts += 1;
        let Some(outcome) = &attempt.outcome else {
            self.unknown_cost += 1;
            return;
        };
        self.work_millis += outcome.millis;
        if let End::Failed(failure) = &outcome.end {
            *self.failures.entry(failure.class.word()).or_default() += 1;
        }
        self.add_cost(outcome.cost);
    }

    fn add_judges(&mut self, task: &TaskState) {
        let judges = task.variants.iter().flat_map(|set| &set.judge_runs);
        judges.for_each(|judge| self.add_cost(judge.cost));
    }

    fn add_cost(&mut self, cost: Cost) {
        match cost {
            Cost::Known(dollars) => self.cost += dollars,
            Cost::Unknown => self.unknown_cost += 1,
        }
    }

    /// Returns the time that running tasks at once has saved against one after the other. What runs saved
    /// each is the sum.
    pub fn saved(&self) -> Duration {
        Duration::from_millis(self.attempt_millis.saturating_sub(self.busy_millis))
    }
}

impl TaskFigures {
    fn add(&mut self, status: &Status) {
        self.all += 1;
        *match status {
            Status::Done => &mut self.done,
            Status::Failed => &mut self.failed,
            Status::Blocked(_) => &mut self.blocked,
            Status::Skipped | Status::Cancelled => &mut self.given_up,
            Status::Queued | Status::InProgress | Status::Retry(_) => &mut self.unfinished,
        } += 1;
    }
}

/// Returns the time of all attempts of a run, and the time during which at least one of them ran.
///
/// Start and end of an attempt are times of the journal. A worker's own run time is inside of them.
fn times(state: &RunState) -> (Duration, Duration) {
    let attempts = state.tasks.iter().flat_map(|task| &task.attempts);
    let span = |attempt: &Attempt| Some((attempt.started, attempt.ended?));
    let mut spans: Vec<(Timestamp, Timestamp)> = attempts.filter_map(span).collect();
    spans.sort_unstable();
    let between = |from: Timestamp, to: Timestamp| {
        // It is negative for a time that another attempt has covered.
        Duration::try_from(to.duration_since(from)).unwrap_or_default()
    };
    let (mut all, mut busy, mut until) = (Duration::ZERO, Duration::ZERO, Timestamp::MIN);
    for (from, to) in spans {
        all += between(from, to);
        busy += between(from.max(until), to);
        until = until.max(to);
    }
    (all, busy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::merge::class::Class;
    use crate::model::failure::{Failure, FailureClass};
    use crate::model::fixture::{RunFixture, conflict, failure};
    use crate::model::ids::TaskNumber;
    use crate::model::plan::Variants;

    use super::*;

    fn sum(runs: impl IntoIterator<Item = RunFixture>) -> Statistics {
        let mut sum = Statistics::default();
        for run in runs {
            sum.add(&run.state());
        }
        sum
    }

    fn transient() -> Failure {
        failure(FailureClass::Transient, "reset by peer")
    }

    fn two_runs() -> [RunFixture; 2] {
        let first = RunFixture::new("a · b · c <- a")
            .begin(1, "claude")
            .begin(2, "codex")
            .fail_with(1, transient(), 30)
            .pass(2, "b")
            .begin(1, "claude")
            .pass(1, "a")
            .begin(3, "claude")
            .pass(3, "c")
            .conflicts(vec![conflict(1, 2, Class::Content, &["a"])])
            .ended(0);
        let second = RunFixture::new("a · b <- a")
            .begin(1, "codex")
            .fail(1, "wrong approach")
            .ended(3);
        [first, second]
    }

    #[test]
    fn runs_add_up() {
        let found = sum(two_runs());
        assert_eq!((found.runs, found.ended, found.landed), (2, 2, 0));
        let expected = TaskFigures {
            all: 5,
            done: 3,
            failed: 1,
            blocked: 1,
            given_up: 0,
            unfinished: 0,
        };
        assert_eq!(found.tasks, expected);
        assert_eq!(found.attempts, 5);
        assert_eq!(found.failures["transient"], 1);
        assert_eq!(found.failures.values().sum::<u64>(), 2);
        assert_eq!(found.conflicts.values().sum::<u64>(), 1);
        let claude = &found.workers["claude"];
        assert_eq!((claude.tasks, claude.done, claude.at_once), (2, 2, 1));
        assert_eq!(found.workers["codex"].failed, 1);
    }

    #[test]
    fn resolved_conflicts_count_and_what_the_user_made_is_no_worker_s() {
        let resolved = RunFixture::new("a · b")
            .begin(1, "claude")
            .begin(2, "codex")
            .pass(1, "a")
            .pass(2, "b")
            .conflicts(vec![conflict(1, 2, Class::Content, &["a"])])
            .conflicts(vec![])
            .ended(0);
        let found = sum([resolved]);
        assert_eq!(found.conflicts["content"], 1);
        assert_eq!(found.workers["codex"].in_conflict, 1);
        let running = sum([RunFixture::new("a").begin(1, "claude")]);
        assert_eq!((running.unknown_cost, running.attempts), (1, 1));
        assert!(!render(&running, 80).contains("$0.00"));
    }

    #[test]
    fn a_variant_that_was_chosen_and_passed_at_first_is_a_first_try() {
        let run = RunFixture::new("a")
            .with_task(1, |task| {
                task.fields.variants = Some(Variants::Count(2));
            })
            .begin_variant(1, 1)
            .pass(1, "one")
            .begin_variant(1, 2)
            .pass(1, "two")
            .choose(1, 1)
            .ended(0);
        let state = run.state();
        let worker = &state.task(TaskNumber(1)).attempts[0].worker;
        let found = sum([RunFixture::new("a").begin(1, worker).pass(1, "a").ended(0)]);
        assert_eq!(found.workers[worker].at_once, 1);
        let mut found = Statistics::default();
        found.add(&state);
        assert_eq!(found.workers[worker].at_once, 1);
    }

    #[test]
    fn attempts_at_once_count_as_one_busy_time() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut state = RunFixture::new("a · b · c")
            .begin(1, "x")
            .begin(2, "x")
            .begin(3, "x")
            .pass(1, "a")
            .pass(2, "b")
            .pass(3, "c")
            .state();
        for (task, (from, to)) in [(0, 10), (5, 20), (30, 40)].into_iter().enumerate() {
            let task = std::sync::Arc::make_mut(&mut state.tasks[task]);
            task.attempts[0].started = at(from);
            task.attempts[0].ended = Some(at(to));
        }
        let seconds = Duration::from_secs;
        assert_eq!(times(&state), (seconds(35), seconds(30)));
        let mut sum = Statistics::default();
        sum.add(&state);
        sum.add(&state);
        assert_eq!(sum.saved(), seconds(10));
    }

    #[test]
    fn figures_read_well() {
        insta::assert_snapshot!(render(&sum(two_runs()), 80), @r"
        2 runs since 2026-11-22, 0 landed
        5 tasks: 3 done, 1 failed, 1 blocked
        5m 40s of work in 11s, 5m 29s less than one after the other (5 attempts)
        failed attempts: 1 logic, 1 transient
        conflicting pairs: 1 content

        WORKER  TASKS  DONE   FIRST TRY  CONFLICT  ATTEMPTS  WORK    COST
        claude  2      100 %  50 %       50 %      3         2m 30s  —
        codex   2      50 %   50 %       50 %      2         3m 10s  —
        ");
        insta::assert_snapshot!(render(&Statistics::default(), 80), @"");
    }
}
