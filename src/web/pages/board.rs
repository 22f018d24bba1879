//! The board of a run.

use maud::{Markup, html};

use crate::report::board::text::{assembled, status_line};
use crate::report::board::view::{BoardView, TaskRow};
use crate::report::words::minute;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{pair_table, scrolling, status, task_link};
use crate::web::place::Place;
use crate::web::text::shown;

/// The number of tasks from which on a table has a filter.
const FILTERED: usize = 12;

/// Renders the board. `actions` are the forms that change the run.
pub(in crate::web) fn render(frame: &Frame<'_>, view: &BoardView, actions: &Markup) -> String {
    let content = html! {
        (head(view))
        (actions)
        (tasks(view))
        @if view.open_conflicts().next().is_some() {
            (pair_table("Conflicts", view.open_conflicts()))
        }
        @if !view.speculative.is_empty() { (speculative(view)) }
        @if let Some(integration) = &view.integration {
            section aria-labelledby="assembly" {
                h2 #assembly { "Assembly" }
                ul.lines {
                    @for line in assembled(view, integration).lines().filter(|line| !line.is_empty()) {
                        li { (shown(line.trim_start())) }
                    }
                }
            }
        }
    };
    frame.render(&content)
}

fn head(view: &BoardView) -> Markup {
    html! {
        h1 { (shown(&view.title)) }
        p.meta {
            "Run " code { (view.run) } " · base " code { (view.base.short()) } " on "
            (shown(&view.base_label)) " · started " (minute(view.started))
        }
        p.standing {
            strong { (view.standing.words()) } " · " (status_line(view))
            @if let Some(bill) = &view.bill { " · cost " (shown(bill)) }
        }
        progress aria-label="Tasks done" max=(view.tasks.len()) value=(view.done()) {}
        @if !view.notices.is_empty() {
            ul.notices { @for notice in &view.notices { li { (shown(notice)) } } }
        }
    }
}

fn tasks(view: &BoardView) -> Markup {
    html! {
        h2 #tasks { "Tasks" }
        @if view.tasks.len() >= FILTERED {
            p data-filter hidden {
                label for="filter" { "Show only tasks with" } " "
                input #filter type="search" autocomplete="off";
            }
        }
        div data-rows { (scrolling("Tasks", &table(&view.tasks))) }
    }
}

fn table(rows: &[TaskRow]) -> Markup {
    html! {
        table.tasks {
            thead {
                tr {
                    th scope="col" { "#" }
                    th scope="col" { "Task" }
                    th scope="col" { "Status" }
                    th.wide scope="col" { "Worker" }
                    th.wide scope="col" { "Attempts" }
                    th.wide scope="col" { "Cost" }
                    th scope="col" { "Notes" }
                }
            }
            tbody { @for row in rows { (task_row(row)) } }
        }
    }
}

fn task_row(row: &TaskRow) -> Markup {
    html! {
        tr {
            td { (task_link(row.number)) }
            th scope="row" {
                a href=(Place::Task(row.number).file()) { (shown(&row.title)) }
                @if !row.tag.is_empty() { " " span.tag { (shown(&row.tag)) } }
            }
            td { (status(&row.status)) }
            td.wide { (shown(row.worker_name.as_deref().unwrap_or("—"))) }
            td.wide { (row.attempts) }
            td.wide { (cost(row)) }
            td { (shown(&row.note)) }
        }
    }
}

/// Renders the known cost.
fn cost(row: &TaskRow) -> String {
    let known = row.spending.map(|spending| spending.known);
    match known.filter(|known| !known.is_unknown()) {
        Some(known) => known.to_string(),
        None => "—".to_owned(),
    }
}

fn speculative(view: &BoardView) -> Markup {
    html! {
        (pair_table(
            "Conflicts of running tasks, which may disappear",
            view.speculative.iter().map(|(row, _)| row),
        ))
    }
}
