//! Shows the numbers of one task that change while it runs: times, changes, tokens, cost, waiting.

use std::time::Duration;

use jiff::Timestamp;

use crate::merge::change::ChangeStat;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_list::comma_list;
use crate::model::task_state::TaskPhase;
use crate::report::words::second;

/// The numbers of one task.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TaskFacts {
    /// The time of the running attempt, or else of all attempts together; none before the first.
    pub elapsed: Option<Duration>,
    /// The files and lines that its result changes, once it passed.
    pub stat: Option<ChangeStat>,
    /// The cost in dollars that its attempts report so far.
    pub cost: Option<f64>,
    /// The tokens that its attempts report so far, in and out.
    pub tokens: Option<u64>,
    /// The reason why it does not run now, if it waits for something: one sentence.
    pub waits_for: Option<String>,
    /// The running tasks whose uncommitted work conflicts with its own.
    pub conflicts_now: Vec<TaskNumber>,
    /// The tasks whose results conflict with its result.
    pub conflicts: Vec<TaskNumber>,
}

impl TaskFacts {
    /// Collects the numbers of a task as they are at this time.
    pub fn new(state: &RunState, number: TaskNumber, now: Timestamp) -> TaskFacts {
        let spending = state.task(number).spending();
        let usage = spending.and_then(|spending| spending.usage);
        let speculative = state.speculative_conflicts.iter();
        let pairs = state.conflicts.iter();
        let pairs = pairs.filter(|pair| pair.class.is_conflict());
        TaskFacts {
            elapsed: elapsed(state, number, now),
            stat: stat(state, number),
            cost: spending.and_then(|spending| spending.known.into()),
            tokens: usage.map(|usage| usage.input.saturating_add(usage.output)),
            waits_for: waits_for(state, number),
            conflicts_now: others(number, speculative.map(|found| found.conflict.pair())),
            conflicts: others(number, pairs.map(|pair| pair.pair())),
        }
    }
}

/// Returns the other task of every pair that has this one.
fn others(
    number: TaskNumber,
    pairs: impl Iterator<Item = (TaskNumber, TaskNumber)>,
) -> Vec<TaskNumber> {
    let other = |(a, b)| match (a == number, b == number) {
        (true, _) => Some(b),
        (_, true) => Some(a),
        _ => None,
    };
    pairs.filter_map(other).collect()
}

/// Returns the time of the running attempt at a task, or else of all attempts together; `None` before the
/// first.
pub fn elapsed(state: &RunState, number: TaskNumber, now: Timestamp) -> Option<Duration> {
    let task = state.task(number);
    let between = |from, to: Timestamp| to.duration_since(from).try_into().unwrap_or_default();
    if let Some(live) = task.live_attempts().next() {
        return Some(between(live.started, now));
    }
    let times = task.attempts.iter().map(|attempt| {
        let ended = attempt.ended.unwrap_or(attempt.started);
        between(attempt.started, ended)
    });
    times.reduce(|all: Duration, one| all + one)
}

/// Returns the counts of the result, or of what a failed attempt left.
fn stat(state: &RunState, number: TaskNumber) -> Option<ChangeStat> {
    let outcome = state.task(number).outcome()?;
    matches!(outcome.end, End::Passed { .. })
        .then(|| state.task_stat(number))
        .flatten()
}

fn waits_for(state: &RunState, number: TaskNumber) -> Option<String> {
    match &state.task(number).phase {
        TaskPhase::RetryAt(due) => Some(format!("its retry at {}", second(*due))),
        TaskPhase::DependenciesConflict { between, .. } => {
            Some(format!("the conflict between {}", comma_list(between)))
        }
        TaskPhase::Choosing => Some("the choice of a variant".to_owned()),
        TaskPhase::Queued => Some(match state.unmet_dependencies(number).as_slice() {
            [] => match state.speculative_conflict_for(number) {
                Some((a, b)) if state.holds_back => {
                    format!("the conflict between {a} and {b} to end")
                }
                _ => "a free slot".to_owned(),
            },
            unmet => comma_list(unmet),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::merge::class::Class;
    use crate::model::fixture::{RunFixture, conflict, start};

    fn facts(run: RunFixture, task: u32) -> TaskFacts {
        let now = start() + SignedDuration::from_secs(100);
        TaskFacts::new(&run.state(), TaskNumber(task), now)
    }

    #[test]
    fn a_running_task_counts_from_the_start_of_its_attempt() {
        let run = || RunFixture::new("a · b").begin(1, "claude");
        assert_eq!(facts(run(), 2).elapsed, None);
        assert_eq!(facts(run(), 1).elapsed, Some(Duration::from_secs(98)));
        let passed = facts(run().pass(1, "done"), 1);
        assert_eq!(passed.elapsed, Some(Duration::from_secs(2)));
        assert_eq!(passed.stat.map(|stat| stat.files), Some(6));
        assert_eq!(facts(run().fail(1, "broken"), 1).stat, None);
    }

    #[test]
    fn a_task_says_what_it_waits_for() {
        let waits = |run: RunFixture, task| facts(run, task).waits_for.unwrap_or_default();
        let run = || RunFixture::new("a · b · c <- a, b");
        assert_eq!(waits(run(), 1), "a free slot");
        assert_eq!(waits(run(), 3), "#1, #2");
        assert_eq!(waits(run().pass(1, ""), 3), "#2");
        assert_eq!(waits(run().begin(1, "claude"), 1), "");
        let later = run().fail(1, "broken").retry_later(1);
        assert_eq!(waits(later, 1), "its retry at 2026-11-22 09:24:00 UTC");
    }

    #[test]
    fn a_task_names_the_tasks_it_conflicts_with() {
        let found = vec![
            conflict(1, 2, Class::Content, &["a"]),
            conflict(2, 3, Class::Content, &["a"]),
        ];
        let run = || RunFixture::new("a · b · c").conflicts(found.clone());
        assert_eq!(facts(run(), 2).conflicts, [TaskNumber(1), TaskNumber(3)]);
        assert_eq!(facts(run(), 3).conflicts, [TaskNumber(2)]);
        assert_eq!(facts(run(), 3).conflicts_now, []);
    }
}
