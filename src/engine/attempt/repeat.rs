//! Repeats a step of an attempt that failed for a temporary reason.

use std::time::Duration;

use tokio::time::sleep;

use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::kernel::disk_space::{self, is_full};

/// The most repetitions of a step whose git was killed.
const MOST_KILLED: u32 = 3;

/// The most repetitions of a step for which an object was missing.
const MOST_MISSING: u32 = 30;

/// The pause before the first of these repetitions; each one after it is longer by as much.
const PAUSE: Duration = Duration::from_millis(10);

/// Counts the repetitions of a step.
#[derive(Default)]
pub(super) struct Repeats {
    full: u32,
    killed: u32,
    missing: u32,
}

impl Repeats {
    /// Waits until a step may be repeated that failed only because a disk was full, because its git was
    /// killed, or because `git gc --prune=now` removed an object in the middle of it; returns `false`
    /// if it is to fail.
    pub(super) async fn allow(&mut self, execution: &Execution, error: &EngineError) -> bool {
        if is_full(error) {
            self.full += 1;
            execution.post_shortage();
            disk_space::wait(&execution.context, &execution.cancel, self.full).await;
        } else if error.is_killed_git() && self.killed < MOST_KILLED {
            self.killed += 1;
        } else if self.missing < MOST_MISSING
            && error.is_worth_a_repetition(&execution.context.repo)
        {
            self.missing += 1;
            sleep(PAUSE * self.missing).await;
        } else {
            return false;
        }
        execution.may_go_on()
    }
}
