//! Estimates when a run ends, and says how sure that is.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::render_elapsed;
use crate::base::text::plural;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;

/// An estimate of the time until the tasks of a run are over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Estimate {
    /// Nothing is to be estimated: the tasks are over, or the run is paused.
    Over,
    /// No attempt has passed yet, so there is nothing to go by.
    Unknown,
    /// Every open task takes longer than the median of those that passed.
    Longer {
        /// The number of passed attempts that it is computed from.
        samples: usize,
    },
    /// The time that is left.
    Left {
        /// The time.
        time: Duration,
        /// The certainty.
        certainty: Certainty,
        /// The number of passed attempts that it is computed from.
        samples: usize,
    },
}

/// The certainty of an estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certainty {
    /// One or two attempts have passed.
    Guess,
    /// A few have passed, or their times differ a lot.
    Rough,
    /// Many have passed in similar times.
    Likely,
}

impl Certainty {
    /// Returns the word for display.
    pub fn word(self) -> &'static str {
        match self {
            Certainty::Guess => "a guess",
            Certainty::Rough => "rough",
            Certainty::Likely => "likely",
        }
    }
}

/// Renders `about 4m 10s left (rough, from 3 finished tasks)`.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Estimate::Over => Ok(()),
            Estimate::Unknown => f.write_str("no estimate before a task has passed"),
            Estimate::Longer { samples } => write!(
                f,
                "takes longer than expected from {}",
                plural(*samples, "finished task")
            ),
            Estimate::Left {
                time,
                certainty,
                samples,
            } => write!(
                f,
                "about {} left ({}, from {})",
                render_elapsed(rounded(*time)),
                certainty.word(),
                plural(*samples, "finished task")
            ),
        }
    }
}

/// Rounds up so that the estimate is no more exact than it can be.
fn rounded(time: Duration) -> Duration {
    let step = match time.as_secs() {
        0..60 => 5,
        60..600 => 10,
        600..3600 => 60,
        _ => 600,
    };
    Duration::from_secs(time.as_secs().div_ceil(step).max(1) * step)
}

/// Estimates the time until all open tasks of a run are over, as it is at this time: the longest
/// chain of tasks, or all of them spread over the attempts that run at once, whichever is longer.
pub fn estimate(state: &RunState, now: Timestamp) -> Estimate {
    let open: Vec<TaskNumber> = open_tasks(state);
    if open.is_empty() || matches!(state.phase, RunPhase::Ended(_) | RunPhase::Paused) {
        return Estimate::Over;
    }
    let mut samples = passed_times(state);
    samples.sort();
    let Some(median) = samples.get(samples.len() / 2).copied() else {
        return Estimate::Unknown;
    };
    let running = |number: TaskNumber| {
        let live = state.task(number).live_attempts().next();
        live.map(|live| between(live.started, now))
    };
    let is_late = |number: &TaskNumber| running(*number).is_some_and(|time| time > median);
    if open.iter().all(is_late) {
        return Estimate::Longer {
            samples: samples.len(),
        };
    }
    let left = |number: TaskNumber| match (running(number), &state.task(number).phase) {
        // A task that takes longer than usual is expected to take a little longer still.
        (Some(time), _) => median.saturating_sub(time).max(median / 10),
        (None, TaskPhase::RetryAt(due)) => between(now, *due) + median,
        (None, _) => median,
    };
    let mut chains = vec![Duration::ZERO; state.tasks.len()];
    // A dependency may come later in the plan, so the sums are repeated until they stand.
    for _ in 0..open.len() {
        let before = chains.clone();
        for number in &open {
            let on = state.plan.task(*number).depends_on.iter();
            let longest = on.map(|on| chains[on.index()]).max();
            chains[number.index()] = longest.unwrap_or_default() + left(*number);
        }
        if chains == before {
            break;
        }
    }
    let longest = chains.into_iter().max().unwrap_or_default();
    // The wait for a retry takes no place of another task.
    let work = |number: &TaskNumber| left(*number).min(median);
    let all: Duration = open.iter().map(work).sum();
    let spread = all / most_at_once(state).max(1);
    Estimate::Left {
        time: longest.max(spread),
        certainty: certainty(&samples),
        samples: samples.len(),
    }
}

/// Lists the tasks that can still pass without the user.
fn open_tasks(state: &RunState) -> Vec<TaskNumber> {
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    tasks
        .filter(|number| match state.task(*number).phase {
            TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Choosing => true,
            TaskPhase::Queued => state.root_causes(*number).is_empty(),
            _ => false,
        })
        .collect()
}

