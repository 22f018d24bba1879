//! The reports of a run.

use maud::html;

use crate::web::pages::frame::Frame;
use crate::web::pages::markdown;

/// Renders the reports, which are Markdown; `missing` tells why there is none yet.
pub(in crate::web) fn render(frame: &Frame<'_>, reports: &[String], missing: &str) -> String {
    let content = html! {
        h1 { "Report" }
        @if reports.is_empty() { p { (missing) } }
        @for report in reports { (markdown::render(report)) }
    };
    frame.render(&content)
}
