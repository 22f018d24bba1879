//! Renders pull requests: the completion report of a run, or the report of one task.

use std::fmt::{self, Write};

use crate::base::markdown::{markdown_code, markdown_prose, plain_line, split_code_span};
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::report::completion::Completion;

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
        let title = quiet(&markdown_prose(&plain_line(
            &state.plan.task(*below).title,
            120,
        )));
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

/// Keeps GitHub from linking or closing issues (`#2`, `GH-2`, their addresses) and from notifying users
/// (`@ada`).
///
/// It inserts an HTML comment into the word; text in code needs none.
fn quiet(text: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        let marks = &start[..start.len() - start.trim_start_matches('`').len()];
        let is_fence = marks.len() >= 3;
        match fence {
            Some(open) => {
                let closes = is_fence && marks.len() >= open.len() && start.trim_end() == marks;
                fence = fence.filter(|_| !closes);
                quiet.push_str(line);
            }
            None if is_fence => {
                fence = Some(marks);
                quiet.push_str(line);
            }
            None => push_quiet(&mut quiet, line),
        }
    }
    quiet
}

/// Adds a line of prose. A code span is passed over as a whole, and so is an escaped character.
fn push_quiet(to: &mut String, line: &str) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            let (span, after) = split_code_span(rest);
            to.push_str(span.unwrap_or(&rest[..rest.len() - after.len()]));
            rest = after;
            continue;
        }
        let length = match c {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            c => c.len_utf8(),
        };
        to.push_str(&rest[..length]);
        let after = &rest[length..];
        if needs_break(c, to, after) {
            to.push_str("<!-- -->");
        }
        rest = after;
    }
}

/// Returns `true` if a reference or a mention would be read across this place.
fn needs_break(c: char, before: &str, after: &str) -> bool {
    let next = after.chars().next().unwrap_or(' ');
    match c {
        '#' => next.is_ascii_digit(),
        '@' => next.is_alphanumeric(),
        'h' | 'H' => {
            let is_prefix = before.len() >= 2 && before[..before.len() - 1].ends_with(['g', 'G']);
            let number = after.strip_prefix('-').unwrap_or_default();
            is_prefix && number.starts_with(|c: char| c.is_ascii_digit())
        }
        ':' => after.strip_prefix("//").is_some_and(names_issue),
        _ => false,
    }
}

/// Returns `true` for the address of an issue, a pull request or a discussion, without its scheme.
fn names_issue(address: &str) -> bool {
    let end = address.find(char::is_whitespace).unwrap_or(address.len());
    let parts = address[..end].split('/');
    parts
        .skip(1)
        .any(|part| matches!(part, "issues" | "pull" | "pulls" | "discussions"))
}

/// Keeps a title, which is plain text and becomes the subject of a merge, from the same.
fn quiet_title(title: &str) -> String {
    let mut quiet = String::with_capacity(title.len());
    for (at, c) in title.char_indices() {
        quiet.push(c);
        let after = &title[at + c.len_utf8()..];
        if needs_break(c, &quiet, after) {
            quiet.push(' ');
        }
    }
    quiet
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn no_user_is_notified_and_no_issue_is_linked() {
        insta::assert_snapshot!(quiet("# One\nsee #2 and `#3`, @ada, a@b.c\n```\n#4 @ada\n```\n#5\n"), @r"
        # One
        see #<!-- -->2 and `#3`, @<!-- -->ada, a@<!-- -->b.c
        ```
        #4 @ada
        ```
        #<!-- -->5
        ");
    }

    #[test]
    fn a_stray_backtick_hides_no_mention() {
        let text = "stray \\` then @octocat closes #7, ``two`` ` @hubot fixes #8; GH-10 and \
            https://github.com/o/r/issues/9 but https://example.com/x and `a @b` ``@c ` #1``\n\
            ````\n```\n@d #2\n````\n@e\n";
        insta::assert_snapshot!(quiet(text), @r"
        stray \` then @<!-- -->octocat closes #<!-- -->7, ``two`` ` @hubot fixes #8; GH-10 and https://github.com/o/r/issues/9 but https://example.com/x and `a @<!-- -->b` ``@c ` #<!-- -->1``
        ````
        ```
        @d #2
        ````
        @<!-- -->e
        ");
        let known =
            "see GH-10, https://github.com/o/r/issues/9, https://example.com/x and Gh-pages";
        insta::assert_snapshot!(quiet(known), @"see GH<!-- -->-10, https:<!-- -->//github.com/o/r/issues/9, https://example.com/x and Gh-pages");
        assert_eq!(
            quiet_title("T @octocat closes #1, GH-2"),
            "T @ octocat closes # 1, GH -2"
        );
    }

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
