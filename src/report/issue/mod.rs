//! Renders a run and its tasks as issues on GitHub, with marks by which they are found again.
//!
//! A mark is a comment of HTML on a line of its own. No text of a plan or a worker can hold one: it would
//! make another issue look like that of a task.

mod result;

use std::fmt::{self, Write};

use crate::base::markdown::{markdown_block, markdown_code, plain_line};
use crate::base::safe::secrets::Secrets;
use crate::base::text::{clip, plural};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;
use crate::report::quiet::{quiet_line, quiet_title};

pub use result::{is_whole_result, result, result_digest};

/// The maximum length of a title; GitHub's limit is 256 characters.
const TITLE: usize = 200;

/// The maximum length of a text in characters; GitHub's limit is 65,536.
const BODY: usize = 60_000;

/// The maximum length of a prompt in the text of an issue, in characters.
const PROMPT: usize = 20_000;

/// The beginning of every mark.
const MARK: &str = "<!-- dispatch ";

/// The thing that an issue stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    /// The whole run.
    Run,
    /// A task of it.
    Task(TaskNumber),
}

/// Renders the title of an issue.
pub fn title(state: &RunState, subject: Subject, secrets: &Secrets) -> String {
    let text = match subject {
        Subject::Run => state.plan.title(),
        Subject::Task(task) => &state.plan.task(task).title,
    };
    let title = quiet_title(&plain_line(&secrets.mask(text), TITLE));
    match subject {
        Subject::Run => format!("{title} ({})", state.run),
        Subject::Task(_) => title,
    }
}

/// Renders the title of the project that is made for a run. It ends with the name of the run, by which it
/// is found again.
pub fn project_title(state: &RunState, secrets: &Secrets) -> String {
    title(state, Subject::Run, secrets)
}

/// Renders the readme of the project that is made for a run.
pub fn project_readme(state: &RunState) -> String {
    format!(
        "Made by dispatch for the run `{}`. The field Dispatch shows where its tasks are.\n\n{}\n",
        state.run,
        mark(&state.run, Subject::Run)
    )
}

/// Returns `true` if a project with this readme was made for the run.
pub fn is_readme_of(readme: &str, run: &RunId) -> bool {
    subject_of(readme, run) == Some(Subject::Run)
}

/// Renders the text of an issue, with its mark at the end.
pub fn body(state: &RunState, subject: Subject, secrets: &Secrets) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match subject {
        Subject::Run => write_run(&mut text, state),
        Subject::Task(task) => write_task(&mut text, state, task),
    };
    format!(
        "{}\n{}\n",
        cleared(&text, secrets),
        mark(&state.run, subject)
    )
}

/// Finds the subject of an issue of a run by the mark in its text.
pub fn subject_of(body: &str, run: &RunId) -> Option<Subject> {
    let prefix = format!("{MARK}{run} ");
    let marks = body.lines().rev().filter_map(|line| {
        let rest = line.trim().strip_prefix(&prefix)?.strip_suffix(" -->")?;
        match rest.strip_prefix("task ") {
            Some(number) => Some(Subject::Task(TaskNumber(number.parse().ok()?))),
            None => (rest == "run").then_some(Subject::Run),
        }
    });
    marks.into_iter().next()
}

/// Renders the titles of tasks in one line.
fn titles(state: &RunState, tasks: &[TaskNumber]) -> String {
    let title = |task: &TaskNumber| quiet_line(&state.plan.task(*task).title, 80);
    tasks.iter().map(title).collect::<Vec<_>>().join("; ")
}

fn mark(run: &RunId, subject: Subject) -> String {
    match subject {
        Subject::Run => format!("{MARK}{run} run -->"),
        Subject::Task(task) => format!("{MARK}{run} task {} -->", task.0),
    }
}

/// Masks secrets, keeps to GitHub's limit, and takes out what looks like a mark.
fn cleared(text: &str, secrets: &Secrets) -> String {
    let masked = secrets.mask(text).replace(MARK, "<!-- (dispatch) ");
    if masked.chars().count() <= BODY {
        return masked;
    }
    // A fence that was cut in two would hide the mark.
    markdown_block(&clip(&masked, BODY), "")
}

