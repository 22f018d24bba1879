//! Renders the board for a terminal: columns aligned by display width, readable without colour.

use std::fmt::{self, Write};

use crate::base::markdown::plain_line;
use crate::base::table::wrapped_table;
use crate::base::text::{plural, wrap_words};
use crate::merge::change::paths_in_short;
use crate::model::integration::{Integration, LeftOut, LeftOutReason};
use crate::model::status::Status;
use crate::model::task_list::{and_list, comma_list, together_with};
use crate::report::board::view::{BoardView, TaskRow};
use crate::report::words::{check_words, minute, second};

/// The maximum width of a worker.
const WORKER_WIDTH: usize = 40;

/// Renders the board at its full width.
pub fn render(view: &BoardView) -> String {
    render_within(view, usize::MAX)
}

/// Renders the board in this many columns; no word is broken.
pub fn render_within(view: &BoardView, columns: usize) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_board(&mut text, view, columns);
    text
}

fn write_board(to: &mut String, view: &BoardView, columns: usize) -> fmt::Result {
    write_wrapped(to, columns, &head(view))?;
    writeln!(to)?;
    let header = ["#", "Task", "Worker", "Status", "Notes"].map(str::to_owned);
    let rows = view.tasks.iter().map(task_cells);
    to.write_str(&wrapped_table(&with_header(header, rows), columns))?;
    write_conflicts(to, view, columns)?;
    write_speculative(to, view, columns)?;
    match &view.integration {
        Some(integration) => write_wrapped(to, columns, &assembled(view, integration)),
        None => Ok(()),
    }
}

/// Writes lines of text in at most this many columns; no word is broken.
fn write_wrapped(to: &mut String, columns: usize, lines: &str) -> fmt::Result {
    lines.lines().try_for_each(|line| {
        let indent = line.len() - line.trim_start().len() + 2;
        writeln!(to, "{}", wrap_words(line, columns, indent))
    })
}

/// The lines above the tables.
fn head(view: &BoardView) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_head(&mut text, view);
    text
}

fn write_head(to: &mut String, view: &BoardView) -> fmt::Result {
    writeln!(to, "{}", plain_line(&view.title, 120))?;
    writeln!(
        to,
        "Run {} · base {} on {} · started {} · {}",
        view.run,
        view.base.short(),
        plain_line(&view.base_label, 120),
        minute(view.started),
        plain_line(&view.words(), 120)
    )?;
    writeln!(to, "{}", status_line(view))?;
    if let Some(bill) = &view.bill {
        writeln!(to, "cost {bill}")?;
    }
    view.notices
        .iter()
        .try_for_each(|notice| writeln!(to, "{notice}"))
}

/// Renders `1 of 4 done · 1 in progress · 1 failed · 1 blocked`.
pub fn status_line(view: &BoardView) -> String {
    let mut parts = vec![format!("{} of {} done", view.done(), view.tasks.len())];
    let kinds = [
        Status::InProgress,
        Status::Retry(0),
        Status::Queued,
        Status::Blocked(Vec::new()),
        Status::Failed,
        Status::Skipped,
        Status::Cancelled,
    ];
    for kind in kinds {
        let same = |row: &&TaskRow| row.status.word() == kind.word();
        match view.tasks.iter().filter(same).count() {
            0 => {}
            count => parts.push(format!("{count} {}", kind.word().to_lowercase())),
        }
    }
    parts.join(" · ")
}

/// Renders the end of a run: `shop-2f4d finished: 3 of 4 done, 1 skipped; #2 left out`.
pub fn result_line(view: &BoardView) -> String {
    let done = status_line(view).replace(" · ", ", ");
    let mut line = format!("{} {}: {done}", view.run, plain_line(&view.words(), 120));
    let integration = view.integration.iter();
    let left_out = integration.clone().flat_map(|found| &found.left_out);
    let left_out: Vec<_> = left_out.map(|out| out.task).collect();
    if !left_out.is_empty() {
        line.push_str(&format!("; {} left out", and_list(&left_out)));
    }
    let checks = integration.flat_map(|found| &found.checks);
    for check in checks.filter(|check| !check.passed()) {
        let command = plain_line(&check.command, 60);
        line.push_str(&format!("; check {command}: {}", check_words(check)));
    }
    line
}

fn task_cells(row: &TaskRow) -> [String; 5] {
    let worker = row.worker_name.as_deref().unwrap_or("—");
    [
        row.number.0.to_string(),
        plain_line(&row.title, 120),
        plain_line(worker, WORKER_WIDTH),
        row.status.to_string(),
        row.note.clone(),
    ]
}

