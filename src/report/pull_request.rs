//! Renders pull requests: the completion report of a run, or the report of one task.

use std::fmt::{self, Write};

use crate::base::markdown::{markdown_code, markdown_prose, plain_line};
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::report::completion::Completion;
use crate::report::quiet::{quiet, quiet_line, quiet_title};

/// The maximum length of a title; GitHub's limit is 256 characters.
const TITLE: usize = 250;

/// Renders the title of the pull request of a run, or of one of its tasks.
pub fn title(state: &RunState, task: Option<TaskNumber>) -> String {
    match task {
        Some(task) => quiet_title(&plain_line(&state.plan.task(task).title, TITLE)),
        None => quiet_title(&plain_line(state.plan.title(), TITLE)),
    }
}

/// Renders the text of the pull request of a whole run.
pub fn body_of_run(state: &RunState) -> String {
    let text = Completion::new(state).render_for_readers();
    quiet(&format!("{text}\n{}", origin(state)))
}

/// Renders the text of the pull request of one task; tasks in `below` must be merged first.
pub fn body_of_task(state: &RunState, task: TaskNumber, below: &[TaskNumber]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_task(&mut text, state, task);
    let _ = write_below(&mut text, state, below);
    let _ = write!(
        text,
        "\nTask {} ({}). {}",
        task.0,
        state.plan.task(task).tag,
        origin(state)
    );
    text
}

fn write_task(to: &mut String, state: &RunState, number: TaskNumber) -> fmt::Result {
    let task = state.plan.task(number);
    let outcome = state.task(number).outcome();
    let summary = outcome.and_then(|outcome| outcome.report.summary.as_deref());
    writeln!(
        to,
        "{}",
        quiet(&markdown_prose(summary.unwrap_or(&task.title)))
    )?;
    if let Some(End::Passed { stat, .. }) = outcome.map(|outcome| &outcome.end) {
        writeln!(to, "\n{stat}")?;
    }
    if let Some(outcome) = outcome {
        list(
            to,
            "Decisions made (review recommended)",
            &outcome.report.decisions,
        )?;
        let issues = [&outcome.report.issues[..], &outcome.warnings].concat();
        list(to, "Issues hit", &issues)?;
        if !outcome.checks.is_empty() {
            writeln!(to, "\n### Checks")?;
        }
        for check in &outcome.checks {
            let command = markdown_code(&plain_line(&check.command, 120));
            writeln!(to, "- {command}: {}", check.result.word())?;
        }
    }
    Ok(())
}

/// Lists the pull requests of other tasks, whose addresses GitHub is to link.
fn write_below(to: &mut String, state: &RunState, below: &[TaskNumber]) -> fmt::Result {
    if !below.is_empty() {
        writeln!(to, "\n### Merge these first")?;
    }
    for below in below {
        let title = quiet_line(&state.plan.task(*below).title, 120);
        let known = state
            .pull_requests
            .iter()
            .find(|known| known.task == Some(*below));
        match known.and_then(|known| known.url.as_deref()) {
            Some(url) => writeln!(to, "- {title}: {url}")?,
            None => writeln!(to, "- {title}")?,
        }
    }
    Ok(())
}

fn list(to: &mut String, heading: &str, items: &[String]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(to, "\n### {heading}")?;
    items
        .iter()
        .try_for_each(|item| writeln!(to, "- {}", quiet(&markdown_prose(item))))
}

fn origin(state: &RunState) -> String {
    format!(
        "Dispatch run `{}`, from `{}`.\n",
        state.run,
        state.base.short()
    )
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn a_pull_request_contains_the_reports() {
        let state = RunFixture::new("a · b <- a")
            .begin(1, "shell")
            .pass(1, "made the #1 thing")
            .begin(2, "shell")
            .pass(2, "on top")
            .ended(0)
            .state();
        let all = [
            body_of_run(&state),
            body_of_task(&state, TaskNumber(2), &[TaskNumber(1)]),
        ];
        insta::assert_snapshot!(all.join("\n----\n"), @r#"
        ## Dispatch Complete

        All 2 tasks finished successfully.

        ### What was done
        - **a:** made the #<!-- -->1 thing (6 files, +312 −4)
        - **b:** on top (6 files, +312 −4)

        Dispatch run `checkout-7k3q`, from `1a2b3c4`.

        ----
        on top

        6 files, +312 −4

        ### Merge these first
        - a

        Task 2 (T2). Dispatch run `checkout-7k3q`, from `1a2b3c4`.
        "#);
    }
}
