//! Compares the variants of a task that passed, and chooses one.

use std::sync::Arc;

use crate::assembly::variant_rule::choose_variant;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::candidate_conflicts;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::prompt::brief::current;
use crate::engine::variants::accept::candidate_of;
use crate::engine::variants::judge::Question;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_list::and_list;
use crate::model::variant_choice::{ChosenBy, ComparedVariant, VariantChoice};
use crate::report::variants::{VariantRow, VariantTable};
use crate::worker::judge::{JudgeInput, JudgedVariant};

/// Chooses one of the variants that passed, by the judge of the plan or by the rule; `None` if none
/// passed, or if the choice was cancelled.
///
/// # Errors
/// When git's engine fails as a whole, or the store cannot be read.
pub async fn choose(
    context: Arc<Context>,
    state: RunState,
    task: TaskNumber,
    cancel: CancelHandle,
) -> Result<Option<VariantChoice>, EngineError> {
    let state = Arc::new(state);
    let (shared, seen) = (Arc::clone(&context), Arc::clone(&state));
    let compared = blocking(move || compare(&shared, &seen, task)).await?;
    let Some(by_rule) = choose_variant(compared) else {
        return Ok(None);
    };
    let judge = context.settings.judge_of(context.plan.task(task));
    let judge = judge.map(str::to_owned);
    let Some(judge) = judge.filter(|_| by_rule.compared.len() > 1) else {
        return Ok(Some(by_rule));
    };
    let choice = ask_judge(&context, state, task, &judge, by_rule, &cancel).await?;
    Ok((!cancel.is_cancelled()).then_some(choice))
}

/// Asks the judge; without a verdict the choice by the rule stands, with a note.
async fn ask_judge(
    context: &Arc<Context>,
    state: Arc<RunState>,
    task: TaskNumber,
    judge: &str,
    by_rule: VariantChoice,
    cancel: &CancelHandle,
) -> Result<VariantChoice, EngineError> {
    let without = |by_rule: VariantChoice, run, why: &str| VariantChoice {
        reason: format!("{}; no verdict of the judge {judge}: {why}", by_rule.reason),
        judge: run,
        ..by_rule
    };
    let max_cost = state.max_cost.or(context.settings.run.max_cost);
    let is_spent = max_cost.is_some_and(|most| state.known_cost() >= most);
    if is_spent || state.cost_limit_reached.is_some() {
        return Ok(without(by_rule, None, "the cost limit is reached"));
    }
    let first = by_rule.compared.first();
    let first = first.and_then(|first| state.task(task).attempt(first.attempt));
    let base = first.and_then(|first| first.base).unwrap_or(state.base);
    let Some(worker) = context.settings.workers.get(judge) else {
        return Ok(without(by_rule, None, "it is not configured"));
    };
    let (shared, compared) = (Arc::clone(context), by_rule.compared.clone());
    let input = blocking(move || judge_input(&shared, &state, task, base, &compared)).await?;
    let question = Question {
        context,
        task,
        worker,
        base,
        input: &input,
        cancel,
    };
    let (run, verdict) = question.ask().await;
    let chosen = verdict.and_then(|verdict| {
        let mut compared = by_rule.compared.iter();
        let found = compared.find(|compared| compared.variant == verdict.winner);
        let found = found.ok_or_else(|| "it named no variant".to_owned())?;
        Ok((found.variant, found.attempt, verdict.reason))
    });
    Ok(match chosen {
        Ok((variant, attempt, reason)) => VariantChoice {
            variant,
            attempt,
            by: ChosenBy::Judge(judge.to_owned()),
            reason,
            judge: Some(run),
            ..by_rule
        },
        Err(why) => without(by_rule, Some(run), &why),
    })
}

/// Collects the task and its variants for the judge.
fn judge_input(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
    base: Oid,
    compared: &[ComparedVariant],
) -> Result<JudgeInput, EngineError> {
    let rows = VariantTable::of(state, task).map_or(Vec::new(), |table| table.variants);
    let mut variants = Vec::new();
    for one in compared {
        let row = rows.iter().find(|row| row.variant == one.variant);
        let attempt = state.task(task).attempt(one.attempt);
        let diff = match attempt.and_then(candidate_of) {
            Some(candidate) => {
                let diff = context.repo.patch(base, candidate, &[])?;
                context.secrets.mask(&diff)
            }
            None => String::new(),
        };
        let conflicts = match one.conflicts.as_slice() {
            [] => "no conflict".to_owned(),
            with => format!("conflicts with {}", and_list(with)),
        };
        variants.push(JudgedVariant {
            variant: one.variant,
            facts: format!(
                "{}, {conflicts}",
                row.map_or(String::new(), VariantRow::words)
            ),
            diff,
        });
    }
    let task = current(state, task);
    Ok(JudgeInput {
        title: task.title.clone(),
        prompt: task.text().to_owned(),
        variants,
    })
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
