//! The board of a run.

use std::time::Duration;

use maud::{Markup, html};

use crate::base::clock::render_elapsed;
use crate::report::board::text::{assembled, status_line};
use crate::report::board::view::{BoardView, Standing, TaskRow};
use crate::report::suggest;
use crate::report::words::minute;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{pair_table, scrolling, status, task_link};
use crate::web::place::Place;
use crate::web::text::{in_table, shown};

/// The number of tasks from which on a table has a filter.
const FILTERED: usize = 12;

/// The times on a board.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::web) struct Times {
    /// The time since the run started, until its end if it has one.
    pub(in crate::web) whole: Duration,
    /// The time of the attempts at each task, in the order of the plan.
    pub(in crate::web) tasks: Vec<Option<Duration>>,
}

/// Renders the board. `actions` are the forms that change the run.
pub(in crate::web) fn render(
    frame: &Frame<'_>,
    view: &BoardView,
    times: &Times,
    actions: &Markup,
) -> String {
    let content = html! {
        (head(view, times))
        (actions)
        (tasks(view, times))
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

fn head(view: &BoardView, times: &Times) -> Markup {
    html! {
        h1 { (shown(&view.title)) }
        p.meta {
            "Run " code { (view.run) } " · base " code { (view.base.short()) } " on "
            (shown(&view.base_label)) " · started " (minute(view.started))
            " · " (render_elapsed(times.whole))
        }
        p.standing {
            strong { (shown(&view.words())) } " · " (status_line(view))
            @if let Some(bill) = &view.bill { " · cost " (shown(bill)) }
        }
        @if view.standing == Standing::Interrupted {
            p { "No process drives the run. " code { (suggest::resume(&view.run)) } " resumes it." }
        }
        progress aria-label="Tasks done" max=(view.tasks.len()) value=(view.done()) {}
        @if !view.notices.is_empty() {
            ul.notices { @for notice in &view.notices { li { (shown(notice)) } } }
        }
    }
}

fn tasks(view: &BoardView, times: &Times) -> Markup {
    html! {
        h2 #tasks { "Tasks" }
        @if view.tasks.len() >= FILTERED {
            p data-filter hidden {
                label for="filter" { "Show only tasks with" } " "
                input #filter type="search" autocomplete="off";
            }
        }
        div data-rows { (scrolling("Tasks", &table(&view.tasks, times))) }
    }
}

fn table(rows: &[TaskRow], times: &Times) -> Markup {
    html! {
        table.tasks {
            thead {
                tr {
                    th scope="col" { "#" }
                    th scope="col" { "Task" }
                    th scope="col" { "Status" }
                    th scope="col" { "Time" }
                    th.wide scope="col" { "Worker" }
                    th.wide scope="col" { "Attempts" }
                    th.wide scope="col" { "Cost" }
                    th scope="col" { "Notes" }
                }
            }
            tbody { @for row in rows { (task_row(row, times)) } }
        }
    }
}

fn task_row(row: &TaskRow, times: &Times) -> Markup {
    let time = times.tasks.get(row.number.index()).copied().flatten();
    html! {
        tr id={ "row-" (row.number.0) } {
            td { (task_link(row.number)) }
            th.title scope="row" {
                a href=(Place::Task(row.number).file()) { (in_table(&row.title)) }
                @if !row.tag.is_empty() { " " span.tag { (shown(&row.tag)) } }
            }
            td { (status(&row.status)) }
            td.time { @if let Some(time) = time { (render_elapsed(time)) } }
            td.wide { (shown(row.worker_name.as_deref().unwrap_or("—"))) }
            td.wide { (row.attempts) }
            td.wide { (cost(row)) }
            td.note-text { (shown(&row.note)) }
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
