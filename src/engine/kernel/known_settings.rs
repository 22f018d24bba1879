//! Remembers outside of the repository what git executed when a run started.
//!
//! A worker can change the configuration, the hooks or the attributes that the next git command of the
//! user or of dispatch executes. The state before the workers is kept in the user's own folder, one file
//! for each run with workers, until the run has ended without such a change. Until then every command
//! that could execute it compares first.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::user_folders::is_refused;
use crate::engine::kernel::error::EngineError;
use crate::git::Repo;
use crate::git::shared_state::SharedStateReader;
use crate::model::ids::RunId;
use crate::model::outside_changes::{SharedState, changes_of_programs};

/// Records the state before the workers of a run, unless an earlier process of the run has.
///
/// # Errors
/// When it cannot be written.
pub fn record(repo: &Repo, run: &RunId, state: &SharedState) -> Result<(), EngineError> {
    let Some(file) = file_of(repo, run) else {
        return Ok(());
    };
    if file.symlink_metadata().is_ok() {
        return Ok(());
    }
    let failed = |error| EngineError::File(file.display().to_string(), error);
    let text = serde_json::to_vec(&of_programs(state))
        .map_err(|error| EngineError::Broken(error.to_string()))?;
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    match folder.and_then(|()| files::replace(&file, &text)) {
        Err(error) if is_refused(&error) => {
            tracing::warn!("{}: {error}", file.display());
            Ok(())
        }
        written => written.map_err(failed),
    }
}

/// Forgets the state before the workers of a run that has ended without a change.
pub fn forget(repo: &Repo, run: &RunId) {
    if let Some(file) = file_of(repo, run) {
        // A record that stays is compared once more, which is only slower.
        let _ = fs::remove_file(file);
    }
}

/// Fails if something that git executes or reads has changed since a run began that has not ended
/// well.
///
/// # Errors
/// [`EngineError::SettingsChanged`] with the differences.
pub fn refuse_changed(repo: &Repo) -> Result<(), EngineError> {
    let records = records(repo);
    if records.is_empty() {
        return Ok(());
    }
    let now = SharedStateReader::new(repo, "dispatch").read()?.state;
    for (run, before) in records {
        let changes = changes_of_programs(&before, &now);
        if !changes.is_empty() {
            let since = format!("since {run} started");
            return Err(EngineError::SettingsChanged { changes, since });
        }
    }
    Ok(())
}

/// Accepts the current state, and returns what had changed.
///
/// # Errors
/// When a record cannot be removed.
pub fn accept(repo: &Repo) -> Result<Vec<String>, EngineError> {
    let now = SharedStateReader::new(repo, "dispatch").read()?.state;
    let mut accepted = Vec::new();
    for (run, before) in records(repo) {
        accepted.extend(changes_of_programs(&before, &now));
        if let Some(file) = file_of(repo, &RunId::new(run)) {
            let removed = fs::remove_file(&file);
            removed.map_err(|error| EngineError::File(file.display().to_string(), error))?;
        }
    }
    accepted.sort();
    accepted.dedup();
    Ok(accepted)
}

/// Reads the records of all runs, by the name of the run.
fn records(repo: &Repo) -> BTreeMap<String, SharedState> {
    let folder = folder(repo).and_then(|folder| fs::read_dir(folder).ok());
    let entries = folder.into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let text = regular_file::read(&entry.path(), RECORD_LIMIT).ok()?;
        let state = serde_json::from_slice(&text).ok()?;
        Some((name.strip_suffix(".json")?.to_owned(), state))
    };
    entries.filter_map(read).collect()
}

fn folder(repo: &Repo) -> Option<PathBuf> {
    Some(repo.user_state()?.join("settings"))
}

fn file_of(repo: &Repo, run: &RunId) -> Option<PathBuf> {
    Some(folder(repo)?.join(format!("{run}.json")))
}

/// Returns the part of a state that decides what git executes.
fn of_programs(state: &SharedState) -> SharedState {
    let replacements = state.references.iter();
    let replacements = replacements.filter(|(name, _)| name.starts_with("refs/replace/"));
    SharedState {
        references: replacements
            .map(|(name, oid)| (name.clone(), oid.clone()))
            .collect(),
        files: state.files.clone(),
        settings: state.settings.clone(),
        irregular: state.irregular.clone(),
        ..SharedState::default()
    }
}
