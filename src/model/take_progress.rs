//! Begins and ends the take of commits that the user made on the branch of a passed task.
//!
//! The earlier result stands until they have passed: a commit whose checks fail costs no result, and
//! no task that was built on it starts again.

use crate::merge::oid::Oid;
use crate::model::failure::Failure;
use crate::model::hand_take::HandTake;
use crate::model::ids::AttemptNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_state::{TaskPhase, TaskState};

impl TaskState {
    /// Returns what is to be restored if `commit` cannot be taken; `None` for a task without a result.
    pub(super) fn begin_take(&self, commit: Oid) -> Option<Box<HandTake>> {
        self.candidate()?;
        let last = self.attempts.len().checked_sub(1)?;
        Some(Box::new(HandTake {
            commit,
            result: self.candidate_attempt.unwrap_or(last),
            resolution: self.manual_resolution.clone(),
            conflict: self.redispatched_for.clone(),
            failed: None,
        }))
    }

    /// Ends a take with the attempt that judged it. Returns `true` if it replaces the result, and
    /// `None` if there is no take or it is not decided.
    pub(super) fn end_take(&mut self, number: AttemptNumber) -> Option<bool> {
        self.pending_take()?;
        let end = self.attempt(number)?.outcome.as_ref()?.end.clone();
        match (end, &self.phase) {
            (End::Passed { .. }, TaskPhase::Done) => {
                self.take = None;
                Some(true)
            }
            (End::Failed(failure), _) => {
                self.restore_result(&failure.message);
                self.take.as_mut()?.failed = Some(number);
                Some(false)
            }
            (End::Interrupted {}, TaskPhase::Cancelled) => {
                self.cancel_take();
                Some(false)
            }
            _ => None,
        }
    }

    /// Restores the result of a task whose take is cancelled; `false` if there is none.
    pub(super) fn cancel_take(&mut self) -> bool {
        if self.pending_take().is_none() {
            return false;
        }
        self.restore_result("cancelled");
        self.take = None;
        self.by_hand = None;
        self.cancelled = false;
        true
    }

    fn restore_result(&mut self, why: &str) {
        let Some(take) = &self.take else { return };
        let commit = take.commit.short();
        self.candidate_attempt = Some(take.result);
        self.manual_resolution = take.resolution.clone();
        self.redispatched_for = take.conflict.clone();
        self.phase = TaskPhase::Done;
        self.note = Some(format!("commit {commit} was not taken: {why}"));
    }

    fn pending_take(&self) -> Option<&HandTake> {
        self.take.as_deref().filter(|take| take.failed.is_none())
    }

    /// Returns the last of the commits that could not be taken, the failure, and the end of the output
    /// of the check that failed.
    pub fn failed_take(&self) -> Option<(Oid, &Failure, Option<&str>)> {
        let take = self.take.as_deref()?;
        let outcome = self.attempt(take.failed?)?.outcome.as_ref()?;
        let End::Failed(failure) = &outcome.end else {
            return None;
        };
        let failed = outcome.checks.iter().rfind(|check| !check.passed());
        Some((take.commit, failure, failed.map(|check| check.tail.trim())))
    }
}

impl RunState {
    /// Forgets the takes that failed, which do not bear on the next assembly.
    pub(super) fn forget_failed_takes(&mut self) {
        let numbers = self.plan.tasks().iter().map(|task| task.number);
        let failed = numbers.filter(|number| self.task(*number).failed_take().is_some());
        for number in failed.collect::<Vec<_>>() {
            self.task_mut(number).take = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::event::Event;
    use crate::model::fixture::{RunFixture, base};
    use crate::model::ids::TaskNumber;

    /// Two passed tasks, the second built on the first, and a commit to take for the first.
    fn taken() -> RunFixture {
        let run = RunFixture::new("a · b <- a");
        let passed = run
            .begin(1, "shell")
            .pass(1, "made")
            .begin(2, "shell")
            .pass(2, "made");
        passed.event(Event::RetryRequested {
            task: TaskNumber(1),
            extra_prompt: None,
            new_prompt: None,
            worker: None,
            continue_session: false,
            by_hand: Some(base()),
            attempt: None,
        })
    }

    fn told(run: RunFixture) -> String {
        let state = run.state();
        let of = |number: u32| {
            let task = state.task(TaskNumber(number));
            let result = task.deciding_attempt().map_or(0, |attempt| attempt.number);
            let note = task.note.as_deref().unwrap_or_default();
            format!(
                "{} by attempt {result}: {note}",
                state.status(TaskNumber(number))
            )
        };
        format!("{} | {} | exit {}", of(1), of(2), state.exit_code())
    }

    #[test]
    fn the_result_stands_until_the_commit_has_passed() {
        let cancel = Event::TaskCancelled {
            task: TaskNumber(1),
        };
        let again = Event::AssemblyRequested {
            order: Vec::new(),
            leave_out: Vec::new(),
        };
        let lines = [
            told(taken()),
            told(taken().begin(1, "shell").pass(1, "better")),
            told(taken().begin(1, "shell").fail(1, "a check failed")),
            told(
                taken()
                    .begin(1, "shell")
                    .fail(1, "a check failed")
                    .event(again),
            ),
            told(taken().event(cancel)),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        QUEUED by attempt 1:  | DONE by attempt 1: made | exit 3
        DONE by attempt 2: better | QUEUED by attempt 1: made | exit 3
        DONE by attempt 1: commit 1a2b3c4 was not taken: a check failed | DONE by attempt 1: made | exit 3
        DONE by attempt 1: commit 1a2b3c4 was not taken: a check failed | DONE by attempt 1: made | exit 0
        DONE by attempt 1: commit 1a2b3c4 was not taken: cancelled | DONE by attempt 1: made | exit 0
        ");
    }
}
