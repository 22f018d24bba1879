//! The command line: one file a subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) mod branches;
pub(crate) mod conflicts;
pub mod error;

use error::{CommandError, Exit};

use crate::git::Repo;
use crate::ui::Ui;

/// Run a plan of tasks in parallel git worktrees, detect conflicts, assemble, land.
#[derive(Parser, Debug)]
#[command(
    name = "dispatch",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Conflicts(conflicts::ConflictsArgs),
}

/// What a subcommand gives back.
pub type Answer = Result<Exit, CommandError>;

/// The whole program: parse the command line, run the subcommand, say what went wrong.
pub fn main() -> ExitCode {
    let ui = Ui::new();
    let cli = Cli::parse();
    match cli.command.run(&ui) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            ui.error(&error.message);
            error.hints.iter().for_each(|hint| ui.hint(hint));
            ExitCode::from(error.exit as u8)
        }
    }
}

impl Command {
    fn run(self, ui: &Ui) -> Answer {
        match self {
            Command::Conflicts(args) => {
                conflicts::conflicts(&discover()?, &args, &[], ui, &|_| None)
            }
        }
    }
}

/// The repository around the folder the user stands in.
fn discover() -> Result<Repo, CommandError> {
    let folder = std::env::current_dir()
        .map_err(|error| CommandError::failed(format!("no current folder: {error}")))?;
    Repo::discover(&folder)
        .map_err(|error| CommandError::failed(error::chain(&error)).hint(error.hint()))
}
