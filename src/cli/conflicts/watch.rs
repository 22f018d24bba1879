//! `dispatch conflicts RUN --watch`: the conflicts of a run as they come and go.

use std::time::{Duration, Instant};

use crate::base::interrupt;
use crate::cli::conflicts::run_subject::subject;
use crate::cli::conflicts::{ConflictsArgs, judge};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::engine::runs::read::StateReader;
use crate::journal::runs::RunLock;
use crate::merge::oid::Oid;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState, Speculative};
use crate::report::board::text::render_speculative;
use crate::report::board::view::BoardView;
use crate::report::suggest;
use crate::report::words::second;
use crate::ui::Ui;

/// How often the journal is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long a run may have no driver: one process may be handing it to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// Shows them anew whenever something has changed, until the run has ended.
///
/// # Errors
/// When the run cannot be read, or nobody drives it any more.
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
            let subject = subject(here, here.load(run)?)?;
            let (known, found) = judge(&here.repo, &subject, args, ui)?;
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
            return Err(
                CommandError::failed(format!("nobody drives {run} any more"))
                    .hint(format!("`{}` takes it up again", suggest::resume(run))),
            );
        }
        std::thread::sleep(INTERVAL);
    }
}

/// What is drawn anew for.
#[derive(PartialEq)]
struct Facts {
    candidates: Vec<(TaskNumber, Oid)>,
    speculative: Vec<Speculative>,
    is_over: bool,
}

impl Facts {
    fn of(state: &RunState) -> Facts {
        Facts {
            candidates: state.candidates(),
            speculative: state.speculative.clone(),
            is_over: matches!(state.phase, RunPhase::Ended(_)),
        }
    }
}
