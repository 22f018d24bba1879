//! Shows when every task waited, ran and was held back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::attempt::Attempt;
use crate::model::failure::FailureClass;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::outcome::End;
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;
use crate::model::task_state::TaskPhase;

/// The times of all tasks of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Timeline {
    /// The start of the run.
    pub from: Timestamp,
    /// The end of its last attempt, or the present while it runs; always after the start.
    pub to: Timestamp,
    /// One row for each task, in plan order.
    pub rows: Vec<TimelineRow>,
}

/// The times of one task.
#[derive(Clone, PartialEq, Debug)]
pub struct TimelineRow {
    /// The number.
    pub number: TaskNumber,
    /// The tag.
    pub tag: String,
    /// The title; foreign text.
    pub title: String,
    /// The status now.
    pub status: Status,
    /// The spans by their start; those of variants overlap.
    pub spans: Vec<Span>,
}

/// A time during which one thing was true of a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// The thing.
    pub kind: SpanKind,
    /// The start.
    pub from: Timestamp,
    /// The end, or the present.
    pub to: Timestamp,
    /// `true` if it has not ended.
    pub is_open: bool,
    /// The attempt and its worker, for the spans of attempts.
    pub attempt: Option<(AttemptNumber, String)>,
}

/// The kind of a span.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SpanKind {
    /// Waits for its dependencies.
    Blocked,
    /// Could start, and waits for a free slot.
    Queued,
    /// Waits for its next attempt.
    Delayed,
    /// Waits for the usage limit of its worker to reset.
    Parked,
    /// An attempt is running.
    Running,
    /// An attempt that was interrupted.
    Interrupted,
    /// An attempt that failed.
    Failed,
    /// An attempt that passed.
    Passed,
}

impl SpanKind {
    /// Every kind, those that hide others last.
    pub const ALL: [SpanKind; 8] = [
        SpanKind::Blocked,
        SpanKind::Queued,
        SpanKind::Delayed,
        SpanKind::Parked,
        SpanKind::Running,
        SpanKind::Interrupted,
        SpanKind::Failed,
        SpanKind::Passed,
    ];

    /// Returns the word for display.
    pub fn word(self) -> &'static str {
        match self {
            SpanKind::Blocked => "blocked",
            SpanKind::Queued => "queued",
            SpanKind::Delayed => "before a retry",
            SpanKind::Parked => "parked",
            SpanKind::Running => "running",
            SpanKind::Interrupted => "interrupted",
            SpanKind::Failed => "failed",
            SpanKind::Passed => "passed",
        }
    }

    /// Returns the character of a bar, readable without colour.
    pub fn mark(self) -> char {
        match self {
            SpanKind::Blocked => '·',
            SpanKind::Queued => '-',
            SpanKind::Delayed => '~',
            SpanKind::Parked => 'p',
            SpanKind::Running => '▒',
            SpanKind::Interrupted => '/',
            SpanKind::Failed => 'x',
            SpanKind::Passed => '█',
        }
    }
}

impl Timeline {
    /// Builds the timeline of a run as it is at this time.
    pub fn new(state: &RunState, now: Timestamp) -> Timeline {
        let to = end(state, now);
        let row = |number: TaskNumber| {
            let task = state.plan.task(number);
            TimelineRow {
                number,
                tag: task.tag.clone(),
                title: task.title.clone(),
                status: state.status(number),
                spans: Spans::of(state, number, to),
            }
        };
        let tasks = state.plan.tasks().iter();
        Timeline {
            from: state.started,
            to,
            rows: tasks.map(|task| row(task.number)).collect(),
        }
    }

    /// Returns the kind that each of this many columns shows for a row: the strongest one in its
    /// part of the time, so that a short attempt stays visible.
    pub fn columns(&self, row: &TimelineRow, count: usize) -> Vec<Option<SpanKind>> {
        let whole = self.to.duration_since(self.from).as_millis().max(1);
        let place = |time: Timestamp| {
            let after = time.duration_since(self.from).as_millis().max(0);
            after * count as i128 / whole
        };
        let mut columns = vec![None; count];
        for span in &row.spans {
            let first = (place(span.from) as usize).min(count.saturating_sub(1));
            let last = (place(span.to) as usize).clamp(first + 1, count.max(first + 1));
            for column in columns.iter_mut().take(last).skip(first) {
                *column = (*column).max(Some(span.kind));
            }
        }
        columns
    }
}

/// Returns the time since a run started, until the end of its last attempt once it has ended.
pub fn run_time(state: &RunState, now: Timestamp) -> Duration {
    let time = end(state, now).duration_since(state.started);
    time.try_into().unwrap_or_default()
}

/// Returns the end of the time that is shown.
fn end(state: &RunState, now: Timestamp) -> Timestamp {
    let attempts = state.tasks.iter().flat_map(|task| &task.attempts);
    let end = match state.phase {
        RunPhase::Ended(_) => attempts.filter_map(|attempt| attempt.ended).max(),
        _ => Some(now),
    };
    let least = state.started + SignedDuration::from_secs(1);
    end.unwrap_or(state.updated).max(least)
}

/// Collects the spans of one task.
struct Spans {
    spans: Vec<Span>,
    /// The end of what was collected.
    reached: Timestamp,
    /// The end of the timeline.
    to: Timestamp,
}

