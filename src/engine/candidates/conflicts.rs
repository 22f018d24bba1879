//! Runs the conflict detector on the candidates of a run.

use std::collections::{BTreeSet, HashMap};
use std::sync::PoisonError;

use crate::assembly::order::assembly_order;
use crate::conflicts::{Branch, Detection, Detector, MultiwayReport, Options, detect};
use crate::engine::EngineError;
use crate::engine::candidates::ancestry::BuiltOn;
use crate::engine::candidates::order_input;
use crate::engine::candidates::task_conflicts::task_conflicts;
use crate::engine::kernel::context::Context;
use crate::git::Store;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// Finds every conflicting pair of candidates.
///
/// # Errors
/// When git's engine fails as a whole.
pub(crate) fn candidate_conflicts(
    context: &Context,
    state: &RunState,
) -> Result<Vec<TaskConflict>, EngineError> {
    let candidates = state.candidates();
    if candidates.len() < 2 {
        return Ok(Vec::new());
    }
    let branches = task_branches(context, &candidates);
    let detection = detection(context, &branches)?;
    conflicts_in(context, state, &detection)
}

/// Returns the task conflicts of a detection on the candidates of this state.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn conflicts_in(
    context: &Context,
    state: &RunState,
    detection: &Detection,
) -> Result<Vec<TaskConflict>, EngineError> {
    let numbers = state.candidates().into_iter().map(|(number, _)| number);
    let numbers: Vec<TaskNumber> = numbers.collect();
    let built_on = BuiltOn::read(&Store::open(&context.repo)?, state)?;
    Ok(task_conflicts(detection, &numbers, &|number| {
        built_on.of(number)
    }))
}

/// Everything that a comparison of a run's candidates finds.
pub(crate) struct CandidateComparison {
    /// The verdicts on pairs.
    pub(crate) detection: Detection,
    /// The conflicting pairs.
    pub(crate) conflicts: Vec<TaskConflict>,
    /// The conflicts of more than two candidates.
    pub(crate) multiway: MultiwayReport,
}

/// Compares the candidates of a run: pairs, then more than two in the order of assembly. The
/// assembly would do the same merges, so that the search is complete.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub(crate) fn compare_candidates(
    context: &Context,
    state: &RunState,
    detector: &mut Detector,
) -> Result<CandidateComparison, EngineError> {
    let branches = task_branches(context, &state.candidates());
    let mut detection = detector.update(&branches)?;
    let conflicts = conflicts_in(context, state, &detection)?;
    let order = order_of_assembly(context, state, &conflicts)?;
    let multiway = detector.multiway_conflicts(&mut detection, &order, usize::MAX)?;
    Ok(CandidateComparison {
        detection,
        conflicts,
        multiway,
    })
}

/// Compares the candidates of a run with a detector of its own.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub(crate) fn compare_run(
    context: &Context,
    state: &RunState,
) -> Result<CandidateComparison, EngineError> {
    let options = options(context, true);
    let mut detector = Detector::on_base(&context.repo, context.base, &options)?;
    compare_candidates(context, state, &mut detector)
}

/// Finds the conflict of two tasks. Compares the candidates they were built on as well, which tells
/// if it is inherited.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub(crate) fn conflict_between(
    context: &Context,
    state: &RunState,
    detector: &mut Detector,
    tasks: [TaskNumber; 2],
) -> Result<Option<TaskConflict>, EngineError> {
    let store = Store::open(&context.repo)?;
    let built_on = BuiltOn::of_tasks(&store, state, &tasks.into())?;
    let below = tasks.into_iter().flat_map(|task| built_on.of(task));
    let involved: BTreeSet<TaskNumber> = below.chain(tasks).collect();
    let mut candidates = state.candidates();
    candidates.retain(|(task, _)| involved.contains(task));
    let detection = detector.update(&task_branches(context, &candidates))?;
    let numbers: Vec<TaskNumber> = candidates.iter().map(|(task, _)| *task).collect();
    let found = task_conflicts(&detection, &numbers, &|task| built_on.of(task));
    let pair = (tasks[0].min(tasks[1]), tasks[0].max(tasks[1]));
    Ok(found.into_iter().find(|conflict| conflict.pair() == pair))
}

