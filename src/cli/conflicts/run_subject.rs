//! The candidates of a run as the subject of a comparison.

use crate::cli::conflicts::Subject;
use crate::cli::drive::context;
use crate::cli::error::CommandError;
use crate::cli::repo_context::RepoContext;
use crate::engine::candidates::conflicts::task_branches;
use crate::engine::runs::load::Loaded;
/// The candidates of a run as it stands.
///
/// # Errors
/// When the run's settings do not fit this machine.
pub(crate) fn subject(here: &RepoContext, loaded: Loaded) -> Result<Subject, CommandError> {
    let generated = loaded.settings.conflicts.generated.clone();
    let context = context(&here.repo, &loaded.state, loaded.settings, here.clock)?;
    let candidates = loaded.state.candidates();
    let tag = |number| context.plan.task(number).tag.clone();
    Ok(Subject {
        branches: task_branches(&context, &candidates),
        tasks: candidates.iter().map(|(n, _)| (*n, tag(*n))).collect(),
        run_base: Some(context.base),
        generated,
        assembly: Some((context, loaded.state)),
    })
}
