//! Loads a run from its journal alone.

use std::fs;
use std::path::PathBuf;

use crate::base::text::{error_chain, plural};
use crate::config::Settings;
use crate::engine::EngineError;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::journal::seal::{Origin, origin};
use crate::journal::{Journal, JournalError, Replayed, journal_ref, replay};
use crate::merge::oid::Oid;
use crate::model::event::{Event, Recorded};
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::model::run::RunState;
use crate::plan::{Format, Source, parse};

/// The file of the journal's tree that holds the plan for programs.
pub const PLAN_FILE: &str = "plan.json";

/// The file of the journal's tree that holds the plan for readers.
pub const PLAN_TEXT_FILE: &str = "plan.md";

/// The file of the journal's tree that holds the settings the run was started with.
pub const SETTINGS_FILE: &str = "settings.json";

/// A run, read from its journal.
#[derive(Debug)]
pub struct Loaded {
    /// The state after the last event.
    pub state: RunState,
    /// The settings the run was started with.
    pub settings: Settings,
    /// The journal.
    pub replayed: Replayed,
}

/// Loads a run from its whole journal, to continue it. Needs references alone: no worktrees, no logs, no
/// lock.
///
/// # Errors
/// When the journal, the plan or the settings cannot be read.
pub fn load(store: &Store, run: &RunId) -> Result<Loaded, EngineError> {
    let replayed = replay(store, run)?;
    refuse_foreign(store, run, replayed.tip)?;
    loaded(store, replayed)
}

/// Loads a run from its whole journal, which another user may have written, to compare its results. The
/// settings must not be executed.
///
/// # Errors
/// As [`load`].
pub fn load_to_compare(store: &Store, run: &RunId) -> Result<Loaded, EngineError> {
    loaded(store, replay(store, run)?)
}

fn loaded(store: &Store, replayed: Replayed) -> Result<Loaded, EngineError> {
    let settings = parse_settings(&replayed.run, &replayed.file(store, SETTINGS_FILE)?)?;
    let state = start(store, &replayed)?;
    Ok(Loaded {
        state: fold(store, state, &replayed)?,
        settings,
        replayed,
    })
}

/// Parses the settings in the journal of a run.
pub(super) fn parse_settings(run: &RunId, text: &str) -> Result<Settings, EngineError> {
    serde_json::from_str(text).map_err(|error| {
        EngineError::Refused(format!(
            "{SETTINGS_FILE} of {run} cannot be read: {}",
            error_chain(&error)
        ))
    })
}

/// Fails if the journal that ends with this commit is not to be continued.
///
/// # Errors
/// When another user or program wrote it, or it was moved back.
fn refuse_foreign(store: &Store, run: &RunId, tip: Oid) -> Result<(), EngineError> {
    let run = run.clone();
    match origin(store, &run, tip)? {
        Origin::Ours => Ok(()),
        Origin::Foreign => Err(JournalError::Foreign(run).into()),
        Origin::MovedBack(last) => Err(JournalError::MovedBack { run, last }.into()),
    }
}

/// Fails if an event names a task that the plan does not have.
///
/// # Errors
/// The first such event.
fn refuse_unknown_tasks(run: &RunId, plan: &Plan, recorded: &Recorded) -> Result<(), EngineError> {
    let count = plan.tasks().len();
    let named = recorded.event.named_tasks();
    let unknown = named
        .iter()
        .find(|task| !(1..=count).contains(&(task.0 as usize)));
    match unknown {
        None => Ok(()),
        Some(task) => Err(EngineError::Refused(format!(
            "the journal of {run} does not fit its plan: event {} names {task}, and the plan has {}; \
             `git log refs/dispatch/runs/{run}` shows what is there",
            recorded.seq,
            plural(count, "task"),
        ))),
    }
}

/// Returns the state after the first event of a whole journal.
pub(super) fn start(store: &Store, replayed: &Replayed) -> Result<RunState, EngineError> {
    let run = &replayed.run;
    let plan = plan_at(store, replayed, 1)?;
    let first = replayed.records.first();
    if let Some(first) = first {
        refuse_unknown_tasks(run, &plan, first)?;
    }
    let state = first.and_then(|first| RunState::start(run.clone(), plan, first));
    state.ok_or_else(|| broken(run, "its first event"))
}

