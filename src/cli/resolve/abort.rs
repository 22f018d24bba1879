//! Aborts a resolution: saves what was changed, and removes the worktree.

use serde_json::json;

use super::{context_of, record};
use crate::cli::drive::reopen::reopen;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::engine::resolve::conflict_worktree::remove;
use crate::engine::resolve::error::ResolveError;
use crate::engine::resolve::manual::keep_work;
use crate::engine::runs::load::free_references;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::ui::Ui;

/// Aborts the resolution of a task; a run that had accepted it is assembled again.
///
/// # Errors
/// When no conflict of the task is open.
pub(super) fn abort(
    here: &RepoContext,
    run: &RunId,
    number: TaskNumber,
    json: bool,
    ui: &Ui,
) -> CommandResult {
    let lock = here.lock(run)?;
    let loaded = here.load(run)?;
    free_references(&here.repo, run, &loaded.settings)?;
    let context = context_of(here, &loaded)?;
    if loaded.state.task(number).open_resolution.is_none() {
        return Err(ResolveError::NotOpen(number).into());
    }
    let saved = keep_work(&context, &loaded.state, number)?;
    let removed = remove(&context, &loaded.state, number)?;
    if let Some(message) = removed {
        ui.warning(&message);
    }
    if let Some(name) = saved {
        ui.status(&format!("saved your changes as {name}"));
    }
    let aborted = Event::ResolutionAborted { task: number };
    if loaded.state.task(number).manual_resolution.is_some() {
        drop(lock);
        let exit = reopen(here, run, json, ui, |_| Ok(vec![aborted]))?;
        return Ok(match exit {
            ExitStatus::Interrupted => exit,
            _ => ExitStatus::Ok,
        });
    }
    let what = format!("the resolution of {number} is aborted");
    record(here, &loaded, aborted, &what)?;
    let value = json!({"version": 1, "run": run.as_str(), "task": number.0, "worktree": null});
    match json {
        true => ui.answer_json(&format!("{value}\n")),
        false => ui.answer(&format!(
            "aborted; the conflict of {number} is unresolved\n"
        )),
    }
    Ok(ExitStatus::Ok)
}
