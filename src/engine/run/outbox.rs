//! Decides when a board is committed: on every change of a status, within a second.
//!
//! A burst of changes gets a commit each, so that a short run shows every status. After that boards
//! share a commit, one a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::publish::digest::{Digest, subject};
use crate::engine::publish::{Board, with_reports};
use crate::engine::run::effect::Effect;
use crate::model::event::{Event, Recorded};
use crate::model::run::{RunPhase, RunState};
use crate::report::board::incremental::IncrementalBoard;

/// The longest time from a change to its commit, and the time after which one more commit is
/// allowed.
const INTERVAL: Duration = Duration::from_secs(1);

/// The number of boards that may be committed without a pause.
const BURST: u32 = 24;

/// The boards to be committed to the integration branch.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The last board on the branch.
    committed: Digest,
    /// The last board that was rendered.
    rendered: Digest,
    board: IncrementalBoard,
    /// `true` if something may have changed since.
    is_stale: bool,
    queue: VecDeque<(Board, Digest)>,
    in_flight: Option<Digest>,
    tokens: u32,
    refilled: Instant,
    /// The time at which a blocked branch is tried again.
    retry_at: Option<Instant>,
    block_announced: bool,
    /// `true` if the run was resumed after its last board was on the branch.
    is_resumed: bool,
}

impl Outbox {
    /// Creates the outbox of a run in this state. `board_is_committed` means that its board is on
    /// the branch.
    pub(super) fn new(state: &RunState, board_is_committed: bool, now: Instant) -> Outbox {
        let committed = match board_is_committed {
            true => Digest::of(state),
            false => Digest::default(),
        };
        Outbox {
            rendered: committed.clone(),
            committed,
            board: IncrementalBoard::default(),
            is_stale: true,
            queue: VecDeque::new(),
            in_flight: None,
            tokens: BURST,
            refilled: now,
            retry_at: None,
            block_announced: false,
            is_resumed: board_is_committed,
        }
    }

    /// Applies an event that was just applied to the state.
    pub(super) fn apply(&mut self, state: &RunState, fact: &Recorded) {
        self.board.apply(state, fact);
        self.is_stale |= !matches!(
            fact.event,
            Event::AttemptStarted { .. } | Event::ProgressReported { .. }
        );
    }

    /// Returns the commit that is due, if any. The last board before an assembly waits for no other.
    pub(super) fn next(&mut self, state: &RunState, is_last: bool, now: Instant) -> Option<Effect> {
        self.refill(now);
        self.render(state, is_last, now);
        if self.in_flight.is_some() {
            return None;
        }
        let (board, digest) = self.queue.pop_front()?;
        self.in_flight = Some(digest);
        Some(Effect::Publish(board))
    }