fn passed_times(state: &RunState) -> Vec<Duration> {
    let attempts = state.tasks.iter().flat_map(|task| &task.attempts);
    attempts
        .filter_map(|attempt| {
            let outcome = attempt.outcome.as_ref()?;
            matches!(outcome.end, End::Passed { .. })
                .then_some(between(attempt.started, attempt.ended?))
        })
        .collect()
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// Returns the largest number of attempts that ran at the same time.
fn most_at_once(state: &RunState) -> u32 {
    let attempts = state.tasks.iter().flat_map(|task| &task.attempts);
    // An end comes before a start at the same time.
    let mut changes: Vec<(Timestamp, i32)> = attempts
        .flat_map(|attempt| {
            let end = attempt.ended.map(|ended| (ended, -1));
            [Some((attempt.started, 1)), end]
        })
        .flatten()
        .collect();
    changes.sort();
    let mut now = 0;
    let counts = changes.iter().map(|(_, change)| {
        now += change;
        now
    });
    counts.max().unwrap_or(0).max(0).cast_unsigned()
}

/// Returns the certainty of an estimate from sorted samples.
fn certainty(samples: &[Duration]) -> Certainty {
    let quarter = |of: usize| samples[samples.len() * of / 4];
    match samples.len() {
        0..3 => Certainty::Guess,
        3..6 => Certainty::Rough,
        _ if quarter(3) > quarter(1) * 2 => Certainty::Rough,
        _ => Certainty::Likely,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::fixture::{RunFixture, start};

    fn said(run: RunFixture, second: i64) -> String {
        let now = start() + SignedDuration::from_secs(second);
        estimate(&run.state(), now).to_string()
    }

    #[test]
    fn nothing_is_estimated_before_a_task_has_passed() {
        let run = || RunFixture::new("a · b");
        let unknown = "no estimate before a task has passed";
        assert_eq!(said(run(), 5), unknown);
        assert_eq!(said(run().begin(1, "x").fail(1, "broken"), 5), unknown);
        assert_eq!(said(run().skip(1, false).skip(2, false), 5), "");
        assert_eq!(said(run().ended(3), 5), "");
    }

    /// A run in which the first task took 100 seconds.
    fn timed(plan: &str) -> RunState {
        let mut state = RunFixture::new(plan).begin(1, "x").pass(1, "").state();
        let first = &mut state.task_mut(TaskNumber(1)).attempts[0];
        first.started = start();
        first.ended = Some(start() + SignedDuration::from_secs(100));
        state
    }

    #[test]
    fn the_longest_chain_or_the_work_for_all_decides() {
        let at = |state: &RunState, second| {
            let now = start() + SignedDuration::from_secs(second);
            estimate(state, now).to_string()
        };
        let chain = timed("a · b <- c · c");
        assert_eq!(
            at(&chain, 100),
            "about 3m 20s left (a guess, from 1 finished task)"
        );
        let wide = timed("a · b · c · d");
        assert_eq!(
            at(&wide, 100),
            "about 5m 0s left (a guess, from 1 finished task)"
        );
    }

    #[test]
    fn late_tasks_pauses_and_waits_are_counted_as_they_are() {
        let at = |state: &RunState, second| {
            let now = start() + SignedDuration::from_secs(second);
            estimate(state, now).to_string()
        };
        let mut state = timed("a · b");
        let second = state.task_mut(TaskNumber(2));
        second.phase = TaskPhase::RetryAt(start() + SignedDuration::from_secs(160));
        let retry = "about 2m 40s left (a guess, from 1 finished task)";
        assert_eq!(at(&state, 100), retry);
        state.phase = RunPhase::Paused;
        assert_eq!(at(&state, 100), "");
        let mut late = RunFixture::new("a · b")
            .begin(1, "x")
            .pass(1, "")
            .begin(2, "x")
            .state();
        let first = &mut late.task_mut(TaskNumber(1)).attempts[0];
        (first.started, first.ended) = (start(), Some(start() + SignedDuration::from_secs(100)));
        late.task_mut(TaskNumber(2)).attempts[0].started = start();
        assert_eq!(
            at(&late, 60),
            "about 40s left (a guess, from 1 finished task)"
        );
        assert_eq!(
            at(&late, 101),
            "takes longer than expected from 1 finished task"
        );
    }

    #[test]
    fn many_similar_times_are_likely() {
        let seconds = |times: &[u64]| -> Vec<Duration> {
            times.iter().copied().map(Duration::from_secs).collect()
        };
        assert_eq!(certainty(&seconds(&[5, 6])), Certainty::Guess);
        assert_eq!(certainty(&seconds(&[5, 6, 7])), Certainty::Rough);
        assert_eq!(certainty(&seconds(&[5, 6, 6, 6, 7, 8])), Certainty::Likely);
        assert_eq!(certainty(&seconds(&[1, 1, 1, 9, 9, 9])), Certainty::Rough);
    }
}
