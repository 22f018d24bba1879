//! Renders the failure report as Markdown, for output and for `DISPATCH.md`.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use crate::base::clock::render_elapsed;
use crate::base::markdown::{
    PROSE_LIMIT, markdown_block, markdown_cell, markdown_code, markdown_prose, plain_line,
};
use crate::base::text::plural;
use crate::model::failure::FailureClass;
use crate::model::ids::TaskNumber;
use crate::model::kept_changes::KeptChanges;
use crate::model::status::Status;
use crate::model::task_list::comma_list;
use crate::report::completion::markdown::write_issues;
use crate::report::failure::{
    AttemptEnd, AttemptLine, ConflictedTask, FailedTask, FailureReport, RetryEnd,
};
use crate::report::suggest;
use crate::report::words::conflict_sentence;

/// The maximum number of named tasks or paths; more are counted.
const MAX_NAMED: usize = 5;

impl FailureReport {
    /// Renders the report as Markdown, from its heading to its last step.
    pub fn render_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, to: &mut String) -> fmt::Result {
        writeln!(to, "## Dispatch Failure Report")?;
        if !self.failed.is_empty() {
            writeln!(to, "\n### Failed Tasks")?;
            self.failed
                .iter()
                .try_for_each(|task| self.write_failed(to, task))?;
        }
        if !self.conflicted.is_empty() {
            writeln!(to, "\n### Tasks Blocked by a Conflict")?;
            self.conflicted
                .iter()
                .try_for_each(|task| self.write_conflicted(to, task))?;
        }
        self.write_healthy(to)?;
        self.write_summary(to)?;
        write_issues(to, &self.issues)?;
        match &self.assembled {
            Some(assembled) => assembled.write_assembly(to),
            None => Ok(()),
        }
    }

    fn write_failed(&self, to: &mut String, task: &FailedTask) -> fmt::Result {
        let retries = match task.retries {
            0 => "FAILED, no retry".to_owned(),
            1 => "FAILED after 1 retry".to_owned(),
            more => format!("FAILED after {more} retries"),
        };
        let title = markdown_prose(&plain_line(&task.title, 120));
        writeln!(to, "\n#### {} — {title} [{retries}]", task.number)?;
        writeln!(to, "- **Worker:** {}", worker(task))?;
        writeln!(to, "- **Error type:** {}", error_type(task))?;
        write_root_cause(to, task)?;
        writeln!(to, "- **Attempts:**")?;
        for (place, line) in (1..).zip(&task.attempts) {
            let by = match task
                .attempts
                .iter()
                .any(|other| other.worker != line.worker)
            {
                true => format!(" by {}", markdown_prose(&line.worker)),
                false => String::new(),
            };
            writeln!(to, "  {place}. {}", attempt(line, &by))?;
        }
        if let Some(kept) = task.kept {
            let what = kept_sentence(&kept.short(), task.kept_changes.as_ref());
            writeln!(to, "- **Kept:** {what}")?;
        }
        for remark in &task.remarks {
            let remark = markdown_prose(&plain_line(remark, PROSE_LIMIT));
            writeln!(to, "- **Remark:** {remark}")?;
        }
        writeln!(to, "- **Impact:** {}", impact(&task.blocks))?;
        writeln!(to, "- **Suggested resolution:** {}", self.resolution(task))
    }

    /// Returns advice that always ends in the command that retries the task.
    fn resolution(&self, task: &FailedTask) -> String {
        let command = format!("`{}`", task.command);
        let suggestion = task.failure.suggestion.as_deref().map(markdown_prose);
        let first = match suggestion
            .as_deref()
            .map(|words| words.trim_end_matches('.'))
        {
            Some(words) if words.ends_with(&command) => return words.to_owned(),
            Some(words) if !words.is_empty() => words.to_owned(),
            _ => self.advice(task),
        };
        format!("{first}, then {command}")
    }

    /// Returns advice for a failure of this class, used without a suggestion of the worker.
    fn advice(&self, task: &FailedTask) -> String {
        let logs = suggest::logs(&self.run, task.number);
        if task.needs_plan_edit {
            return format!("See `{logs}`, correct its command in the plan");
        }
        match task.failure.class {
            FailureClass::Transient => format!("See `{logs}`, wait for the cause to pass"),
            FailureClass::Quota => match task.failure.reset_at {
                Some(at) => {
                    let at = at.strftime("%Y-%m-%d %H:%M UTC");
                    format!("Wait until the limit is reset, at {at}")
                }
                None => "Wait until the limit is reset".to_owned(),
            },
            FailureClass::Input => {
                let message = markdown_code(&plain_line(&task.failure.message, 120));
                format!("Fix {message}")
            }
            FailureClass::Logic => format!("See `{logs}`, correct the task or what it builds on"),
            FailureClass::Conflict => {
                format!(
                    "See `{}`, resolve the conflict",
                    suggest::conflicts(&self.run)
                )
            }
            FailureClass::Blocker if task.is_setup_failure() => {
                format!("See `{logs}`, fix the worktree set-up")
            }
            FailureClass::Blocker => format!("See `{logs}`, fix the cause"),
            FailureClass::Interrupted => "Check that the task may run".to_owned(),
        }
    }

    fn write_conflicted(&self, to: &mut String, task: &ConflictedTask) -> fmt::Result {
        let title = markdown_prose(&plain_line(&task.title, 120));
        let by = comma_list(&task.between);
        writeln!(to, "\n#### {} — {title} [BLOCKED by {by}]", task.number)?;
        let sentence = conflict_sentence(&task.between, &task.paths, task.class);
        writeln!(to, "- **Conflict:** {}", markdown_prose(&sentence))?;
        writeln!(to, "- **Impact:** {}", impact(&task.blocks))?;
        let see = suggest::conflicts(&self.run);
        let skip = suggest::skip(&self.run, task.number);
        writeln!(
            to,
            "- **Suggested resolution:** See `{see}`, skip this task with `{skip}` or resolve the conflict of the others, then `{}`",
            task.command
        )
    }

    fn write_healthy(&self, to: &mut String) -> fmt::Result {
        if self.healthy.is_empty() {
            return Ok(());
        }
        writeln!(
            to,
            "\n### Healthy Tasks\n\n| # | Task | Status |\n|---|------|--------|"
        )?;
        self.healthy.iter().try_for_each(|task| {
            let title = markdown_cell(&task.title);
            let flaky = if task.flaky { " (flaky)" } else { "" };
            writeln!(
                to,
                "| {} | {title} | {}{flaky} |",
                task.number.0, task.status
            )
        })
    }

    fn write_summary(&self, to: &mut String) -> fmt::Result {
        writeln!(to, "\n### Summary")?;
        let total = plural(self.total, "task");
        writeln!(to, "- {} of {total} failed", self.failed.len())?;
        let done = self.count(&Status::Done);
        writeln!(to, "- {} completed successfully", plural(done, "task"))?;
        let others = [
            (self.blocked.by_failure, "blocked by a failure"),
            (
                self.conflicted.len() + self.blocked.by_conflict,
                "blocked by a conflict",
            ),
            (
                self.blocked.given_up,
                "blocked by a skipped or cancelled task",
            ),
            (self.count(&Status::Skipped), "skipped"),
            (self.count(&Status::Cancelled), "cancelled"),
            (self.unfinished(), "not finished"),
        ];
        for (count, what) in others.iter().filter(|(count, _)| *count > 0) {
            writeln!(to, "- {} {what}", plural(*count, "task"))?;
        }
        if let Some(bill) = &self.bill {
            writeln!(to, "- Cost: {bill}")?;
        }
        writeln!(to, "- User action required before re-dispatch")
    }

    /// Counts the tasks that are running or may still start.
    pub(crate) fn unfinished(&self) -> usize {
        let finished = [Status::Done, Status::Skipped, Status::Cancelled];
        let finished: usize = finished.iter().map(|status| self.count(status)).sum();
        (self.healthy.len() - finished).saturating_sub(self.blocked.total())
    }
}

