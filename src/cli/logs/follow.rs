//! Prints the output of a worker while it runs, and waits for one that has not started.

use std::path::Path;
use std::time::Duration;

use super::unreadable;
use crate::base::safe::secrets::Secrets;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::engine::EngineError;
use crate::engine::runs::poll::Poll;
use crate::exec::local::LocalExecutor;
use crate::exec::log::Follower;
use crate::exec::{Executor, JobStatus};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::report::suggest;
use crate::ui::Ui;

/// The pause between two reads of a log.
const INTERVAL: Duration = Duration::from_millis(200);

/// The attempt whose log is followed.
pub(super) struct Followed<'a> {
    pub(super) here: &'a RepoContext,
    pub(super) run: &'a RunId,
    pub(super) task: TaskNumber,
    /// The number of the attempt; `None` for the last one.
    pub(super) attempt: Option<u32>,
}

/// The progress of an attempt towards its worker.
#[derive(PartialEq, Eq, Debug)]
enum Wait {
    /// The worker has started, or ended.
    Over(u32),
    /// The attempt failed before its worker started.
    NoWorker(u32),
    /// The worker has not started yet, for this reason.
    For(String),
    /// The worker will not start.
    Never(String),
}

impl Followed<'_> {
    /// Waits until the worker has started, and prints the reason for waiting. Returns the number of
    /// the attempt.
    ///
    /// # Errors
    /// When the worker will not start, or no process drives the run.
    pub(super) fn wait_for_worker(&self, ui: &Ui) -> Result<u32, CommandError> {
        let mut poll = Poll::new(&self.here.repo, &self.here.store, self.run);
        let mut said = String::new();
        loop {
            let state = poll.wait()?;
            let has_folder = |attempt| self.worker_folder(attempt).is_dir();
            match wait_of(state, self.task, self.attempt, has_folder) {
                Wait::Over(attempt) | Wait::NoWorker(attempt) => return Ok(attempt),
                Wait::Never(why) => {
                    return Err(CommandError::failed(why).hint(format!(
                        "`{}` shows the task",
                        suggest::show(self.run, self.task)
                    )));
                }
                Wait::For(why) if why != said => {
                    ui.status(&why);
                    said = why;
                }
                Wait::For(_) => {}
            }
        }
    }

    fn worker_folder(&self, attempt: u32) -> std::path::PathBuf {
        let folder = self
            .here
            .repo
            .attempt_folder(self.run.as_str(), self.task.0, attempt);
        folder.join("worker")
    }
}

/// Decides whether the worker of an attempt has started.
fn wait_of(
    state: &RunState,
    number: TaskNumber,
    wanted: Option<u32>,
    has_folder: impl Fn(u32) -> bool,
) -> Wait {
    let (run, task) = (&state.run, state.task(number));
    let last = task.last_attempt().map(|attempt| attempt.number);
    let attempt = wanted.or(last);
    if let Some(attempt) = attempt.filter(|attempt| last.is_some_and(|last| *attempt <= last)) {
        let known = task.attempts.iter().find(|known| known.number == attempt);
        return match known.is_some_and(|known| known.outcome.is_some()) {
            _ if has_folder(attempt) => Wait::Over(attempt),
            true => Wait::NoWorker(attempt),
            false => Wait::For(format!(
                "waiting for {number}: its worktree is being prepared"
            )),
        };
    }
    let what = match wanted {
        Some(attempt) => format!("attempt {attempt} at {number}"),
        None => number.to_string(),
    };
    let status = state.status(number);
    let is_over = matches!(
        task.phase,
        TaskPhase::Done | TaskPhase::Skipped { .. } | TaskPhase::Cancelled
    );
    if is_over || matches!(state.phase, RunPhase::Ended(_)) {
        return Wait::Never(format!(
            "{what} of {run} never started: the task is {status}"
        ));
    }
    Wait::For(format!("waiting for {what} to start: the task is {status}"))
}

/// Prints a log until its worker has ended.
pub(super) fn follow(ui: &Ui, folder: &Path, secrets: &Secrets) -> CommandResult {
    let executor = LocalExecutor::new("dispatch");
    let mut follower = Follower::new(folder);
    loop {
        // The status is read first, so that the last bytes are read after the end was seen.
        let status = executor.status(folder).map_err(EngineError::from)?;
        let bytes = follower
            .read()
            .map_err(|error| unreadable(folder, &error))?;
        let is_empty = bytes.is_empty();
        ui.answer_exact(&secrets.mask_bytes(bytes));
        if !matches!(status, JobStatus::Alive) && is_empty {
            return Ok(ExitStatus::Ok);
        }
        if is_empty {
            std::thread::sleep(INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    fn wait(run: RunFixture, task: u32, wanted: Option<u32>, has_folder: bool) -> String {
        let state = run.state();
        match wait_of(&state, TaskNumber(task), wanted, |_| has_folder) {
            Wait::Over(attempt) => format!("attempt {attempt}"),
            Wait::NoWorker(attempt) => format!("attempt {attempt} without a worker"),
            Wait::For(why) | Wait::Never(why) => why,
        }
    }

    #[test]
    fn a_worker_that_has_not_started_is_waited_for() {
        let run = || RunFixture::new("a · b <- a");
        let all = [
            wait(run(), 1, None, false),
            wait(run(), 2, None, false),
            wait(run().begin(1, "shell"), 1, None, false),
            wait(run().begin(1, "shell"), 1, None, true),
            wait(run().begin(1, "shell"), 1, Some(2), true),
            wait(run().fail(1, "broken"), 1, None, true),
            wait(run().fail(1, "broken"), 1, None, false),
            wait(run().fail(1, "broken").skip(1, true), 2, None, false),
            wait(run().pass(1, "made"), 1, Some(2), true),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        waiting for #1 to start: the task is QUEUED
        waiting for #2 to start: the task is BLOCKED (by #1)
        waiting for #1: its worktree is being prepared
        attempt 1
        waiting for attempt 2 at #1 to start: the task is IN PROGRESS
        attempt 1
        attempt 1 without a worker
        #2 of checkout-7k3q never started: the task is SKIPPED
        attempt 2 at #1 of checkout-7k3q never started: the task is DONE
        ");
    }
}