impl Spans {
    fn of(state: &RunState, number: TaskNumber, to: Timestamp) -> Vec<Span> {
        let task = state.task(number);
        let mut spans = Spans {
            spans: Vec::new(),
            reached: state.started,
            to,
        };
        let is_waiting = matches!(task.phase, TaskPhase::Queued | TaskPhase::RetryAt(_));
        match ready(state, number) {
            Some(ready) if is_waiting || !task.attempts.is_empty() => {
                spans.wait(SpanKind::Blocked, ready);
            }
            None if is_waiting => spans.wait(SpanKind::Blocked, to),
            _ => {}
        }
        let mut between = SpanKind::Queued;
        for attempt in &task.attempts {
            spans.wait(between, attempt.started);
            spans.add(attempt, state);
            between = pause_after(attempt);
        }
        if is_waiting {
            spans.wait(between, to);
        }
        spans.spans
    }

    /// Adds the wait until this time, if there is any.
    fn wait(&mut self, kind: SpanKind, until: Timestamp) {
        let until = until.min(self.to);
        if until > self.reached {
            self.spans.push(Span {
                kind,
                from: self.reached,
                to: until,
                is_open: until == self.to,
                attempt: None,
            });
            self.reached = until;
        }
    }

    fn add(&mut self, attempt: &Attempt, state: &RunState) {
        let is_open = attempt.ended.is_none() && !matches!(state.phase, RunPhase::Ended(_));
        let to = attempt.ended.unwrap_or(self.to).max(attempt.started);
        self.spans.push(Span {
            kind: kind(attempt, is_open),
            from: attempt.started,
            to,
            is_open,
            attempt: Some((attempt.number, attempt.worker.clone())),
        });
        self.reached = self.reached.max(to);
    }
}

fn kind(attempt: &Attempt, is_open: bool) -> SpanKind {
    match attempt.outcome.as_ref().map(|outcome| &outcome.end) {
        Some(End::Passed { .. }) => SpanKind::Passed,
        Some(End::Failed(_)) => SpanKind::Failed,
        None if is_open => SpanKind::Running,
        Some(End::Interrupted {}) | None => SpanKind::Interrupted,
    }
}

/// Returns the reason for the time between an attempt and the next one.
fn pause_after(attempt: &Attempt) -> SpanKind {
    match attempt.failure().map(|failure| failure.class) {
        Some(FailureClass::Quota) => SpanKind::Parked,
        _ => SpanKind::Delayed,
    }
}

/// Returns the time from which a task waited for no dependency; `None` while it does.
fn ready(state: &RunState, number: TaskNumber) -> Option<Timestamp> {
    if !state.is_unblocked(number) && state.task(number).attempts.is_empty() {
        return None;
    }
    let depends_on = state.plan.task(number).depends_on.iter();
    let ends = depends_on.filter_map(|dependency| {
        let attempts = &state.task(*dependency).attempts;
        attempts.iter().filter_map(|attempt| attempt.ended).max()
    });
    let first = state.task(number).attempts.first();
    let ready = ends.max().unwrap_or(state.started);
    // A dependency that was retried later did not hold this task back.
    Some(first.map_or(ready, |first| ready.min(first.started)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::{RunFixture, failure, start};

    /// Draws the timeline at this second after the start.
    fn drawn(run: RunFixture, second: i64) -> String {
        let now = start() + SignedDuration::from_secs(second);
        let timeline = Timeline::new(&run.state(), now);
        let line = |row: &TimelineRow| {
            let columns = timeline.columns(row, 20);
            let bar: String = columns
                .iter()
                .map(|kind| kind.map_or(' ', SpanKind::mark))
                .collect();
            format!("{} |{bar}| {}\n", row.number, row.status)
        };
        timeline.rows.iter().map(line).collect()
    }

    #[test]
    fn a_task_waits_runs_and_is_retried() {
        // An event is one second; the first one after the start is at second 2.
        let run = RunFixture::new("a · b <- a · c")
            .begin(1, "claude")
            .begin(3, "shell")
            .pass(1, "done")
            .begin(2, "claude")
            .fail(3, "broken")
            .retry_later(3);
        insta::assert_snapshot!(drawn(run, 20), @r"
        #1 |--████              | DONE
        #2 |······-▒▒▒▒▒▒▒▒▒▒▒▒▒| IN PROGRESS
        #3 |----xxxxx~~~~~~~~~~~| RETRY (#1)
        ");
    }

    #[test]
    fn an_ended_run_ends_with_its_last_attempt() {
        let run = RunFixture::new("a · b <- a · c")
            .begin(1, "claude")
            .fail(1, "broken")
            .skip(3, false)
            .ended(3);
        insta::assert_snapshot!(drawn(run, 4000), @r"
        #1 |----------xxxxxxxxxx| FAILED
        #2 |····················| BLOCKED (by #1)
        #3 |                    | SKIPPED
        ");
        let run = RunFixture::new("a").begin(1, "claude").ended(130);
        insta::assert_snapshot!(drawn(run, 4000), @"#1 |----------//////////| IN PROGRESS");
    }

    #[test]
    fn a_task_over_the_limit_of_its_worker_is_parked() {
        let run = RunFixture::new("a").begin(1, "claude");
        let run = run.fail_with(1, failure(FailureClass::Quota, "limit"), 3);
        insta::assert_snapshot!(drawn(run.retry_later(1), 10), @"#1 |----xxxxpppppppppppp| RETRY (#0)");
    }

    #[test]
    fn the_shortest_attempt_has_a_column() {
        let run = RunFixture::new("a").begin(1, "claude").pass(1, "done");
        insta::assert_snapshot!(drawn(run, 100_000), @"#1 |█                   | DONE");
    }
}
