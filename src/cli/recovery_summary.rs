//! Looking around before a run goes on: what is there, what is made again, what an edited plan means.

use std::path::Path;

use crate::cli::Answer;
use crate::cli::drive::{Drive, context};
use crate::cli::error::{CommandError, Exit};
use crate::cli::plan_source::{load_plan, show_warnings};
use crate::cli::repo_context::Place;
use crate::cli::resume::{ResumeArgs, may_resume, unparked};
use crate::engine::EngineError;
use crate::engine::reconcile::{make_again, survey};
use crate::engine::runs::load::{Loaded, free_references};
use crate::engine::runs::replan::Replan;
use crate::engine::start::refuse_workers;
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::recovery::{Finding, Found};
use crate::model::run::RunState;
use crate::report::recovery_table::render;
use crate::ui::Ui;

/// Looks around, says what is there in one table, and goes on.
///
/// # Errors
/// When the run cannot be read, has ended, or an edited plan cannot be taken over.
pub(crate) fn take_up(
    place: &Place,
    run: &RunId,
    lock: RunLock,
    args: &ResumeArgs,
    ui: &Ui,
) -> Answer {
    let mut loaded = place.load(run)?;
    let replan = replan(&loaded, args.plan.as_deref(), ui)?;
    let more = match replan {
        None => may_resume(&loaded)?,
        Some(_) => Vec::new(),
    };
    let mut found = Vec::new();
    if !args.dry_run {
        let freed = free_references(&place.repo, run, &loaded.settings)?;
        let locks = freed.into_iter();
        found.extend(locks.map(|name| Found::named(Finding::StaleLock, name)));
    }
    let context = context(
        &place.repo,
        &loaded.state,
        loaded.settings.clone(),
        place.clock,
    )?;
    let seen = survey(&context, &loaded.state)?;
    if !args.dry_run {
        make_again(&context, &loaded.state, &seen)?;
    }
    found.extend(seen);
    match &replan {
        Some(replan) => found = with_edits(found, &replan.edits),
        None => found.extend(plan_differs(place, &loaded.state)),
    }
    if !args.json {
        ui.status(&format!(
            "taking up {run}\n{}",
            render(&found, ui.columns())
        ));
    }
    if args.dry_run {
        return Ok(Exit::Ok);
    }
    let mut journal = Journal::reopen(&place.repo, &loaded.replayed).map_err(EngineError::from)?;
    let mut recorded = Vec::new();
    if let Some(replan) = replan {
        let now = place.clock.now();
        recorded = replan.carry_out(&place.store, &mut loaded, &mut journal, now)?;
    }
    let max_cost = args.max_cost.map(|max_cost| Event::MaxCostSet { max_cost });
    let resumed = Event::RunResumed { found };
    let unparked = match args.unpark {
        true => unparked(&loaded.state),
        false => Vec::new(),
    };
    let asked = std::iter::once(resumed)
        .chain(more)
        .chain(max_cost)
        .chain(unparked);
    let drive = Drive {
        place,
        lock,
        state: loaded.state,
        journal,
        settings: loaded.settings,
        asked: asked.collect(),
        recorded,
        json: args.json,
        foreground: true,
    };
    drive.run(ui)
}

/// What an edited plan makes of the run, if one is given and makes a difference.
fn replan(loaded: &Loaded, file: Option<&Path>, ui: &Ui) -> Result<Option<Replan>, CommandError> {
    let Some(file) = file else { return Ok(None) };
    let run = &loaded.state.run;
    if loaded.state.landed.is_some() {
        let message = format!("{run} has landed, so its plan is not changed any more");
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

/// Where the plan says what becomes of a task, that goes before what was found of it.
fn with_edits(found: Vec<Found>, edits: &[Found]) -> Vec<Found> {
    let edit_of = |task| edits.iter().find(|edit| edit.task == Some(task));
    let is_overruled = |one: &Found| {
        let edit = one.task.and_then(edit_of);
        edit.is_some_and(|edit| !matches!(edit.what, Finding::Same | Finding::Adjusted))
    };
    let stays = found.into_iter().filter(|one| !is_overruled(one));
    let news = edits.iter().filter(|edit| edit.what != Finding::Same);
    stays.chain(news.cloned()).collect()
}

/// Whether the file the plan came from would make a difference now; one that is gone or is no plan
/// any more says nothing.
fn plan_differs(place: &Place, state: &RunState) -> Option<Found> {
    let recorded = state.plan_file.as_ref()?;
    let file = place.repo.resolve_portable_path(recorded);
    let edited = load_plan(&file, None).ok()?.plan;
    let differs = Replan::new(state, &edited).ok()?.changes_tasks();
    differs.then(|| Found::named(Finding::PlanDiffers, recorded))
}
