//! The pane beside or in place of the list.

use std::sync::Arc;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::base::safe::terminal::without_style;
use crate::engine::publish::render_reports;
use crate::report::graph::Graph;
use crate::report::timeline::{SpanKind, Timeline};
use crate::tui::command::KEYS;
use crate::tui::content::Content;
use crate::tui::draw::cell::{both_ends, cell, place, safe};
use crate::tui::draw::{conflicts, task};
use crate::tui::line::Line as TextLine;
use crate::tui::state::{Pane, State};
use crate::tui::theme::Theme;
use crate::tui::view::RunView;
use crate::ui::markdown::{CodeMarks, render_markdown};

/// Draws a pane with its title.
pub(super) fn draw(
    frame: &mut Frame,
    area: Rect,
    shown: Pane,
    (state, view): (&State, &RunView),
    now: Timestamp,
    theme: Theme,
) {
    let body = body(shown, area, (state, view), now, theme);
    let (length, room) = (body.len(), room(area));
    let last = length.saturating_sub(room);
    let first = match (shown, state.is_at_end) {
        (Pane::Conflicts, _) => conflicts::first_line(state, length, room),
        (_, true) => last,
        _ => state.scroll.min(last),
    };
    let place = place(first, room, length);
    let title = title(shown, state, view);
    let width = usize::from(area.width);
    let head = both_ends(
        (&format!("── {title} "), theme.heading()),
        (&place, theme.faint()),
        width,
    );
    let mut all = vec![head];
    all.extend(body.part(first, room, theme));
    frame.render_widget(Paragraph::new(all), area);
}

/// Returns the number of lines below the title.
pub(super) fn room(area: Rect) -> usize {
    usize::from(area.height).saturating_sub(1)
}

fn title(shown: Pane, state: &State, view: &RunView) -> String {
    let task = || {
        let number = state.selected.map(|number| {
            let task = view.state.plan.task(number);
            format!("{number} [{}] {}", safe(&task.tag), safe(&task.title))
        });
        number.unwrap_or_default()
    };
    match shown {
        Pane::Task => task(),
        Pane::Log => format!("Log of {}", task()),
        Pane::Diff => format!("Changes of {}", task()),
        Pane::Prompt => format!("Prompt of {}", task()),
        Pane::Conflicts => "Conflicts".to_owned(),
        Pane::Pair(a, b) => format!("{a} × {b}"),
        Pane::Graph => "Dependencies".to_owned(),
        Pane::Timeline => "Timeline".to_owned(),
        Pane::Report => "Report".to_owned(),
        Pane::Help => "Keys".to_owned(),
    }
}

/// The lines of a pane.
pub(super) enum Body {
    /// Lines as they are drawn.
    Drawn(Vec<Line<'static>>),
    /// A loaded text, of which only what is shown gets its colours.
    Text(Arc<Vec<TextLine>>),
}

impl Body {
    /// Returns the number of the lines.
    pub(super) fn len(&self) -> usize {
        match self {
            Body::Drawn(lines) => lines.len(),
            Body::Text(lines) => lines.len(),
        }
    }

    fn part(self, first: usize, count: usize, theme: Theme) -> Vec<Line<'static>> {
        match self {
            Body::Drawn(lines) => lines.into_iter().skip(first).take(count).collect(),
            Body::Text(lines) => {
                let lines = lines.iter().skip(first).take(count);
                lines.map(|line| styled_line(line, theme)).collect()
            }
        }
    }
}

/// Returns the lines of a pane.
pub(super) fn body(
    shown: Pane,
    area: Rect,
    (state, view): (&State, &RunView),
    now: Timestamp,
    theme: Theme,
) -> Body {
    let width = usize::from(area.width);
    Body::Drawn(match shown {
        Pane::Task => task::lines(state, view, now, width, theme),
        Pane::Log | Pane::Diff | Pane::Prompt | Pane::Pair(..) => match state.loaded() {
            Some(loaded) => return Body::Text(loaded.lines(width)),
            None => vec![Line::styled("reading …", theme.faint())],
        },
        Pane::Conflicts => conflicts::lines(state, view, width, theme),
        Pane::Graph => text_lines(&Graph::new(&view.state).render(width)),
        Pane::Timeline => timeline(state, view, now, width, theme),
        Pane::Report => report(view, width),
        Pane::Help => help(width, theme),
    })
}

