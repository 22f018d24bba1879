//! Accepts a resolution: checks it, assembles the run again, and closes the conflict.

use super::{context_of, record};
use crate::cli::drive::reopen::{refuse_landed, reopen};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::engine::resolve::accept::accept;
use crate::engine::resolve::conflict_worktree;
use crate::engine::resolve::manual::{Finished, finish};
use crate::engine::runs::load::Loaded;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::report::suggest;
use crate::ui::Ui;

/// Accepts the resolution of a task and assembles the run again.
///
/// The exit code tells about this conflict alone: other tasks that are left out do not count.
///
/// # Errors
/// When the resolution cannot be accepted, or fails the checks.
pub(super) fn accept_and_assemble(
    here: &RepoContext,
    run: &RunId,
    number: TaskNumber,
    json: bool,
    ui: &Ui,
) -> CommandResult {
    let loaded = here.load(run)?;
    refuse_landed(&loaded.state)?;
    // An earlier process may have been killed after the checks passed.
    if !loaded.state.is_resolution_merged(number) {
        let exit = reopen(here, run, json, ui, |loaded| {
            accept_once(here, loaded, number)
        })?;
        if exit == ExitStatus::Interrupted {
            return Ok(exit);
        }
    }
    let _lock = here.lock(run)?;
    let loaded = here.load(run)?;
    if !loaded.state.is_resolution_merged(number) {
        return Err(not_merged(here, &loaded, number));
    }
    let context = context_of(here, &loaded)?;
    let finished = finish(&context, &loaded.state, number)?;
    let closed = Event::ResolutionClosed { task: number };
    record(here, &loaded, closed, &format!("{number} resolved by hand"))?;
    if !json {
        ui.status(&format!(
            "the conflict of {number} is resolved, and the resolution recorded"
        ));
    }
    match finished {
        Finished::Kept(path, why) => {
            ui.warning(&format!("kept the worktree {}: {why}", path.display()));
        }
        Finished::Removed(Some(message)) => ui.warning(&message),
        Finished::Removed(None) => {}
    }
    Ok(ExitStatus::Ok)
}

/// Returns the event that accepts the resolution, unless the same one was accepted before.
fn accept_once(
    here: &RepoContext,
    loaded: &Loaded,
    number: TaskNumber,
) -> Result<Vec<Event>, CommandError> {
    let context = context_of(here, loaded)?;
    let (candidate, stat) = accept(&context, &loaded.state, number)?;
    let by_hand = loaded.state.task(number).manual_resolution.as_ref();
    Ok(match by_hand {
        Some(by_hand) if by_hand.candidate == candidate => Vec::new(),
        _ => vec![Event::ResolutionAccepted {
            task: number,
            candidate,
            stat: Some(stat),
        }],
    })
}

fn not_merged(here: &RepoContext, loaded: &Loaded, number: TaskNumber) -> CommandError {
    let state = &loaded.state;
    let resolve = suggest::resolve(&state.run, number);
    let worktree = context_of(here, loaded)
        .and_then(|context| Ok(conflict_worktree::find(&context, state, number)?))
        .map_or_else(
            |_| "its worktree".to_owned(),
            |found| found.path.display().to_string(),
        );
    let message = format!("the resolution of {number} failed its checks");
    CommandError::new(ExitStatus::NeedsAttention, message)
        .hint(format!(
            "edit the files in {worktree}, then `{resolve} --continue`; the report shows the checks"
        ))
        .hint(format!("`{resolve} --abort` gives up"))
}
