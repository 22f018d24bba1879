//! Keeps the tasks of a run in queues by their next action, so that a decision need not visit all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::attempt::Attempt;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::outcome::Outcome;
use crate::model::plan::{Plan, Task};
use crate::model::run::RunState;
use crate::model::spending::Spending;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::usage::Cost;
use crate::schedule::Limits;
use crate::schedule::priority::path_lengths;
use crate::schedule::retry::{retries_spent, retry_due};

/// The tasks of a run by their next action.
///
/// [`Queues::apply`] updates them at a cost that does not depend on the number of tasks.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Queues {
    /// The tasks that only wait for a free slot, by worker, the most important first.
    pub(super) ready: BTreeMap<String, BTreeSet<Rank>>,
    /// The tasks with a running attempt.
    pub(super) running: BTreeSet<TaskNumber>,
    /// The tasks whose next attempt starts at a known time.
    pub(super) waiting: BTreeSet<(Timestamp, TaskNumber)>,
    /// The failed tasks to retry, with the time.
    pub(super) retries: BTreeMap<TaskNumber, Timestamp>,
    /// The tasks in `retries` without an event about a spent retry budget.
    pub(super) unannounced: BTreeSet<TaskNumber>,
    /// The failed tasks whose worker hit its usage limit.
    pub(super) over_quota: BTreeSet<TaskNumber>,
    /// The retries that the run has spent or scheduled.
    pub(super) retries_spent: u32,
    /// The reported cost of the run.
    pub(super) known_cost: Cost,
    entries: Vec<Entry>,
    ranks: Vec<Rank>,
    /// `true` if an event may have changed any task since.
    is_stale: bool,
}

/// The rank of a ready task: the author's priority, then the longest remaining path, then plan
/// order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    priority: Reverse<i32>,
    length: Reverse<u32>,
    pub(super) task: TaskNumber,
}

impl Rank {
    fn all(plan: &Plan) -> Vec<Rank> {
        let tasks = plan.tasks().iter().zip(path_lengths(plan));
        let rank = |(task, length): (&Task, u32)| Rank {
            priority: Reverse(task.fields.priority),
            length: Reverse(length),
            task: task.number,
        };
        tasks.map(rank).collect()
    }
}

/// The queues that a task is in.
#[derive(Clone, PartialEq, Debug, Default)]
struct Entry {
    ready: Option<String>,
    is_running: bool,
    waiting: Option<Timestamp>,
    retry: Option<Timestamp>,
    is_unannounced: bool,
    is_over_quota: bool,
    is_satisfied: bool,
    retries_spent: u32,
}

/// The tasks that an event may have changed.
enum Changed {
    None,
    One(TaskNumber),
    All,
}

impl Queues {
    /// Builds the queues of a run.
    pub fn new(state: &RunState, limits: &Limits) -> Queues {
        let tasks = state.plan.tasks();
        let attempts = state.tasks.iter().flat_map(|task| &task.attempts);
        let mut queues = Queues {
            entries: vec![Entry::default(); tasks.len()],
            ranks: Rank::all(&state.plan),
            known_cost: known_cost(attempts),
            ..Queues::default()
        };
        for task in tasks {
            queues.set(task.number, Entry::new(state, limits, task.number));
        }
        queues
    }

    /// Updates the queues after an event was applied to the state.
    pub fn apply(&mut self, state: &RunState, limits: &Limits, event: &Event) {
        match changed(state, event) {
            _ if self.is_stale => {}
            Changed::None => {}
            Changed::One(task) => self.update(state, limits, task),
            Changed::All => self.is_stale = true,
        }
        if let Event::AttemptEnded { task, .. } = event {
            let cost = known_cost(state.task(*task).last_attempt());
            self.known_cost = [self.known_cost, cost]
                .into_iter()
                .filter(Cost::is_known)
                .sum();
        }
    }

    /// Builds the queues again if an event may have changed any task.
    pub fn refresh(&mut self, state: &RunState, limits: &Limits) {
        if self.is_stale {
            *self = Queues::new(state, limits);
        }
    }

