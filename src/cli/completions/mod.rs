//! `dispatch completions`: prints the script with which a shell completes command lines.
//!
//! The script that a shell loads calls `dispatch` itself for each completion, so runs, tasks,
//! workers and branches are those of the repository at that moment.

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::base::text::error_chain;
use crate::cli::error::CommandResult;
use crate::cli::error::{CommandError, ExitStatus};
use crate::ui::Ui;

pub(crate) mod candidates;

/// The variable that asks for completions; its value is the shell.
pub(crate) const VARIABLE: &str = "DISPATCH_COMPLETE";

/// Print a script that completes command lines in a shell
#[derive(Args, Debug, Clone)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs the subcommand.
///
/// # Errors
/// When the script cannot be created.
pub(crate) fn run(args: &CompletionsArgs, ui: &Ui) -> CommandResult {
    let name = args.shell.to_string();
    let shells = Shells::builtins();
    let shell = shells
        .completer(&name)
        .ok_or_else(|| CommandError::failed(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "dispatch", "dispatch", "dispatch", &mut script)
        .map_err(|error| CommandError::failed(error_chain(&error)))?;
    ui.answer(&String::from_utf8_lossy(&script));
    Ok(ExitStatus::Ok)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_a_script() {
        for shell in Shell::value_variants() {
            let completer = Shells::builtins().completer(&shell.to_string()).is_some();
            assert!(completer, "{shell}");
        }
    }
}