fn write_conflicts(to: &mut String, view: &BoardView, columns: usize) -> fmt::Result {
    let header = ["Pair", "Path", "Kind", "Suggested"].map(str::to_owned);
    let rows = view.open_conflicts().map(|row| {
        [
            format!("{} × {}", row.conflict.a, row.conflict.b),
            plain_line(&paths_in_short(&row.paths), 120),
            row.conflict.class.to_string(),
            row.suggested.clone(),
        ]
    });
    let rows = with_header(header, rows);
    if rows.len() == 1 {
        return Ok(());
    }
    writeln!(to, "\nConflicts\n")?;
    to.write_str(&wrapped_table(&rows, columns))
}

/// Renders the conflicts of running tasks as a table; empty without any.
pub fn render_speculative(view: &BoardView, columns: usize) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_speculative(&mut text, view, columns);
    text
}

fn write_speculative(to: &mut String, view: &BoardView, columns: usize) -> fmt::Result {
    if view.speculative.is_empty() {
        return Ok(());
    }
    let header = ["Pair", "Kind", "Since", "Path"].map(str::to_owned);
    let rows = view.speculative.iter().map(|(row, since)| {
        [
            format!("{} × {}", row.conflict.a, row.conflict.b),
            row.conflict.class.to_string(),
            second(*since),
            plain_line(&paths_in_short(&row.paths), 120),
        ]
    });
    writeln!(to, "\nSpeculative conflicts\n")?;
    to.write_str(&wrapped_table(&with_header(header, rows), columns))
}

/// Renders the assembled branch: a line with its name, then merged and left-out tasks, resolutions,
/// checks and landings.
pub fn assembled(view: &BoardView, integration: &Integration) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_integration(&mut text, view, integration);
    text
}

fn write_integration(to: &mut String, view: &BoardView, integration: &Integration) -> fmt::Result {
    write!(to, "\nIntegration {}", view.integration_branch)?;
    match integration.tip {
        Some(tip) => writeln!(to, " at {}", tip.short())?,
        None => writeln!(to)?,
    }
    let merged: Vec<_> = integration
        .merged
        .iter()
        .map(|merged| merged.task)
        .collect();
    if merged.is_empty() {
        writeln!(to, "  nothing merged")?;
    } else {
        let tasks = plural(merged.len(), "task");
        writeln!(to, "  merged {tasks}: {}", comma_list(&merged))?;
    }
    for merged in &integration.merged {
        for resolution in &merged.resolved {
            let line = format!("{}: {resolution}", merged.task);
            writeln!(to, "  resolved {}", plain_line(&line, 160))?;
        }
    }
    for out in &integration.left_out {
        writeln!(to, "  left out {}", left_out(out))?;
        if let LeftOutReason::Conflict {
            failed_strategies, ..
        } = &out.reason
        {
            for tried in failed_strategies {
                writeln!(to, "    tried {}", plain_line(&tried.to_string(), 160))?;
            }
        }
    }
    for check in &integration.checks {
        let command = plain_line(&check.command, 120);
        writeln!(to, "  check {command}: {}", check_words(check))?;
    }
    for (words, landing) in [
        ("Landed on", &view.landed),
        ("Undone landing on", &view.undone_landing),
    ] {
        if let Some(landing) = landing {
            let (target, to_commit) = (&landing.target, landing.to.short());
            writeln!(to, "{words} {target} as {to_commit}")?;
        }
    }
    view.pull_requests
        .iter()
        .filter_map(|found| found.url.as_deref())
        .try_for_each(|url| writeln!(to, "Pull request {}", plain_line(url, 120)))
}

fn left_out(out: &LeftOut) -> String {
    plain_line(&format!("{}: {}", out.task, left_out_reason(out)), 160)
}

/// Renders the reason why a candidate was left out: `content conflict with #1 in src/app.ts`.
pub fn left_out_reason(out: &LeftOut) -> String {
    let reason = match &out.reason {
        LeftOutReason::Conflict {
            class, with, paths, ..
        } => {
            let with = match with.as_slice() {
                [] => String::new(),
                with => format!(" with {}", and_list(with)),
            };
            let place = match paths_in_short(paths) {
                place if place.is_empty() => place,
                place => format!(" in {place}"),
            };
            format!("{class} conflict{with}{place}")
        }
        LeftOutReason::BuiltOn { task } => format!("built on {task}"),
        LeftOutReason::ByUser => "by the user".to_owned(),
        LeftOutReason::FailedChecks {
            command,
            with,
            timed_out,
        } => {
            let how = together_with(with);
            match timed_out {
                true => format!("{command} times out with it {how}"),
                false => format!("fails {command} {how}"),
            }
        }
    };
    plain_line(&reason, 150)
}

fn with_header<const N: usize>(
    header: [String; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<[String; N]> {
    std::iter::once(header).chain(rows).collect()
}
