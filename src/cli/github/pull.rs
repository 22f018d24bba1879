//! `dispatch github sync --pull`: takes over what people changed on GitHub.

use crate::base::text::{plural, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::CommandError;
use crate::cli::repo_context::RepoContext;
use crate::control::Request;
use crate::engine::mirror::found::Found;
use crate::engine::mirror::pull::{Change, changes};
use crate::engine::mirror::sync::Mirror;
use crate::engine::run::control::request;
use crate::engine::run::tell::tell;
use crate::model::run::{RunPhase, RunState};
use crate::report::suggest;
use crate::ui::Ui;

/// Shows the changes, asks, and takes them over. With `dry_run` it only shows them. Returns `true` if some
/// were taken over.
///
/// # Errors
/// When the user declines, or the run cannot be reached.
pub(super) fn run(
    here: &RepoContext,
    mirror: &Mirror<'_>,
    state: &RunState,
    found: &Found,
    (dry_run, consent): (bool, ConfirmArgs),
    ui: &Ui,
) -> Result<bool, CommandError> {
    let changes = changes(state, found, &mirror.record, &mirror.secrets);
    for left in &changes.left {
        ui.warning(&format!("not taken over: {}", terminal_safe(left)));
    }
    if changes.taken.is_empty() {
        ui.status("nothing has changed there that the run can take over");
        return Ok(false);
    }
    for change in &changes.taken {
        ui.status(&terminal_safe(&change.words()));
    }
    if dry_run {
        return Ok(false);
    }
    let count = plural(changes.taken.len(), "change");
    consent.confirm(ui, &format!("Take {count} over into {}?", state.run))?;
    for change in &changes.taken {
        take(here, state, change)?;
    }
    let state = here.read_state(&state.run)?;
    if matches!(state.phase, RunPhase::Ended(_)) {
        ui.hint(&format!(
            "`{}` goes on with them",
            suggest::resume(&state.run)
        ));
    }
    Ok(true)
}

fn take(here: &RepoContext, state: &RunState, change: &Change) -> Result<(), CommandError> {
    let ask = |asked: Request| request(&here.repo, &here.store, &state.run, &asked, here.clock);
    match change {
        Change::Skip { task, cascade } => ask(Request::Skip {
            task: *task,
            cascade: *cascade,
        })?,
        Change::Cancel { task, skip } => {
            ask(Request::Cancel { task: Some(*task) })?;
            if *skip {
                ask(Request::Skip {
                    task: *task,
                    cascade: false,
                })?;
            }
        }
        Change::Prioritize { task, from, to } => ask(Request::Prioritize {
            task: *task,
            by: to.saturating_sub(*from),
        })?,
        Change::Tell { task, text, .. } => {
            let place = (&here.repo, &here.store);
            tell(place, &state.run, (*task, None), text, here.clock)?;
        }
    }
    Ok(())
}