/// Folds the events that a state does not know yet.
pub(super) fn fold(
    store: &Store,
    mut state: RunState,
    replayed: &Replayed,
) -> Result<RunState, EngineError> {
    let known = state.seq;
    for recorded in replayed.records.iter().filter(|new| new.seq > known) {
        match recorded.event {
            Event::PlanEdited { .. } => {
                state.replan(plan_at(store, replayed, recorded.seq)?, recorded);
            }
            _ => {
                refuse_unknown_tasks(&replayed.run, &state.plan, recorded)?;
                state.apply(recorded);
            }
        }
    }
    Ok(state)
}

/// Records the current settings, which apply to the run from the next event on.
///
/// # Errors
/// When the journal cannot be read or written.
pub fn keep_settings(
    store: &Store,
    loaded: &Loaded,
    journal: &mut Journal,
) -> Result<(), EngineError> {
    let (plan, text) = (
        loaded.replayed.file(store, PLAN_FILE)?,
        loaded.replayed.file(store, PLAN_TEXT_FILE)?,
    );
    Ok(journal.replace_files(&[
        (PLAN_FILE, &plan),
        (PLAN_TEXT_FILE, &text),
        (SETTINGS_FILE, &settings_text(&loaded.settings)?),
    ])?)
}

/// Renders settings for the journal.
///
/// # Errors
/// When they cannot be serialised.
pub fn settings_text(settings: &Settings) -> Result<String, EngineError> {
    serde_json::to_string_pretty(settings)
        .map_err(|error| EngineError::Refused(format!("{SETTINGS_FILE}: {}", error_chain(&error))))
}

/// Returns the plan that the journal held when this event was recorded.
fn plan_at(store: &Store, replayed: &Replayed, seq: u64) -> Result<Plan, EngineError> {
    let source = Source {
        name: format!("{PLAN_FILE} of {}", replayed.run),
        format: Format::Json,
        text: replayed.file_at(store, PLAN_FILE, seq)?,
    };
    let no_files = |_: &str| Err("a journalled plan holds its prompts".to_owned());
    let plan = parse(&source, None, &no_files).plan;
    plan.ok_or_else(|| broken(&replayed.run, PLAN_FILE))
}

/// Unlocks the references of a run whose last driver died while it moved one, and returns their
/// names. Only for the holder of the run's lock, the only process that moves them.
///
/// # Errors
/// When a lock file cannot be removed.
pub fn free_references(
    repo: &Repo,
    run: &RunId,
    settings: &Settings,
) -> Result<Vec<String>, EngineError> {
    let names = [
        journal_ref(run),
        format!("refs/dispatch/attempts/{run}"),
        format!("refs/dispatch/backups/{run}"),
        format!("refs/heads/{}/{run}", settings.run.branch_prefix),
    ];
    repo.free_references(&names)
        .map_err(|error| EngineError::File(format!("a lock on a reference of {run}"), error))
}

/// The mark of a process that moves the target of a run; it stays if that process is killed.
#[derive(Debug)]
pub struct MovingMark {
    file: PathBuf,
}

impl MovingMark {
    /// Makes the mark. It goes when the value is dropped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(repo: &Repo, run: &RunId) -> Result<MovingMark, EngineError> {
        let file = MovingMark::place(repo, run);
        let made = fs::write(&file, "");
        made.map_err(|error| EngineError::File(file.display().to_string(), error))?;
        Ok(MovingMark { file })
    }

    fn place(repo: &Repo, run: &RunId) -> PathBuf {
        repo.run_folder(run.as_str()).join("moving")
    }
}

impl Drop for MovingMark {
    fn drop(&mut self) {
        // A mark that stays lets the next landing wait two seconds for a lock on the target, if any.
        let _ = fs::remove_file(&self.file);
    }
}

/// Unlocks the target of a landing whose process was killed while it moved the target. Any other lock on
/// the target belongs to another process.
///
/// # Errors
/// When a lock file cannot be removed.
pub fn free_target(repo: &Repo, state: &RunState) -> Result<(), EngineError> {
    let Some(landing) = &state.pending_landing else {
        return Ok(());
    };
    let mark = MovingMark::place(repo, &state.run);
    if mark.symlink_metadata().is_err() {
        return Ok(());
    }
    let name = branch_ref(&landing.target);
    let failed = |error| EngineError::File(format!("a lock on {name}"), error);
    repo.free_references(std::slice::from_ref(&name))
        .map_err(failed)?;
    fs::remove_file(&mark).map_err(failed)
}

fn broken(run: &RunId, what: &str) -> EngineError {
    EngineError::Refused(format!(
        "the journal of {run} cannot be read: {what} is damaged; \
         `git log refs/dispatch/runs/{run}` shows what is there"
    ))
}
