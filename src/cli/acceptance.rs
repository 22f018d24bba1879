//! Accepts, after a question, what dispatch refuses because another process may have written it.

use crate::base::safe::terminal_safe;
use crate::base::text::plural;
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::EngineError;
use crate::engine::kernel::known_settings;
use crate::engine::runs::load::{PLAN_FILE, SETTINGS_FILE};
use crate::journal::replay;
use crate::journal::seal::{Origin, accept, origin};
use crate::ui::Ui;

/// Accepts what git executes here as it is now, after a question.
///
/// # Errors
/// When the changes cannot be read, the user declines, or a record cannot be removed.
pub(super) fn accept_settings(here: &RepoContext, confirm: ConfirmArgs, ui: &Ui) -> CommandResult {
    let (changes, since) = match known_settings::refuse_changed(&here.repo) {
        Err(EngineError::SettingsChanged { changes, since }) => (changes, since),
        Err(error) => return Err(error.into()),
        Ok(()) => {
            ui.answer("nothing that git executes has changed while workers ran\n");
            return Ok(ExitStatus::Ok);
        }
    };
    let changes = changes.join("\n  ");
    ui.status(&format!("changed {since}:\n  {changes}"));
    confirm.confirm(ui, "Accept these changes?")?;
    let accepted = known_settings::accept(&here.repo)?;
    ui.answer(&format!("accepted {}\n", plural(accepted.len(), "change")));
    Ok(ExitStatus::Ok)
}

/// Accepts a journal that this user's dispatch did not write, after a question that shows its commands.
///
/// # Errors
/// When there is no such run, the user declines, or that cannot be recorded.
pub(super) fn accept_journal(
    here: &RepoContext,
    name: Option<&str>,
    confirm: ConfirmArgs,
    ui: &Ui,
) -> CommandResult {
    let run = here.find_run(name, DefaultRun::Latest)?;
    let replayed = replay(&here.store, &run).map_err(EngineError::from)?;
    if origin(&here.store, &run, replayed.tip)? == Origin::Ours {
        ui.answer(&format!("the journal of {run} is yours\n"));
        return Ok(ExitStatus::Ok);
    }
    let read = |name| replayed.file(&here.store, name).map_err(EngineError::from);
    let plan = read(PLAN_FILE)?;
    let settings = read(SETTINGS_FILE)?;
    ui.status(&format!(
        "its plan and its settings, whose commands `dispatch resume` runs:\n{}\n{}",
        terminal_safe(&plan),
        terminal_safe(&settings)
    ));
    confirm.confirm(ui, &format!("Accept the journal of {run} as it is?"))?;
    accept(&here.store, &run, replayed.tip)
        .map_err(|error| CommandError::failed(format!("could not record that: {error}")))?;
    ui.answer(&format!("accepted the journal of {run}\n"));
    Ok(ExitStatus::Ok)
}
