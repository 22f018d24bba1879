//! Keeps the tasks of a run in queues by their next action, so that a decision need not visit all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::attempt::Attempt;
use crate::model::event::Event;
use crate::model::ids::{TaskNumber, TaskVariant};
use crate::model::outcome::Outcome;
use crate::model::plan::{Plan, Task};
use crate::model::run::RunState;
use crate::model::spending::Spending;
use crate::model::task_state::TaskPhase;
use crate::model::usage::Cost;
use crate::model::variant_choice::ChosenBy;
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
    pub(super) running: BTreeSet<TaskVariant>,
    /// The tasks whose next attempt starts at a known time.
    pub(super) waiting: BTreeSet<(Timestamp, TaskVariant)>,
    /// The failed tasks to retry, with the time.
    pub(super) retries: BTreeMap<TaskVariant, Timestamp>,
    /// The tasks in `retries` without an event about a spent retry budget.
    pub(super) unannounced: BTreeSet<TaskVariant>,
    /// The failed tasks whose worker hit its usage limit.
    pub(super) over_quota: BTreeSet<TaskVariant>,
    /// The tasks of whose variants one is to be chosen, or was chosen and is not accepted yet.
    pub(super) choosing: BTreeSet<TaskNumber>,
    /// The retries that the run has spent or scheduled.
    pub(super) retries_spent: u32,
    /// The number of tasks that wait for a free slot or for their retry, and take a worktree of the pool.
    waiting_for_pool: usize,
    /// The reported cost of the run.
    pub(super) known_cost: Cost,
    entries: Vec<Entry>,
    /// The entries of the variants, where tasks have any.
    variants: BTreeMap<TaskVariant, Entry>,
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
    pub(super) of: TaskVariant,
}

