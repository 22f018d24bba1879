//! Decides when a worktree of the pool is prepared ahead, in the background.

use crate::config::Settings;
use crate::config::pool_size::PoolSize;
use crate::engine::kernel::message::Prepared;
use crate::engine::pool::ahead::Wanted;
use crate::engine::run::effect::Effect;
use crate::model::event::Event;

/// Decides when the next one is prepared. It never competes with an attempt that is starting.
#[derive(Debug)]
pub(super) struct Refill {
    state: State,
    /// Set-up works without a task.
    set_up: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// There is no pool, or preparing has failed.
    Off,
    /// Nothing is to be done until an attempt starts or ends.
    Idle,
    /// A worktree may be missing.
    Requested,
    /// One is being prepared; `true` if an attempt has started or ended since.
    Running(bool),
}

/// The attempts of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Load {
    /// Attempts that may not have their worktree yet.
    pub(super) starting: u64,
    /// An attempt with a worktree of the pool is alive.
    pub(super) is_working: bool,
    /// Tasks that wait for a free slot, and take a worktree of the pool.
    pub(super) waiting: usize,
}

impl Refill {
    /// Creates the refill for these settings.
    pub(super) fn new(settings: &Settings) -> Refill {
        let state = match settings.worktree.pool {
            PoolSize::Off => State::Off,
            _ => State::Requested,
        };
        Refill {
            state,
            set_up: true,
        }
    }

    /// Applies an event.
    pub(super) fn apply(&mut self, event: &Event) {
        if let Event::AttemptStarted { .. } | Event::AttemptEnded { .. } = event {
            self.state = match self.state {
                State::Off => State::Off,
                State::Running(_) => State::Running(true),
                State::Idle | State::Requested => State::Requested,
            };
        }
    }

    /// Returns the effect that is due.
    pub(super) fn next(&mut self, load: Load) -> Option<Effect> {
        let Load {
            starting,
            is_working,
            waiting,
        } = load;
        let is_due = self.state == State::Requested && starting == 0 && is_working && waiting > 0;
        is_due.then(|| {
            self.state = State::Running(false);
            let set_up = self.set_up;
            Effect::PrepareAhead(Wanted { waiting, set_up })
        })
    }

    /// Handles the end of a round; with `None` it has failed, and none follows.
    pub(super) fn prepared(&mut self, prepared: Option<Prepared>) {
        let has_changed = self.state == State::Running(true);
        self.set_up &= prepared != Some(Prepared::WithoutSetUp);
        self.state = match prepared {
            None => State::Off,
            Some(Prepared::Nothing) if !has_changed => State::Idle,
            Some(_) => State::Requested,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::base;
    use crate::model::ids::TaskNumber;

    fn refill() -> Refill {
        let mut settings = Settings::default();
        settings.worktree.pool = PoolSize::Auto;
        Refill::new(&settings)
    }

    fn load(starting: u64, alive: usize, waiting: usize) -> Load {
        Load {
            starting,
            is_working: alive > 0,
            waiting,
        }
    }

    fn started() -> Event {
        Event::AttemptStarted {
            task: TaskNumber(1),
            attempt: 1,
            base: base(),
            warm: false,
        }
    }

    fn is_due(refill: &mut Refill, load: Load) -> bool {
        refill.next(load).is_some()
    }

    #[test]
    fn it_waits_for_attempts_that_start_and_needs_one_that_waits() {
        let mut refill = refill();
        for load in [load(1, 2, 3), load(0, 2, 0), load(0, 0, 3)] {
            assert!(!is_due(&mut refill, load), "{load:?}");
        }
        assert!(is_due(&mut refill, load(0, 2, 3)));
        assert!(!is_due(&mut refill, load(0, 2, 3)), "one at a time");
    }

    #[test]
    fn it_goes_on_until_enough_are_ready_and_again_after_an_attempt() {
        let mut refill = refill();
        let all = load(0, 1, 1);
        assert!(is_due(&mut refill, all));
        refill.prepared(Some(Prepared::One));
        assert!(is_due(&mut refill, all));
        refill.prepared(Some(Prepared::Nothing));
        assert!(!is_due(&mut refill, all));
        refill.apply(&started());
        assert!(is_due(&mut refill, all));
        refill.apply(&started());
        refill.prepared(Some(Prepared::Nothing));
        assert!(is_due(&mut refill, all), "something has changed meanwhile");
    }

    #[test]
    fn after_a_failure_nothing_is_prepared_and_after_a_failed_set_up_no_set_up_runs() {
        let mut refill = refill();
        let all = load(0, 1, 1);
        assert!(is_due(&mut refill, all));
        refill.prepared(Some(Prepared::WithoutSetUp));
        let next = refill.next(all);
        assert!(
            matches!(&next, Some(Effect::PrepareAhead(wanted)) if !wanted.set_up),
            "{next:?}"
        );
        refill.prepared(None);
        refill.apply(&started());
        assert!(!is_due(&mut refill, all));
        assert!(!is_due(&mut Refill::new(&Settings::default()), all));
    }
}
