//! The events of a run as sentences.

use maud::{Markup, html};

use crate::model::event::Recorded;
use crate::model::ids::TaskNumber;
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
    let sentence = event_sentence(plan, &recorded.event);
    html! {
        li id={ "event-" (recorded.seq) } {
            time datetime=(recorded.time.to_string()) { (time) } " "
            (linked(&sentence, recorded.event.task()))
        }
    }
}

/// Renders a sentence in which the number of its task is a link; one without the number is followed by it.
fn linked(sentence: &str, task: Option<TaskNumber>) -> Markup {
    let Some(task) = task else {
        return html! { (shown(sentence)) };
    };
    let number = task.to_string();
    let mut places = sentence.match_indices(&number);
    let place = places.find(|(at, _)| {
        let next = sentence[at + number.len()..].chars().next();
        !next.is_some_and(|next| next.is_ascii_digit())
    });
    match place.map(|(at, _)| sentence.split_at(at)) {
        Some((before, rest)) => html! {
            (shown(before)) (task_link(task)) (shown(&rest[number.len()..]))
        },
        None => html! { (shown(sentence)) " " span.tag { (task_link(task)) } },
    }
}
