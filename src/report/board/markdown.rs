//! Renders the board as `DISPATCH.md`.

use std::fmt::{self, Write};

use crate::base::markdown::{markdown_cell, markdown_code, markdown_prose, plain_line};
use crate::merge::change::paths_in_short;
use crate::report::board::view::{BoardView, TaskRow};
use crate::report::words::{minute, second};

/// Renders the board as Markdown, from its title to its last table.
pub fn render(view: &BoardView) -> String {
    let rows: Vec<String> = view.tasks.iter().map(render_row).collect();
    render_with_rows(view, view.done(), &rows)
}

/// Renders a board whose rows are rendered already; this many of its tasks are done.
pub(super) fn render_with_rows(view: &BoardView, done: usize, rows: &[String]) -> String {
    let mut text = String::with_capacity(rows.iter().map(String::len).sum());
    // Writing to a string cannot fail.
    let _ = write_board(&mut text, view, done, rows);
    text
}

/// Returns `true` if a text is a board made by [`render`], judged by its run line.
pub fn is_board(text: &str) -> bool {
    let run_line = |line: &str| {
        line.starts_with("Run `") && line.contains("` · base `") && line.ends_with(" done")
    };
    text.starts_with("# Dispatch: ") && text.lines().take(5).any(run_line)
}

fn write_board(to: &mut String, view: &BoardView, done: usize, rows: &[String]) -> fmt::Result {
    let title = markdown_prose(&plain_line(&view.title, 120));
    writeln!(to, "# Dispatch: {title}")?;
    writeln!(
        to,
        "\nRun `{}` · base `{}` on {} · started {} · {} of {} done",
        view.run,
        view.base.short(),
        markdown_code(&view.base_label),
        minute(view.started),
        done,
        rows.len()
    )?;
    if let Some(bill) = &view.bill {
        writeln!(to, "\nCost: {bill}")?;
    }
    write_tasks(to, rows)?;
    write_notices(to, view)?;
    write_conflicts(to, view)?;
    write_speculative(to, view)
}

fn write_tasks(to: &mut String, rows: &[String]) -> fmt::Result {
    writeln!(to, "\n## Dispatch Status\n")?;
    writeln!(to, "| # | Task | Worker | Status | Notes |")?;
    writeln!(to, "|---|------|--------|--------|-------|")?;
    rows.iter().try_for_each(|row| to.write_str(row))
}

/// Renders the row of one task, with its line end.
pub(super) fn render_row(row: &TaskRow) -> String {
    let worker = row.worker_name.as_deref().unwrap_or("—");
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_row(
        &mut text,
        &[
            &row.number.0.to_string(),
            &markdown_cell(&row.title),
            &markdown_cell(worker),
            &row.status.to_string(),
            &markdown_cell(&row.note),
        ],
    );
    text
}

fn write_notices(to: &mut String, view: &BoardView) -> fmt::Result {
    if view.notices.is_empty() {
        return Ok(());
    }
    writeln!(to, "\n## Notices\n")?;
    let mut notices = view.notices.iter();
    notices.try_for_each(|notice| writeln!(to, "- {}", markdown_prose(notice)))
}

fn write_conflicts(to: &mut String, view: &BoardView) -> fmt::Result {
    let mut rows = view.open_conflicts().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(to, "\n## Conflicts\n")?;
    writeln!(to, "| Pair | Path | Kind | Suggested |")?;
    writeln!(to, "|------|------|------|-----------|")?;
    rows.try_for_each(|row| {
        write_row(
            to,
            &[
                &format!("{} × {}", row.conflict.a, row.conflict.b),
                &markdown_cell(&paths_in_short(&row.paths)),
                row.conflict.class.name(),
                &row.suggested,
            ],
        )
    })
}

/// Writes the conflicts of running tasks, which may disappear.
fn write_speculative(to: &mut String, view: &BoardView) -> fmt::Result {
    if view.speculative.is_empty() {
        return Ok(());
    }
    writeln!(to, "\n## Speculative conflicts\n")?;
    writeln!(to, "| Pair | Path | Kind | Since |")?;
    writeln!(to, "|------|------|------|-------|")?;
    view.speculative.iter().try_for_each(|(row, since)| {
        write_row(
            to,
            &[
                &format!("{} × {}", row.conflict.a, row.conflict.b),
                &markdown_cell(&paths_in_short(&row.paths)),
                row.conflict.class.name(),
                &second(*since),
            ],
        )
    })
}

/// Writes a table row; an empty cell has one space, not two.
fn write_row(to: &mut String, cells: &[&str]) -> fmt::Result {
    for cell in cells {
        let space = if cell.is_empty() { "" } else { " " };
        write!(to, "|{space}{cell} ")?;
    }
    writeln!(to, "|")
}
