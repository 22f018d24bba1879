//! Renders the result of a run or a task as a comment on its issue.

use std::fmt::Write;

use crate::base::hmac::hmac_sha256;
use crate::base::markdown::markdown_code;
use crate::base::safe::secrets::Secrets;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::outcome::End;
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;
use crate::model::task_change::Placement;
use crate::report::board::text::left_out_reason;
use crate::report::completion::Completion;
use crate::report::issue::{MARK, Subject, cleared, titles};
use crate::report::landing::included;
use crate::report::pull_request::body_of_task;
use crate::report::quiet::{quiet, quiet_line};

/// The hexadecimal digits that tell one result from another.
const DIGITS: usize = 12;

/// The exit code of an interrupted run.
const INTERRUPTED: u8 = 130;

/// Renders the comment with the result of a run or a task; `None` while there is none.
pub fn result(state: &RunState, subject: Subject, secrets: &Secrets) -> Option<String> {
    // An interrupted run is going to be resumed.
    if !matches!(state.phase, RunPhase::Ended(code) if code != INTERRUPTED) {
        return None;
    }
    let text = match subject {
        Subject::Run => result_of_run(state),
        Subject::Task(task) => result_of_task(state, task)?,
    };
    let text = cleared(&text, secrets);
    let digest = &hmac_sha256(&[], [text.as_bytes()])[..DIGITS];
    Some(format!("{text}\n{MARK}{} result {digest} -->\n", state.run))
}

/// Returns the digest of a comment with a result of a run; `None` for any other comment.
pub fn result_digest<'a>(comment: &'a str, run: &RunId) -> Option<&'a str> {
    let prefix = format!("{MARK}{run} result ");
    let mut lines = comment.lines().rev();
    lines.find_map(|line| line.trim().strip_prefix(&prefix)?.strip_suffix(" -->"))
}

/// Returns `true` if a comment with a result of a run is as dispatch wrote it: its text has the digest of
/// its mark.
pub fn is_whole_result(comment: &str, run: &RunId) -> bool {
    let comment = comment.replace("\r\n", "\n");
    let digest = result_digest(&comment, run);
    let parts = comment.trim_end().rsplit_once('\n');
    parts.is_some_and(|(text, mark)| {
        let is_mark = result_digest(mark, run).is_some();
        is_mark && digest == Some(&hmac_sha256(&[], [text.as_bytes()])[..DIGITS])
    })
}

fn result_of_run(state: &RunState) -> String {
    let completion = Completion::new(state);
    let mut text = match Completion::is_due(state) {
        true => quiet(&completion.render_for_readers()),
        false => unfinished(state, &completion),
    };
    let of_run = state.pull_requests.iter().filter(|one| one.task.is_none());
    for url in of_run.filter_map(|one| one.url.as_deref()) {
        let _ = writeln!(text, "\nPull request: {url}");
    }
    if let Some(landed) = &state.landed {
        let target = markdown_code(&landed.target);
        let _ = writeln!(text, "\nLanded on {target} as `{}`.", landed.to.short());
    }
    text
}

/// Renders the result of a run with tasks that did not pass.
fn unfinished(state: &RunState, completion: &Completion) -> String {
    let mut text = format!("## Dispatch Ended\n\n{}\n\n", completion.headline());
    for task in state.plan.tasks() {
        let status = state.status(task.number);
        if matches!(status, Status::Done | Status::Skipped) {
            continue;
        }
        let title = quiet_line(&task.title, 120);
        let _ = write!(text, "- **{}:** {title}", status.word());
        if let Some(End::Failed(failure)) = state.task(task.number).outcome().map(|o| &o.end) {
            let message = quiet_line(&failure.message, 200);
            let _ = write!(text, ": {message}");
        }
        text.push('\n');
    }
    text
}

/// Renders the result of a task; `None` for one that could go on.
fn result_of_task(state: &RunState, number: TaskNumber) -> Option<String> {
    let end = state.task(number).outcome().map(|outcome| &outcome.end);
    let mut text = match (state.status(number), end) {
        (Status::Done, Some(End::Passed { .. })) => {
            format!(
                "{}{}",
                left_out(state, number),
                body_of_task(state, number, &[])
            )
        }
        (Status::Failed, Some(End::Failed(failure))) => {
            let prose = |text: &str| quiet_line(text, 400);
            let mut text = format!("**FAILED:** {}\n", prose(&failure.message));
            for (name, words) in [
                ("Cause", &failure.root_cause),
                ("Suggested", &failure.suggestion),
            ] {
                if let Some(words) = words {
                    let _ = writeln!(text, "\n{name}: {}", prose(words));
                }
            }
            text
        }
        (Status::Cancelled, _) => {
            "**CANCELLED:** the user ended it; nothing of it is in the result.\n".to_owned()
        }
        (Status::Skipped, _) => "**SKIPPED:** nothing of it is in the result.\n".to_owned(),
        (Status::Blocked(by), _) => {
            let by = titles(state, &by);
            format!("**BLOCKED:** it did not run, because of: {by}\n")
        }
        _ => return None,
    };
    let is_included = included(state).any(|included| included == number);
    let own = state.pull_requests.iter().filter(|one| match one.task {
        Some(task) => task == number,
        None => is_included,
    });
    for url in own.filter_map(|one| one.url.as_deref()) {
        let _ = writeln!(text, "\nPull request: {url}");
    }
    Some(text)
}

