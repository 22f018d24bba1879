//! `dispatch conflicts` where it is about a run: which references its candidates are.

use crate::cli::Answer;
use crate::cli::branches::resolve_branches;
use crate::cli::conflicts::{ConflictsArgs, report};
use crate::cli::driving::context;
use crate::cli::error::Exit;
use crate::cli::place::{Default, Place};
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::matches::task_branches;
use crate::model::ids::RunId;
use crate::ui::Ui;

/// Runs `dispatch conflicts`, for a run or for any references. One name that is a revision is
/// taken for that, so that a branch is never mistaken for a run.
///
/// # Errors
/// When a name is unknown, or git's engine fails as a whole.
pub(crate) fn run(args: ConflictsArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let is_revision = |name: &str| matches!(place.store.resolve(name), Ok(Some(_)));
    let run = match args.targets.as_slice() {
        [] => Some(place.find_run(None, Default::Latest)?),
        [one] if !one.contains(['*', '?', '[', '{']) && !is_revision(one) => {
            Some(place.find_run(Some(one), Default::Latest)?)
        }
        _ => None,
    };
    match run {
        Some(run) => of_run(&place, &run, &args, ui),
        None => {
            let settings = config::load(&place.repo.top, None, &Overrides::default())?;
            let branches = resolve_branches(&place.repo, &args.targets)?;
            report(
                &place.repo,
                branches,
                &args,
                &settings.conflicts.generated,
                ui,
            )
        }
    }
}

/// The conflicts among the candidates of a run.
///
/// # Errors
/// As [`run`].
pub(crate) fn of_run(place: &Place, run: &RunId, args: &ConflictsArgs, ui: &Ui) -> Answer {
    let loaded = place.load(run)?;
    let generated = loaded.settings.conflicts.generated.clone();
    let context = context(&place.repo, &loaded.state, loaded.settings, place.clock)?;
    let branches = task_branches(&context, &loaded.state.candidates());
    if branches.len() < 2 {
        ui.status(&format!(
            "{run} has fewer than two candidates, so nothing can conflict"
        ));
        return Ok(Exit::Ok);
    }
    report(&place.repo, branches, args, &generated, ui)
}
