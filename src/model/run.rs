//! The state of a run, folded from events: only [`RunState::apply`] changes it.
//!
//! [`crate::model::status`] derives statuses and candidates from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::class::Class;
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

/// The state of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunState {
    /// The id.
    pub run: RunId,
    /// The plan it executes.
    pub plan: Plan,
    /// The base commit, from which every independent task starts.
    pub base: Oid,
    /// The name given for the base.
    pub base_name: String,
    /// The branch the result is meant for.
    pub target: Option<String>,
    /// `true` if the candidates are assembled at the end.
    pub assemble: bool,
    /// The tasks the user wants assembled first, in this order.
    pub assembly_order: Vec<TaskNumber>,
    /// The tasks the user leaves out of the assembly, besides those rejected in review.
    pub leave_out: Vec<TaskNumber>,
    /// `true` while the user asked only for an assembly, so no task is re-dispatched.
    pub redispatch_suspended: bool,
    /// The start time.
    pub started: Timestamp,
    /// The time of the last event.
    pub updated: Timestamp,
    /// The sequence number of the last event.
    pub seq: u64,
    /// The phase of the run.
    pub phase: RunPhase,
    /// The state of each task, in plan order; clones of the run share those that do not change.
    pub tasks: Vec<Arc<TaskState>>,
    /// The conflicts among the candidates.
    pub conflicts: Vec<TaskConflict>,
    /// The class of every pair of candidates that has conflicted so far, by the lower and then the higher
    /// task number.
    pub all_conflicts: BTreeMap<TaskNumber, BTreeMap<TaskNumber, Class>>,
    /// The health of the workers.
    pub worker_health: WorkerHealth,
    /// The cost limit in dollars, if the user has changed it since the start.
    pub max_cost: Option<f64>,
    /// The cost and the limit at the time the limit was reached.
    pub cost_limit_reached: Option<(f64, f64)>,
    /// Trips when worktrees cannot be set up.
    pub setup: CircuitBreaker,
    /// The shortage that keeps tasks from starting.
    pub shortage: Option<Shortage>,
    /// The conflicts of uncommitted work, which may disappear again.
    pub speculative_conflicts: Vec<SpeculativeConflict>,
    /// `true` if tasks wait for the end of speculative conflicts.
    pub holds_back: bool,
    /// The integration branch of the last assembly.
    pub integration: Option<Integration>,
    /// `true` if the user has asked for a new assembly since.
    pub assembly_requested: bool,
    /// The reason why the last assembly did not move the integration branch, with a hint.
    pub assembly_refused: Option<String>,
    /// The landing, once it landed.
    pub landed: Option<Landing>,
    /// A landing, or the undo of one, that was announced and not confirmed yet.
    pub pending_landing: Option<Landing>,
    /// The last landing that was undone, unless the run has landed again since.
    pub undone_landing: Option<Landing>,
    /// The pull requests, each in its last announced state.
    pub pull_requests: Vec<PullRequest>,
    /// Every push that was announced: remote, branch, commit.
    pub pushed: Vec<(String, String, Oid)>,
    /// `true` once `dispatch clean` has removed its worktrees and branches.
    pub cleaned: bool,
    /// The plan file, relative to the main checkout where possible.
    pub plan_file: Option<String>,
}

/// A conflict in which at least one side is uncommitted work of a running task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpeculativeConflict {
    /// The current verdict.
    pub conflict: TaskConflict,
    /// The time at which the two first conflicted.
    pub since: Timestamp,
}

/// The phase of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RunPhase {
    /// Tasks may start.
    Running,
    /// The user asked to stop: nothing starts, and running workers are asked to exit.
    Stopping,
    /// The user paused the run: nothing starts, and running workers continue.
    Paused,
    /// Ended with this exit code.
    Ended(u8),
}

impl RunState {
    /// Returns the state after [`Event::RunStarted`]; `None` for any other event.
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
            .map(|task| Arc::new(TaskState::new(chosen(task.number), task.variant_count())))
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
            all_conflicts: BTreeMap::new(),
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

    /// Returns every task that depends on this one, directly or through others, in plan order.
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

    /// Returns the state of one task.
    pub fn task(&self, number: TaskNumber) -> &TaskState {
        &self.tasks[number.index()]
    }

    /// Returns the state of one task to change it.
    pub fn task_mut(&mut self, number: TaskNumber) -> &mut TaskState {
        Arc::make_mut(&mut self.tasks[number.index()])
    }
}
