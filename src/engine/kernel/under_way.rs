//! Knows the attempts that this process carries out at the same time, and the branches they made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::ids::{AttemptKey, TaskNumber};

/// The attempts under way. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<Mutex<Attempts>>);

#[derive(Debug, Default)]
struct Attempts {
    /// Each live attempt with those that were live at some time together with it.
    live: BTreeMap<AttemptKey, BTreeSet<AttemptKey>>,
    /// The branches that an attempt made or moved, without `refs/heads/`, with the task.
    branches: BTreeMap<String, TaskNumber>,
}

impl UnderWay {
    /// Enters an attempt, until the answer is dropped.
    pub fn enter(&self, attempt: AttemptKey) -> Stay {
        let mut attempts = self.lock();
        let others: BTreeSet<AttemptKey> = attempts.live.keys().copied().collect();
        for beside in attempts.live.values_mut() {
            beside.insert(attempt);
        }
        attempts.live.insert(attempt, others);
        Stay {
            under_way: self.clone(),
            attempt,
        }
    }

    /// Lists the attempts that were under way at the same time as this one, ended or not.
    pub fn beside(&self, attempt: AttemptKey) -> BTreeSet<AttemptKey> {
        self.lock().live.get(&attempt).cloned().unwrap_or_default()
    }

    /// Notes that an attempt at a task made or moved a branch.
    pub fn note_branch(&self, branch: &str, task: TaskNumber) {
        self.lock().branches.insert(branch.to_owned(), task);
    }

    /// Returns the task whose attempt made or moved a branch.
    pub fn maker_of(&self, branch: &str) -> Option<TaskNumber> {
        self.lock().branches.get(branch).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Attempts> {
        // Each change is made at once, so a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of one attempt among those under way.
#[derive(Debug)]
pub struct Stay {
    under_way: UnderWay,
    attempt: AttemptKey,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.under_way.lock().live.remove(&self.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_beside_those_that_ran_at_some_time_together_with_it() {
        let under_way = UnderWay::default();
        let key = |task| (TaskNumber(task), 1);
        let first = under_way.enter(key(1));
        let second = under_way.enter(key(2));
        drop(first);
        let _third = under_way.enter(key(3));
        let beside = |task| Vec::from_iter(under_way.beside(key(task)));
        assert_eq!(beside(1), []);
        assert_eq!(beside(2), [key(1), key(3)]);
        assert_eq!(beside(3), [key(2)]);
        drop(second);
        under_way.note_branch("mine", TaskNumber(2));
        assert_eq!(under_way.maker_of("mine"), Some(TaskNumber(2)));
        assert_eq!(under_way.maker_of("other"), None);
    }
}
