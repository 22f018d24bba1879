//! `dispatch mcp`: serves a coding agent over standard input and output.

use clap::Args;

use crate::base::text::error_chain;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::mcp::serve;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Coding agents start this command themselves; `dispatch help mcp` shows how to register it. The
repository is the one around the current folder, or around a root that the agent sends. Standard output
carries the protocol alone; `DISPATCH_LOG=debug` writes a trace to standard error.";

/// Serve a coding agent: the tools of dispatch over the Model Context Protocol
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct McpArgs {}

/// Runs the subcommand until the agent closes standard input.
///
/// # Errors
/// When the connection could not be opened.
pub(crate) fn run(args: McpArgs, ui: &Ui) -> CommandResult {
    let McpArgs {} = args;
    if ui.is_interactive() {
        ui.hint("this waits for a coding agent on standard input; Ctrl-C ends it");
    }
    match serve() {
        Ok(()) => Ok(ExitStatus::Ok),
        Err(error) => Err(CommandError::failed(error_chain(&error))
            .hint("`dispatch help mcp` shows how an agent starts it")),
    }
}