fn worker(task: &FailedTask) -> String {
    let name = markdown_prose(&plain_line(&task.worker, 60));
    if task.background {
        return format!("{name} (background)");
    }
    format!("{name} (worktree {})", markdown_prose(&task.worktree))
}

fn error_type(task: &FailedTask) -> Cow<'static, str> {
    let words = match task.failure.class {
        FailureClass::Transient => match task.retry_end {
            RetryEnd::BudgetSpent(budget) => {
                return format!(
                    "Transient error (retryable, but the run's budget of {budget} retries is spent)"
                )
                .into();
            }
            RetryEnd::Repeated => "Transient error (same failure twice, not retried again)",
            RetryEnd::RetriesUsedUp => "Transient error (retryable, retries used up)",
        },
        FailureClass::Quota => "Quota used up (retryable after its reset)",
        FailureClass::Input => "Input error (retryable once the input changed)",
        FailureClass::Logic => "Logic error (non-retryable)",
        FailureClass::Conflict => "Conflict (retryable on top of the other's result)",
        FailureClass::Blocker if task.is_setup_failure() => {
            "Blocker in the worktree set-up (the worker never ran; non-retryable until it is fixed)"
        }
        FailureClass::Blocker => "Blocker (non-retryable until it is fixed)",
        FailureClass::Interrupted => "Interrupted with the run",
    };
    words.into()
}

