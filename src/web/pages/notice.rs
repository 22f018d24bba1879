//! A page with one message: an error, or an answer to an action.

use maud::{DOCTYPE, html};

use crate::model::ids::RunId;
use crate::web::pages::frame::{Frame, Medium, Subject};
use crate::web::text::shown;

/// A link after a message: its target and its words.
pub(in crate::web) type Onward<'a> = (&'a str, &'a str);

/// Renders a message with a next step.
pub(in crate::web) fn render(
    title: &str,
    message: &str,
    next: &str,
    onward: Option<Onward<'_>>,
) -> String {
    let frame = Frame {
        title,
        subject: None,
        place: None,
        medium: Medium::Answer,
    };
    let content = html! {
        h1 { (title) }
        p { (shown(message)) }
        @if !next.is_empty() { p { (shown(next)) } }
        @if let Some((target, words)) = onward {
            p { a href=(target) { (words) } }
        }
    };
    frame.render(&content)
}

/// Renders the page in a folder that stands in for one that is not written yet: the board of a run, or the
/// list of all runs.
pub(in crate::web) fn incomplete(run: Option<&RunId>) -> String {
    let frame = Frame {
        title: "Not complete",
        subject: run.map(|run| Subject {
            run,
            version: "",
            is_live: false,
        }),
        place: None,
        medium: Medium::File,
    };
    let content = html! {
        h1 { "Not complete" }
        p { "These pages are not all written: the export goes on, or it was interrupted." }
        p { code { "dispatch web --export" } " writes all of them." }
    };
    frame.render(&content)
}

/// Renders the page that leads from the address with the token to the start page.
pub(in crate::web) fn welcome() -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content="0; url=/";
                title { "dispatch" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body { main { h1 { "dispatch" } p { a href="/" { "Continue" } } } }
        }
    };
    page.into_string()
}
