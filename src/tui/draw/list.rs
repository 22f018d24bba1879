//! The list of tasks.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use crate::base::clock::render_elapsed;
use crate::model::task_list::comma_list;
use crate::report::board::view::TaskRow;
use crate::report::task_facts::TaskFacts;
use crate::tui::draw::cell::{both_ends, cell, place, safe};
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// The widths of the columns; a column of width 0 is left out.
struct Columns {
    number: usize,
    tag: usize,
    title: usize,
    worker: usize,
    status: usize,
    time: usize,
    files: usize,
    cost: usize,
}

impl Columns {
    fn fit(view: &RunView, width: usize) -> Columns {
        let rows = || view.board.tasks.iter();
        let tag = rows().map(|row| row.tag.width()).max().unwrap_or(0);
        let number = rows().map(|row| row.number.to_string().len()).max();
        let worker = rows().filter_map(|row| row.worker_name.as_deref());
        let worker = worker.map(UnicodeWidthStr::width).max().unwrap_or(0);
        let mut columns = Columns {
            number: number.unwrap_or(2),
            tag: tag.clamp("Tag".len(), if width < 70 { 8 } else { 12 }),
            title: 0,
            worker: if width >= 88 {
                worker.clamp("Worker".len(), 12)
            } else {
                0
            },
            status: if width < 70 { 11 } else { 18 },
            time: 7,
            files: if width >= 120 {
                12
            } else if width >= 78 {
                9
            } else {
                0
            },
            cost: if width >= 110 && view.board.bill.is_some() {
                8
            } else {
                0
            },
        };
        if width >= 100 {
            // The title and the note share what the others leave.
            let title = rows().map(|row| row.title.width()).max().unwrap_or(0);
            columns.title = title.min(width.saturating_sub(columns.used()) / 2).max(12);
        }
        columns
    }

    /// Returns the columns in front of the note.
    fn used(&self) -> usize {
        let all = [
            self.number,
            self.tag,
            self.title,
            self.worker,
            self.status,
            self.time,
            self.files,
            self.cost,
        ];
        2 + all
            .iter()
            .filter(|width| **width > 0)
            .map(|width| width + 1)
            .sum::<usize>()
    }
}

/// Returns the first row that is shown, so that the selected one is.
pub(super) fn first_row(state: &State, view: &RunView, height: usize) -> usize {
    let rows = state.rows(view);
    let at = rows
        .iter()
        .position(|row| Some(row.number) == state.selected);
    let most = rows.len().saturating_sub(height);
    at.unwrap_or(0).saturating_sub(height / 2).min(most)
}

/// Draws the list.
pub(super) fn draw(
    frame: &mut Frame,
    area: Rect,
    (state, view): (&State, &RunView),
    now: Timestamp,
    theme: Theme,
) {
    let columns = Columns::fit(view, usize::from(area.width));
    let rows = state.rows(view);
    let height = usize::from(area.height).saturating_sub(1);
    let first = first_row(state, view, height);
    let place = place(first, height, rows.len());
    let heading = heading(&columns);
    let (faint, width) = (theme.faint(), usize::from(area.width));
    let mut lines = vec![both_ends((&heading, faint), (&place, faint), width)];
    for row in rows.iter().skip(first).take(height) {
        let mut line = task_line(row, &columns, view, now, theme);
        if Some(row.number) == state.selected {
            line.spans[0].content = "▸ ".into();
            line = fill(line, usize::from(area.width)).style(theme.selected());
        }
        lines.push(line);
    }
    if rows.is_empty() {
        lines.push(Line::styled(
            "  no task has these words; esc shows all",
            theme.faint(),
        ));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn heading(columns: &Columns) -> String {
    let mut text = "  ".to_owned();
    for (name, width) in [
        ("#", columns.number),
        ("Tag", columns.tag),
        ("Task", columns.title),
        ("Worker", columns.worker),
        ("Status", columns.status),
        ("Time", columns.time),
        ("Files", columns.files),
        ("Cost", columns.cost),
    ] {
        if width > 0 {
            text.push_str(&cell(name, width));
            text.push(' ');
        }
    }
    text + "Note"
}

fn task_line(
    row: &TaskRow,
    columns: &Columns,
    view: &RunView,
    now: Timestamp,
    theme: Theme,
) -> Line<'static> {
    let facts = TaskFacts::new(&view.state, row.number, now);
    let worker = row.worker_name.as_deref().unwrap_or("—");
    let mut spans = vec![Span::raw("  ")];
    let mut add = |text: &str, width: usize, style| {
        if width > 0 {
            spans.push(Span::styled(format!("{} ", cell(text, width)), style));
        }
    };
    let plain = ratatui::style::Style::new();
    add(&row.number.to_string(), columns.number, plain);
    add(&safe(&row.tag), columns.tag, plain);
    add(&safe(&row.title), columns.title, plain);
    add(&safe(worker), columns.worker, theme.faint());
    add(
        &status(row, columns.status),
        columns.status,
        theme.status(&row.status),
    );
    add(&elapsed(&facts), columns.time, plain);
    add(&files(&facts), columns.files, plain);
    add(&cost(&facts), columns.cost, plain);
    let conflicts = conflicts(&facts);
    if !conflicts.is_empty() {
        spans.push(Span::styled(format!("{conflicts} "), theme.warning()));
    }
    let note = match (&facts.waits_for, row.note.is_empty()) {
        (Some(waits), true) => format!("waits for {waits}"),
        // A list without a column for titles begins with them, because a tag says little.
        (_, true) if columns.title == 0 => safe(&row.title),
        _ => safe(&row.note),
    };
    spans.push(Span::raw(note));
    Line::from(spans)
}

/// Renders the status, without its details where there is no room.
fn status(row: &TaskRow, width: usize) -> String {
    let whole = row.status.to_string();
    match whole.chars().count() <= width {
        true => whole,
        false => row.status.word().to_owned(),
    }
}

pub(super) fn elapsed(facts: &TaskFacts) -> String {
    facts.elapsed.map(render_elapsed).unwrap_or_default()
}

/// Renders `3 +12 −4` for files, added and removed lines.
fn files(facts: &TaskFacts) -> String {
    let stat = facts.stat;
    stat.map_or(String::new(), |stat| {
        format!("{} +{} −{}", stat.files, stat.added, stat.removed)
    })
}

pub(super) fn cost(facts: &TaskFacts) -> String {
    match (facts.cost, facts.tokens) {
        (Some(cost), _) => format!("${cost:.2}"),
        (None, Some(tokens)) => format!("{}k tok", tokens.div_ceil(1000)),
        _ => String::new(),
    }
}

/// Renders `≠#2` for a conflict of results, `≈#3` for one of work in progress.
fn conflicts(facts: &TaskFacts) -> String {
    let marked = |mark: &str, tasks: &[_]| match tasks {
        [] => None,
        tasks => Some(format!("{mark}{}", comma_list(tasks).replace(", ", ","))),
    };
    let both = [
        marked("≠", &facts.conflicts),
        marked("≈", &facts.conflicts_now),
    ];
    both.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Fills a line to the width, so that the style of the selected row reaches the edge.
fn fill(mut line: Line<'static>, width: usize) -> Line<'static> {
    let missing = width.saturating_sub(line.width());
    line.spans.push(Span::raw(" ".repeat(missing)));
    line
}
