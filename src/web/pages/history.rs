//! The events of a run as sentences.

use maud::{Markup, html};

use crate::model::event::Recorded;
use crate::model::plan::Plan;
use crate::report::event_sentence::event_sentence;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::task_link;
use crate::web::text::shown;

/// The most events on the page.
const LIMIT: usize = 5000;

/// Renders the events, the latest first. `plan` is the current plan.
pub(in crate::web) fn render(frame: &Frame<'_>, plan: &Plan, records: &[Recorded]) -> String {
    let hidden = records.len().saturating_sub(LIMIT);
    let content = html! {
        h1 { "History" }
        p { "The events of the journal, the latest first; times are UTC." }
        ol.events reversed {
            @for recorded in records.iter().rev().take(LIMIT) { (event(plan, recorded)) }
        }
        @if hidden > 0 {
            p { (hidden) " earlier events are left out; " code { "dispatch log" } " prints them." }
        }
    };
    frame.render(&content)
}

fn event(plan: &Plan, recorded: &Recorded) -> Markup {
    let time = recorded.time.strftime("%Y-%m-%d %H:%M:%S");
    html! {
        li {
            time datetime=(recorded.time.to_string()) { (time) } " "
            (shown(&event_sentence(plan, &recorded.event)))
            @if let Some(task) = recorded.event.task() { " " span.tag { (task_link(task)) } }
        }
    }
}
