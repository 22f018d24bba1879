//! The description of an attempt: complete when it is built, and writable as a value.

use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::merge::oid::Oid;
use crate::model::ids::AttemptNumber;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::worker::Worker;
use crate::worker::template::TemplateError;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
pub mod limits;
pub mod ports;

/// The file in the attempt's folder that holds its prompt.
pub const PROMPT_FILE: &str = "prompt.md";

/// One attempt, described before anything of it exists.
#[derive(Clone, Debug)]
pub struct AttemptSpec {
    /// The task.
    pub task: TaskNumber,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// Who does it.
    pub worker: Worker,
    /// What it is told; a template that fails only now fails the attempt.
    pub prompt: Result<String, TemplateError>,
    /// Where it works.
    pub worktree: PathBuf,
    /// What it goes on with there, if it does not start from a clean tree.
    pub going_on: Option<GoingOn>,
    /// The attempt before that failed, with what it left, or the base if that was nothing.
    pub failed_before: Option<(AttemptNumber, Oid)>,
    /// The candidates of the tasks it depends on.
    pub dependencies: Vec<(TaskNumber, Oid)>,
    /// What stops it.
    pub cancel: CancelHandle,
}

/// What the next attempt at a task starts from: what its own change met, with everything in there;
/// else the candidates of what it depends on, and of what is in its way.
pub fn starts_from(state: &RunState, task: TaskNumber) -> Vec<(TaskNumber, Oid)> {
    if let Some(onto) = &state.task(task).onto {
        return vec![(task, onto.commit)];
    }
    let candidate = |number: &TaskNumber| Some((*number, state.task(*number).candidate()?));
    let depends_on = &state.plan.task(task).depends_on;
    let met = state.in_the_way_of(task);
    let all = depends_on.iter().chain(&met);
    all.filter_map(candidate).collect()
}

/// How long the attempt may take, and how long it may be silent: the task's word goes before the
/// worker's, and that before the run's.
pub fn time_limits(context: &Context, spec: &AttemptSpec) -> (Duration, Duration) {
    let (fields, run) = (&context.plan.task(spec.task).fields, &context.settings.run);
    let timeout = fields
        .timeout
        .or(spec.worker.timeout)
        .unwrap_or(run.timeout);
    let stall_timeout = fields.stall_timeout.or(spec.worker.stall_timeout);
    (timeout, stall_timeout.unwrap_or(run.stall_timeout))
}

/// Where a worker is told what its work conflicts with.
pub fn conflicts_file(attempt_folder: &Path) -> std::path::PathBuf {
    attempt_folder.join("conflicts.json")
}

/// Where a worker reports.
pub fn result_file(attempt_folder: &Path) -> std::path::PathBuf {
    attempt_folder.join("result.json")
}

/// Where an attempt goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoingOn {
    /// The worktree.
    pub path: PathBuf,
    /// The commit that its attempt started from.
    pub base: Oid,
    /// What is in it, committed or not, as it was kept.
    pub tip: Oid,
}
pub mod environment;
