//! Further turns of an agent's session, for messages that arrived while an attempt could not read them.
//!
//! An attempt that passed with such messages does not finish its task: the next attempt continues its
//! session, in its worktree, with the messages as the prompt. The journal alone decides that, so that
//! it also holds for the process that resumes a run.

use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::{AttemptNumber, VariantNumber};
use crate::model::outcome::{End, Outcome};
use crate::model::task_state::TaskState;
use crate::model::user_message::UserMessage;

/// A turn that is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FurtherTurn<'a> {
    /// The attempt whose session it continues.
    pub attempt: AttemptNumber,
    /// The worker of that attempt.
    pub worker: &'a str,
    /// The agent's session.
    pub session: &'a str,
    /// The path of the worktree, as the journal records it.
    pub worktree: &'a str,
    /// The commit that the attempt started from.
    pub base: Oid,
    /// The commit that keeps the content of the worktree.
    pub tip: Oid,
}

impl TaskState {
    /// Returns the turn that the next attempt at the task or variant is, if messages wait for one.
    ///
    /// A turn that was interrupted is still to come.
    pub fn further_turn(&self, variant: Option<VariantNumber>) -> Option<FurtherTurn<'_>> {
        let mut later: Vec<(&str, Option<Oid>)> = Vec::new();
        for attempt in self.attempts_of(variant).rev() {
            let outcome = attempt.outcome.as_ref()?;
            match outcome.end {
                End::Interrupted {} => later.push((&attempt.worktree, outcome.kept)),
                End::Passed { candidate, .. } if self.is_awaited(attempt) => {
                    let base = attempt.base?;
                    let mut kept = later.into_iter().filter(|(at, _)| *at == attempt.worktree);
                    let last = kept.find_map(|(_, kept)| kept);
                    return Some(FurtherTurn {
                        attempt: attempt.number,
                        worker: &attempt.worker,
                        session: outcome.session.as_deref()?,
                        worktree: &attempt.worktree,
                        base,
                        tip: last.or(candidate).unwrap_or(base),
                    });
                }
                _ => return None,
            }
        }
        None
    }

    /// Returns the messages for the turn after this attempt: those that waited for its end, and those
    /// that came later.
    pub fn messages_after(&self, attempt: AttemptNumber) -> impl Iterator<Item = &UserMessage> {
        let waits = move |message: &UserMessage| message.waits_for.contains(&attempt);
        let first = self.messages.iter().position(waits);
        let from = first.unwrap_or(self.messages.len());
        let is_unread =
            |message: &UserMessage| message.waits_for.is_empty() && message.delivered_to.is_none();
        let open = self.messages[from..].iter();
        open.filter(move |message| waits(message) || is_unread(message))
    }

    /// Returns `true` if an attempt passed and its session goes on with a message.
    pub(super) fn is_awaited(&self, attempt: &Attempt) -> bool {
        let passed = |outcome: &&Outcome| matches!(outcome.end, End::Passed { .. });
        let has_session = |outcome: &Outcome| outcome.session.is_some();
        let outcome = attempt.outcome.as_ref().filter(passed);
        let mut messages = self.messages.iter();
        outcome.is_some_and(has_session)
            && messages.any(|message| message.waits_for.contains(&attempt.number))
    }

    /// Records that the next attempt receives the messages that waited for a turn.
    pub(super) fn deliver_waiting(
        &mut self,
        variant: Option<VariantNumber>,
        (attempt, worktree): (AttemptNumber, &str),
    ) {
        let turn = self.further_turn(variant);
        let Some(turn) = turn.filter(|turn| turn.worktree == worktree) else {
            return;
        };
        let ended = turn.attempt;
        for message in &mut self.messages {
            if message.waits_for.contains(&ended) {
                message.delivered_to = Some(attempt);
            }
        }
    }

    /// Leaves every message to the prompts of later attempts, as after a request of the user.
    pub(super) fn forget_turns(&mut self) {
        for message in &mut self.messages {
            message.waits_for.clear();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::model::fixture::{RunFixture, candidate};
    use crate::model::ids::TaskNumber;
    use crate::model::task_state::TaskPhase;
    use crate::model::worker_report::WorkerReport;

    const ONE: TaskNumber = TaskNumber(1);

    fn told(fixture: RunFixture, text: &str) -> RunFixture {
        let text = text.to_owned();
        fixture.event(Event::MessageGiven { task: ONE, text })
    }

    fn waits(fixture: RunFixture, attempt: AttemptNumber, message: usize) -> RunFixture {
        fixture.event(Event::MessageWaits {
            task: ONE,
            attempt,
            message,
        })
    }

    fn passed(session: Option<&str>) -> RunFixture {
        let mut fixture = waits(told(RunFixture::new("a").begin(1, "claude"), "More"), 1, 1);
        fixture = fixture.pass(1, "done");
        fixture.last_event(|event| {
            if let Event::AttemptEnded { outcome, .. } = event {
                outcome.session = session.map(str::to_owned);
            }
        });
        fixture
    }

    #[test]
    fn a_passed_attempt_with_a_waiting_message_is_not_the_last_one() {
        let state = passed(Some("s-1")).state();
        let task = state.task(ONE);
        assert_eq!(task.phase, TaskPhase::Queued);
        let turn = task.further_turn(None).unwrap();
        assert_eq!((turn.attempt, turn.session), (1, "s-1"));
        assert_eq!(turn.tip, candidate(1));
        assert_eq!(task.retries(), 0, "it uses up no retry");
    }

    #[test]
    fn without_a_session_the_task_is_done_and_the_message_stays() {
        let state = passed(None).state();
        assert_eq!(state.task(ONE).phase, TaskPhase::Done);
        assert_eq!(state.task(ONE).messages[0].delivered_to, None);
    }

    #[test]
    fn a_message_that_came_between_two_turns_is_part_of_the_next() {
        let fixture = told(passed(Some("s-1")), "And that");
        let state = fixture.state();
        let texts: Vec<&str> = state
            .task(ONE)
            .messages_after(1)
            .map(|message| message.text.as_str())
            .collect();
        assert_eq!(texts, ["More", "And that"]);
    }

    #[test]
    fn an_interrupted_turn_comes_again_and_a_finished_one_does_not() {
        let begun = passed(Some("s-1")).begin(1, "claude");
        let state = begun.state();
        assert_eq!(state.task(ONE).messages[0].delivered_to, Some(2));
        assert_eq!(state.task(ONE).further_turn(None), None, "it runs");
        let begun = || passed(Some("s-1")).begin(1, "claude");
        let interrupted = begun().end(1, End::Interrupted {}, WorkerReport::default(), 1);
        let interrupted = interrupted.state();
        assert_eq!(interrupted.task(ONE).further_turn(None).unwrap().attempt, 1);
        let finished = begun().pass(1, "done").state();
        assert_eq!(finished.task(ONE).phase, TaskPhase::Done);
        let failed = begun().fail(1, "no").state();
        assert_eq!(failed.task(ONE).further_turn(None), None);
    }
}
