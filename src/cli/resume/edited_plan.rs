//! Compares a run with an edited plan, for `dispatch resume --plan`.

use std::path::Path;

use crate::cli::error::CommandError;
use crate::cli::plan_source::{load_plan, show_warnings};
use crate::cli::repo_context::RepoContext;
use crate::engine::runs::load::Loaded;
use crate::engine::runs::replan::Replan;
use crate::engine::start::refuse_workers;
use crate::model::recovery::{Finding, FindingKind};
use crate::model::run::RunState;
use crate::ui::Ui;

/// Returns the changes that an edited plan makes to the run, if there are any.
///
/// # Errors
/// When the run has landed, or the plan or one of its workers is invalid.
pub(crate) fn replan(
    loaded: &Loaded,
    file: Option<&Path>,
    ui: &Ui,
) -> Result<Option<Replan>, CommandError> {
    let Some(file) = file else { return Ok(None) };
    let run = &loaded.state.run;
    if loaded.state.landed.is_some() {
        let message = format!("{run} has landed; its plan can no longer change");
        return Err(CommandError::failed(message).hint(format!(
            "`dispatch run {}` starts a new run",
            file.display()
        )));
    }
    let workers = loaded.settings.workers.keys().cloned().collect();
    let edited = load_plan(file, Some(&workers))?;
    show_warnings(ui, &edited);
    let replan = Replan::new(&loaded.state, &edited.plan)?;
    refuse_workers(&replan.plan, &loaded.settings, None)?;
    let is_same = !replan.changes_tasks() && replan.plan == loaded.state.plan;
    Ok((!is_same).then_some(replan))
}

/// Replaces what recovery found of a task by what the edited plan decides about it.
pub(crate) fn with_edits(found: Vec<Finding>, edits: &[Finding]) -> Vec<Finding> {
    let edit_of = |task| edits.iter().find(|edit| edit.task == Some(task));
    let is_overruled = |one: &Finding| {
        let edit = one.task.and_then(edit_of);
        edit.is_some_and(|edit| !matches!(edit.kind, FindingKind::Same | FindingKind::Adjusted))
    };
    let kept = found.into_iter().filter(|one| !is_overruled(one));
    let edits = edits.iter().filter(|edit| edit.kind != FindingKind::Same);
    kept.chain(edits.cloned()).collect()
}

/// Returns a finding if the file that the plan came from has changed since the run started.
///
/// A file that is gone, or no longer a valid plan, gives none.
pub(crate) fn plan_differs(here: &RepoContext, state: &RunState) -> Option<Finding> {
    let recorded = state.plan_file.as_ref()?;
    let file = here.repo.resolve_portable_path(recorded);
    let edited = load_plan(&file, None).ok()?.plan;
    let differs = Replan::new(state, &edited).ok()?.changes_tasks();
    differs.then(|| Finding::named(FindingKind::PlanDiffers, recorded))
}
