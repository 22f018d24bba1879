//! The buttons of a page, and the page that asks before an action.

use maud::{Markup, html};

use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_list::and_list;
use crate::web::actions::Action;
use crate::web::actions::line::KnownLine;
use crate::web::pages::{Frame, Medium, Subject, block};
use crate::web::place::Place;
use crate::web::reader::Snapshot;
use crate::web::text::shown;

/// A landing, shown for the user to agree to.
#[derive(Clone, Debug)]
pub(in crate::web) struct Preview {
    /// The facts, a line each.
    pub(in crate::web) facts: Vec<String>,
    /// Identifies exactly this landing.
    pub(in crate::web) binding: String,
}

/// Renders links to the pages that ask.
pub(in crate::web) fn buttons(actions: &[Action]) -> Markup {
    html! {
        @if !actions.is_empty() {
            ul.actions aria-label="Actions" {
                @for action in actions {
                    li { a.button href=(ask_page(*action)) { (action.words()) "…" } }
                }
            }
        }
    }
}

/// Returns the name of the page that asks before an action.
pub(in crate::web) fn ask_page(action: Action) -> String {
    format!("ask-{}.html", action.name())
}

/// Renders the page that asks before an action. `token` is that of all forms.
pub(in crate::web) fn render(
    snapshot: &Snapshot,
    action: Action,
    line: Option<&KnownLine>,
    preview: Option<&Preview>,
    token: &str,
) -> String {
    let state = &snapshot.state;
    let question = question(state, action);
    let frame = Frame {
        title: &question,
        subject: Some(Subject {
            run: &state.run,
            version: &snapshot.version,
            is_live: false,
        }),
        place: None,
        medium: Medium::Answer,
    };
    let content = html! {
        h1 { (shown(&question)) }
        @for sentence in effects(snapshot, action) { p { (sentence) } }
        @if let Some(preview) = preview {
            ul.lines { @for fact in &preview.facts { li { (shown(fact)) } } }
        }
        form method="post" action={ "do-" (action.name()) ".html" } {
            input type="hidden" name="token" value=(token);
            @if let Some(preview) = preview {
                input type="hidden" name="binding" value=(preview.binding);
            }
            (fields(action, line))
            p {
                button.go type="submit" { (action.words()) }
                " "
                a.button href=(back(action).file()) { "Back" }
            }
        }
    };
    frame.render(&content)
}

/// Returns the page that an action belongs to.
pub(in crate::web) fn back(action: Action) -> Place {
    action.task().map_or(Place::Board, Place::Task)
}

fn fields(action: Action, line: Option<&KnownLine>) -> Markup {
    html! {
        @match action {
            Action::Retry(_) => {
                p { label for="text" { "Add this to its prompt (may be empty)" } }
                textarea #text name="text" maxlength="20000" {}
            },
            Action::SendBack(_) => {
                @if let Some(line) = line {
                    p { "The comment is about line " (line.number) " of " span.path { (shown(&line.file)) } ":" }
                    (block("The line", &line.text))
                    input type="hidden" name="file" value=(line.file);
                    input type="hidden" name="line" value=(line.number);
                }
                p { label for="text" { "Comment for the worker" } }
                textarea #text name="text" required maxlength="20000" {}
            },
            _ => {},
        }
    }
}

fn question(state: &RunState, action: Action) -> String {
    let run = &state.run;
    let name = |task: TaskNumber| format!("{task} {}", state.plan.task(task).title);
    match action {
        Action::Pause => format!("Pause {run}?"),
        Action::Resume => format!("Resume {run}?"),
        Action::CancelAll => format!("Cancel every unfinished task of {run}?"),
        Action::Land => format!("Land {run}?"),
        Action::Cancel(task) => format!("Cancel {}?", name(task)),
        Action::Retry(task) => format!("Retry {}?", name(task)),
        Action::Accept(task) => format!("Accept {}?", name(task)),
        Action::LeaveOut(task) => format!("Leave out {}?", name(task)),
        Action::SendBack(task) => format!("Send back {}?", name(task)),
    }
}

fn effects(snapshot: &Snapshot, action: Action) -> Vec<String> {
    let state = &snapshot.state;
    let again = |task| {
        let again = state.redone_with(task);
        (!again.is_empty()).then(|| {
            let tasks = and_list(&again);
            format!("Tasks that were built on it are done again, too: {tasks}.")
        })
    };
    let one = |text: &str| vec![text.to_owned()];
    match action {
        Action::Pause => one("No new task starts. Running tasks continue until they end."),
        Action::Resume if snapshot.is_driven => one("Tasks start again."),
        Action::Resume => one(
            "No process drives the run. A background process continues it; interrupted tasks start again.",
        ),
        Action::CancelAll | Action::Cancel(_) => {
            one("A running worker is stopped. Its work so far is kept under refs/dispatch.")
        }
        Action::Land => one(
            "The target branch moves. Its old commit is kept, and `dispatch unland` moves it back.",
        ),
        Action::Retry(task) => {
            let first = "A new attempt starts in the background, then the tasks that it blocked.";
            [first.to_owned()].into_iter().chain(again(task)).collect()
        }
        Action::Accept(_) | Action::LeaveOut(_) => {
            one("The results are assembled again, in the background.")
        }
        Action::SendBack(task) => {
            let first = "A new attempt starts in the background, with your comment in its prompt.";
            [first.to_owned()].into_iter().chain(again(task)).collect()
        }
    }
}
