//! The page of all runs.

use maud::html;
use serde_json::Value;

use crate::web::pages::frame::{Frame, Medium};
use crate::web::pages::part::scrolling;
use crate::web::text::shown;

/// Renders the rows of [`crate::report::history`], the latest run first.
pub(in crate::web) fn render(rows: &[Value], medium: Medium) -> String {
    let frame = Frame {
        title: "Runs",
        subject: None,
        place: None,
        medium,
    };
    let content = html! {
        h1 { "Runs" }
        @if rows.is_empty() {
            p { "There is no run in this repository yet. " code { "dispatch run PLAN" } " starts one." }
        } @else {
            (scrolling("Runs", &table(rows)))
        }
    };
    frame.render(&content)
}

fn table(rows: &[Value]) -> maud::Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "Run" }
                    th scope="col" { "Title" }
                    th scope="col" { "State" }
                    th scope="col" { "Done" }
                    th.wide scope="col" { "Started (UTC)" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" {
                            @let run = row["run"].as_str().unwrap_or_default();
                            @if row["tasks"].is_null() { (shown(run)) }
                            @else { a href={ (run) "/board.html" } { (run) } }
                        }
                        td.title { (shown(row["title"].as_str().unwrap_or_default())) }
                        td { (state(row)) }
                        td { @if let Some(tasks) = row["tasks"].as_u64() { (row["done"].to_string()) "/" (tasks) } }
                        td.wide { (started(row)) }
                    }
                }
            }
        }
    }
}

fn state(row: &Value) -> &str {
    match (row["landed"].as_str(), row["state"].as_str()) {
        (Some(_), _) => "landed",
        (None, Some("needs-attention")) => "needs attention",
        (None, state) => state.unwrap_or_default(),
    }
}

fn started(row: &Value) -> String {
    let time = row["started"].as_str().unwrap_or_default();
    time.get(..16).unwrap_or_default().replace('T', " ")
}
