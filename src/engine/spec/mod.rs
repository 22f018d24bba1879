//! Describes an attempt completely, as a serialisable value.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::kernel::context::Context;
use crate::engine::spec::brief::Brief;
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptKey, AttemptNumber, TaskNumber, TaskVariant, VariantNumber};
use crate::model::run::RunState;
use crate::model::usage::{Cost, Usage};
use crate::model::worker::Worker;

pub mod agent_client;
pub mod brief;
pub mod confinement;
pub mod environment;
pub mod limits;
pub mod ports;
mod seatbelt;
pub mod span;

/// The file in the attempt's folder that holds its prompt.
pub const PROMPT_FILE: &str = "prompt.md";

/// The description of an attempt, created before anything else of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AttemptSpec {
    /// The task.
    pub task: TaskNumber,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The variant of the task.
    pub variant: Option<VariantNumber>,
    /// The worker profile.
    pub worker: Worker,
    /// The path of its worktree.
    pub worktree: PathBuf,
    /// The worktree of an earlier attempt that it continues in, if it does not start from a clean
    /// tree.
    pub reuse: Option<ReusedWorktree>,
    /// The session of the agent that it continues.
    #[serde(default)]
    pub session: Option<String>,
    /// The cost of that session before this attempt.
    #[serde(default)]
    pub session_cost: Cost,
    /// The tokens of that session before this attempt.
    #[serde(default)]
    pub session_usage: Option<Usage>,
    /// The work of the user that it offers instead of starting a worker.
    #[serde(default)]
    pub by_hand: Option<ByHand>,
    /// The previous attempt at the task or variant.
    pub before: Option<AttemptNumber>,
    /// The previous attempt that failed, with the commit it left, or its base if it left none.
    pub failed_before: Option<(AttemptNumber, Oid)>,
    /// The commits that the earlier attempts at the task started from and left.
    #[serde(default)]
    pub known: Vec<Oid>,
    /// The candidates that it starts from.
    pub dependencies: Vec<(TaskNumber, Oid)>,
    /// The facts its prompt is rendered from.
    pub brief: Brief,
}

impl AttemptSpec {
    /// Returns the task and the attempt.
    pub fn key(&self) -> AttemptKey {
        (self.task, self.attempt)
    }

    /// Returns the task, or its variant.
    pub fn of(&self) -> TaskVariant {
        TaskVariant {
            task: self.task,
            variant: self.variant,
        }
    }
}

/// Work that the user made in the worktree of an attempt that had ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ByHand {
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The agent's session of that attempt.
    pub session: Option<String>,
    /// The commit that keeps the worktree's content, committed by the user or not.
    pub tip: Oid,
    /// The remarks on work that the result of that attempt does not contain.
    #[serde(default)]
    pub left_behind: Vec<String>,
}

/// The worktree of an earlier attempt that the next one continues in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReusedWorktree {
    /// The worktree.
    pub path: PathBuf,
    /// The commit that its attempt started from.
    pub base: Oid,
    /// The commit that keeps its content, committed or not.
    pub tip: Oid,
}

/// Returns the candidates that the next attempt at a task starts from: its own redispatch base if it
/// has one, else the candidates of its dependencies and of the tasks it conflicted with.
pub fn starts_from(state: &RunState, task: TaskNumber) -> Vec<(TaskNumber, Oid)> {
    if let Some(onto) = &state.task(task).redispatched_for {
        return vec![(task, onto.chain_tip)];
    }
    let candidate = |number: &TaskNumber| Some((*number, state.task(*number).candidate()?));
    let depends_on = &state.plan.task(task).depends_on;
    let conflicting = state.assembled_conflicts(task);
    let all = depends_on.iter().chain(&conflicting);
    all.filter_map(candidate).collect()
}

/// Returns the longest time of an attempt and its longest silence. The task's value overrides the
/// worker's, and that the run's.
pub fn time_limits(context: &Context, spec: &AttemptSpec) -> (Duration, Duration) {
    let (fields, run) = (&context.plan.task(spec.task).fields, &context.settings.run);
    let timeout = fields
        .timeout
        .or(spec.worker.timeout)
        .unwrap_or(run.timeout);
    let stall_timeout = fields.stall_timeout.or(spec.worker.stall_timeout);
    (timeout, stall_timeout.unwrap_or(run.stall_timeout))
}

/// Returns the file that tells a worker about conflicts of its work.
pub fn conflicts_file(attempt_folder: &Path) -> PathBuf {
    attempt_folder.join("conflicts.json")
}

/// Returns the folder in which a worker and dispatch leave files for each other: the only part of the
/// attempt's folder that a confined worker may change.
pub fn exchange_folder(attempt_folder: &Path) -> PathBuf {
    attempt_folder.join("exchange")
}

/// Returns the folder in which messages for a running worker arrive.
pub fn inbox_folder(attempt_folder: &Path) -> PathBuf {
    exchange_folder(attempt_folder).join("messages")
}

/// Returns the file in which a worker reports.
pub fn result_file(attempt_folder: &Path) -> PathBuf {
    exchange_folder(attempt_folder).join("result.json")
}