/// Says why the work of a task is not in the result; nothing if it is.
fn left_out(state: &RunState, number: TaskNumber) -> String {
    let Placement::LeftOut(out) = state.placement(number) else {
        return String::new();
    };
    let reason = quiet_line(&left_out_reason(out), 400);
    format!("**Left out** of the result of the run: {reason}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::class::Class;
    use crate::model::event::Event;
    use crate::model::fixture::{RunFixture, candidate};
    use crate::model::integration::{Integration, LeftOut, LeftOutReason, Merged};
    use crate::model::pull_request::PullRequest;

    fn none() -> Secrets {
        Secrets::default()
    }

    fn run() -> RunFixture {
        RunFixture::new("Routes for @ada; closes #7 · Tests <- Routes for @ada; closes #7")
    }

    #[test]
    fn a_result_comes_at_the_end_and_changes_with_the_pull_request() {
        let passed = || {
            run()
                .begin(1, "shell")
                .pass(1, "made the #1 thing for @ada")
                .begin(2, "shell")
        };
        let open = passed().state();
        assert_eq!(result(&open, Subject::Run, &none()), None);
        let interrupted = passed().ended(INTERRUPTED).state();
        assert_eq!(result(&interrupted, Subject::Run, &none()), None);
        let failed = passed().fail(2, "no tests, see #9").ended(3).state();
        let mut done = passed().pass(2, "on top").ended(0).state();
        let digest = |state: &RunState| {
            let text = result(state, Subject::Run, &none()).unwrap_or_default();
            result_digest(&text, &state.run).map(str::to_owned)
        };
        let before = digest(&done);
        assert!(before.as_ref().is_some_and(|digest| digest.len() == DIGITS));
        done.pull_requests.push(PullRequest {
            task: None,
            remote: "origin".to_owned(),
            head: "dispatch/checkout-7k3q/integration".to_owned(),
            base: "main".to_owned(),
            commit: done.base,
            url: Some("https://github.com/o/r/pull/9".to_owned()),
        });
        assert_ne!(digest(&done), before);
        let two = Subject::Task(TaskNumber(2));
        let shown = |state: &RunState, subject, parts: &[&str]| {
            let text = result(state, subject, &none()).unwrap_or_default();
            assert!(is_whole_result(&text, &state.run));
            assert!(is_whole_result(&text.replace('\n', "\r\n"), &state.run));
            assert!(!is_whole_result(&format!("More. {text}"), &state.run));
            for part in parts {
                assert!(text.contains(part), "{part:?} is not in\n{text}");
            }
        };
        shown(
            &failed,
            Subject::Run,
            &[
                "1 of 2 tasks finished successfully.",
                "- **FAILED:** Tests: no tests, see #<!-- -->9\n",
            ],
        );
        shown(&failed, two, &["**FAILED:** no tests, see #<!-- -->9\n"]);
        shown(
            &done,
            Subject::Run,
            &[
                "All 2 tasks finished successfully.",
                "made the #<!-- -->1 thing for @<!-- -->ada",
                "\nPull request: https://github.com/o/r/pull/9\n",
            ],
        );
        shown(&done, two, &["on top\n", "6 files"]);
    }

    #[test]
    fn every_task_of_an_ended_run_has_a_result() {
        let two = TaskNumber(2);
        let run = || {
            RunFixture::new("API · UI · Docs <- API")
                .begin(1, "shell")
                .pass(1, "made")
        };
        let of = |state: &RunState, task| {
            let text = result_of_task(state, TaskNumber(task));
            text.unwrap_or_else(|| "none".to_owned())
        };
        let failed = RunFixture::new("API · UI <- API").fail(1, "broken");
        let all = [
            of(&failed.ended(3).state(), 2),
            of(&run().skip(2, false).ended(0).state(), 2),
            of(
                &run()
                    .event(Event::TaskCancelled { task: two })
                    .ended(3)
                    .state(),
                2,
            ),
            of(&run().state(), 2),
        ];
        assert_eq!(
            all,
            [
                "**BLOCKED:** it did not run, because of: API\n",
                "**SKIPPED:** nothing of it is in the result.\n",
                "**CANCELLED:** the user ended it; nothing of it is in the result.\n",
                "none",
            ]
        );
        let out = Integration {
            left_out: vec![LeftOut {
                task: TaskNumber(1),
                candidate: candidate(1),
                reason: LeftOutReason::Conflict {
                    class: Class::RenameRename,
                    with: vec![two],
                    paths: Vec::new(),
                    failed_strategies: Vec::new(),
                },
            }],
            ..Integration::default()
        };
        let text = of(&run().assembled(out).ended(4).state(), 1);
        assert!(
            text.starts_with("**Left out** of the result of the run: ")
                && text.contains("conflict"),
            "{text}"
        );
    }

    #[test]
    fn the_pull_request_of_the_run_is_named_by_the_tasks_in_it() {
        let merged = Merged {
            task: TaskNumber(1),
            candidate: candidate(1),
            commit: candidate(1),
            resolved: Vec::new(),
        };
        let mut state = run()
            .begin(1, "shell")
            .pass(1, "made")
            .begin(2, "shell")
            .pass(2, "made")
            .assembled(Integration {
                merged: vec![merged],
                ..Integration::default()
            })
            .ended(0)
            .state();
        state.pull_requests.push(PullRequest {
            task: None,
            remote: "origin".to_owned(),
            head: "dispatch/checkout-7k3q/integration".to_owned(),
            base: "main".to_owned(),
            commit: state.base,
            url: Some("https://github.com/o/r/pull/9".to_owned()),
        });
        let names = |task| {
            let text = result_of_task(&state, TaskNumber(task)).unwrap_or_default();
            text.contains("\nPull request: https://github.com/o/r/pull/9\n")
        };
        assert!(names(1) && !names(2));
    }
}
