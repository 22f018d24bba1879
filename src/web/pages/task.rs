//! The page of a task: prompt, attempts, log, checks, diff by word, and what it was built on.

use maud::{Markup, html};

use crate::report::patch::FilePatch;
use crate::report::task::{AttemptView, TaskView};
use crate::report::variants::VariantTable;
use crate::web::pages::diff;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{block, facts, scrolling, task_links};
use crate::web::text::shown;

/// Everything on the page of a task.
#[derive(Clone, Debug)]
pub(in crate::web) struct TaskPage<'a> {
    /// The facts that the journal has.
    pub(in crate::web) view: &'a TaskView,
    /// The change; the reason why there is none.
    pub(in crate::web) patch: Result<Vec<FilePatch>, String>,
    /// The end of the log of the last attempt; the reason why there is none.
    pub(in crate::web) log: Result<Log, String>,
    /// The forms that change the task.
    pub(in crate::web) actions: Markup,
    /// The page that asks for a comment on a line of the change.
    pub(in crate::web) comments: Option<String>,
}

/// The end of a log, with hidden characters escaped.
#[derive(Clone, Debug)]
pub(in crate::web) struct Log {
    /// The text.
    pub(in crate::web) text: String,
    /// The number of bytes before it that are not shown.
    pub(in crate::web) before: usize,
}

/// Renders the page of a task.
pub(in crate::web) fn render(frame: &Frame<'_>, page: &TaskPage<'_>) -> String {
    let view = page.view;
    let content = html! {
        h1 { (view.number.to_string()) " " (shown(&view.title)) " " span.tag { (shown(&view.tag)) } }
        (facts(view.facts.iter().map(|(name, value)| (*name, value.as_str()))))
        @if !view.built_on.is_empty() { p { "Built on " (task_links(&view.built_on)) "." } }
        (page.actions)
        (prompt(view))
        @if let Some(table) = &view.variants { (variants(table)) }
        @if !view.attempts.is_empty() {
            h2 { "Attempts" }
            @for attempt in view.attempts.iter().rev() { (attempt_part(attempt)) }
        }
        h2 #change { "Change" }
        @match &page.patch {
            Ok(files) => (diff::render(files, page.comments.as_deref())),
            Err(why) => p { (shown(why)) },
        }
        h2 #log { "Log" }
        (log(&page.log, view))
    };
    frame.render(&content)
}

fn prompt(view: &TaskView) -> Markup {
    html! {
        @if let Some(prompt) = &view.prompt {
            h2 { "Prompt" }
            (block("Prompt", prompt))
        }
        @for (place, message) in &view.messages {
            h3 { "Message, " (place) }
            (block("Message", message))
        }
    }
}

fn variants(table: &VariantTable) -> Markup {
    let rows = html! {
        table {
            caption { "Variants" }
            thead {
                tr {
                    th scope="col" { "Variant" }
                    th scope="col" { "Worker" }
                    th scope="col" { "Result" }
                    th scope="col" { "Chosen" }
                }
            }
            tbody {
                @for row in &table.variants {
                    tr {
                        th scope="row" { (row.variant) }
                        td { (shown(row.worker.as_deref().unwrap_or("—"))) }
                        td { (shown(&row.words())) }
                        td { @if table.chosen == Some(row.variant) { "yes" } }
                    }
                }
            }
        }
    };
    scrolling("Variants", &rows)
}

fn attempt_part(attempt: &AttemptView) -> Markup {
    html! {
        section {
            h3 {
                "Attempt " (attempt.number) ", " (shown(&attempt.worker))
                @if let Some(variant) = attempt.variant { ", variant " (variant) }
            }
            (facts(attempt.facts.iter().map(|(name, value)| (*name, value.as_str()))))
        }
    }
}

fn log(log: &Result<Log, String>, view: &TaskView) -> Markup {
    html! {
        @match log {
            Ok(log) => {
                @if log.before > 0 {
                    p {
                        "The end of the log; " (log.before) " bytes before it are left out. "
                        code { "dispatch logs " (view.number.0) } " prints all of it."
                    }
                }
                pre.log role="group" aria-label="Log" tabindex="0" { (log.text) }
            },
            Err(why) => p { (shown(why)) },
        }
    }
}
