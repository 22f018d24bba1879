//! The user's editor, found as git finds it (git-var(1), `GIT_EDITOR`).

use std::io::IsTerminal as _;
use std::path::Path;

use crate::base::process::Program;
use crate::cli::error::CommandError;
use crate::git::Repo;

/// Opens a file in the editor and waits until it exits. The command may contain arguments, as in
/// git, so the shell splits it.
///
/// # Errors
/// When it cannot be started, or exits with an error.
pub(crate) fn edit(repo: &Repo, file: &Path) -> Result<(), CommandError> {
    let editor = match editor(repo) {
        Some(editor) => editor,
        None if std::io::stdin().is_terminal() => "vi".to_owned(),
        None => {
            return Err(
                CommandError::failed("cannot open an editor: not a terminal")
                    .hint("set EDITOR to a command that needs none"),
            );
        }
    };
    let shell = Program::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(&editor)
        .arg(file);
    match shell.on_terminal() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(CommandError::failed(format!(
            "the editor `{editor}` ended with {status}"
        ))),
        Err(error) => Err(CommandError::failed(format!(
            "the editor `{editor}` cannot run: {error}"
        ))),
    }
}

/// Returns the editor of the user's settings.
fn editor(repo: &Repo) -> Option<String> {
    let given = |text: &String| !text.trim().is_empty();
    let variable = |name| std::env::var(name).ok().filter(given);
    let configured = || {
        let line = repo.git().line(&["config", "--get", "core.editor"]);
        line.ok().filter(given)
    };
    variable("GIT_EDITOR")
        .or_else(configured)
        .or_else(|| variable("VISUAL"))
        .or_else(|| variable("EDITOR"))
}
