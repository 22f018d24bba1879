//! Compares the state that all worktrees share before and after an attempt.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::config::reaction::Reaction;
use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::Message;
use crate::engine::spec::AttemptSpec;
use crate::merge::oid::Oid;
use crate::model::outside_changes::{OutsideChange, SharedState, changes};

/// The file in an attempt's folder that names the state before it, for a later process that may see
/// the attempt end.
const BEFORE: &str = "shared-state";

/// Reads the shared state before the worker starts, and records it.
///
/// # Errors
/// When it cannot be read or recorded.
pub(super) async fn look_before(
    context: &Arc<Context>,
    spec: &AttemptSpec,
) -> Result<(), EngineError> {
    if context.settings.run.outside_writes == Reaction::Ignore {
        return Ok(());
    }
    let before = before_file(context, spec);
    let context = Arc::clone(context);
    blocking(move || {
        let reading = context.shared_state()?;
        let state = state_file(&context, reading.name);
        if !state.exists() {
            let text = serde_json::to_vec(&*reading.state)
                .map_err(|error| EngineError::Broken(error.to_string()))?;
            write(&state, |state| files::replace(state, &text))?;
        }
        let name = reading.name.to_string();
        write(&before, |before| fs::write(before, name))
    })
    .await
}

/// Returns what has changed since [`look_before`].
///
/// # Errors
/// When git cannot read the state, or the runtime ends meanwhile; an unreadable record counts as
/// unchanged.
pub(super) async fn look_after(
    context: &Arc<Context>,
    spec: &AttemptSpec,
) -> Result<Vec<OutsideChange>, EngineError> {
    let before = before_file(context, spec);
    let context = Arc::clone(context);
    blocking(move || {
        let name = files::read_if_exists(&before).ok().flatten();
        let name = name.and_then(|text| String::from_utf8_lossy(&text).parse::<Oid>().ok());
        let Some(name) = name else {
            return Ok(Vec::new());
        };
        let after = context.shared_state()?;
        if after.name == name {
            return Ok(Vec::new());
        }
        let before = regular_file::read(&state_file(&context, name), RECORD_LIMIT).ok();
        let before = before.and_then(|text| serde_json::from_slice::<SharedState>(&text).ok());
        Ok(before.map_or_else(Vec::new, |before| changes(&before, &after.state)))
    })
    .await
}

/// Stops the run if something that git executes or reads has changed since it was started or resumed,
/// and leaves the attempt open: the process that resumes the run judges it. `true` if it did.
pub(super) async fn stops_run(execution: &Execution) -> bool {
    let read = |execution: &Execution| {
        let context = &execution.context;
        // A git that was killed tells nothing, so it is asked again; one that fails is a reason to stop.
        let changed = context.changed_programs();
        let changed = changed.or_else(|_| context.changed_programs());
        Ok(changed.unwrap_or_else(|error| vec![error.to_string()]))
    };
    let changed = execution.blocking(read).await.unwrap_or_default();
    if changed.is_empty() {
        return false;
    }
    let (task, attempt) = (execution.spec.task, execution.spec.attempt);
    execution.post(Message::SettingsChanged(changed));
    execution.post(Message::LeftOpen((task, attempt)));
    true
}

fn before_file(context: &Context, spec: &AttemptSpec) -> PathBuf {
    context.attempt_folder(spec.task, spec.attempt).join(BEFORE)
}

/// Returns the file of a state, which is stored once for all attempts that start from it.
fn state_file(context: &Context, name: Oid) -> PathBuf {
    let folder = context.repo.run_folder(context.run.as_str());
    folder.join("shared-states").join(format!("{name}.json"))
}

fn write(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), EngineError> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| write(path))
        .map_err(|error| EngineError::File(path.display().to_string(), error))
}
