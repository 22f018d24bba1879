//! Opens a run that is not being driven, records a request of the user, and drives it.

use crate::base::process::leave_terminal;
use crate::cli::drive::Drive;
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::repo_context::RepoContext;
use crate::engine::runs::load::Loaded;
use crate::engine::start::reopen;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::ui::Ui;

/// Takes the run's lock, replays its journal, records the requested events, and drives it.
///
/// # Errors
/// When the run is held, cannot be read, or `request` refuses.
pub(crate) fn reopen(
    here: &RepoContext,
    run: &RunId,
    json: bool,
    ui: &Ui,
    request: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, CommandError>,
) -> CommandResult {
    let lock = here.lock(run)?;
    drive_loaded(here, run, lock, (json, true), ui, request)
}

/// Runs the hidden `dispatch __drive RUN`: drives a run without a terminal.
///
/// # Errors
/// When the run is held, cannot be read, or has ended.
pub(crate) fn drive_detached(run: &str, ui: &Ui) -> CommandResult {
    leave_terminal();
    let here = RepoContext::open()?;
    let run = RunId::new(run);
    let lock = here.lock(&run)?;
    let request = |loaded: &mut Loaded| refuse_ended(&loaded.state).map(|()| Vec::new());
    drive_loaded(&here, &run, lock, (false, false), ui, request)
}

/// Refuses to resume a run that ended with nothing left to do.
///
/// # Errors
/// When the run has ended, unless parked workers or the cost limit stopped it.
pub(crate) fn refuse_ended(state: &RunState) -> Result<(), CommandError> {
    let run = &state.run;
    match state.phase {
        RunPhase::Ended(130) | RunPhase::Running | RunPhase::Stopping | RunPhase::Paused => Ok(()),
        RunPhase::Ended(_) if state.can_progress() => Ok(()),
        RunPhase::Ended(_) => Err(
            CommandError::failed(format!("{run} has ended")).hint(format!(
                "`dispatch report {run}` shows how; `dispatch retry {run} TASK` tries a task again"
            )),
        ),
    }
}

/// Refuses to assemble or review a run that has landed, unless a task has passed since.
///
/// # Errors
/// When the run has landed.
pub(crate) fn refuse_landed(state: &RunState) -> Result<(), CommandError> {
    let Some(landed) = &state.landed else {
        return Ok(());
    };
    let (target, to) = (&landed.target, landed.to.short());
    let message = format!("{} has already landed on {target} as {to}", state.run);
    Err(CommandError::failed(message)
        .hint("a task that did not pass can still be tried again with `dispatch retry`"))
}

fn drive_loaded(
    here: &RepoContext,
    run: &RunId,
    lock: RunLock,
    (json, foreground): (bool, bool),
    ui: &Ui,
    request: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, CommandError>,
) -> CommandResult {
    let loaded = here.load(run)?;
    let opened = reopen::reopen(&here.repo, &here.store, run, (lock, loaded), request)?;
    let drive = Drive {
        here,
        lock: opened.lock,
        state: opened.state,
        journal: opened.journal,
        settings: opened.settings,
        asked: opened.asked,
        recorded: Vec::new(),
        json,
        foreground,
    };
    drive.run(ui)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli::error::{ExitStatus, said};
    use crate::model::fixture::{RunFixture, base, candidate, start};
    use crate::model::integration::Landing;

    use super::*;

    #[test]
    fn a_landed_run_is_neither_assembled_nor_reviewed() {
        let landing = Landing {
            target: "main".to_owned(),
            from: base(),
            to: candidate(9),
            at: start(),
            backup: None,
        };
        let run = RunFixture::new("a").fail(1, "broken");
        assert!(refuse_landed(&run.state()).is_ok());
        let run = RunFixture::new("a").fail(1, "broken");
        let error = refuse_landed(&run.event(Event::Landed { landing }).state()).unwrap_err();
        assert_eq!(error.exit, ExitStatus::Failed);
        insta::assert_snapshot!(said(Err(error)), @r"
        checkout-7k3q has already landed on main as 0000000
        a task that did not pass can still be tried again with `dispatch retry`
        ");
    }
}