fn text_lines(text: &str) -> Vec<Line<'static>> {
    text.lines()
        .map(|line| Line::raw(line.to_owned()))
        .collect()
}

fn styled(content: &Content, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let lines = content.wrapped(width);
    lines.iter().map(|line| styled_line(line, theme)).collect()
}

fn styled_line(line: &TextLine, theme: Theme) -> Line<'static> {
    let spans = line.iter();
    let spans = spans.map(|piece| Span::styled(piece.text.clone(), theme.mark(piece.mark)));
    Line::from(spans.collect::<Vec<_>>())
}

fn report(view: &RunView, width: usize) -> Vec<Line<'static>> {
    let reports = render_reports(&view.state).join("\n");
    if reports.is_empty() {
        return text_lines("The run has not ended: there is no report yet.");
    }
    let text = render_markdown(&reports, width, CodeMarks::Backticks);
    text_lines(&without_style(&text))
}

fn timeline(
    state: &State,
    view: &RunView,
    now: Timestamp,
    width: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let timeline = Timeline::new(&view.state, now);
    let names = timeline.rows.iter();
    let names = names.map(|row| format!("{} {}", row.number, safe(&row.tag)));
    let names: Vec<String> = names.collect();
    let widest = names.iter().map(|name| name.chars().count()).max();
    let name_width = widest.unwrap_or(0).min(width / 4);
    let room = width.saturating_sub(name_width + 1).max(1);
    let (from, to) = (time(timeline.from), time(timeline.to));
    let scale = both_ends((&from, theme.faint()), (&to, theme.faint()), room);
    let mut lines = vec![Line::from(
        [vec![Span::raw(" ".repeat(name_width + 1))], scale.spans].concat(),
    )];
    for (row, name) in timeline.rows.iter().zip(names) {
        let style = match Some(row.number) == state.selected {
            true => theme.selected(),
            false => ratatui::style::Style::new(),
        };
        let mut spans = vec![Span::styled(cell(&name, name_width), style), Span::raw(" ")];
        for kind in timeline.columns(row, room) {
            spans.push(match kind {
                Some(kind) => Span::styled(kind.mark().to_string(), theme.span(kind)),
                None => Span::raw(" "),
            });
        }
        lines.push(Line::from(spans));
    }
    lines.push(Line::default());
    let legend = SpanKind::ALL.iter();
    // A mark and its word stay on one line.
    let legend = legend.map(|kind| format!("{}\u{a0}{}", kind.mark(), kind.word()));
    let legend = legend.collect::<Vec<_>>().join("  ");
    let legend = wrapped(&legend, width).replace('\u{a0}', " ");
    let legend = Content::remark(&legend);
    lines.extend(styled(&legend, width, theme));
    lines
}

/// Renders `09:14:05`.
fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

fn help(width: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = KEYS
        .iter()
        .map(|row| {
            Line::from(vec![
                Span::styled(format!("  {:<8}", row.shown), theme.key()),
                Span::raw(row.about),
            ])
        })
        .collect();
    for (keys, about) in [
        ("j k ↑ ↓", "move; in a pane: scroll"),
        ("n N", "next and previous task, also with a pane open"),
        ("tab", "the next pane of the task"),
        ("space", "a page on; PgUp, PgDn, Home, End work too"),
        ("ctrl-c", "stop the run or leave it running (asks)"),
        ("ctrl-z", "back to the shell; fg continues the board"),
    ] {
        lines.push(Line::from(vec![
            Span::styled(format!("  {keys:<8}"), theme.key()),
            Span::raw(about),
        ]));
    }
    lines.push(Line::default());
    let marks = "≠#2: its result conflicts with that of #2 · ≈#2: its work in progress does · a dimmed \
                 key is not possible now, and says why when it is pressed";
    lines.extend(styled(
        &Content::remark(&wrapped(marks, width)),
        width,
        theme,
    ));
    lines
}

fn wrapped(text: &str, width: usize) -> String {
    crate::base::text::wrap_words(text, width, 0)
}
