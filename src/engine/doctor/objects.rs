//! Finds missing objects of what the journal of a run names.

use std::collections::BTreeSet;

use crate::engine::EngineError;
use crate::engine::doctor::Problem;
use crate::engine::doctor::fix::Fix;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::journal::journal_ref;
use crate::merge::oid::Oid;
use crate::model::run::RunState;
use crate::report::suggest;

/// Examines the candidates, the assembled branch and everything else that leads from the journal, its
/// branches and its kept attempts to objects. One process of git walks what the run has added to its
/// base; only where something is missing, each name is walked on its own.
///
/// # Errors
/// When references cannot be listed, or git fails.
pub(super) fn examine(
    context: &Context,
    store: &Store,
    state: &RunState,
) -> Result<Vec<Problem>, EngineError> {
    store.restore_objects();
    let named = named(context, store, state)?;
    let mut examiner = Examiner {
        context,
        store,
        state,
        known: BTreeSet::new(),
    };
    let tips: Vec<Oid> = named.iter().map(|named| named.tip).collect();
    if examiner.missing(&tips)?.is_empty() {
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    for named in &named {
        problems.extend(examiner.problems(named)?);
    }
    Ok(problems)
}

/// A commit with its name, and the way to have it again.
struct Named {
    name: String,
    tip: Oid,
    advice: Option<String>,
}

/// Lists what a run names, the things that can be made again first.
fn named(context: &Context, store: &Store, state: &RunState) -> Result<Vec<Named>, EngineError> {
    let run = &state.run;
    let mut all = Vec::new();
    for (task, candidate) in state.candidates() {
        all.push(Named {
            name: format!("the result of {task} ({})", context.branch(task)),
            tip: candidate,
            advice: Some(format!("`{}` makes it again", suggest::retry(run, task))),
        });
    }
    if let Some(tip) = state.integration.as_ref().and_then(|found| found.tip) {
        all.push(Named {
            name: context.integration_branch(),
            tip,
            advice: Some(format!("`{}` makes it again", suggest::assemble(run))),
        });
    }
    let folders = [
        branch_ref(&format!("{}/{run}/", context.settings.run.branch_prefix)),
        format!("refs/dispatch/attempts/{run}/"),
        journal_ref(run),
    ];
    for folder in folders {
        for (name, tip) in store.references(&folder)? {
            // A run may have the name of another one as its beginning.
            if folder.ends_with('/') || name == folder {
                let advice = None;
                all.push(Named { name, tip, advice });
            }
        }
    }
    Ok(all)
}

struct Examiner<'a> {
    context: &'a Context,
    store: &'a Store,
    state: &'a RunState,
    /// The missing objects that were reported.
    known: BTreeSet<Oid>,
}

impl Examiner<'_> {
    /// Lists the missing objects below these commits, and the missing ones among them.
    fn missing(&self, tips: &[Oid]) -> Result<Vec<Oid>, EngineError> {
        let (tips, mut lost): (Vec<Oid>, Vec<Oid>) =
            tips.iter().partition(|tip| self.store.has(**tip));
        lost.extend(self.context.repo.missing_objects(&tips, self.state.base)?);
        Ok(lost)
    }

    fn problems(&mut self, named: &Named) -> Result<Vec<Problem>, EngineError> {
        let missing = self.missing(&[named.tip])?;
        let new = missing.into_iter().filter(|oid| self.known.insert(*oid));
        let problems = new.map(|oid| missing_object(self.state, &named.name, oid, &named.advice));
        Ok(problems.collect())
    }
}

fn missing_object(state: &RunState, name: &str, oid: Oid, advice: &Option<String>) -> Problem {
    let what = format!("object {oid} is missing");
    let why = format!("{name} needs it; a `git gc --prune=now` may have removed it");
    let copy = copy_it(oid);
    let fix = Fix::Manual(match advice {
        Some(advice) => format!("{advice}; or {copy}"),
        None => copy,
    });
    Problem::of_run(&state.run, &what, &why, fix)
}

/// Tells how to bring an object from another clone.
pub(super) fn copy_it(oid: Oid) -> String {
    format!(
        "if another clone or a backup has it, bring it from there: `git -C CLONE cat-file TYPE {oid} | \
         git hash-object -w --stdin -t TYPE`, with the TYPE that `git -C CLONE cat-file -t {oid}` prints"
    )
}