    fn refill(&mut self, now: Instant) {
        let earned = now.saturating_duration_since(self.refilled).as_secs() as u32;
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(BURST);
            self.refilled = now;
        }
    }

    fn render(&mut self, state: &RunState, is_last: bool, now: Instant) {
        if !self.is_stale || self.retry_at.is_some_and(|at| at > now) {
            return;
        }
        let is_last = is_last || matches!(state.phase, RunPhase::Ended(_));
        if self.tokens == 0 && !is_last {
            return;
        }
        let due = Digest::of(state);
        if self.is_same(&due) {
            self.is_stale = false;
        } else {
            self.tokens = self.tokens.saturating_sub(1);
            let board = Board {
                text: with_reports(self.board.render(state), state),
                subject: subject(&self.rendered, &due),
                time: state.updated,
            };
            self.rendered = due.clone();
            self.queue.push_back((board, due));
            (self.is_stale, self.retry_at) = (false, None);
        }
    }

    /// Returns `true` if the due board shows nothing new. The text of a report can change alone; a
    /// run that was only resumed shows nothing new.
    fn is_same(&self, due: &Digest) -> bool {
        if !self.is_resumed {
            return *due == self.rendered;
        }
        !due.has_ended() && (*due == self.rendered.resumed() || *due == self.rendered)
    }

    /// Records that a board is on the branch.
    pub(super) fn committed(&mut self) {
        if let Some(digest) = self.in_flight.take() {
            self.is_resumed &= !digest.has_ended();
            self.committed = digest;
        }
        self.block_announced = false;
    }

    /// Records that the branch is blocked; returns `true` the first time.
    pub(super) fn blocked(&mut self, now: Instant) -> bool {
        self.start_over();
        self.retry_at = Some(now + INTERVAL);
        !std::mem::replace(&mut self.block_announced, true)
    }

    /// Renders an uncommitted board again, once there is space.
    pub(super) fn start_over(&mut self) {
        self.in_flight = None;
        self.queue.clear();
        self.rendered = self.committed.clone();
        self.is_stale = true;
    }

    /// Returns the time until a board is due.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        if !self.is_stale {
            return None;
        }
        let retry = self.retry_at.map(|at| at.saturating_duration_since(now));
        let refill = (self.tokens == 0)
            .then(|| INTERVAL.saturating_sub(now.saturating_duration_since(self.refilled)));
        retry.max(refill)
    }

    /// Returns `true` if no commit is running and none can start now.
    pub(super) fn is_idle(&self) -> bool {
        let is_blocked = self.retry_at.is_some();
        self.in_flight.is_none() && self.queue.is_empty() && (!self.is_stale || is_blocked)
    }

    /// Returns `true` if a commit is running.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    /// Follows a run fact by fact, a millisecond each; returns the subjects of the boards that are
    /// due, each of which is committed at once.
    fn boards(run: RunFixture, start: Instant) -> (Outbox, RunState, Vec<String>) {
        let mut outbox: Option<Outbox> = None;
        let mut subjects = Vec::new();
        let mut now = start;
        let state = run.fold(|state, fact| {
            let outbox = outbox.get_or_insert_with(|| Outbox::new(state, false, start));
            outbox.apply(state, fact);
            now += Duration::from_millis(1);
            if let Some(Effect::Publish(board)) = outbox.next(state, false, now) {
                subjects.push(board.subject);
                outbox.committed();
            }
        });
        let outbox = outbox.unwrap_or_else(|| Outbox::new(&state, false, start));
        (outbox, state, subjects)
    }

    fn many() -> RunFixture {
        let plan: Vec<String> = (1..=40).map(|task| format!("t{task}")).collect();
        let run = RunFixture::new(&plan.join(" · "));
        (1..=40).fold(run, |run, task| run.begin(task, "shell"))
    }

    #[test]
    fn every_change_of_a_status_gets_a_board_and_progress_gets_none() {
        let run = RunFixture::new("a").begin(1, "shell").note(1, "half");
        let (outbox, _, subjects) = boards(run.pass(1, ""), Instant::now());
        let expected = [
            "board: #1 QUEUED",
            "board: #1 IN PROGRESS",
            "board: #1 DONE",
        ];
        assert_eq!(subjects, expected);
        assert!(outbox.is_idle());
    }

    #[test]
    fn after_a_burst_boards_share_a_commit_a_second_unless_it_is_the_last() {
        let start = Instant::now();
        let (mut outbox, state, subjects) = boards(many(), start);
        assert_eq!(subjects.len(), BURST as usize);
        assert!(!outbox.is_idle());
        let soon = start + INTERVAL / 2;
        assert!(outbox.next(&state, false, soon).is_none());
        assert_eq!(outbox.due_in(soon), Some(INTERVAL / 2));
        assert!(outbox.next(&state, false, start + INTERVAL).is_some());
        let (mut outbox, state, _) = boards(many(), start);
        assert!(outbox.next(&state, true, soon).is_some(), "the last one");
    }

    #[test]
    fn a_board_that_could_not_be_committed_is_rendered_again() {
        let start = Instant::now();
        let (mut outbox, mut state, _) = boards(RunFixture::new("a"), start);
        assert!(
            outbox.next(&state, false, start).is_none(),
            "nothing is new"
        );
        state.phase = RunPhase::Ended(3);
        outbox.is_stale = true;
        assert!(outbox.next(&state, false, start).is_some());
        assert!(outbox.is_in_flight() && !outbox.is_idle());
        assert!(outbox.blocked(start), "the user is told once");
        assert!(outbox.next(&state, false, start).is_none());
        assert_eq!(outbox.due_in(start), Some(INTERVAL));
        assert!(outbox.next(&state, false, start + INTERVAL).is_some());
        assert!(!outbox.blocked(start + INTERVAL));
    }
}
