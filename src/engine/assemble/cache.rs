//! Caches the last assembly of a run, so that assembling unchanged candidates repeats no merge or
//! check.
//!
//! The inputs of an assembly are written down with its result once that is on the integration
//! branch. The next one with the same inputs, and with the branch where it was left, has the same
//! result. Losing the file costs time and nothing else.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::fault;
use crate::base::files;
use crate::engine::EngineError;
use crate::engine::assemble::integration_branch::last_board_commit;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::sealed_file;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::integration::{CheckOutcome, Integration};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// The last assembly of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CachedAssembly {
    inputs: Value,
    /// The order in which the candidates were tried.
    pub(super) order: Vec<TaskNumber>,
    /// The result.
    pub(super) integration: Integration,
}

impl CachedAssembly {
    /// Loads the last assembly if this one would have the same result.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(super) fn load(
        context: &Context,
        state: &RunState,
    ) -> Result<Option<CachedAssembly>, EngineError> {
        let text = sealed_file::read(&context.repo, &path(&context.repo, &context.run));
        let cached: Option<CachedAssembly> =
            text.and_then(|text| serde_json::from_slice(&text).ok());
        let Some(mut cached) = cached else {
            return Ok(None);
        };
        let is_same = cached.inputs == inputs(context, state, &state.conflicts)?;
        if !is_same || !cached.is_current(context)? {
            return Ok(None);
        }
        cached.integration.check_runs = 0;
        Ok(Some(cached))
    }

    /// Saves an assembly. Where the file cannot be written, the next one starts from nothing.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(super) fn save(
        context: &Context,
        state: &RunState,
        conflicts: &[TaskConflict],
        order: Vec<TaskNumber>,
        integration: &Integration,
    ) -> Result<(), EngineError> {
        let has_run = |outcome| matches!(outcome, CheckOutcome::Passed | CheckOutcome::Failed);
        if !integration.checks.iter().all(|check| has_run(check.result)) {
            return Ok(());
        }
        let cached = CachedAssembly {
            inputs: inputs(context, state, conflicts)?,
            order,
            integration: integration.clone(),
        };
        fault::point("assembly", "before it is cached");
        if let Ok(text) = serde_json::to_vec(&cached) {
            let path = path(&context.repo, &context.run);
            let _ = sealed_file::write(&context.repo, &path, &text);
        }
        fault::point("assembly", "cached");
        Ok(())
    }

    /// Returns `true` if the integration branch still contains it, without foreign commits on top.
    fn is_current(&self, context: &Context) -> Result<bool, EngineError> {
        let store = Store::open(&context.repo)?;
        let branch = store.reference(&branch_ref(&context.integration_branch()))?;
        let (Some(branch), Some(tip)) = (branch, self.integration.tip) else {
            return Ok(false);
        };
        let code = self.integration.code_tip;
        Ok(code.is_some_and(|code| store.has(code))
            && store.has(tip)
            && store.is_ancestor(tip, branch)?
            && last_board_commit(&store, context, branch).is_ok())
    }
}

/// Deletes the cached assembly, so that the next one merges and checks everything. The caller holds
/// the run's lock.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget(repo: &Repo, run: &RunId) -> std::io::Result<()> {
    match fs::remove_file(path(repo, run)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(repo: &Repo, run: &RunId) -> PathBuf {
    repo.run_folder(run.as_str()).join("assembled.json")
}

/// Returns everything that the result of an assembly depends on.
fn inputs(
    context: &Context,
    state: &RunState,
    conflicts: &[TaskConflict],
) -> Result<Value, EngineError> {
    let repo = &context.repo;
    let store = Store::open(repo)?;
    let git = repo.git();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let attributes = files::read_if_exists(&repo.common.join("info/attributes"));
    let candidates = state.candidates();
    let left_out = candidates.iter().map(|(task, _)| *task);
    let left_out = left_out.filter(|task| state.is_left_out(*task));
    let left_out: Vec<TaskNumber> = left_out.collect();
    Ok(json!({
        "dispatch": env!("CARGO_PKG_VERSION"),
        "git": git.line(&["version"])?,
        "configuration": text(git.run(&["config", "--list", "-z"])?),
        "attributes": attributes.ok().flatten().map(text),
        "resolutions": store.references("refs/dispatch/resolutions")?,
        "settings": context.settings,
        "base": context.base,
        "candidates": candidates,
        "first": state.assembly_order,
        "left_out": left_out,
        "conflicts": conflicts,
    }))
}
