//! The state of a run, folded from events: [`RunState::apply`] is the only way it changes. What can
//! be read off it is in [`crate::model::status`].

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;
use crate::model::circuit_breaker::CircuitBreaker;
use crate::model::event::{Event, Recorded};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::integration::{Integration, Landing};
use crate::model::plan::Plan;
use crate::model::pull_request::PullRequest;
use crate::model::shortage::Shortage;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::TaskState;
use crate::model::worker_health::WorkerHealth;

/// Everything known about a run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunState {
    /// Its name.
    pub run: RunId,
    /// What it executes.
    pub plan: Plan,
    /// The commit every independent task starts from.
    pub base: Oid,
    /// What the base was called.
    pub base_name: String,
    /// The branch the result is meant for.
    pub target: Option<String>,
    /// Whether the candidates are to be assembled at the end.
    pub assemble: bool,
    /// The tasks a person wants assembled first, in this order.
    pub assembly_order: Vec<TaskNumber>,
    /// The tasks a person wants left out of the assembly, beside those rejected in review.
    pub leave_out: Vec<TaskNumber>,
    /// A person only wants what there is put together, so no task is done again by itself.
    pub redispatch_suspended: bool,
    /// When it started.
    pub started: Timestamp,
    /// When the last event was recorded.
    pub updated: Timestamp,
    /// The number of the last event.
    pub seq: u64,
    /// Where the run as a whole is.
    pub phase: RunPhase,
    /// One entry a task, in the order of the plan.
    pub tasks: Vec<TaskState>,
    /// The conflicts among the candidates.
    pub conflicts: Vec<TaskConflict>,
    /// What was learnt about the workers.
    pub worker_health: WorkerHealth,
    /// The most the run may cost, in dollars, where a person said so since it was started.
    pub max_cost: Option<f64>,
    /// What had been spent, and the most that could be, when nothing more could be started.
    pub cost_limit_reached: Option<(f64, f64)>,
    /// Whether worktrees can be set up.
    pub setup: CircuitBreaker,
    /// What there is too little room for, so that nothing more is started until there is.
    pub shortage: Option<Shortage>,
    /// Conflicts of work that still goes on; they may vanish again.
    pub speculative_conflicts: Vec<SpeculativeConflict>,
    /// Whether tasks wait for the end of those conflicts.
    pub holds_back: bool,
    /// The assembled branch, once there is one. It stands until another one takes its place.
    pub integration: Option<Integration>,
    /// A person asked for another one since.
    pub assembly_requested: bool,
    /// Why the last try to assemble moved nothing, and what to do about it.
    pub assembly_refused: Option<String>,
    /// Where it landed, once it did.
    pub landed: Option<Landing>,
    /// A landing, or taking one back, that was announced and of which nothing more is known.
    pub pending_landing: Option<Landing>,
    /// The last landing that was taken back, unless it has landed again since.
    pub undone_landing: Option<Landing>,
    /// The pull requests, each as it was announced or opened last.
    pub pull_requests: Vec<PullRequest>,
    /// Every commit that was announced to be pushed: remote, branch, commit.
    pub pushed: Vec<(String, String, Oid)>,
    /// Whether worktrees and branches were removed after its end.
    pub cleaned: bool,
    /// The file the plan was read from, from the top of the main checkout where it is near.
    pub plan_file: Option<String>,
}

/// A conflict of which at least one side is uncommitted work of a running task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpeculativeConflict {
    /// The verdict as of now.
    pub conflict: TaskConflict,
    /// When the two first met.
    pub since: Timestamp,
}

/// Where the run as a whole is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RunPhase {
    /// Tasks may start.
    Running,
    /// A person asked to stop: nothing starts, what runs is asked to end.
    Stopping,
    /// A person asked to start nothing new; what runs goes on.
    Paused,
    /// Over, with this exit code.
    Ended(u8),
}

impl RunState {
    /// The state right after a run's first event, or `None` if that event is another one.
    pub fn start(run: RunId, plan: Plan, first: &Recorded) -> Option<RunState> {
        let Event::RunStarted {
            base,
            base_name,
            target,
            only,
            assemble,
            plan_file,
            ..
        } = &first.event
        else {
            return None;
        };
        let chosen = |number| only.as_ref().is_none_or(|only| only.contains(&number));
        let tasks = plan
            .tasks()
            .iter()
            .map(|task| TaskState::new(chosen(task.number)))
            .collect();
        Some(RunState {
            run,
            tasks,
            plan,
            base: *base,
            base_name: base_name.clone(),
            target: target.clone(),
            assemble: *assemble,
            assembly_order: Vec::new(),
            leave_out: Vec::new(),
            redispatch_suspended: false,
            started: first.time,
            updated: first.time,
            seq: first.seq,
            phase: RunPhase::Running,
            conflicts: Vec::new(),
            worker_health: WorkerHealth::default(),
            max_cost: None,
            cost_limit_reached: None,
            setup: CircuitBreaker::default(),
            shortage: None,
            speculative_conflicts: Vec::new(),
            holds_back: false,
            integration: None,
            assembly_requested: false,
            assembly_refused: None,
            landed: None,
            pending_landing: None,
            undone_landing: None,
            pull_requests: Vec::new(),
            pushed: Vec::new(),
            cleaned: false,
            plan_file: plan_file.clone(),
        })
    }

    /// Every task that depends on this one, directly or through others, in plan order.
    pub fn downstream(&self, number: TaskNumber) -> Vec<TaskNumber> {
        let mut found = BTreeSet::new();
        let mut open = vec![number];
        while let Some(task) = open.pop() {
            for dependent in self.plan.dependents(task) {
                if found.insert(dependent.number) {
                    open.push(dependent.number);
                }
            }
        }
        found.into_iter().collect()
    }

    /// The state of one task.
    pub fn task(&self, number: TaskNumber) -> &TaskState {
        &self.tasks[number.index()]
    }
}
