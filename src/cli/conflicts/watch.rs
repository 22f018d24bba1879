//! Shows the conflicts of a run until it ends, for `dispatch conflicts RUN --watch`.

use std::time::{Duration, Instant};

use crate::base::interrupt;
use crate::cli::conflicts::ConflictsArgs;
use crate::cli::conflicts::compare::compare;
use crate::cli::conflicts::subject::Subject;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::engine::runs::read::StateReader;
use crate::journal::runs::RunLock;
use crate::merge::oid::Oid;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState, SpeculativeConflict};
use crate::report::board::text::render_speculative;
use crate::report::board::view::BoardView;
use crate::report::suggest;
use crate::report::words::second;
use crate::ui::Ui;

/// The interval between reads of the journal.
const INTERVAL: Duration = Duration::from_millis(200);

/// The longest time without a driver, while one process hands the run to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// Redraws the conflicts on every change until the run ends.
///
/// # Errors
/// When the run cannot be read, or no process drives it.
pub(crate) fn watch(
    here: &RepoContext,
    run: &RunId,
    args: &ConflictsArgs,
    ui: &Ui,
) -> CommandResult {
    let mut reader = StateReader::new(&here.repo, &here.store, run);
    let mut shown = None;
    let mut exit = ExitStatus::Ok;
    let mut driven = Instant::now();
    loop {
        let state = reader.read()?;
        let now = Facts::of(state);
        if shown.as_ref() != Some(&now) {
            let subject = Subject::of_run(here, here.load(run)?)?;
            let (known, found) = compare(&here.repo, &subject, args, ui)?;
            let view = BoardView::new(state);
            let time = second(state.updated);
            let (done, all) = (view.done(), view.tasks.len());
            let speculative = render_speculative(&view, ui.columns());
            let head = format!("{run} · {time} · {done} of {all} done");
            ui.redraw(&format!("{head}\n\n{known}{speculative}"));
            (shown, exit) = (Some(now), found);
        }
        if matches!(state.phase, RunPhase::Ended(_)) {
            return Ok(exit);
        }
        if interrupt::is_interrupted() {
            return Ok(ExitStatus::Interrupted);
        }
        if RunLock::is_held(&here.repo, run) {
            driven = Instant::now();
        } else if driven.elapsed() > HANDOVER {
            return Err(CommandError::failed(format!(
                "{run} is interrupted: no process drives it"
            ))
            .hint(format!("`{}` resumes it", suggest::resume(run))));
        }
        std::thread::sleep(INTERVAL);
    }
}

/// The facts whose change redraws the screen.
#[derive(PartialEq)]
struct Facts {
    candidates: Vec<(TaskNumber, Oid)>,
    speculative: Vec<SpeculativeConflict>,
    is_over: bool,
}

impl Facts {
    fn of(state: &RunState) -> Facts {
        Facts {
            candidates: state.candidates(),
            speculative: state.speculative_conflicts.clone(),
            is_over: matches!(state.phase, RunPhase::Ended(_)),
        }
    }
}
