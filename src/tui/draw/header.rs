//! The top of the screen: the run, its progress, and how long it takes.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use crate::base::clock::render_elapsed;
use crate::base::text::plural;
use crate::model::run::RunPhase;
use crate::model::status::Status;
use crate::report::board::view::{Standing, TaskRow};
use crate::report::estimate::{Estimate, estimate};
use crate::report::suggest;
use crate::report::timeline::run_time;
use crate::tui::draw::cell::{both_ends, safe};
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// The width from which the estimate is beside the progress.
const ROOMY: usize = 120;

/// Draws the header.
pub(super) fn draw(frame: &mut Frame, area: Rect, view: &RunView, now: Timestamp, theme: Theme) {
    let width = usize::from(area.width);
    let mut lines = vec![
        title(view, now, width, theme),
        progress(view, now, width, theme),
    ];
    if width < ROOMY {
        let left = left(view, now);
        lines.extend(left.map(|left| Line::styled(left, theme.faint())));
    }
    if let Some(notice) = notice(view) {
        lines.push(Line::styled(safe(&notice), theme.warning()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Returns the number of lines at this width of the screen.
pub(super) fn height(view: &RunView, width: u16) -> u16 {
    // An estimate is there or not at all times.
    let has_own_line = usize::from(width) < ROOMY && left(view, view.state.updated).is_some();
    2 + u16::from(has_own_line) + u16::from(notice(view).is_some())
}

/// Renders the estimate of the time left, while a process drives the run.
fn left(view: &RunView, now: Timestamp) -> Option<String> {
    let left = Some(estimate(&view.state, now)).filter(|_| view.is_driven);
    let left = left.filter(|left| *left != Estimate::Over);
    left.map(|left| left.to_string())
}

fn notice(view: &RunView) -> Option<String> {
    if view.board.standing == Standing::Interrupted {
        return Some("interrupted: no process drives the run; :resume resumes it".to_owned());
    }
    if view.board.standing == Standing::Elsewhere {
        return Some(format!(
            "under way in another clone; {} brings what happened since",
            suggest::fetch(&view.state.run)
        ));
    }
    view.board.notices.first().cloned()
}

fn title(view: &RunView, now: Timestamp, width: usize, theme: Theme) -> Line<'static> {
    let (state, board) = (&view.state, &view.board);
    let standing = match state.phase {
        RunPhase::Stopping => "stopping".to_owned(),
        _ => safe(&board.words()),
    };
    let cost = board.bill.as_ref().map(|bill| format!(" · {bill}"));
    let right = format!(
        "{}{} · {standing}",
        render_elapsed(run_time(state, now)),
        cost.filter(|_| width > 90).unwrap_or_default()
    );
    let left = format!("{} · {}", safe(&board.title), board.run);
    both_ends((&left, theme.heading()), (&right, theme.heading()), width)
}

/// Returns the numbers of tasks by status and of conflicts, the most urgent ones first.
fn counts(view: &RunView, theme: Theme) -> Vec<(String, Style)> {
    let of = |kind: Status| {
        let same = |row: &&TaskRow| row.status.word() == kind.word();
        let count = view.board.tasks.iter().filter(same).count();
        let words = format!("{count} {}", kind.word().to_lowercase());
        (count > 0).then(|| (words, theme.status(&kind)))
    };
    let conflicts = view.unresolved().count();
    let conflicts = (conflicts > 0).then(|| (plural(conflicts, "conflict"), theme.warning()));
    let all = [
        of(Status::Failed),
        of(Status::InProgress),
        of(Status::Retry(0)),
        conflicts,
        of(Status::Blocked(Vec::new())),
        of(Status::Cancelled),
        of(Status::Skipped),
    ];
    all.into_iter().flatten().collect()
}

fn progress(view: &RunView, now: Timestamp, width: usize, theme: Theme) -> Line<'static> {
    let board = &view.board;
    let (done, all) = (board.done(), board.tasks.len());
    let room = (width / 5).clamp(6, 30);
    let full = (done * room).checked_div(all).unwrap_or(0);
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(room - full));
    let mut spans = vec![
        Span::styled(bar, theme.status(&Status::Done)),
        Span::raw(format!(" {done} of {all} done")),
    ];
    let mut used: usize = spans.iter().map(Span::width).sum();
    let mut add = |words: String, style| {
        let words = format!(" · {words}");
        if used + words.width() <= width {
            used += words.width();
            spans.push(Span::styled(words, style));
        }
    };
    // What you should look at comes first, because a narrow screen has no room for all.
    for (words, style) in counts(view, theme) {
        add(words, style);
    }
    if let Some(left) = left(view, now).filter(|_| width >= ROOMY) {
        add(left, theme.faint());
    }
    Line::from(spans)
}
