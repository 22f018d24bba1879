//! `dispatch resume`: a run goes on after a person's word, and what `retry` and `skip` share with it.

use std::path::PathBuf;

use clap::Args;

use crate::base::process::leave_terminal;
use crate::base::text::error_chain;
use crate::cli::Answer;
use crate::cli::drive::{Drive, context, print_end};
use crate::cli::error::{CommandError, Exit};
use crate::cli::recovery_summary::take_up;
use crate::cli::repo_context::{Default, Place};
use crate::control::control_socket;
use crate::control::{Request, Response, ask};
use crate::engine::EngineError;
use crate::engine::publish::catch_up;
use crate::engine::runs::load::{Loaded, free_references, keep_settings};
use crate::engine::start::refuse_depth;
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::ui::Ui;

/// Take up a run again that was interrupted, or ended before its time
#[derive(Args, Debug, Clone)]
pub struct ResumeArgs {
    /// The run [default: the latest unfinished one]
    pub run: Option<String>,
    /// Go on with this edited plan: tasks that are the same are kept, the others done again
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Say what would be found and done, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Let the whole run cost this much, in place of `[run] max_cost`
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    pub max_cost: Option<f64>,
    /// Let parked workers start again at once: their limit has been lifted
    #[arg(long)]
    pub unpark: bool,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    pub json: bool,
}

fn dollars(text: &str) -> Result<f64, String> {
    let dollars: Option<f64> = text.trim_start_matches('$').parse().ok();
    let good = dollars.filter(|dollars| dollars.is_finite() && *dollars > 0.0);
    good.ok_or_else(|| "write an amount of dollars above zero, such as 12.50".to_owned())
}

/// Runs `dispatch resume`.
///
/// # Errors
/// When the run cannot be read, is driven by another process, or has ended.
pub fn resume(args: ResumeArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let run = place.find_run(args.run.as_deref(), Default::Unfinished)?;
    if args.plan.is_none()
        && !args.dry_run
        && let Some(exit) = unpause(&place, &run, ui)?
    {
        return Ok(exit);
    }
    let lock = place.lock(&run)?;
    if args.plan.is_none()
        && !args.dry_run
        && let Some(exit) = finish(&place, &run, ui)?
    {
        return Ok(exit);
    }
    take_up(&place, &run, lock, &args, ui)
}

/// A person knows that the limits of all parked workers have been lifted.
pub(super) fn unparked(state: &RunState) -> Vec<Event> {
    let parked = state.roster.parked(state.updated);
    let unpark = parked.map(|(worker, parking)| Event::WorkerUnparked {
        worker: worker.to_owned(),
        until: parking.until,
    });
    unpark.collect()
}

/// A run that had ended when its driver was killed only lacks its last board and the report.
fn finish(place: &Place, run: &RunId, ui: &Ui) -> Result<Option<Exit>, CommandError> {
    let loaded = place.load(run)?;
    let RunPhase::Ended(code) = loaded.state.phase else {
        return Ok(None);
    };
    free_references(&place.repo, run, &loaded.settings)?;
    let context = context(&place.repo, &loaded.state, loaded.settings, place.clock)?;
    if code == 130 || !catch_up(&context, &loaded.state)? {
        return Ok(None);
    }
    print_end(ui, &loaded.state);
    Ok(Some(Exit::of_run(code)))
}

/// A run that was only paused goes on in the process that drives it.
fn unpause(place: &Place, run: &RunId, ui: &Ui) -> Result<Option<Exit>, CommandError> {
    if !RunLock::is_held(&place.repo, run) || place.load(run)?.state.phase != RunPhase::Paused {
        return Ok(None);
    }
    let answer = ask(&control_socket(&place.repo, run), &Request::Resume);
    match answer.map_err(|error| CommandError::failed(error_chain(&error)))? {
        Some(Response::Done) => {
            ui.status(&format!("{run} goes on"));
            Ok(Some(Exit::Ok))
        }
        _ => Ok(None),
    }
}

pub(super) fn may_resume(loaded: &Loaded) -> Result<Vec<Event>, CommandError> {
    let run = &loaded.state.run;
    match loaded.state.phase {
        RunPhase::Ended(130) | RunPhase::Running | RunPhase::Stopping | RunPhase::Paused => {
            Ok(Vec::new())
        }
        // It ended because its workers were parked, or its money was spent.
        RunPhase::Ended(_) if loaded.state.may_go_on() => Ok(Vec::new()),
        RunPhase::Ended(_) => Err(
            CommandError::failed(format!("{run} has ended")).hint(format!(
                "`dispatch report {run}` shows how; `dispatch retry {run} TASK` tries a task again"
            )),
        ),
    }
}

/// Runs the hidden `dispatch __drive RUN`: takes a run up away from any terminal.
///
/// # Errors
/// As [`resume`].
pub fn drive(run: &str, ui: &Ui) -> Answer {
    leave_terminal();
    let place = Place::open()?;
    let run = RunId::new(run);
    let lock = place.lock(&run)?;
    drive_loaded(&place, &run, lock, false, false, ui, |loaded| {
        may_resume(loaded)
    })
}

/// What has landed is not assembled or reviewed again, unless something new has passed since.
///
/// # Errors
/// When the run has landed.
pub fn refuse_landed(state: &RunState) -> Result<(), CommandError> {
    let Some(landed) = &state.landed else {
        return Ok(());
    };
    let (target, to) = (&landed.target, landed.to.short());
    let message = format!("{} has landed on {target} already, as {to}", state.run);
    Err(CommandError::failed(message)
        .hint("a task that did not pass can still be tried again with `dispatch retry`"))
}

/// Takes the run's lock, replays it, records what a person asked for, and drives it.
///
/// # Errors
/// When the run is held, cannot be read, or `ask` refuses.
pub fn go_on(
    place: &Place,
    run: &RunId,
    json: bool,
    ui: &Ui,
    ask: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, CommandError>,
) -> Answer {
    let lock = place.lock(run)?;
    drive_loaded(place, run, lock, json, true, ui, ask)
}

fn drive_loaded(
    place: &Place,
    run: &RunId,
    lock: RunLock,
    json: bool,
    foreground: bool,
    ui: &Ui,
    ask: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, CommandError>,
) -> Answer {
    let mut loaded = place.load(run)?;
    refuse_depth(&loaded.settings)?;
    free_references(&place.repo, run, &loaded.settings)?;
    let before = loaded.settings.clone();
    let mut asked = ask(&mut loaded)?;
    asked.insert(0, Event::RunResumed { found: Vec::new() });
    let mut journal = Journal::reopen(&place.repo, &loaded.replayed).map_err(EngineError::from)?;
    if loaded.settings != before {
        keep_settings(&place.store, &loaded, &mut journal)?;
    }
    let drive = Drive {
        place,
        lock,
        state: loaded.state,
        journal,
        settings: loaded.settings,
        asked,
        recorded: Vec::new(),
        json,
        foreground,
    };
    drive.run(ui)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli::error::{Exit, said};
    use crate::model::fixture::{RunFixture, base, candidate, start};
    use crate::model::integration::Landing;

    use super::*;

    #[test]
    fn what_has_landed_stays_as_it_is() {
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
        assert_eq!(error.exit, Exit::Failed);
        insta::assert_snapshot!(said(Err(error)), @r"
        checkout-7k3q has landed on main already, as 0000000
        a task that did not pass can still be tried again with `dispatch retry`
        ");
    }
}
