//! The conflicts of the run: a matrix of the tasks that have one, and the pairs below it.

use ratatui::text::{Line, Span};

use crate::merge::change::paths_in_short;
use crate::model::ids::TaskNumber;
use crate::report::board::view::ConflictRow;
use crate::report::matrix::Matrix;
use crate::tui::draw::cell::{cell, safe};
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// A pair, with `true` if a side of it is work in progress.
fn rows(view: &RunView) -> Vec<(&ConflictRow, bool)> {
    let open = view.board.open_conflicts().map(|row| (row, false));
    let speculative = view.board.speculative.iter();
    open.chain(speculative.map(|(row, _)| (row, true)))
        .collect()
}

/// Returns the lines of the pane.
pub(super) fn lines(
    state: &State,
    view: &RunView,
    width: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let rows = rows(view);
    if rows.is_empty() {
        return vec![Line::styled("no conflict is known", theme.faint())];
    }
    let mut lines = matrix(view, width, theme);
    lines.push(Line::default());
    for (at, (row, in_progress)) in rows.iter().enumerate() {
        let conflict = &row.conflict;
        let now = if *in_progress { " (in progress)" } else { "" };
        let text = format!(
            "{} {} × {}  {}, severity {}{now}  {}  → {}",
            if at == state.pair { "▸" } else { " " },
            conflict.a,
            conflict.b,
            conflict.class,
            conflict.severity,
            safe(&paths_in_short(&row.paths)),
            safe(&row.suggested)
        );
        let style = match at == state.pair {
            true => theme.selected(),
            false => ratatui::style::Style::new(),
        };
        lines.push(Line::styled(cell(&text, width), style));
    }
    lines
}

/// Returns the first line of the pane, so that the selected pair is shown.
pub(super) fn first_line(state: &State, lines: usize, room: usize) -> usize {
    // The pairs are the last lines.
    let selected = (lines + state.pair).min(lines);
    let last = lines.saturating_sub(room);
    match lines > room {
        true => selected.saturating_sub(room).min(last),
        false => 0,
    }
}

/// Renders the matrix of the tasks that are in a pair, as many as fit.
fn matrix(view: &RunView, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let matrix = Matrix::new(&view.board);
    let mut tasks: Vec<TaskNumber> = matrix.tasks.iter().map(|row| row.number).collect();
    if tasks.is_empty() {
        return vec![Line::styled("no two results conflict", theme.faint())];
    }
    let digits = tasks.iter().map(|task| task.to_string().len()).max();
    let digits = digits.unwrap_or(2) + 1;
    let fit = (width / digits).saturating_sub(1).max(1);
    let hidden = tasks.len().saturating_sub(fit);
    tasks.truncate(fit);
    let head = tasks.iter().map(|task| cell(&task.to_string(), digits));
    let head = format!("{}{}", " ".repeat(digits), head.collect::<String>());
    let mut lines = vec![Line::styled(head, theme.faint())];
    for a in &tasks {
        let mut spans = vec![Span::styled(cell(&a.to_string(), digits), theme.faint())];
        for b in &tasks {
            let (mark, style) = match matrix.cell(*a, *b) {
                _ if a == b => ("-".to_owned(), theme.faint()),
                None => (".".to_owned(), theme.faint()),
                Some(row) => (row.conflict.severity.to_string(), theme.warning()),
            };
            spans.push(Span::styled(cell(&mark, digits), style));
        }
        lines.push(Line::from(spans));
    }
    let mut legend = "1 trivial to 5 blocked; . independent".to_owned();
    for (count, words) in [
        (hidden, "more do not fit"),
        (matrix.independent, "share nothing"),
        (matrix.without_candidate, "without a result"),
    ] {
        if count > 0 {
            legend.push_str(&format!("; {count} {words}"));
        }
    }
    lines.push(Line::styled(cell(&legend, width), theme.faint()));
    lines
}
