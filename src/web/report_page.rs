//! Renders the report of a run as one file without anything beside it.

use maud::{DOCTYPE, PreEscaped, html};

use crate::engine::publish::render_board_file;
use crate::model::run::RunState;
use crate::web::asset::STYLE;
use crate::web::pages::markdown;

/// Renders the board and the reports of a run as one HTML file, for a browser or a mail.
pub fn render_report_page(state: &RunState) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'";
                title { (state.run) " · dispatch" }
                // The stylesheet is part of the program and has no end of a style element.
                style { (PreEscaped(STYLE.text)) }
            }
            body {
                main #main { (markdown::render(&render_board_file(state))) }
                footer { p { "dispatch " (env!("CARGO_PKG_VERSION")) } }
            }
        }
    };
    page.into_string()
}