    fn update(&mut self, state: &RunState, limits: &Limits, task: TaskNumber) {
        let was_satisfied = self.entries[task.index()].is_satisfied;
        self.set(task, Entry::new(state, limits, task));
        if self.entries[task.index()].is_satisfied != was_satisfied {
            for dependent in state.plan.dependents(task) {
                let entry = Entry::new(state, limits, dependent.number);
                self.set(dependent.number, entry);
            }
        }
    }

    fn set(&mut self, task: TaskNumber, new: Entry) {
        let old = std::mem::replace(&mut self.entries[task.index()], new.clone());
        if old == new {
            return;
        }
        let rank = self.ranks[task.index()];
        if let Some(worker) = &old.ready
            && let Some(line) = self.ready.get_mut(worker)
        {
            line.remove(&rank);
            if line.is_empty() {
                self.ready.remove(worker);
            }
        }
        if let Some(at) = old.waiting {
            self.waiting.remove(&(at, task));
        }
        if let Some(worker) = new.ready {
            self.ready.entry(worker).or_default().insert(rank);
        }
        self.waiting.extend(new.waiting.map(|at| (at, task)));
        self.retries.remove(&task);
        self.retries.extend(new.retry.map(|due| (task, due)));
        keep(&mut self.running, task, new.is_running);
        keep(&mut self.unannounced, task, new.is_unannounced);
        keep(&mut self.over_quota, task, new.is_over_quota);
        self.retries_spent = self.retries_spent - old.retries_spent + new.retries_spent;
    }
}

impl Entry {
    fn new(state: &RunState, limits: &Limits, number: TaskNumber) -> Entry {
        let task = state.task(number);
        let is_ready = task.phase == TaskPhase::Queued && state.is_unblocked(number);
        let retry = retry_due(state, number, limits);
        Entry {
            ready: is_ready.then(|| limits.pool.assigned_worker(state, number).to_owned()),
            is_running: task.phase == TaskPhase::Running,
            waiting: match task.phase {
                TaskPhase::RetryAt(at) => Some(at),
                _ => None,
            },
            is_unannounced: retry.is_some() && task.retry_budget_spent.is_none(),
            retry,
            is_over_quota: task.phase == TaskPhase::Failed && is_over_quota(task),
            is_satisfied: state.is_satisfied(number),
            retries_spent: retries_spent(task),
        }
    }
}

fn known_cost<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> Cost {
    Spending::of(attempts).map_or(Cost::Unknown, |spending| spending.known)
}

fn is_over_quota(task: &TaskState) -> bool {
    let outcome = task.last_attempt().and_then(|last| last.outcome.as_ref());
    outcome.is_some_and(Outcome::is_over_quota)
}

fn keep(tasks: &mut BTreeSet<TaskNumber>, task: TaskNumber, is_in: bool) {
    match is_in {
        true => tasks.insert(task),
        false => tasks.remove(&task),
    };
}

fn changed(state: &RunState, event: &Event) -> Changed {
    match event {
        // What was built on an earlier result of it starts again.
        Event::AttemptEnded { task, .. } if state.task(*task).redispatched_for.is_some() => {
            Changed::All
        }
        Event::AttemptStarting { task, .. }
        | Event::AttemptEnded { task, .. }
        | Event::RetryScheduled { task, .. }
        | Event::RetryDue { task }
        | Event::RetryBudgetSpent { task, .. }
        | Event::DependenciesConflict { task, .. }
        | Event::TaskCancelled { task } => Changed::One(*task),
        Event::AttemptStarted { .. }
        | Event::ProgressReported { .. }
        | Event::ConflictsFound { .. }
        | Event::SpeculativeConflicts { .. }
        | Event::ShortageBegan { .. }
        | Event::ShortageEnded {}
        | Event::Paused {}
        | Event::Unpaused {}
        | Event::StopRequested {}
        | Event::WorkerUnparked { .. }
        | Event::WorktreesEvicting { .. } => Changed::None,
        _ => Changed::All,
    }
}
