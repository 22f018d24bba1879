//! The palette over the other parts.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::tui::draw::cell::{cell, safe};
use crate::tui::palette::{Palette, command_line};
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// Draws the palette at the bottom.
pub(super) fn draw(
    frame: &mut Frame,
    (state, view): (&State, &RunView),
    palette: &Palette,
    theme: Theme,
) {
    let (width, height) = state.size;
    let box_height = height.saturating_sub(3).min(14);
    if box_height < 4 || width < 20 {
        return;
    }
    let area = Rect::new(0, height - box_height, width, box_height);
    let room = usize::from(box_height) - 4;
    let matches = palette.matches(&state.commands);
    let first = palette.selected.saturating_sub(room.saturating_sub(1));
    let mut lines = vec![Line::from(vec![
        Span::styled(":", theme.key()),
        Span::raw(safe(&palette.text)),
        Span::raw("▏"),
    ])];
    for (at, known) in matches.iter().enumerate().skip(first).take(room) {
        let text = format!("  {} {}", cell(&known.name, 12), known.about);
        let style = match at == palette.selected {
            true => theme.selected(),
            false => ratatui::style::Style::new(),
        };
        lines.push(Line::styled(cell(&text, usize::from(width) - 2), style));
    }
    lines.resize(room + 1, Line::default());
    let words = palette.arguments(&state.commands, &view.state.run, state.selected);
    lines.push(Line::styled(
        match words {
            Some(words) => format!("enter runs: {}", safe(&command_line(&words))),
            None => "no such command".to_owned(),
        },
        theme.faint(),
    ));
    let title = " commands: type, ↑ ↓, tab completes, enter, esc ";
    let paragraph = Paragraph::new(lines).block(Block::bordered().title(title));
    frame.render_widget(Clear, area);
    frame.render_widget(paragraph, area);
}