/// Returns the order in which assembly would try the candidates with these conflicts, as indexes of
/// the candidates.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn order_of_assembly(
    context: &Context,
    state: &RunState,
    conflicts: &[TaskConflict],
) -> Result<Vec<usize>, EngineError> {
    let order = assembly_order(&order_input(context, state, conflicts)?);
    let candidates = state.candidates();
    let index: HashMap<TaskNumber, usize> = candidates
        .iter()
        .map(|(number, _)| *number)
        .zip(0..)
        .collect();
    let steps = order.steps.iter();
    Ok(steps
        .filter_map(|step| index.get(&step.task).copied())
        .collect())
}

/// Detects conflicts with one detector for the whole run, so that each pair is merged once.
fn detection(context: &Context, branches: &[Branch]) -> Result<Detection, EngineError> {
    // After a panic the cache may be incomplete, which only repeats some merges.
    let kept = context.detector.lock();
    let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
    let detector = match &mut *kept {
        Some(detector) => detector,
        None => {
            let options = options(context, true);
            kept.insert(Detector::on_base(&context.repo, context.base, &options)?)
        }
    };
    let detection = detector.update(branches);
    detector.release();
    Ok(detection?)
}

/// Returns the branches of these candidates for the detector.
pub(crate) fn task_branches(context: &Context, candidates: &[(TaskNumber, Oid)]) -> Vec<Branch> {
    let branch = |(number, tip): &(TaskNumber, Oid)| Branch {
        name: context.branch(*number),
        tip: *tip,
    };
    candidates.iter().map(branch).collect()
}

/// Returns the detector's options for this run.
pub(crate) fn options(context: &Context, prune: bool) -> Options {
    let generated = context.settings.conflicts.generated.clone();
    Options {
        base: None,
        prune,
        generated,
        cache: prune,
    }
}

/// Lists every task that this one was built on, directly or through others.
pub(crate) fn upstream(state: &RunState, number: TaskNumber) -> Vec<TaskNumber> {
    let mut found = BTreeSet::new();
    let mut open = state.built_on(number);
    while let Some(task) = open.pop() {
        if found.insert(task) {
            open.extend(state.built_on(task));
        }
    }
    found.into_iter().collect()
}

/// Returns the class and the paths of the conflict of two commits.
///
/// # Errors
/// When git's engine fails as a whole.
pub(crate) fn verdict_on(
    context: &Context,
    ours: Oid,
    theirs: Oid,
) -> Result<(Class, Vec<RepoPath>), EngineError> {
    Ok(match pair_verdict(context, ours, theirs)? {
        Some(pair) => (pair.class, conflict_paths(&pair)),
        None => (Class::EngineFailure, Vec::new()),
    })
}

/// Returns every path in conflict, those of the worst unit first.
pub(crate) fn conflict_paths(pair: &PairVerdict) -> Vec<RepoPath> {
    let conflicts = pair.units.iter().filter(|unit| unit.class.is_conflict());
    conflicts
        .flat_map(|unit| unit.paths.iter().cloned())
        .collect()
}

/// Returns the verdict on two commits; `None` if they have no unit in common.
///
/// # Errors
/// When git's engine fails as a whole.
pub(crate) fn pair_verdict(
    context: &Context,
    ours: Oid,
    theirs: Oid,
) -> Result<Option<PairVerdict>, EngineError> {
    let branch = |name: &str, tip| Branch {
        name: name.to_owned(),
        tip,
    };
    let branches = [branch("ours", ours), branch("theirs", theirs)];
    let detection = detect(&context.repo, &branches, &options(context, false))?;
    Ok(detection.pairs.into_iter().next())
}
