//! The top of the screen: the run, its progress, and how long it takes.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::base::clock::render_elapsed;
use crate::model::run::RunPhase;
use crate::model::status::Status;
use crate::report::board::view::Standing;
use crate::report::estimate::{Estimate, estimate};
use crate::tui::draw::cell::{both_ends, safe};
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// Draws the lines of the header into as many lines as it gets.
pub(super) fn draw(frame: &mut Frame, area: Rect, view: &RunView, now: Timestamp, theme: Theme) {
    let width = usize::from(area.width);
    let mut lines = vec![
        title(view, now, width, theme),
        progress(view, now, width, theme),
    ];
    if let Some(notice) = notice(view) {
        lines.push(Line::styled(safe(&notice), theme.warning()));
    }
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
}

/// Returns the number of lines.
pub(super) fn height(view: &RunView) -> u16 {
    2 + u16::from(notice(view).is_some())
}

fn notice(view: &RunView) -> Option<String> {
    if view.board.standing == Standing::Interrupted {
        let run = &view.state.run;
        return Some(format!(
            "interrupted: no process drives the run; :resume continues {run}"
        ));
    }
    view.board.notices.first().cloned()
}

fn title(view: &RunView, now: Timestamp, width: usize, theme: Theme) -> Line<'static> {
    let (state, board) = (&view.state, &view.board);
    let standing = match state.phase {
        RunPhase::Stopping => "stopping",
        _ => board.standing.words(),
    };
    let until = match state.phase {
        RunPhase::Ended(_) => crate::report::timeline::Timeline::new(state, now).to,
        _ => now,
    };
    let elapsed = until.duration_since(state.started).try_into();
    let cost = board.bill.as_ref().map(|bill| format!(" · {bill}"));
    let right = format!(
        "{}{} · {standing}",
        render_elapsed(elapsed.unwrap_or_default()),
        cost.filter(|_| width > 90).unwrap_or_default()
    );
    let left = format!("{} · {}", safe(&board.title), board.run);
    both_ends((&left, theme.heading()), (&right, theme.heading()), width)
}

fn progress(view: &RunView, now: Timestamp, width: usize, theme: Theme) -> Line<'static> {
    let board = &view.board;
    let (done, all) = (board.done(), board.tasks.len());
    let room = (width / 5).clamp(6, 30);
    let full = if all == 0 { 0 } else { done * room / all };
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(room - full));
    let mut spans = vec![
        Span::styled(bar, theme.status(&Status::Done)),
        Span::raw(format!(" {done} of {all} done")),
    ];
    for kind in [Status::Failed, Status::InProgress, Status::Retry(0)] {
        let same = |row: &&crate::report::board::view::TaskRow| row.status.word() == kind.word();
        let count = board.tasks.iter().filter(same).count();
        if count > 0 {
            let words = format!(" · {count} {}", kind.word().to_lowercase());
            spans.push(Span::styled(words, theme.status(&kind)));
        }
    }
    let conflicts = view.pairs().len();
    if conflicts > 0 {
        let words = crate::base::text::plural(conflicts, "conflict");
        spans.push(Span::styled(format!(" · {words}"), theme.warning()));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let left = estimate(&view.state, now);
    let words = left.to_string();
    if view.is_driven && left != Estimate::Over && used + 3 + words.chars().count() <= width {
        spans.push(Span::styled(format!(" · {words}"), theme.faint()));
    }
    Line::from(spans)
}
