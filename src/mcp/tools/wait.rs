//! `run_wait`: waits for the end of a run, at most 45 seconds at a time.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{RunLine, describe};
use super::{Action, Effect, ToolSpec};
use crate::engine::runs::poll::{Poll, ended};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::repository::{Repository, find_task};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::model::status::Status;

/// The longest time of one call, in seconds: clients give up after a minute.
pub(super) const LONGEST: u64 = 45;

/// The number of tasks in an answer.
const LIMIT: usize = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the one this server started last, else
    /// the latest.
    #[serde(default)]
    run: Option<String>,
    /// Wait only for this task, by number or tag.
    #[serde(default, deserialize_with = "crate::mcp::task_name::optional")]
    task: Option<String>,
    /// Return after this many seconds at the latest. Default and maximum: 45.
    #[serde(default)]
    timeout_s: Option<u64>,
}

/// The result of waiting.
#[derive(Serialize, JsonSchema)]
pub(super) struct Waited {
    /// `true` if the run, or the task, has ended.
    ended: bool,
    /// Its exit code: 0 passed, 3 a task did not pass, 4 a conflict or a failed check.
    exit: Option<u8>,
    /// `true` if the call has to be repeated to wait longer.
    call_again: bool,
    status: RunLine,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Waited>(
        ("run_wait", "Wait for a run"),
        "Waits until a run, or one task of it, has ended, at most 45 seconds; `call_again` tells that it \
         goes on. Reports progress to clients that ask for it, and runs without a limit for clients \
         with tasks.",
        Effect::ReadOnly,
        Action::Wait(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let run = call.find_run(&here, input.run.as_deref())?;
    let plan = here.state(&run)?.plan;
    let task = input.task.as_deref().map(|name| find_task(&plan, name));
    let task = task.transpose()?;
    let time = match (call.is_task, input.timeout_s) {
        (true, None) => None,
        (_, seconds) => Some(Duration::from_secs(seconds.unwrap_or(LONGEST).min(LONGEST))),
    };
    wait(&here, call, &run, task, time)
}

/// Waits until the run or the task has ended, the time is up, or the client cancels.
///
/// # Errors
/// When no process drives the run, or it cannot be read.
pub(super) fn wait(
    here: &Repository,
    call: &Call,
    run: &RunId,
    task: Option<TaskNumber>,
    time: Option<Duration>,
) -> Result<Answer, ToolError> {
    let started = Instant::now();
    let mut poll = Poll::new(&here.repo, &here.store, run);
    let mut reported = None;
    loop {
        let state = poll.wait()?;
        let exit = ended(state, task);
        let now = progress(state);
        if reported.as_ref() != Some(&now) {
            let (done, message) = &now;
            (call.progress)(*done, state.plan.tasks().len(), message);
            reported = Some(now);
        }
        let is_over = time.is_some_and(|time| started.elapsed() >= time);
        if exit.is_some() || is_over || (call.is_cancelled)() {
            return answer(here, state, exit);
        }
    }
}

fn answer(here: &Repository, state: &RunState, exit: Option<u8>) -> Result<Answer, ToolError> {
    let (status, text) = describe(here, state, None, LIMIT)?;
    let waited = Waited {
        ended: exit.is_some(),
        exit,
        call_again: exit.is_none(),
        status,
    };
    let head = match exit {
        Some(exit) => format!("{} ended with exit code {exit}", state.run),
        None => format!("{} has not ended yet: call run_wait again", state.run),
    };
    Ok(Answer::new(&waited, format!("{head}\n{text}")))
}

/// Returns the number of tasks that have ended, with a sentence.
fn progress(state: &RunState) -> (usize, String) {
    let statuses = state
        .plan
        .tasks()
        .iter()
        .map(|task| state.status(task.number));
    let (mut over, mut running) = (0, 0);
    for status in statuses {
        match status {
            Status::Done | Status::Failed | Status::Skipped | Status::Cancelled => over += 1,
            Status::InProgress | Status::Retry(_) => running += 1,
            Status::Queued | Status::Blocked(_) => {}
        }
    }
    (over, format!("{over} ended, {running} running"))
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn progress_counts_the_tasks_that_have_ended() {
        let run = RunFixture::new("a · b · c <- b").begin(1, "shell");
        let run = run.pass(1, "made").begin(2, "shell");
        assert_eq!(progress(&run.state()), (1, "1 ended, 1 running".to_owned()));
    }
}
