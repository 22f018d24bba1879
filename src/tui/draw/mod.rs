//! Draws the board: a pure function of its state, the run and the time.

mod cell;
mod conflicts;
mod emoji;
mod footer;
mod header;
mod list;
mod palette;
mod pane;
mod task;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

use crate::tui::state::{Mode, Pane, State};
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// The fewest lines of the selected task below the list.
const PREVIEW: u16 = 6;

/// The parts of the screen.
struct Areas {
    header: Rect,
    list: Option<Rect>,
    pane: Option<Rect>,
    footer: Rect,
}

impl Areas {
    fn new(state: &State, view: &RunView) -> Areas {
        let (width, height) = state.size;
        let top = header::height(view, width).min(height);
        let bottom = footer::HEIGHT.min(height - top);
        let middle = height - top - bottom;
        let part = |x, width, height| Rect::new(x, top, width, height);
        let (list, pane) = match (state.is_wide(), state.pane()) {
            // Three versions beside each other need all of it.
            (true, Some(Pane::Pair(..))) => (None, Some(part(0, width, middle))),
            (true, _) => {
                let left = width * 11 / 20;
                (
                    Some(part(0, left, middle)),
                    Some(part(left + 2, width - left - 2, middle)),
                )
            }
            (false, None) => {
                let rows = state.rows(view).len();
                let needed = u16::try_from(rows + 2).unwrap_or(u16::MAX);
                match middle.saturating_sub(needed) {
                    // The selected task fits below the list.
                    rest @ PREVIEW.. => (
                        Some(part(0, width, needed)),
                        Some(Rect::new(0, top + needed, width, rest)),
                    ),
                    _ => (Some(part(0, width, middle)), None),
                }
            }
            (false, Some(_)) => (None, Some(part(0, width, middle))),
        };
        Areas {
            header: Rect::new(0, 0, width, top),
            list,
            pane,
            footer: Rect::new(0, top + middle, width, bottom),
        }
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame, state: &State, view: &RunView, now: Timestamp, theme: Theme) {
    let areas = Areas::new(state, view);
    header::draw(frame, areas.header, view, now, theme);
    if let Some(area) = areas.list {
        list::draw(frame, area, (state, view), now, theme);
    }
    if let Some(area) = areas.pane {
        if area.x > 0 {
            rule(frame, area, theme);
        }
        let shown = state.pane().unwrap_or(Pane::Task);
        pane::draw(frame, area, shown, (state, view), now, theme);
    }
    footer::draw(frame, areas.footer, (state, view), theme);
    if let Mode::Palette(palette) = &state.mode {
        palette::draw(frame, (state, view), palette, theme);
    }
    emoji::simplify(frame.buffer_mut());
}

/// Draws the line between the list and a pane beside it.
fn rule(frame: &mut Frame, pane: Rect, theme: Theme) {
    for y in pane.y..pane.y + pane.height {
        let at = Rect::new(pane.x - 2, y, 1, 1);
        frame.render_widget(Span::styled("│", theme.faint()), at);
    }
}

/// Returns the line of the screen with the first task.
pub(super) fn list_top(state: &State, view: &RunView) -> u16 {
    Areas::new(state, view)
        .list
        .map_or(u16::MAX, |area| area.y + 1)
}

/// Returns the index of the first task that is shown.
pub(super) fn first_row(state: &State, view: &RunView) -> usize {
    let area = Areas::new(state, view).list.unwrap_or_default();
    list::first_row(state, view, usize::from(area.height).saturating_sub(1))
}

/// Returns the largest number of lines by which the pane in front can be scrolled.
pub(super) fn last_scroll(state: &State, view: &RunView) -> usize {
    let area = Areas::new(state, view).pane.unwrap_or_default();
    let Some(shown) = state.pane() else { return 0 };
    // The lines do not depend on the time.
    let now = view.state.updated;
    let body = pane::body(shown, area, (state, view), now, Theme { has_color: false });
    body.len().saturating_sub(pane::room(area))
}
