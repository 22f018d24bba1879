//! The command line: one file a subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod error;
pub mod load;
mod plan;

use error::{CommandError, Exit};

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
    Plan(plan::PlanArgs),
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
            Command::Plan(args) => plan::run(args, ui),
        }
    }
}
