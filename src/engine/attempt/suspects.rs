//! Who else can have changed what nobody's words name: the attempts that were under way meanwhile, as
//! the journal says, less those whose own looks at everything outside rule them out.

use std::path::PathBuf;

use crate::base::files;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::journal::replay;
use crate::journal::runs::{self, RunEntry, RunLock};
use crate::model::event::{End, Event, Outcome, Recorded};
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::outside_changes::{MOST_CHANGES, Outside, Thing, changes};

/// Another attempt that was under way at the same time.
struct Other {
    task: TaskNumber,
    attempt: AttemptNumber,
    outcome: Option<Outcome>,
}

/// The attempts beside one of a run.
pub(super) struct Suspects {
    others: Vec<Other>,
    /// Another run of the repository may have been at work.
    strangers: bool,
    /// Commands set worktrees up before the first look, so that a look rules nobody out.
    set_up: bool,
    /// Where the looks before the attempts are kept.
    seen: Box<dyn Fn(TaskNumber, AttemptNumber) -> PathBuf + Send>,
}

impl Suspects {
    /// Those beside this attempt; `None` if the journal cannot be read.
    pub(super) fn beside(
        context: &Context,
        task: TaskNumber,
        attempt: AttemptNumber,
        seen: impl Fn(TaskNumber, AttemptNumber) -> PathBuf + Send + 'static,
    ) -> Option<Suspects> {
        let store = Store::open(&context.repo).ok()?;
        let records = replay(&store, &context.run).ok()?.records;
        let start = start_of(&records, task, attempt)?;
        let others = others(&records, start, task);
        let since = records[start].time.as_second();
        let is_at_work = |entry: &RunEntry| {
            entry.run != context.run
                && (entry.updated.as_second() >= since
                    || RunLock::is_held(&context.repo, &entry.run))
        };
        Some(Suspects {
            others,
            strangers: runs::list(&store).ok()?.iter().any(is_at_work),
            set_up: !context.settings.worktree.setup.is_empty(),
            seen: Box::new(seen),
        })
    }

    /// Whether another run may have been at work.
    pub(super) fn are_unknown(&self) -> bool {
        self.strangers
    }

    /// The other tasks that can have changed this thing, by number; `now` is how everything looks.
    pub(super) fn of(&self, thing: &Thing, now: &Outside) -> Vec<TaskNumber> {
        let suspects = self.others.iter();
        let suspects = suspects.filter(|other| self.set_up || !self.is_out(other, thing, now));
        let mut tasks: Vec<TaskNumber> = suspects.map(|other| other.task).collect();
        tasks.sort();
        tasks.dedup();
        tasks
    }

    /// Whether the thing did not change between the first and the last look of an attempt.
    fn is_out(&self, other: &Other, thing: &Thing, now: &Outside) -> bool {
        let seen = files::read_if_exists(&(self.seen)(other.task, other.attempt));
        let Some(seen) = seen.ok().flatten() else {
            return false;
        };
        match &other.outcome {
            None => serde_json::from_slice::<Outside>(&seen)
                .is_ok_and(|before| !changes(&before, now).contains(thing)),
            // One that was cut short was not looked at again.
            Some(outcome) if matches!(outcome.end, End::Interrupted {}) => false,
            Some(outcome) => {
                let what = thing.to_string();
                outcome.meanwhile.len() < MOST_CHANGES
                    && !outcome.meanwhile.iter().any(|change| change.what == what)
            }
        }
    }
}

/// Where an attempt was announced, for the last time: one that never began leaves its number free.
fn start_of(records: &[Recorded], task: TaskNumber, attempt: AttemptNumber) -> Option<usize> {
    records.iter().rposition(|recorded| {
        matches!(&recorded.event, Event::AttemptStarting { task: t, attempt: a, .. }
            if (*t, *a) == (task, attempt))
    })
}

/// The attempts at other tasks that had not ended before this place in the journal.
fn others(records: &[Recorded], start: usize, own: TaskNumber) -> Vec<Other> {
    let mut alive: Vec<Other> = Vec::new();
    let mut found: Vec<Other> = Vec::new();
    for (place, recorded) in records.iter().enumerate() {
        match &recorded.event {
            Event::AttemptStarting { task, attempt, .. } if *task != own => alive.push(Other {
                task: *task,
                attempt: *attempt,
                outcome: None,
            }),
            Event::AttemptEnded { task, outcome, .. } => {
                let at = alive.iter().position(|other| other.task == *task);
                let Some(mut other) = at.map(|at| alive.remove(at)) else {
                    continue;
                };
                other.outcome = Some((**outcome).clone());
                if place > start {
                    found.push(other);
                }
            }
            Event::DependenciesConflict { task, .. } => alive.retain(|other| other.task != *task),
            _ => {}
        }
    }
    found.extend(alive);
    found
}
