//! Runs the commands of `[worktree] setup`.
//!
//! A failure is not the worker's fault: it is reported as a failure of its own kind.

use std::time::Instant;

use crate::base::text::{clip, error_chain, one_line};
use crate::engine::EngineError;
use crate::engine::commands::runner::{self, CheckRun};
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::command_log::{files_folder, log_folders, set_up_folder, write_log};
use crate::engine::worktree::purpose::Purpose;
use crate::git::worktree::Worktree;
use crate::model::integration::{CheckOutcome, CheckResult};

/// The longest message, in characters.
const MESSAGE: usize = 200;

/// The number of last lines of a command that explain its failure.
const LAST_LINES: usize = 12;

/// A worktree could not be populated or set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetUpFailure {
    /// The failure, in one line.
    pub message: String,
    /// The last lines of the command's output, if there are any.
    pub output: Option<String>,
    /// The time until the failure, in milliseconds.
    pub millis: u64,
}

impl SetUpFailure {
    /// Describes a file that could not be copied or linked, and logs it beside the commands.
    pub(super) fn of_files(
        context: &Context,
        purpose: &Purpose<'_>,
        error: &EngineError,
        since: Instant,
    ) -> SetUpFailure {
        let message = format!("set-up failed: {}", one_line(&error_chain(error)));
        let folder = purpose.log_folder(context);
        let line = format!("{}\n", error_chain(error));
        let label = "files to copy and to link";
        write_log(context, &files_folder(&folder), label, line.as_bytes());
        SetUpFailure {
            message: clip(&message, MESSAGE),
            output: None,
            millis: millis(since),
        }
    }

    fn of_command(failed: &CheckResult, since: Instant) -> SetUpFailure {
        let lines = failed.tail.lines().map(str::trim_end);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let last = lines.last();
        let last = last.map_or(String::new(), |last| format!(": {last}"));
        let message = format!("set-up `{}` {}{last}", failed.command, failed.result.word());
        let output = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        SetUpFailure {
            message: clip(&one_line(&message), MESSAGE),
            output: (!output.is_empty()).then_some(output),
            millis: millis(since),
        }
    }
}

/// Runs the set-up commands. Returns the failure of the first that does not exit 0.
///
/// # Errors
/// When a process cannot be started at all.
pub(super) async fn set_up(
    context: &Context,
    purpose: &Purpose<'_>,
    worktree: &Worktree,
    cancel: &CancelHandle,
    since: Instant,
) -> Result<Option<SetUpFailure>, EngineError> {
    let commands = &context.settings.worktree.setup;
    let setup = CheckRun {
        context,
        folder: purpose.log_folder(context),
        cwd: &worktree.path,
        is_swept: false,
        env: purpose.environment(context),
        timeout: context.settings.run.timeout,
        cookie: purpose.cookie(context),
        cancel,
        confined_to: None,
    };
    let results = setup.run(commands).await?;
    let mut results = results.iter();
    let failed = results.find(|result| result.result != CheckOutcome::Passed);
    // A command that was stopped with the run has not failed.
    let failed = failed.filter(|_| !cancel.is_cancelled());
    Ok(failed.map(|failed| SetUpFailure::of_command(failed, since)))
}

/// Kills set-up commands that a dead dispatch process left running.
///
/// # Errors
/// When their records cannot be read, or their processes cannot be ended.
pub async fn end_set_up(context: &Context, spec: &AttemptSpec) -> Result<(), EngineError> {
    let folder = set_up_folder(&context.repo, &context.run, spec.task, spec.attempt);
    for place in log_folders(&folder) {
        runner::end_job(context, &place).await?;
    }
    Ok(())
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(result: CheckOutcome, tail: &str) -> CheckResult {
        CheckResult {
            command: "npm ci".to_owned(),
            result,
            millis: 10,
            tail: tail.to_owned(),
            failed_tests: Vec::new(),
            fixed_tests: Vec::new(),
            against_base: None,
            flaky: false,
        }
    }

    #[test]
    fn a_failure_names_the_command_and_its_last_line() {
        let show = |result, tail: &str| {
            let failure = SetUpFailure::of_command(&failed(result, tail), Instant::now());
            let output = failure.output.unwrap_or_default();
            format!("{}\n{output}", failure.message)
        };
        insta::assert_snapshot!(show(CheckOutcome::Failed, "reading\n\nno registry  \n"), @r"
        set-up `npm ci` failed: no registry
        reading
        no registry
        ");
        insta::assert_snapshot!(show(CheckOutcome::TimedOut, ""), @"set-up `npm ci` timed out");
    }

    #[test]
    fn only_the_last_lines_of_a_long_output_are_kept() {
        let tail: String = (1..=40).map(|line| format!("line {line}\n")).collect();
        let failure =
            SetUpFailure::of_command(&failed(CheckOutcome::Failed, &tail), Instant::now());
        let output = failure.output.unwrap_or_default();
        assert_eq!(output.lines().count(), LAST_LINES);
        assert!(output.ends_with("line 40"));
    }
}
