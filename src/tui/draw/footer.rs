//! The bottom of the screen: a message or a question, and the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::base::table::wrap_to_width;
use crate::model::run::RunPhase;
use crate::tui::command::{Command, KEYS};
use crate::tui::draw::cell::safe;
use crate::tui::state::{Mode, Pane, Question, State};
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// The number of lines.
pub(super) const HEIGHT: u16 = 2;

/// Draws the footer.
pub(super) fn draw(frame: &mut Frame, area: Rect, (state, view): (&State, &RunView), theme: Theme) {
    let width = usize::from(area.width);
    let first = first_line(state, view, theme);
    // A long message takes the line of the keys as well.
    let lines = match first.width() > width {
        true => wrap_to_width(&first.to_string(), width.max(8))
            .into_iter()
            .map(|part| Line::styled(part, first.style))
            .collect(),
        false => vec![first, keys(state, view, width, theme)],
    };
    frame.render_widget(Paragraph::new(lines), area);
}

fn first_line(state: &State, view: &RunView, theme: Theme) -> Line<'static> {
    match &state.mode {
        Mode::Question(question) => Line::styled(words(*question), theme.warning()),
        Mode::Filter => Line::from(vec![
            Span::styled("filter: ", theme.key()),
            Span::raw(safe(&state.filter)),
            Span::raw("▏ enter keeps it, esc drops it"),
        ]),
        _ => match &state.message {
            Some(message) => Line::styled(safe(message), theme.heading()),
            None if !state.filter.is_empty() => {
                let (shown, all) = (state.rows(view).len(), view.board.tasks.len());
                let filter = safe(&state.filter);
                let words = format!("filter {filter}: {shown} of {all} tasks; esc shows all");
                Line::styled(words, theme.faint())
            }
            None => Line::default(),
        },
    }
}

fn words(question: Question) -> String {
    match question {
        Question::Cancel(task) => format!("Cancel {task}? Its work so far is kept. y yes · n no"),
        Question::Retry(task) => format!("Try {task} again now? y yes · n no"),
        Question::Stop => {
            "Stop the run? s stops it, and it can be resumed · q leaves it running · esc stay"
                .to_owned()
        }
    }
}

/// Renders as many keys as fit; `? help` is always there.
fn keys(state: &State, view: &RunView, width: usize, theme: Theme) -> Line<'static> {
    let help = " ? help";
    let mut spans = Vec::new();
    let mut used = 0;
    for row in KEYS {
        let is_shown = match row.command {
            Command::Back => state.pane().is_some() || !state.filter.is_empty(),
            Command::Open => matches!(state.pane(), None | Some(Pane::Task | Pane::Conflicts)),
            Command::Help => false,
            _ => true,
        };
        let name = match (row.command, view.state.phase) {
            (Command::Pause, RunPhase::Paused) => "continue",
            _ => row.name,
        };
        let length = row.shown.chars().count() + name.chars().count() + 3;
        if !is_shown || used + length + help.len() > width {
            continue;
        }
        let is_possible = row.command.hindrance(view, state.selected).is_none();
        let (key, words) = match is_possible {
            true => (theme.key(), ratatui::style::Style::new()),
            false => (theme.faint(), theme.faint()),
        };
        spans.push(Span::styled(row.shown, key));
        spans.push(Span::styled(format!(" {name}  "), words));
        used += length;
    }
    spans.push(Span::styled("?", theme.key()));
    spans.push(Span::raw(" help"));
    Line::from(spans)
}