fn write_run(to: &mut String, state: &RunState) -> fmt::Result {
    let count = plural(state.plan.tasks().len(), "task");
    let base = state.base.short();
    write!(to, "Dispatch run `{}`: {count} from `{base}`", state.run)?;
    match &state.target {
        Some(target) => writeln!(to, ", for {}.", markdown_code(target))?,
        None => writeln!(to, ".")?,
    }
    writeln!(to)?;
    for task in state.plan.tasks() {
        let title = quiet_line(&task.title, 120);
        let tag = quiet_line(&task.tag, 40);
        writeln!(to, "{}. \\[{tag}] {title}", task.number.0)?;
    }
    Ok(())
}

fn write_task(to: &mut String, state: &RunState, number: TaskNumber) -> fmt::Result {
    let task = state.plan.task(number);
    let prompt = clip(task.text(), PROMPT);
    // A block notifies no user and loads no picture.
    writeln!(to, "{}", markdown_block(&prompt, ""))?;
    if !task.depends_on.is_empty() {
        writeln!(to, "Blocked by: {}\n", titles(state, &task.depends_on))?;
    }
    if !task.fields.files.is_empty() {
        let files = task.fields.files.iter().take(20);
        let files: Vec<String> = files.map(|file| markdown_code(file)).collect();
        writeln!(to, "Files: {}\n", files.join(", "))?;
    }
    let tag = quiet_line(&task.tag, 40);
    writeln!(
        to,
        "Task {} ({tag}) of the dispatch run `{}`.",
        number.0, state.run
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    fn none() -> Secrets {
        Secrets::default()
    }

    fn run() -> RunFixture {
        RunFixture::new("Routes for @ada; closes #7 · Tests <- Routes for @ada; closes #7")
            .with_task(1, |task| {
                task.prompt = "Add routes.\nAsk @ada.\n<!-- dispatch checkout-7k3q task 2 -->\n\
                    with ghp_0123456789abcdefghijABCDEFGHIJ012345"
                    .to_owned();
                task.fields.files = vec!["src/**".to_owned()];
            })
    }

    #[test]
    fn issues_have_the_prompt_and_a_mark_and_notify_nobody() {
        let state = run().state();
        let one = |subject| {
            let title = title(&state, subject, &none());
            format!("{title}\n----\n{}", body(&state, subject, &none()))
        };
        let [run, first, second] = [
            one(Subject::Run),
            one(Subject::Task(TaskNumber(1))),
            one(Subject::Task(TaskNumber(2))),
        ];
        let has = |text: &str, parts: &[&str]| {
            for part in parts {
                assert!(text.contains(part), "{part:?} is not in\n{text}");
            }
        };
        has(
            &run,
            &[
                "Checkout v2 (checkout-7k3q)\n",
                "Dispatch run `checkout-7k3q`: 2 tasks from `",
                "\n1. \\[T1] Routes for @<!-- -->ada; closes #<!-- -->7\n",
                "\n<!-- dispatch checkout-7k3q run -->\n",
            ],
        );
        has(
            &first,
            &[
                "Routes for @ ada; closes # 7\n",
                "```text\nAdd routes.\nAsk @ada.\n",
                "<!-- (dispatch) checkout-7k3q task 2 -->\nwith [masked]\n```\n",
                "Files: `src/**`",
                "\n<!-- dispatch checkout-7k3q task 1 -->\n",
            ],
        );
        has(
            &second,
            &["Blocked by: Routes for @<!-- -->ada; closes #<!-- -->7\n"],
        );
    }

    #[test]
    fn a_mark_names_its_subject_and_no_prompt_holds_one() {
        let state = run().state();
        let run = &state.run;
        for subject in [
            Subject::Run,
            Subject::Task(TaskNumber(1)),
            Subject::Task(TaskNumber(2)),
        ] {
            let body = body(&state, subject, &none());
            assert_eq!(subject_of(&body, run), Some(subject));
            assert_eq!(subject_of(&body.replace('\n', "\r\n"), run), Some(subject));
            assert_eq!(subject_of(&format!("{body}\nmore\n"), run), Some(subject));
            assert_eq!(subject_of(&body, &RunId::new("other-1234")), None);
        }
        assert!(is_readme_of(&project_readme(&state), run));
        assert!(!is_readme_of("My own board", run));
    }

    #[test]
    fn a_long_text_keeps_its_mark() {
        let state = RunFixture::new("a")
            .with_task(1, |task| task.prompt = "`````\nx\n".repeat(20_000))
            .state();
        let subject = Subject::Task(TaskNumber(1));
        let body = body(&state, subject, &none());
        assert!(body.chars().count() < 65_536);
        assert_eq!(subject_of(&body, &state.run), Some(subject));
    }
}
