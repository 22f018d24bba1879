//! The page of a task: prompt, attempts, log, checks, diff by word, and what it was built on.

use std::time::Duration;

use maud::{Markup, html};

use crate::base::clock::render_elapsed;
use crate::merge::change::ChangeStat;
use crate::model::ids::TaskNumber;
use crate::report::board::view::ConflictRow;
use crate::report::patch::FilePatch;
use crate::report::task::{AttemptView, TaskView};
use crate::report::variants::VariantTable;
use crate::web::pages::diff;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{block, facts, pair_table, scrolling, task_links};
use crate::web::text::shown;

/// Everything on the page of a task.
#[derive(Clone, Debug)]
pub(in crate::web) struct TaskPage<'a> {
    /// The facts that the journal has.
    pub(in crate::web) view: &'a TaskView,
    /// The time of its attempts, if it has any.
    pub(in crate::web) time: Option<Duration>,
    /// The pairs that it is part of, except those that merge.
    pub(in crate::web) pairs: Vec<&'a ConflictRow>,
    /// The size of the change, where it is known.
    pub(in crate::web) stat: Option<ChangeStat>,
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
    pub(in crate::web) before: u64,
    /// Identifies what was read of a log that may grow; `None` once its attempt has ended.
    pub(in crate::web) mark: Option<String>,
}

/// Renders the page of a task.
pub(in crate::web) fn render(frame: &Frame<'_>, page: &TaskPage<'_>) -> String {
    let view = page.view;
    let content = html! {
        h1 { (view.number.to_string()) " " (shown(&view.title)) " " span.tag { (shown(&view.tag)) } }
        (facts(view.facts.iter().map(|(name, value)| (*name, value.as_str()))))
        @if let Some(time) = page.time { (time_line(page, time)) }
        @if !page.pairs.is_empty() {
            (pair_table("Conflicts with other results", page.pairs.iter().copied()))
        }
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
            Ok(files) => (diff::render(files, page.stat, page.comments.as_deref())),
            Err(why) => p { (shown(why)) },
        }
        h2 #log { "Log" }
        (log_part(&page.log, view.number))
    };
    frame.render(&content)
}

fn time_line(page: &TaskPage<'_>, time: Duration) -> Markup {
    let is_live = matches!(&page.log, Ok(log) if log.mark.is_some());
    html! {
        p #time {
            @if is_live { "Running for " } @else { "Took " }
            (render_elapsed(time)) "."
        }
    }
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
        section id={ "attempt-" (attempt.number) } {
            h3 {
                "Attempt " (attempt.number) ", " (shown(&attempt.worker))
                @if let Some(variant) = attempt.variant { ", variant " (variant) }
            }
            (facts(attempt.facts.iter().map(|(name, value)| (*name, value.as_str()))))
        }
    }
}

/// Renders the log of a task, which the script asks for again while it may grow.
pub(in crate::web) fn log_part(log: &Result<Log, String>, task: TaskNumber) -> Markup {
    html! {
        @match log {
            Ok(log) => {
                div #log-part data-log=[log.mark.as_ref().map(|_| format!("log/{}", task.0))]
                    data-seen=[log.mark.as_deref()] {
                    @if log.before > 0 {
                        p {
                            "The end of the log; " (log.before) " bytes before it are left out. "
                            code { "dispatch logs " (task.0) } " prints all of it."
                        }
                    }
                    @if log.text.is_empty() { p { "(no output)" } }
                    @else { pre.log role="group" aria-label="Log" tabindex="0" { (log.text) } }
                }
            },
            Err(why) => div #log-part { p { (shown(why)) } },
        }
    }
}
