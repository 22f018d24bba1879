//! Creates the commit that a task starts from: the run's base, or the merge of its dependencies'
//! candidates, in memory, by git's own engine.

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::verdict_on;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_engine::MergeEngine;
use crate::merge::answer::MergeAnswer;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;

/// The starting point of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StartingPoint {
    /// This commit.
    Commit(Oid),
    /// None: the candidates it depends on conflict.
    Conflict {
        /// The class of the conflict.
        class: Class,
        /// The dependencies that merged, and the one that conflicts with them.
        between: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
    },
}

/// Finds, or makes, the commit a task starts from.
///
/// # Errors
/// When the store or git's engine fails.
pub(crate) fn starting_point(
    context: &Context,
    task: TaskNumber,
    candidates: &[(TaskNumber, Oid)],
) -> Result<StartingPoint, EngineError> {
    let store = Store::open(&context.repo)?;
    let tips = independent_tips(&store, candidates)?;
    let Some(((_, first), rest)) = tips.split_first() else {
        return Ok(StartingPoint::Commit(context.base));
    };
    let mut tip = *first;
    fault::point("base", "before it is merged");
    let engine = MergeEngine::writing(&context.repo, context.base)?;
    for (place, (_, candidate)) in rest.iter().enumerate() {
        let tree = match engine.merge(tip, *candidate)? {
            MergeAnswer::Done(result) if result.is_sound() => result.tree,
            _ => {
                let between = tips[..=place + 1]
                    .iter()
                    .map(|(number, _)| *number)
                    .collect();
                let (class, paths) = verdict_on(context, tip, *candidate)?;
                return Ok(StartingPoint::Conflict {
                    class,
                    between,
                    paths,
                });
            }
        };
        tip = store.write_commit(&NewCommit {
            tree,
            parents: &[tip, *candidate],
            message: &message(context, task, &tips[..=place + 1]),
            time: context.clock.now(),
            by: By::Dispatch,
        })?;
    }
    Ok(StartingPoint::Commit(tip))
}

/// Returns the candidates that no other one contains.
fn independent_tips(
    store: &Store,
    candidates: &[(TaskNumber, Oid)],
) -> Result<Vec<(TaskNumber, Oid)>, EngineError> {
    let mut tips: Vec<(TaskNumber, Oid)> = Vec::new();
    for (place, (number, candidate)) in candidates.iter().enumerate() {
        let mut contained = false;
        for (other_place, (_, other)) in candidates.iter().enumerate() {
            let duplicate = other == candidate && other_place < place;
            contained |=
                duplicate || (other != candidate && store.is_ancestor(*candidate, *other)?);
        }
        if !contained {
            tips.push((*number, *candidate));
        }
    }
    Ok(tips)
}

fn message(context: &Context, task: TaskNumber, merged: &[(TaskNumber, Oid)]) -> String {
    let numbers: Vec<String> = merged
        .iter()
        .map(|(number, _)| number.to_string())
        .collect();
    format!(
        "Merge {} as the base of {task}\n\nDispatch-Run: {}\nDispatch-Task: {} {}\n",
        numbers.join(" and "),
        context.run,
        task.0,
        context.plan.task(task).tag
    )
}
