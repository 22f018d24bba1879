//! The matrix of all pairs, with a page for each pair.

use maud::{Markup, html};

use crate::base::text::plural;
use crate::model::ids::TaskNumber;
use crate::report::board::view::{BoardView, ConflictRow, TaskRow};
use crate::report::matrix::Matrix;
use crate::report::pair::severity_words;
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{pair_table, scrolling, task_link};
use crate::web::place::Place;
use crate::web::text::shown;

/// The most rows and columns of the matrix; the table below it has every pair.
const LARGEST: usize = 60;

/// Renders the matrix and the table of all pairs.
pub(in crate::web) fn render(frame: &Frame<'_>, board: &BoardView) -> String {
    let matrix = Matrix::new(board);
    let content = html! {
        h1 { "Conflicts" }
        p { (summary(board, &matrix)) }
        @if matrix.tasks.is_empty() {
            p { "No two results touch the same files." }
        } @else {
            (legend())
            (scrolling("Matrix of all pairs", &table(&matrix)))
            @if matrix.tasks.len() > LARGEST {
                p { "The matrix has the first " (LARGEST) " tasks; the table has every pair." }
            }
            (pair_table("All pairs", board.conflicts.iter()))
        }
        @if !board.speculative.is_empty() {
            (pair_table(
                "Conflicts of running tasks, which may disappear",
                board.speculative.iter().map(|(row, _)| row),
            ))
        }
    };
    frame.render(&content)
}

/// Renders `2 conflicts in 5 pairs. 3 results share nothing …`.
fn summary(board: &BoardView, matrix: &Matrix<'_>) -> String {
    let mut text = format!(
        "{} in {} of results that touch the same files.",
        plural(board.open_conflicts().count(), "conflict"),
        plural(board.conflicts.len(), "pair"),
    );
    if matrix.independent > 0 {
        let results = plural(matrix.independent, "other result");
        text.push_str(&format!(" {results} independent of all."));
        text = text.replace("results independent", "results are independent");
        text = text.replace("result independent", "result is independent");
    }
    if matrix.without_candidate > 0 {
        let tasks = plural(matrix.without_candidate, "task");
        let verb = if matrix.without_candidate == 1 {
            "has"
        } else {
            "have"
        };
        text.push_str(&format!(" {tasks} {verb} no result to compare."));
    }
    text
}

fn legend() -> Markup {
    html! {
        ul.legend aria-label="Severities" {
            @for severity in 0..=5u8 {
                li {
                    span.cell.{ "severity-" (severity) } aria-hidden="true" { (severity) }
                    " " (severity_words(severity))
                }
            }
            li { span aria-hidden="true" { "·" } " independent: they share no file" }
        }
    }
}

fn table(matrix: &Matrix<'_>) -> Markup {
    let tasks = &matrix.tasks[..matrix.tasks.len().min(LARGEST)];
    html! {
        table.matrix {
            thead {
                tr {
                    td {}
                    @for task in tasks { th scope="col" { (task_link(task.number)) } }
                }
            }
            tbody {
                @for row in tasks {
                    tr {
                        th scope="row" { (task_link(row.number)) " " (shown(&row.tag)) }
                        @for column in tasks { (cell(matrix, row, column)) }
                    }
                }
            }
        }
    }
}

fn cell(matrix: &Matrix<'_>, row: &TaskRow, column: &TaskRow) -> Markup {
    let (a, b) = (row.number, column.number);
    html! {
        @if a == b {
            td.self { span aria-hidden="true" { "–" } span.unseen { "the task itself" } }
        } @else {
            @match matrix.cell(a, b) {
                Some(pair) => td { (pair_cell(pair, a, b)) },
                None => td { span aria-hidden="true" { "·" } span.unseen { "independent" } },
            }
        }
    }
}

fn pair_cell(pair: &ConflictRow, a: TaskNumber, b: TaskNumber) -> Markup {
    let (class, severity) = (pair.conflict.class.name(), pair.conflict.severity);
    let (first, second) = pair.conflict.pair();
    let words = format!("{class}, severity {}", severity_words(severity));
    html! {
        a.cell.{ "severity-" (severity.min(5)) } href=(Place::Pair(first, second).file())
            title=(words) {
            (severity) " " span.class { (class) } span.unseen { ", " (a.to_string()) " and " (b.to_string()) }
        }
    }
}
