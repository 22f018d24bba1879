//! The terminal board: a run on the whole screen, live or past.
//!
//! | part | does |
//! |---|---|
//! | `handle` | a key, and what it changes: pure |
//! | `draw` | state, run and time to a frame: pure |
//! | `source`, `loader` | read the run and the text of panes, each in a thread of its own |
//! | `session` | the loop between them and the terminal |
//! | `screen` | the terminal, which is given back whatever happens |
//! | `outside` | requests, by the functions of the engine that the commands use |
//!
//! The order of effects: a message or a key changes `state`, then its actions are carried out, then
//! the screen is drawn if anything changed. Nothing is drawn that is not in the journal. The board only
//! reads the run, so leaving or killing it changes nothing.

mod action;
mod basic_colors;
mod clipboard;
mod command;
mod content;
mod draw;
mod handle;
mod key;
mod line;
mod loader;
mod message;
mod outside;
mod pair_text;
mod palette;
mod patch_text;
mod screen;
mod session;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod theme;
mod view;

use std::io;
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::engine::EngineError;
use crate::git::Repo;
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::ui::Ui;

pub use palette::CliCommand;

/// A run to show.
#[derive(Debug)]
pub struct Watch {
    /// The repository.
    pub repo: Repo,
    /// The run.
    pub run: RunId,
    /// The time of day.
    pub clock: Clock,
    /// The commands that the palette offers.
    pub commands: Vec<CliCommand>,
    /// `true` if colours are shown.
    pub has_color: bool,
    /// `true` if the bell rings when the run needs attention.
    pub rings: bool,
}

/// A board that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The run cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The terminal cannot be used.
    #[error("could not use the terminal")]
    Terminal(#[from] io::Error),
}

impl Watch {
    /// Shows the run until the user leaves. Returns its last state; the run goes on.
    ///
    /// # Errors
    /// When the run cannot be read, or the terminal cannot be used.
    pub fn show(self, ui: &Ui) -> Result<Arc<RunState>, WatchError> {
        session::show(self, ui)
    }
}
