//! An assembly that was done before: with nothing changed there is nothing to merge or to check.
//!
//! What an assembly rests on is written down with its result, once that stands on the integration
//! branch. The next one that rests on the very same, and finds the branch where it was left, has the
//! same result. Losing the file costs time and nothing else.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::fault;
use crate::base::files;
use crate::engine::EngineError;
use crate::engine::assemble::rewound;
use crate::engine::kernel::context::Context;
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::model::ids::{RunId, TaskNumber};
use crate::model::integration::{CheckOutcome, Integration};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// The last assembly of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settled {
    rests_on: Value,
    /// The order in which the candidates were tried.
    pub(crate) order: Vec<TaskNumber>,
    /// Its result.
    pub(crate) integration: Integration,
}

impl Settled {
    /// The last assembly, if this one would be the same.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(crate) fn recall(
        context: &Context,
        state: &RunState,
    ) -> Result<Option<Settled>, EngineError> {
        let text = files::read_if_exists(&path(&context.repo, &context.run));
        let text = text.ok().flatten();
        let settled: Option<Settled> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let Some(mut settled) = settled else {
            return Ok(None);
        };
        let is_same = settled.rests_on == rests_on(context, state, &state.conflicts)?;
        if !is_same || !settled.still_stands(context)? {
            return Ok(None);
        }
        settled.integration.check_runs = 0;
        Ok(Some(settled))
    }

    /// Writes an assembly down. That this failed only means that it is done again.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub(crate) fn keep(
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
        let settled = Settled {
            rests_on: rests_on(context, state, conflicts)?,
            order,
            integration: integration.clone(),
        };
        fault::point("assembly", "before it is remembered");
        if let Ok(text) = serde_json::to_vec(&settled) {
            let _ = files::replace(&path(&context.repo, &context.run), &text);
        }
        fault::point("assembly", "remembered");
        Ok(())
    }

    /// Whether the integration branch still has it, with nothing of somebody else on top.
    fn still_stands(&self, context: &Context) -> Result<bool, EngineError> {
        let store = Store::open(&context.repo)?;
        let branch = store.reference(&branch_ref(&context.integration_branch()))?;
        let (Some(branch), Some(tip)) = (branch, self.integration.tip) else {
            return Ok(false);
        };
        let code = self.integration.code_tip;
        Ok(code.is_some_and(|code| store.has(code))
            && store.has(tip)
            && store.is_ancestor(tip, branch)?
            && rewound(&store, context, branch).is_ok())
    }
}

/// Forgets the last assembly, so that the next one does everything anew. Only for the holder of the
/// run's lock.
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

/// Everything that decides what an assembly comes to.
fn rests_on(
    context: &Context,
    state: &RunState,
    conflicts: &[TaskConflict],
) -> Result<Value, EngineError> {
    let repo = &context.repo;
    let store = Store::open(repo)?;
    let git = repo.git();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let attributes = files::read_if_exists(&repo.common.join("info/attributes"));
    let left_out: Vec<TaskNumber> = state
        .candidates()
        .into_iter()
        .map(|(task, _)| task)
        .collect();
    let left_out = left_out.into_iter().filter(|task| state.is_left_out(*task));
    Ok(json!({
        "dispatch": env!("CARGO_PKG_VERSION"),
        "git": git.line(&["version"])?,
        "configuration": text(git.run(&["config", "--list", "-z"])?),
        "attributes": attributes.ok().flatten().map(text),
        "resolutions": store.references("refs/dispatch/resolutions")?,
        "settings": context.settings,
        "base": context.base,
        "candidates": state.candidates(),
        "first": state.first,
        "left_out": left_out.collect::<Vec<_>>(),
        "conflicts": conflicts,
    }))
}
