//! Opens a run that no process drives, for a request of the user.

use crate::base::clock::Clock;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::runs::load::{Loaded, free_references, keep_settings};
use crate::engine::start::{StartError, refuse_depth};
use crate::git::{Repo, Store};
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::run::RunState;

/// An opened run.
#[derive(Debug)]
pub struct Reopened {
    /// The lock of the run.
    pub lock: RunLock,
    /// The state of the run.
    pub state: RunState,
    /// Its journal.
    pub journal: Journal,
    /// Its settings.
    pub settings: Settings,
    /// The events of the request, to be recorded first.
    pub asked: Vec<Event>,
}

/// Records a request in a run that was loaded under its lock, and lets go of the run.
///
/// # Errors
/// As for [`reopen`].
pub fn record_request<E: From<EngineError> + From<StartError>>(
    (repo, store): (&Repo, &Store),
    run: &RunId,
    locked: (RunLock, Loaded),
    clock: Clock,
    request: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, E>,
) -> Result<(), E> {
    let mut opened = reopen(repo, store, run, locked, request)?;
    let recorded = opened.journal.append(opened.asked, clock.now());
    recorded.map_err(EngineError::from)?;
    Ok(())
}

/// Opens a run that was loaded under its lock. `request` checks a request and returns its events; it
/// may change the settings, which then apply to the run from now on.
///
/// # Errors
/// When this process is too deep, `request` refuses, or the journal cannot be written.
pub fn reopen<E: From<EngineError> + From<StartError>>(
    repo: &Repo,
    store: &Store,
    run: &RunId,
    (lock, mut loaded): (RunLock, Loaded),
    request: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, E>,
) -> Result<Reopened, E> {
    refuse_depth(&loaded.settings)?;
    free_references(repo, run, &loaded.settings)?;
    let before = loaded.settings.clone();
    let resumed = Event::RunResumed {
        findings: Vec::new(),
    };
    let asked = [vec![resumed], request(&mut loaded)?].concat();
    let mut journal = Journal::reopen(repo, &loaded.replayed).map_err(EngineError::from)?;
    if loaded.settings != before {
        keep_settings(store, &loaded, &mut journal)?;
    }
    Ok(Reopened {
        lock,
        state: loaded.state,
        journal,
        settings: loaded.settings,
        asked,
    })
}
