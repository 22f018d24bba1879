//! The board under test: its frames at three sizes, its keys and its list.

#![allow(clippy::unwrap_used)]

mod frames;
mod keys;
mod list;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::control::Request;
use crate::merge::class::Class;
use crate::model::fixture::{RunFixture, conflict, start};
use crate::model::ids::TaskNumber;
use crate::report::board::view::BoardView;
use crate::tui::action::Action;
use crate::tui::content::{Content, Wanted};
use crate::tui::draw::draw;
use crate::tui::handle::handle;
use crate::tui::key::{Input, Key};
use crate::tui::palette::CliCommand;
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

const SMALL: (u16, u16) = (60, 15);
const USUAL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 50);

/// A board under test.
struct Board {
    state: State,
    view: RunView,
    now: Timestamp,
}

impl Board {
    fn new(run: RunFixture, size: (u16, u16)) -> Board {
        let view = view(run, true);
        Board {
            state: State::new(&view, size, commands()),
            view,
            now: start() + SignedDuration::from_secs(100),
        }
    }

    /// Gives a key.
    fn key(&mut self, key: Key) -> Vec<Action> {
        handle(&mut self.state, Input::Key(key), &self.view)
    }

    /// Types characters; returns the actions of the last one.
    fn type_in(&mut self, text: &str) -> Vec<Action> {
        let keys = text.chars().map(|c| self.key(Key::Char(c)));
        keys.last().unwrap_or_default()
    }

    /// The run goes on.
    fn becomes(&mut self, run: RunFixture, is_driven: bool) -> Vec<Action> {
        self.view = view(run, is_driven);
        handle(&mut self.state, Input::Changed, &self.view)
    }

    fn loaded(&mut self, wanted: Wanted, content: Content) {
        handle(&mut self.state, Input::Loaded(wanted, content), &self.view);
    }

    /// Draws the board as text.
    fn frame(&self) -> String {
        let (width, height) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let theme = Theme { has_color: true };
        let drawn = terminal.draw(|frame| draw(frame, &self.state, &self.view, self.now, theme));
        let buffer = drawn.unwrap().buffer.clone();
        let line = |y| {
            let cells = (0..width).map(|x| buffer[(x, y)].symbol().to_owned());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..height).map(line).collect::<Vec<_>>().join("\n")
    }

    fn message(&self) -> &str {
        self.state.message.as_deref().unwrap_or_default()
    }
}

fn view(run: RunFixture, is_driven: bool) -> RunView {
    let state = run.state();
    RunView {
        board: Arc::new(BoardView::new(&state)),
        state: Arc::new(state),
        is_driven,
    }
}

fn commands() -> Vec<CliCommand> {
    let command = |name: &str, about: &str, takes_run, takes_task| CliCommand {
        name: name.to_owned(),
        about: about.to_owned(),
        takes_run,
        takes_task,
    };
    vec![
        command("show", "Show all about one task", true, true),
        command("land", "Move your branch to the result", true, false),
        command("doctor", "Find and repair problems", false, false),
    ]
}

/// A run with a task of every kind.
fn run() -> RunFixture {
    RunFixture::new(
        "Parse the order · Write the docs · Render the basket <- Parse the order · Ship it <- Render \
         the basket, Write the docs · Tidy up · Add an API",
    )
    .tags(&["PARSE", "DOCS", "RENDER", "SHIP", "TIDY", "API"])
    .begin(1, "claude")
    .pass(1, "orders are parsed")
    .begin(2, "claude")
    .fail(2, "2 tests failed")
    .retry_later(2)
    .begin(3, "claude")
    .note(3, "writing the template")
    .begin(5, "shell")
    .pass(5, "tidy")
    .conflicts(vec![conflict(1, 5, Class::Content, &["src/app.ts"])])
    .fail(6, "no API key")
}
