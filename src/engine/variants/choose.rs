//! Compares the variants of a task that passed, and chooses one.

use crate::assembly::variant_rule::choose_variant;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::candidate_conflicts;
use crate::engine::kernel::context::Context;
use crate::model::attempt::Attempt;
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::variant_choice::{ComparedVariant, VariantChoice};

/// Chooses one of the variants that passed; `None` if none did.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub fn choose(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<VariantChoice>, EngineError> {
    Ok(choose_variant(compare(context, state, task)?))
}

/// Compares every variant that passed with the candidates of the other tasks.
fn compare(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Vec<ComparedVariant>, EngineError> {
    let variants = state.task(task).variant_numbers().flatten();
    let passed = variants.filter_map(|variant| {
        let attempt = state.task(task).passed_attempt_of(variant)?;
        Some((variant, attempt, attempt.outcome.as_ref()?))
    });
    let compared = passed.map(|(variant, attempt, outcome)| {
        let conflicts = conflicts_of(context, state, task, attempt)?;
        Ok(compared(variant, attempt, outcome, conflicts))
    });
    compared.collect()
}

fn compared(
    variant: VariantNumber,
    attempt: &Attempt,
    outcome: &Outcome,
    conflicts: Vec<TaskNumber>,
) -> ComparedVariant {
    let stat = match &outcome.end {
        End::Passed { stat, .. } => *stat,
        _ => Default::default(),
    };
    ComparedVariant {
        variant,
        attempt: attempt.number,
        conflicts,
        lines: stat.added + stat.removed,
        files: stat.files,
    }
}

/// Returns the tasks whose candidates conflict with that of an attempt.
fn conflicts_of(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
    attempt: &Attempt,
) -> Result<Vec<TaskNumber>, EngineError> {
    let offering = state.offering(task, attempt.number);
    let found = candidate_conflicts(context, &offering)?;
    let other = |conflict: &TaskConflict| match conflict.pair() {
        (a, b) if a == task => Some(b),
        (a, b) if b == task => Some(a),
        _ => None,
    };
    let certain = found.iter().filter(|conflict| !conflict.inherited);
    Ok(certain.filter_map(other).collect())
}
