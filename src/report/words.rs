//! Renders the model's values in the same words on every board and in every report.

use std::fmt;

use jiff::Timestamp;

use crate::merge::change::{ChangeStat, RepoPath, paths_in_short};
use crate::merge::class::Class;
use crate::model::failure::{Failure, FailureClass, FailureKind};
use crate::model::ids::TaskNumber;
use crate::model::integration::{BaseComparison, CheckOutcome, CheckResult};
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_change::Placement;
use crate::model::task_list::{and_list, comma_list};
use crate::model::usage::Cost;

impl CheckOutcome {
    /// Returns the word in prose and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "failed",
            CheckOutcome::TimedOut => "timed out",
            CheckOutcome::NotRun => "not run",
        }
    }
}

impl Status {
    /// Returns the status without the part in brackets: `BLOCKED`, `RETRY`, …
    pub fn word(&self) -> &'static str {
        match self {
            Status::Queued => "QUEUED",
            Status::InProgress => "IN PROGRESS",
            Status::Done => "DONE",
            Status::Failed => "FAILED",
            Status::Blocked(_) => "BLOCKED",
            Status::Retry(_) => "RETRY",
            Status::Skipped => "SKIPPED",
            Status::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Blocked(by) => f.pad(&format!("BLOCKED (by {})", comma_list(by))),
            Status::Retry(number) => f.pad(&format!("RETRY (#{number})")),
            status => f.pad(status.word()),
        }
    }
}

impl FailureClass {
    /// Returns the word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            FailureClass::Transient => "transient",
            FailureClass::Quota => "quota",
            FailureClass::Input => "input",
            FailureClass::Logic => "logic",
            FailureClass::Conflict => "conflict",
            FailureClass::Blocker => "blocker",
            FailureClass::Interrupted => "interrupted",
        }
    }

    /// Returns the words in brackets after a message: `input error`.
    pub fn words(self) -> &'static str {
        match self {
            FailureClass::Transient => "transient error",
            FailureClass::Quota => "quota used up",
            FailureClass::Input => "input error",
            FailureClass::Logic => "logic error",
            class => class.word(),
        }
    }
}

impl Failure {
    /// Returns the words in brackets after its message: `input error`.
    pub fn words(&self) -> &'static str {
        match self.kind {
            Some(FailureKind::Setup) => "blocker; the worker never ran",
            None => self.class.words(),
        }
    }
}

impl RunState {
    /// Returns the profile of the last attempt with the task's number, such as `claude-2`.
    pub fn worker_name(&self, number: TaskNumber) -> Option<String> {
        let attempt = self.task(number).shown_attempt()?;
        Some(format!("{}-{}", attempt.worker, number.0))
    }

    /// Returns the name of the base, or the branch that `HEAD` pointed to.
    pub fn base_label(&self) -> &str {
        match &self.target {
            Some(target) if self.base_name == "HEAD" => target,
            _ => &self.base_name,
        }
    }

    /// Returns the integration branch without `refs/heads/`, next to the attempts' branches.
    pub fn integration_branch(&self) -> String {
        let folder = format!("/{}/", self.run);
        let attempts = self.tasks.iter().flat_map(|task| &task.attempts);
        let mut prefixes = attempts.filter_map(|attempt| attempt.branch.rsplit_once(&folder));
        let prefix = prefixes.next().map_or("dispatch", |(prefix, _)| prefix);
        format!("{prefix}{folder}integration")
    }
}

impl fmt::Display for ChangeStat {
    /// Renders `6 files, +312 −4`, with a real minus sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.files == 1 { "file" } else { "files" };
        write!(
            f,
            "{} {noun}, +{} −{}",
            self.files, self.added, self.removed
        )
    }
}

/// Returns a line for each conflict of a task that was resolved: `src/app.ts (content) by hand`.
pub fn resolved(state: &RunState, number: TaskNumber) -> Vec<String> {
    match state.placement(number) {
        Placement::Merged(merged) => merged.resolved.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Renders `claude is parked until 2026-11-22 11:00 UTC: You've hit your limit`.
pub fn parked_sentence(worker: &str, until: Timestamp, reason: &str) -> String {
    format!("{worker} is parked until {}: {reason}", minute(until))
}

/// Renders `no more tasks start: cost limit reached ($5.02 of $5.00)`.
pub fn cost_limit_sentence(spent: f64, max_cost: f64) -> String {
    let (spent, limit) = (Cost::Known(spent), Cost::Known(max_cost));
    format!("no more tasks start: cost limit reached ({spent} of {limit})")
}

/// Renders `no more tasks start: worktree set-up failed for #1 and #2: …`.
pub fn setup_failed_sentence(tasks: &[TaskNumber], reason: &str) -> String {
    format!(
        "no more tasks start: worktree set-up failed for {}: {reason}",
        and_list(tasks)
    )
}

/// Renders `no more tasks start on claude: authentication failed for #1 and #2: …`.
pub fn access_denied_sentence(worker: &str, tasks: &[TaskNumber], reason: &str) -> String {
    format!(
        "no more tasks start on {worker}: authentication failed for {}: {reason}",
        and_list(tasks)
    )
}

/// Renders `2026-11-22 09:14:03 UTC`.
pub fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Renders `2026-11-22 09:14 UTC`.
pub fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Renders `#1 and #2 conflict in src/app.ts (content)`.
pub fn conflict_sentence(between: &[TaskNumber], paths: &[RepoPath], class: Class) -> String {
    let place = match paths_in_short(paths) {
        paths if paths.is_empty() => String::new(),
        paths => format!(" in {paths}"),
    };
    format!("{} conflict{place} ({class})", and_list(between))
}

/// Renders the outcome of a check and its comparison with the base.
pub fn check_words(check: &CheckResult) -> String {
    let word = check.result.word();
    match (check.against_base, check.flaky) {
        (Some(BaseComparison::AlreadyFailing), _) => {
            format!("{word} (already failing on the base)")
        }
        (Some(BaseComparison::Fixed), _) => format!("{word} (failed on the base)"),
        (None, true) => format!("{word} (flaky: failed before, passed when run again)"),
        (None, false) => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_like_sentences() {
        let tasks = [TaskNumber(1), TaskNumber(2), TaskNumber(3)];
        assert_eq!(and_list(&tasks), "#1, #2 and #3");
        assert_eq!(and_list(&tasks[..2]), "#1 and #2");
        assert_eq!(and_list(&tasks[..1]), "#1");
        let paths = ["a".into(), "b".into(), "c".into()];
        assert_eq!(
            conflict_sentence(&tasks[..2], &paths, Class::AddAdd),
            "#1 and #2 conflict in a, +2 more (add-add)"
        );
    }
}