/// Renders the kept commit and the files it changes.
fn kept_sentence(commit: &str, kept: Option<&KeptChanges>) -> String {
    let Some(KeptChanges { stat, paths }) = kept.filter(|kept| !kept.paths.is_empty()) else {
        return format!("its work, as commit `{commit}`");
    };
    let named = paths.iter().take(MAX_NAMED).map(|path| {
        let path = plain_line(&path.to_string(), 120);
        markdown_code(&path)
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match (stat.files as usize).saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("its work, as commit `{commit}`: {named}{more} ({stat})")
}

/// Writes the reported cause on one line, or the last lines of a check unchanged.
fn write_root_cause(to: &mut String, task: &FailedTask) -> fmt::Result {
    match task.failure.root_cause.as_deref().map(str::trim) {
        Some(cause) if cause.lines().count() > 1 => {
            let clipped = crate::base::text::clip(cause, 2000);
            write!(to, "- **Root cause:**\n{}", markdown_block(&clipped, "  "))
        }
        Some(cause) if !cause.is_empty() => {
            writeln!(to, "- **Root cause:** {}", markdown_prose(cause))
        }
        _ => {
            let evidence = markdown_prose(&task.failure.evidence);
            writeln!(
                to,
                "- **Root cause:** not reported (classified by {evidence})"
            )
        }
    }
}

/// Renders an attempt; `by` names its worker if the attempts had different ones.
fn attempt(line: &AttemptLine, by: &str) -> String {
    let name = match (line.variant, line.retry) {
        (None, 0) => format!("Initial{by}"),
        (None, retry) => format!("Retry {retry}{by}"),
        (Some(variant), 0) => format!("Variant {variant}{by}"),
        (Some(variant), retry) => format!("Variant {variant}, retry {retry}{by}"),
    };
    let elapsed = render_elapsed(Duration::from_millis(line.millis));
    match &line.end {
        AttemptEnd::Failed(_, message) => {
            format!("{name} ({elapsed}): Failed — {}", markdown_code(message))
        }
        AttemptEnd::Passed => format!("{name} ({elapsed}): Passed"),
        AttemptEnd::Interrupted => format!("{name} ({elapsed}): Interrupted, not counted"),
        AttemptEnd::Parked(message) => {
            let message = markdown_code(message);
            format!("{name} ({elapsed}): Quota used up, not counted — {message}")
        }
        AttemptEnd::SetupFailed(message) => {
            let message = markdown_code(message);
            format!("{name} ({elapsed}): Set-up failed, not counted — {message}")
        }
        AttemptEnd::Running => format!("{name}: Running"),
    }
}

fn impact(blocks: &[(TaskNumber, String)]) -> String {
    let named = blocks
        .iter()
        .take(MAX_NAMED)
        .map(|(number, title)| format!("{number} ({})", markdown_prose(&plain_line(title, 120))));
    let named = named.collect::<Vec<_>>().join(", ");
    match blocks.len() {
        0 => "Blocks no other task".to_owned(),
        count if count > MAX_NAMED => format!("Blocks {named} and {} more", count - MAX_NAMED),
        _ => format!("Blocks {named}"),
    }
}
