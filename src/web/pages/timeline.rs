//! The timeline of a run: who ran when, attempts, waiting, parked.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::base::clock::render_elapsed;
use crate::report::timeline::{Span, SpanKind, Timeline, TimelineRow};
use crate::report::words::second;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{scrolling, status, task_link};
use crate::web::text::{in_table, shown};

/// The width of a bar, in units of its drawing.
const WIDTH: f64 = 1000.0;

/// The narrowest span that is drawn.
const NARROWEST: f64 = 3.0;

/// Renders the timeline.
pub(in crate::web) fn render(frame: &Frame<'_>, timeline: &Timeline) -> String {
    let content = html! {
        h1 { "Timeline" }
        p {
            "From " (second(timeline.from)) ", " (elapsed(timeline.from, timeline.to)) " in all. "
            "A bar shows one task; the same times are in the column beside it."
        }
        ul.legend aria-label="Colours of the bars" {
            @for kind in SpanKind::ALL {
                li {
                    svg.swatch viewBox="0 0 10 10" aria-hidden="true" focusable="false" {
                        rect.(class(kind)) width="10" height="10" {}
                    }
                    " " (kind.word())
                }
            }
        }
        (scrolling("Timeline", &table(timeline)))
    };
    frame.render(&content)
}

fn table(timeline: &Timeline) -> Markup {
    html! {
        table.timeline {
            thead {
                tr {
                    th scope="col" { "Task" }
                    th.wide scope="col" { "Status" }
                    th scope="col" { "Bar" }
                    th scope="col" { "Times" }
                }
            }
            tbody { @for row in &timeline.rows { (task_row(timeline, row)) } }
        }
    }
}

fn task_row(timeline: &Timeline, row: &TimelineRow) -> Markup {
    html! {
        tr id={ "row-" (row.number.0) } {
            th.title scope="row" { (task_link(row.number)) " " (in_table(&row.title)) }
            td.wide { (status(&row.status)) }
            td.bar {
                svg viewBox={ "0 0 " (WIDTH) " 16" } preserveAspectRatio="none" aria-hidden="true"
                    focusable="false" {
                    @for span in &row.spans { (bar(timeline, span)) }
                }
            }
            td {
                ul.times { @for span in &row.spans { li { (words(timeline, span)) } } }
            }
        }
    }
}

fn bar(timeline: &Timeline, span: &Span) -> Markup {
    let whole = seconds(timeline.from, timeline.to).max(f64::MIN_POSITIVE);
    let start = seconds(timeline.from, span.from) / whole * WIDTH;
    let width = (seconds(span.from, span.to) / whole * WIDTH).max(NARROWEST);
    let start = start.min(WIDTH - NARROWEST);
    html! {
        rect.(class(span.kind)) x=(format!("{start:.1}")) width=(format!("{width:.1}")) height="16" {}
    }
}

/// Renders `attempt 1 (claude) passed after 2m 10s, from 12s`.
fn words(timeline: &Timeline, span: &Span) -> String {
    let kind = match &span.attempt {
        Some((number, worker)) => {
            format!("attempt {number} ({}) {}", shown(worker), span.kind.word())
        }
        None => span.kind.word().to_owned(),
    };
    let (length, start) = (
        elapsed(span.from, span.to),
        elapsed(timeline.from, span.from),
    );
    let open = if span.is_open { " so far" } else { "" };
    format!("{kind}, {length}{open}, from {start}")
}

fn class(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Blocked => "span-blocked",
        SpanKind::Queued => "span-queued",
        SpanKind::Delayed => "span-delayed",
        SpanKind::Parked => "span-parked",
        SpanKind::Running => "span-running",
        SpanKind::Interrupted => "span-interrupted",
        SpanKind::Failed => "span-failed",
        SpanKind::Passed => "span-passed",
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

fn elapsed(from: Timestamp, to: Timestamp) -> String {
    let duration = Duration::try_from(to.duration_since(from));
    render_elapsed(duration.unwrap_or_default())
}
