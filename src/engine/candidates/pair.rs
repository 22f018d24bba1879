//! Explains one pair of branches or tasks in full.

use crate::conflicts::{Branch, Detector, Explanation};
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::{conflict_between, options, task_branches};
use crate::engine::kernel::context::Context;
use crate::merge::verdict::PairVerdict;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::report::conflict_suggestion::suggestion;
use crate::report::pair::{PairInput, PairSide, PairView};

/// Compares the candidates of two tasks; `None` if one of them has none.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub fn pair_of_tasks(
    context: &Context,
    state: &RunState,
    tasks: [TaskNumber; 2],
) -> Result<Option<PairView>, EngineError> {
    let candidate = |task: TaskNumber| state.task(task).candidate().map(|tip| (task, tip));
    let [Some(ours), Some(theirs)] = tasks.map(candidate) else {
        return Ok(None);
    };
    let branches = task_branches(context, &[ours, theirs]);
    let mut detector = Detector::on_base(&context.repo, context.base, &options(context, true))?;
    let explanation = detector.explain(&branches[0], &branches[1])?;
    let suggested = match &explanation.verdict {
        Some(pair) => suggestion_for_tasks(context, state, &mut detector, tasks, pair)?,
        None => String::new(),
    };
    let labels = tasks.map(|task| task.to_string());
    let view = pair_view(explanation, labels, [&branches[0], &branches[1]], suggested);
    Ok(Some(view))
}

/// Suggests what to do about the verdict on two tasks, as the table of all pairs does.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub(crate) fn suggestion_for_tasks(
    context: &Context,
    state: &RunState,
    detector: &mut Detector,
    tasks: [TaskNumber; 2],
    pair: &PairVerdict,
) -> Result<String, EngineError> {
    let conflict = conflict_between(context, state, detector, tasks)?;
    Ok(match conflict {
        Some(conflict) => suggestion(state, &conflict),
        None => pair.class.suggestion().to_owned(),
    })
}

/// Builds the view of an explained pair of branches with these short names.
pub(crate) fn pair_view(
    explanation: Explanation,
    labels: [String; 2],
    branches: [&Branch; 2],
    suggested: String,
) -> PairView {
    let (tip_a, tip_b) = (branches[0].tip, branches[1].tip);
    let command = match &explanation.verdict {
        Some(pair) => explanation.reproduction.command_for(pair, tip_a, tip_b),
        None => explanation.reproduction.command(tip_a, tip_b),
    };
    let [ours, theirs] = labels;
    let side = |label: String, place: usize| PairSide {
        label,
        branch: branches[place].name.clone(),
        commit: branches[place].tip,
        tree: explanation.trees[place],
    };
    PairView::new(PairInput {
        sides: [side(ours, 0), side(theirs, 1)],
        bases: explanation.bases,
        verdict: explanation.verdict,
        suggested,
        files: explanation.files,
        messages: explanation.messages,
        command,
    })
}
