//! The failure report as Markdown: printed, and below the tables of `DISPATCH.md`.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use crate::base::clock::render_elapsed;
use crate::base::markdown::{
    markdown_block, markdown_cell, markdown_code, markdown_prose, plain_line,
};
use crate::base::text::plural;
use crate::model::failure::FailureClass;
use crate::model::ids::TaskNumber;
use crate::model::kept_changes::KeptChanges;
use crate::model::status::Status;
use crate::model::task_list::comma_list;
use crate::report::failure::{
    AttemptEnd, AttemptLine, FailedTask, FailureReport, GivenUp, StuckTask,
};
use crate::report::suggest;
use crate::report::words::conflict_sentence;

/// How many blocked tasks, or changed paths, are named before the rest is counted.
const NAMED: usize = 5;

impl FailureReport {
    /// The report as Markdown, from its heading to the line end after its summary.
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
        if !self.stuck.is_empty() {
            writeln!(to, "\n### Tasks Blocked by a Conflict")?;
            self.stuck
                .iter()
                .try_for_each(|task| self.write_stuck(to, task))?;
        }
        self.write_healthy(to)?;
        self.write_summary(to)?;
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
            let what = kept_sentence(&kept.short(), task.remains.as_ref());
            writeln!(to, "- **Kept:** {what}")?;
        }
        writeln!(to, "- **Impact:** {}", impact(&task.blocks))?;
        writeln!(to, "- **Suggested resolution:** {}", self.resolution(task))
    }

    /// Returns advice that always ends in the command that runs the task again.
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

    /// What helps against a failure of this class when the worker did not say.
    fn advice(&self, task: &FailedTask) -> String {
        let logs = suggest::logs(&self.run, task.number);
        if task.has_wrong_command {
            return format!("See `{logs}`, correct its command in the plan");
        }
        match task.failure.class {
            FailureClass::Transient => format!("See `{logs}`, wait until the cause has passed"),
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
                format!("See `{}`, settle it", suggest::conflicts(&self.run))
            }
            FailureClass::Blocker if task.is_not_set_up() => {
                format!("See `{logs}`, repair the set-up of worktrees")
            }
            FailureClass::Blocker => format!("See `{logs}`, remove what blocks it"),
            FailureClass::Cancelled | FailureClass::Interrupted => {
                "Make sure that it may run".to_owned()
            }
        }
    }

    fn write_stuck(&self, to: &mut String, task: &StuckTask) -> fmt::Result {
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
            "- **Suggested resolution:** See `{see}`, give up this task with `{skip}` or make the others merge, then `{}`",
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
                self.stuck.len() + self.blocked.by_conflict,
                "blocked by a conflict",
            ),
            (self.blocked.given_up, "blocked by a task that was given up"),
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

    /// Tasks that are alive or may still start.
    pub(crate) fn unfinished(&self) -> usize {
        let settled = [Status::Done, Status::Skipped, Status::Cancelled];
        let settled: usize = settled.iter().map(|status| self.count(status)).sum();
        (self.healthy.len() - settled).saturating_sub(self.blocked.total())
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
        FailureClass::Transient => match task.given_up {
            GivenUp::OutOfRetries(budget) => {
                return format!(
                    "Transient error (retryable, but the budget of the whole run, {budget}, is used up)"
                )
                .into();
            }
            GivenUp::Repeated => "Transient error (the same failure twice, not retried again)",
            GivenUp::RetriesUsedUp => "Transient error (retryable, retries used up)",
        },
        FailureClass::Quota => "Quota used up (retryable after its reset)",
        FailureClass::Input => "Input error (retryable once the input changed)",
        FailureClass::Logic => "Logic error (non-retryable)",
        FailureClass::Conflict => "Conflict (retryable on top of the other's result)",
        FailureClass::Blocker if task.is_not_set_up() => {
            "Blocker in the set-up of its worktree (the worker never ran; non-retryable until it is removed)"
        }
        FailureClass::Blocker => "Blocker (non-retryable until it is removed)",
        FailureClass::Cancelled => "Cancelled by a person",
        FailureClass::Interrupted => "Interrupted with the run",
    };
    words.into()
}

/// Which commit, and which files it changes, as git says.
fn kept_sentence(commit: &str, remains: Option<&KeptChanges>) -> String {
    let Some(KeptChanges { stat, paths }) = remains.filter(|remains| !remains.paths.is_empty())
    else {
        return format!("what it left, as commit `{commit}`");
    };
    let named = paths.iter().take(NAMED).map(|path| {
        let path = plain_line(&path.to_string(), 120);
        markdown_code(&path)
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match (stat.files as usize).saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("what it left, as commit `{commit}`: {named}{more} ({stat})")
}

/// Somebody's words on one line, or the last lines of a check as they were.
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

/// `by` says who did it, where not all attempts are by the same worker.
fn attempt(line: &AttemptLine, by: &str) -> String {
    let name = match line.retry {
        0 => format!("Initial{by}"),
        retry => format!("Retry {retry}{by}"),
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
        AttemptEnd::NotSetUp(message) => {
            let message = markdown_code(message);
            format!("{name} ({elapsed}): Set-up failed, not counted — {message}")
        }
        AttemptEnd::Alive => format!("{name}: Running"),
    }
}

fn impact(blocks: &[(TaskNumber, String)]) -> String {
    let named = blocks
        .iter()
        .take(NAMED)
        .map(|(number, title)| format!("{number} ({})", markdown_prose(&plain_line(title, 120))));
    let named = named.collect::<Vec<_>>().join(", ");
    match blocks.len() {
        0 => "Blocks no other task".to_owned(),
        count if count > NAMED => format!("Blocks {named} and {} more", count - NAMED),
        _ => format!("Blocks {named}"),
    }
}
