//! Tracks live attempts: announced, and not ended yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::run::effect::Effect;
use crate::engine::spec::ReusedWorktree;
use crate::exec::StopSignal;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::{AttemptKey, AttemptNumber, TaskNumber, TaskVariant};
use crate::model::run::RunState;

/// The live attempts of this process, updated from events.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// The live attempts, with their progress.
    live: BTreeMap<AttemptKey, Progress>,
    /// The number of attempts that may not have their worktree on this machine yet.
    starting: u64,
    /// Attempts whose end this process could not record.
    left_open: BTreeSet<AttemptKey>,
    /// The worktrees that attempts could continue in.
    reuse: BTreeMap<TaskVariant, Check>,
    /// Signals, each with the number of the fact that is written before it is sent.
    signals: Vec<(u64, AttemptKey, StopSignal)>,
}

/// The progress of a live attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    /// It may not have its worktree yet.
    Starting,
    /// It is on another executor, and needs no worktree on this machine.
    Submitted,
    Running,
}

/// A check of a worktree that an attempt could continue in.
#[derive(Debug)]
struct Check {
    reuse: ReusedWorktree,
    dependencies: Vec<(TaskNumber, Oid)>,
    answer: Option<bool>,
}

/// The worktree of the next attempt at a task.
#[derive(Debug)]
pub(super) enum Reuse {
    /// A new one.
    New,
    /// This one of an earlier attempt.
    Earlier(ReusedWorktree),
    /// Unknown; with the check that finds out, unless it is running.
    Unknown(Option<Effect>),
}

impl Attempts {
    /// Restores the attempts that another process left alive.
    pub(super) fn resume(state: &RunState) -> Attempts {
        let mut attempts = Attempts::default();
        for task in state.plan.tasks() {
            for attempt in state.task(task.number).live_attempts() {
                let progress = match (attempt.base, &attempt.executor) {
                    (Some(_), _) => Progress::Running,
                    (None, Some(_)) => Progress::Submitted,
                    (None, None) => Progress::Starting,
                };
                attempts.set((task.number, attempt.number), Some(progress));
            }
        }
        attempts
    }

