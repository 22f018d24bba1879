//! Parts that several pages have.

use maud::{Markup, html};

use crate::base::text_diff::{Mark, Piece};
use crate::merge::change::paths_in_short;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::status::Status;
use crate::report::board::view::ConflictRow;
use crate::web::place::Place;
use crate::web::text::{LONGEST_LINE, longer_note, shown};

/// Renders a status with the class of its colour.
pub(super) fn status(status: &Status) -> Markup {
    let class = match status {
        Status::Done => "good",
        Status::Failed => "bad",
        Status::InProgress | Status::Retry(_) => "busy",
        Status::Blocked(_) | Status::Queued => "waits",
        Status::Skipped | Status::Cancelled => "off",
    };
    html! { span.status.(class) { (status.to_string()) } }
}

/// Renders a link to a task.
pub(super) fn task_link(task: TaskNumber) -> Markup {
    html! { a href=(Place::Task(task).file()) { (task.to_string()) } }
}

/// Renders links to tasks.
pub(super) fn task_links(tasks: &[TaskNumber]) -> Markup {
    html! {
        @for (place, task) in tasks.iter().enumerate() {
            @if place > 0 { ", " }
            (task_link(*task))
        }
    }
}

/// Renders a table that scrolls alone where the window is narrow.
pub(super) fn scrolling(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="group" aria-label=(label) tabindex="0" { (table) } }
}

/// Renders pairs of tasks as a table.
pub(super) fn pair_table<'a>(caption: &str, rows: impl Iterator<Item = &'a ConflictRow>) -> Markup {
    scrolling(
        caption,
        &html! {
            table {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { "Pair" }
                        th scope="col" { "Class" }
                        th scope="col" { "Severity" }
                        th scope="col" { "Paths" }
                        th scope="col" { "Suggested" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (pair_link(row)) }
                            td { (row.conflict.class.name()) }
                            td { (severity(row.conflict.severity)) }
                            td.path { (shown(&paths_in_short(&row.paths))) }
                            td { (row.suggested) }
                        }
                    }
                }
            }
        },
    )
}

fn pair_link(row: &ConflictRow) -> Markup {
    let (a, b) = row.conflict.pair();
    html! { a href=(Place::Pair(a, b).file()) { (a.to_string()) " × " (b.to_string()) } }
}

/// Renders a severity with the class of its colour.
pub(super) fn severity(severity: u8) -> Markup {
    let words = crate::report::pair::severity_words(severity);
    html! { span.severity.{ "severity-" (severity.min(5)) } { (words) } }
}

/// Renders the pieces of a line; the end of a very long one is left out.
pub(super) fn pieces(pieces: &[Piece]) -> Markup {
    let mut left = LONGEST_LINE;
    let cut = pieces.iter().map(|piece| {
        let text: String = piece.text.chars().take(left).collect();
        left -= text.chars().count();
        (piece.mark, text)
    });
    let cut: Vec<(Mark, String)> = cut.filter(|(_, text)| !text.is_empty()).collect();
    let lengths = pieces.iter().map(|piece| piece.text.chars().count());
    let more = lengths.sum::<usize>().saturating_sub(LONGEST_LINE);
    html! {
        @for (mark, text) in &cut {
            @match mark {
                Mark::Same => (shown(text)),
                Mark::Removed => del { (shown(text)) },
                Mark::Added => ins { (shown(text)) },
            }
        }
        @if more > 0 { span.note { (longer_note(more)) } }
    }
}

/// Renders a hash: its start, and all of it where the pointer rests.
pub(super) fn hash(oid: Oid) -> Markup {
    html! { code title=(oid.to_string()) { (oid.short()) } }
}

/// Renders text that keeps its lines.
pub(in crate::web) fn block(label: &str, text: &str) -> Markup {
    html! { pre role="group" aria-label=(label) tabindex="0" { (shown(text)) } }
}

/// Renders names with values.
pub(super) fn facts<'a>(facts: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div {
                    dt { (name) }
                    dd { (shown(value)) }
                }
            }
        }
    }
}