impl Rank {
    fn all(plan: &Plan) -> Vec<Rank> {
        let tasks = plan.tasks().iter().zip(path_lengths(plan));
        let rank = |(task, length): (&Task, u32)| Rank {
            priority: Reverse(task.fields.priority),
            length: Reverse(length),
            of: task.number.into(),
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
    is_choosing: bool,
    is_satisfied: bool,
    waits_for_pool: bool,
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
        let spending = state.spending();
        let mut queues = Queues {
            entries: vec![Entry::default(); tasks.len()],
            ranks: Rank::all(&state.plan),
            known_cost: spending.map_or(Cost::Unknown, |spending| spending.known),
            ..Queues::default()
        };
        for task in tasks {
            queues.set_task(state, limits, task.number);
        }
        queues
    }

    /// Counts the tasks that wait for a free slot or for their retry, and take a worktree of the pool.
    pub fn count_waiting_for_pool(&self) -> usize {
        self.waiting_for_pool
    }

    /// Updates the queues after an event was applied to the state.
    pub fn apply(&mut self, state: &RunState, limits: &Limits, event: &Event) {
        match changed(state, event) {
            _ if self.is_stale => {}
            Changed::None => {}
            Changed::One(task) => self.update(state, limits, task),
            Changed::All => self.is_stale = true,
        }
        let cost = match event {
            Event::AttemptEnded { task, attempt, .. } => {
                Some(known_cost(state.task(*task).attempt(*attempt)))
            }
            Event::VariantChosen { choice, .. } => choice.judge.as_ref().map(|run| run.cost),
            _ => None,
        };
        if let Some(cost) = cost {
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
        self.set_task(state, limits, task);
        if self.entries[task.index()].is_satisfied != was_satisfied {
            for dependent in state.plan.dependents(task) {
                self.set_task(state, limits, dependent.number);
            }
        }
    }

    /// Puts a task, or its variants, into the queues of the current state.
    fn set_task(&mut self, state: &RunState, limits: &Limits, task: TaskNumber) {
        self.set(task.into(), Entry::new(state, limits, task.into()));
        if !state.task(task).variant_states().is_empty() {
            for variant in state.task_variants(task) {
                self.set(variant, Entry::new(state, limits, variant));
            }
        }
    }

    fn set(&mut self, of: TaskVariant, new: Entry) {
        let place = of.task.index();
        let old = match of.variant {
            None => std::mem::replace(&mut self.entries[place], new.clone()),
            Some(_) => self.variants.insert(of, new.clone()).unwrap_or_default(),
        };
        if old == new {
            return;
        }
        let rank = Rank {
            of,
            ..self.ranks[place]
        };
        if let Some(worker) = &old.ready
            && let Some(line) = self.ready.get_mut(worker)
        {
            line.remove(&rank);
            if line.is_empty() {
                self.ready.remove(worker);
            }
        }
        if let Some(at) = old.waiting {
            self.waiting.remove(&(at, of));
        }
        if let Some(worker) = new.ready {
            self.ready.entry(worker).or_default().insert(rank);
        }
        self.waiting.extend(new.waiting.map(|at| (at, of)));
        self.retries.remove(&of);
        self.retries.extend(new.retry.map(|due| (of, due)));
        keep(&mut self.running, of, new.is_running);
        keep(&mut self.unannounced, of, new.is_unannounced);
        keep(&mut self.over_quota, of, new.is_over_quota);
        if of.variant.is_none() {
            keep(&mut self.choosing, of.task, new.is_choosing);
        }
        self.retries_spent = self.retries_spent - old.retries_spent + new.retries_spent;
        self.waiting_for_pool += usize::from(new.waits_for_pool);
        self.waiting_for_pool -= usize::from(old.waits_for_pool);
    }
}

impl Entry {
    fn new(state: &RunState, limits: &Limits, of: TaskVariant) -> Entry {
        let task = state.task(of.task);
        if of.variant.is_none() && !task.variant_states().is_empty() {
            return Entry::of_choice(state, limits, of.task);
        }
        let phase = task.phase_of(of.variant);
        let is_ready = *phase == TaskPhase::Queued && state.is_unblocked(of.task);
        let retry = retry_due(state, of, limits);
        let waits = is_ready || matches!(phase, TaskPhase::RetryAt(_));
        Entry {
            waits_for_pool: waits && !limits.without_pool.contains(&of.task),
            ready: is_ready.then(|| limits.pool.assigned_worker(state, of).to_owned()),
            is_running: *phase == TaskPhase::Running,
            waiting: match phase {
                TaskPhase::RetryAt(at) => Some(*at),
                _ => None,
            },
            is_unannounced: retry.is_some() && task.retry_budget_spent_of(of.variant).is_none(),
            retry,
            is_over_quota: *phase == TaskPhase::Failed && is_over_quota(state, of),
            is_choosing: of.variant.is_none() && *phase == TaskPhase::Choosing,
            is_satisfied: of.variant.is_none() && state.is_satisfied(of.task),
            retries_spent: retries_spent(task, of.variant),
        }
    }

    /// Returns the entry of a task whose variants have entries of their own.
    fn of_choice(state: &RunState, limits: &Limits, number: TaskNumber) -> Entry {
        let is_open = |of: TaskVariant| {
            let budget = state.task(number).retry_budget_spent_of(of.variant);
            budget.is_none() && retry_due(state, of, limits).is_some()
        };
        let is_choosing = state.task(number).phase == TaskPhase::Choosing;
        Entry {
            is_choosing: is_choosing && !state.task_variants(number).any(is_open),
            is_satisfied: state.is_satisfied(number),
            ..Entry::default()
        }
    }
}

fn known_cost<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> Cost {
    Spending::of(attempts).map_or(Cost::Unknown, |spending| spending.known)
}

fn is_over_quota(state: &RunState, of: TaskVariant) -> bool {
    let last = state.task(of.task).last_attempt_of(of.variant);
    let outcome = last.and_then(|last| last.outcome.as_ref());
    outcome.is_some_and(Outcome::is_over_quota)
}

fn keep<T: Ord>(tasks: &mut BTreeSet<T>, task: T, is_in: bool) {
    match is_in {
        true => tasks.insert(task),
        false => tasks.remove(&task),
    };
}

fn changed(state: &RunState, event: &Event) -> Changed {
    let by_user = |task: &TaskNumber| {
        let choice = state.task(*task).variant_choice();
        choice.is_some_and(|choice| choice.by == ChosenBy::User)
    };
    match event {
        // What was built on the variant before it starts again.
        Event::VariantAccepted { task } if by_user(task) => Changed::All,
        Event::VariantAccepted { task } => Changed::One(*task),
        // What was built on an earlier result of it starts again.
        Event::AttemptEnded { task, .. } if state.task(*task).redispatched_for.is_some() => {
            Changed::All
        }
        Event::AttemptStarting { task, .. }
        | Event::AttemptEnded { task, .. }
        | Event::RetryScheduled { task, .. }
        | Event::RetryDue { task, .. }
        | Event::VariantChosen { task, .. }
        | Event::RetryBudgetSpent { task, .. }
        | Event::DependenciesConflict { task, .. }
        | Event::TaskCancelled { task } => Changed::One(*task),
        Event::AttemptSubmitted { .. }
        | Event::AttemptStarted { .. }
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