    /// Applies an event.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::AttemptStarting {
                task,
                attempt,
                variant,
                ..
            } => {
                let (task, variant) = (*task, *variant);
                self.reuse.remove(&TaskVariant { task, variant });
                self.set((task, *attempt), Some(Progress::Starting));
            }
            // The event comes again, with a host, while the attempt may run.
            Event::AttemptSubmitted { task, attempt, .. } => {
                let attempt = (*task, *attempt);
                if self.live.get(&attempt) == Some(&Progress::Starting) {
                    self.set(attempt, Some(Progress::Submitted));
                }
            }
            Event::AttemptStarted { task, attempt, .. } => {
                self.set((*task, *attempt), Some(Progress::Running));
            }
            Event::AttemptEnded { task, attempt, .. }
            | Event::DependenciesConflict {
                task,
                attempt: Some(attempt),
                ..
            } => {
                self.left_open.remove(&(*task, *attempt));
                self.set((*task, *attempt), None);
            }
            _ => {}
        }
    }

    fn set(&mut self, attempt: AttemptKey, progress: Option<Progress>) {
        let before = match progress {
            Some(progress) => self.live.insert(attempt, progress),
            None => self.live.remove(&attempt),
        };
        self.starting -= u64::from(before == Some(Progress::Starting));
        self.starting += u64::from(progress == Some(Progress::Starting));
    }

    /// Lists the tasks with live attempts, each once.
    pub(super) fn tasks(&self) -> Vec<TaskNumber> {
        let mut tasks: Vec<TaskNumber> = self.live.keys().map(|(task, _)| *task).collect();
        tasks.dedup();
        tasks
    }

    /// Returns the number of live attempts.
    pub(super) fn count(&self) -> usize {
        self.live.len()
    }

    /// Returns the number of attempts that may not have their worktree on this machine yet.
    pub(super) fn starting(&self) -> u64 {
        self.starting
    }

    /// Returns the attempts whose worker runs.
    pub(super) fn running(&self) -> impl Iterator<Item = AttemptKey> + '_ {
        let running = self.live.iter();
        let running = running.filter(|(_, progress)| **progress == Progress::Running);
        running.map(|(attempt, _)| *attempt)
    }

    /// Returns `true` if the attempt is live.
    pub(super) fn is_live(&self, attempt: AttemptKey) -> bool {
        self.live.contains_key(&attempt)
    }

    /// Returns the live attempts.
    pub(super) fn live(&self) -> impl Iterator<Item = AttemptKey> + '_ {
        self.live.keys().copied()
    }

    /// Marks an attempt whose end this process cannot record.
    pub(super) fn leave_open(&mut self, attempt: AttemptKey) {
        self.left_open.insert(attempt);
    }

    /// Returns `true` if there are live attempts and none of their ends can be recorded.
    pub(super) fn are_all_left_open(&self) -> bool {
        !self.live.is_empty() && self.live.len() == self.left_open.len()
    }

    /// Keeps a signal for a task's processes until this fact is written.
    pub(super) fn cancel(&mut self, seq: u64, task: TaskNumber, signal: StopSignal) {
        let attempts = self.live.range((task, 0)..=(task, AttemptNumber::MAX));
        let signals = attempts.map(|(attempt, _)| (seq, *attempt, signal));
        self.signals.extend(signals);
    }

    /// Keeps a signal for every process until this fact is written.
    pub(super) fn cancel_all(&mut self, seq: u64, signal: StopSignal) {
        let all = self.live.keys().map(|attempt| (seq, *attempt, signal));
        self.signals.extend(all);
    }

    /// Takes the signals that may be sent once the facts up to this one are written, for attempts
    /// that are still alive.
    pub(super) fn take_signals(&mut self, written: u64) -> Vec<Effect> {
        let due = self.signals.extract_if(.., |(seq, ..)| *seq <= written);
        let alive = due.filter(|(_, attempt, _)| self.live.contains_key(attempt));
        alive
            .map(|(_, attempt, signal)| Effect::Cancel(attempt, signal))
            .collect()
    }

    /// Decides which worktree the next attempt at a task or variant gets, given the one it could continue in.
    pub(super) fn reuse(
        &mut self,
        of: TaskVariant,
        reuse: Option<ReusedWorktree>,
        dependencies: &[(TaskNumber, Oid)],
    ) -> Reuse {
        let Some(reuse) = reuse else {
            return Reuse::New;
        };
        let known = self.reuse.get(&of);
        let known =
            known.filter(|check| check.reuse == reuse && check.dependencies == dependencies);
        match known.map(|check| check.answer) {
            Some(Some(true)) => Reuse::Earlier(reuse),
            Some(Some(false)) => Reuse::New,
            Some(None) => Reuse::Unknown(None),
            None => Reuse::Unknown(Some(self.check(of, reuse, dependencies.to_vec()))),
        }
    }

    fn check(
        &mut self,
        of: TaskVariant,
        reuse: ReusedWorktree,
        dependencies: Vec<(TaskNumber, Oid)>,
    ) -> Effect {
        let effect = Effect::CheckReuse {
            of,
            reuse: Box::new(reuse.clone()),
            dependencies: dependencies.clone(),
        };
        let answer = None;
        self.reuse.insert(
            of,
            Check {
                reuse,
                dependencies,
                answer,
            },
        );
        effect
    }

    /// Handles the answer to a check.
    pub(super) fn reuse_checked(&mut self, of: TaskVariant, is_sound: bool) {
        if let Some(check) = self.reuse.get_mut(&of) {
            check.answer = Some(is_sound);
        }
    }

    /// Drops answers that were not used at once, because worktrees change.
    pub(super) fn forget_checks(&mut self) {
        self.reuse.retain(|_, check| check.answer.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::{RunFixture, base};

    const ONE: TaskNumber = TaskNumber(1);
    const TWO: TaskNumber = TaskNumber(2);

    fn starting(task: TaskNumber) -> Event {
        Event::AttemptStarting {
            task,
            attempt: 1,
            worker: "shell".to_owned(),
            branch: String::new(),
            worktree: String::new(),
            variant: None,
        }
    }

    fn started(task: TaskNumber) -> Event {
        let (attempt, base) = (1, base());
        Event::AttemptStarted {
            task,
            attempt,
            base,
            warm: false,
        }
    }

    #[test]
    fn attempts_are_counted_from_their_announcement_to_their_end() {
        let mut attempts = Attempts::default();
        for event in [starting(ONE), starting(TWO), started(ONE), started(ONE)] {
            attempts.apply(&event);
        }
        assert_eq!((attempts.count(), attempts.starting()), (2, 1));
        assert_eq!(Vec::from_iter(attempts.running()), [(ONE, 1)]);
        let state = RunFixture::new("a · b").begin(2, "shell").state();
        let resumed = Attempts::resume(&state);
        assert_eq!((resumed.count(), resumed.starting()), (1, 0));
    }

    #[test]
    fn an_attempt_on_another_executor_is_not_counted_as_starting() {
        let submitted = Event::AttemptSubmitted {
            task: ONE,
            attempt: 1,
            executor: "cluster".to_owned(),
            host: None,
        };
        let mut attempts = Attempts::default();
        attempts.apply(&submitted);
        assert_eq!(attempts.count(), 0, "it is not alive");
        attempts.apply(&starting(ONE));
        assert_eq!(attempts.starting(), 1);
        attempts.apply(&submitted);
        let fixture = RunFixture::new("a · b").event(starting(ONE));
        let state = fixture.event(submitted.clone()).state();
        for mut attempts in [attempts, Attempts::resume(&state)] {
            assert_eq!((attempts.count(), attempts.starting()), (1, 0));
            assert_eq!(attempts.running().count(), 0);
            for event in [started(ONE), submitted.clone()] {
                attempts.apply(&event);
            }
            assert_eq!(Vec::from_iter(attempts.running()), [(ONE, 1)]);
        }
    }

    #[test]
    fn a_signal_does_not_reach_the_attempt_after_the_one_it_was_meant_for() {
        let mut attempts = Attempts::default();
        attempts.apply(&starting(ONE));
        attempts.apply(&starting(TWO));
        attempts.cancel(3, ONE, StopSignal::Terminate);
        attempts.cancel(4, TWO, StopSignal::Terminate);
        attempts.apply(&Event::DependenciesConflict {
            task: ONE,
            class: crate::merge::class::Class::Content,
            between: Vec::new(),
            paths: Vec::new(),
            attempt: Some(1),
        });
        assert!(attempts.take_signals(3).is_empty(), "not written yet");
        let signals = attempts.take_signals(4);
        assert!(matches!(signals[..], [Effect::Cancel((TWO, 1), _)]));
        assert!(attempts.take_signals(9).is_empty());
    }

    #[test]
    fn a_worktree_is_checked_once_and_an_old_answer_is_not_used() {
        let reuse = ReusedWorktree {
            path: "/w".into(),
            base: base(),
            tip: base(),
        };
        let mut attempts = Attempts::default();
        let next =
            |attempts: &mut Attempts| match attempts.reuse(ONE.into(), Some(reuse.clone()), &[]) {
                Reuse::New => "new",
                Reuse::Earlier(_) => "earlier",
                Reuse::Unknown(Some(_)) => "check",
                Reuse::Unknown(None) => "wait",
            };
        assert_eq!(
            [next(&mut attempts), next(&mut attempts)],
            ["check", "wait"]
        );
        attempts.reuse_checked(ONE.into(), true);
        assert_eq!(next(&mut attempts), "earlier");
        attempts.forget_checks();
        assert_eq!(next(&mut attempts), "check");
        attempts.reuse_checked(ONE.into(), false);
        assert_eq!(next(&mut attempts), "new");
        assert!(matches!(attempts.reuse(ONE.into(), None, &[]), Reuse::New));
    }
}
