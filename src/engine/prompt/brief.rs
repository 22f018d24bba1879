//! Collects the facts of a prompt from the state of a run.

use std::iter;

use crate::engine::spec::brief::{BothSides, Brief, EarlierConflict};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::failure::FailureKind;
use crate::model::ids::{TaskNumber, TaskVariant, VariantNumber};
use crate::model::integration::{CheckOutcome, LeftOutReason};
use crate::model::outcome::{End, Outcome};
use crate::model::plan::Task;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::worker::prompt::{DependencyResult, EarlierWork, Neighbour};

/// The most neighbours that a prompt names: those nearest in the plan.
const MOST_NEIGHBOURS: usize = 20;

/// Collects the facts of the prompt of the next attempt at a task or variant.
pub fn brief(state: &RunState, of: TaskVariant) -> Brief {
    let number = of.task;
    let (now, task) = (state.task(number), state.plan.task(number));
    let results = task.depends_on.iter();
    Brief {
        rewritten_prompt: now.rewritten_prompt.clone(),
        neighbours: neighbours(state, task),
        results: results
            .filter_map(|needed| result(state, *needed))
            .collect(),
        conflict: earlier_conflict(state, number),
        previous_failure: previous_failure(now, of.variant),
        earlier_work: earlier_work(now, of.variant),
        extra: extra(now),
        turn: turn(now, of.variant),
    }
}

/// Returns what the user added: the text of the last retry, and the messages.
fn extra(task: &TaskState) -> Option<String> {
    let told = task.messages.iter().map(|message| message.text.as_str());
    let all = task.extra_prompt.as_deref().into_iter().chain(told);
    let all: Vec<&str> = all.collect();
    (!all.is_empty()).then(|| all.join("\n\n"))
}

/// Returns the messages that the next attempt continues a session with, if it does.
fn turn(task: &TaskState, variant: Option<VariantNumber>) -> Option<String> {
    let turn = task.further_turn(variant)?;
    let messages = task.messages_after(turn.attempt);
    let texts: Vec<&str> = messages.map(|message| message.text.as_str()).collect();
    Some(texts.join("\n\n"))
}

/// Returns the task with the prompt that the user has given it since the run started.
pub fn current(state: &RunState, number: TaskNumber) -> Task {
    let mut task = state.plan.task(number).clone();
    if let Some(rewritten) = &state.task(number).rewritten_prompt {
        task.prompt.clone_from(rewritten);
    }
    task
}

/// Returns the tasks that run beside this one, in trees that it does not see: the nearest in the plan.
fn neighbours(state: &RunState, task: &Task) -> Vec<Neighbour> {
    let downstream = state.downstream(task.number);
    let conflicting = state.assembled_conflicts(task.number);
    let is_beside = |other: &&Task| {
        let related = task.depends_on.contains(&other.number)
            || downstream.binary_search(&other.number).is_ok()
            || conflicting.contains(&other.number);
        let given_up = matches!(
            state.task(other.number).phase,
            TaskPhase::Skipped { .. } | TaskPhase::Cancelled
        );
        !related && !given_up
    };
    let nearest = nearest_first(state.plan.tasks(), task.number);
    let mut others: Vec<&Task> = nearest.filter(is_beside).take(MOST_NEIGHBOURS).collect();
    others.sort_by_key(|other| other.number);
    let neighbour = |other: &Task| Neighbour {
        label: other.worker_label(),
        title: other.title.clone(),
        files: other.fields.files.clone(),
        done: state.task(other.number).phase == TaskPhase::Done,
        later: is_later(state, other.number),
    };
    others.into_iter().map(neighbour).collect()
}

/// Returns the other tasks by their distance in the plan; of two at the same, the earlier one first.
fn nearest_first(tasks: &[Task], number: TaskNumber) -> impl Iterator<Item = &Task> {
    let (before, after) = tasks.split_at(number.index());
    let (mut before, mut after) = (before.iter().rev(), after.iter().skip(1));
    let pairs = iter::repeat_with(move || [before.next(), after.next()]);
    let pairs = pairs.take_while(|pair| pair.iter().any(Option::is_some));
    pairs.flat_map(|pair| pair.into_iter().flatten())
}

/// Returns `true` if a task cannot start yet.
fn is_later(state: &RunState, number: TaskNumber) -> bool {
    match state.task(number).phase {
        TaskPhase::Queued => !state.unmet_dependencies(number).is_empty(),
        TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } => true,
        TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Choosing => false,
        TaskPhase::Done | TaskPhase::Skipped { .. } | TaskPhase::Cancelled => false,
    }
}

fn result(state: &RunState, number: TaskNumber) -> Option<DependencyResult> {
    let outcome = state.task(number).outcome()?;
    let End::Passed { info, .. } = &outcome.end else {
        return None;
    };
    Some(DependencyResult {
        task: number.to_string(),
        title: state.plan.task(number).title.clone(),
        summary: outcome.report.summary.clone(),
        info: info.clone(),
    })
}

/// Returns the conflict for which a passed task runs again.
fn earlier_conflict(state: &RunState, number: TaskNumber) -> Option<EarlierConflict> {
    let with = state.assembled_conflicts(number);
    let sides = both_sides(state, number);
    if with.is_empty() && sides.is_none() {
        return None;
    }
    let is_own = |conflict: &&TaskConflict| conflict.a == number || conflict.b == number;
    let own = state.conflicts.iter().filter(is_own);
    let mut paths: Vec<String> = own
        .flat_map(|conflict| &conflict.units)
        .flat_map(|unit| &unit.paths)
        .map(ToString::to_string)
        .collect();
    paths.sort();
    paths.dedup();
    Some(EarlierConflict { with, paths, sides })
}

/// Returns the commits of both sides, if a task starts on top of the other one.
fn both_sides(state: &RunState, number: TaskNumber) -> Option<BothSides> {
    let task = state.task(number);
    let onto = task.redispatched_for.as_ref()?;
    Some(BothSides {
        run_base: state.base,
        base: base_of(task, onto.candidate).unwrap_or(state.base),
        candidate: onto.candidate,
        onto: onto.chain_tip,
        paths: conflicting_paths(state, number),
    })
}

/// Returns the files because of which a task was left out.
fn conflicting_paths(state: &RunState, number: TaskNumber) -> Vec<RepoPath> {
    let left_out = state.integration.iter().flat_map(|found| &found.left_out);
    let own = left_out.filter(|out| out.task == number);
    let paths = own.filter_map(|out| match &out.reason {
        LeftOutReason::Conflict { paths, .. } => Some(paths.clone()),
        _ => None,
    });
    paths.flatten().collect()
}

/// Returns the commit that a candidate of a task was based on.
fn base_of(task: &TaskState, candidate: Oid) -> Option<Oid> {
    let made_it = task.attempts.iter().rev().find(|attempt| {
        let outcome = attempt.outcome.as_ref();
        outcome.is_some_and(|outcome| {
            matches!(&outcome.end, End::Passed { candidate: made, .. } if *made == Some(candidate))
        })
    });
    made_it?.base
}

/// Returns the change of the attempt before this one, as a range of commits.
fn earlier_work(task: &TaskState, variant: Option<VariantNumber>) -> EarlierWork {
    let left = |attempt: &Attempt| {
        let outcome = attempt.outcome.as_ref()?;
        let commit = match &outcome.end {
            End::Passed { candidate, .. } => *candidate,
            _ => outcome.kept,
        };
        Some(format!("{}..{}", attempt.base?, commit?))
    };
    let last = task.last_attempt_of(variant).and_then(left);
    last.map_or(EarlierWork::None, EarlierWork::Kept)
}

fn previous_failure(task: &TaskState, variant: Option<VariantNumber>) -> Option<String> {
    // The worker cannot fix a failed set-up.
    let failed = |outcome: &&Outcome| {
        matches!(outcome.end, End::Failed(_)) && !outcome.is_kind(FailureKind::Setup)
    };
    let outcome = task
        .attempts_of(variant)
        .rev()
        .filter_map(|a| a.outcome.as_ref())
        .find(failed)?;
    let End::Failed(failure) = &outcome.end else {
        return None;
    };
    let mut text = failure.message.clone();
    if let Some(cause) = &failure.root_cause {
        text.push_str(&format!("\nCause: {cause}"));
    }
    let failing = outcome
        .checks
        .iter()
        .find(|check| check.result != CheckOutcome::Passed);
    if let Some(check) = failing {
        text.push_str(&format!(
            "\nThe check `{}` ended with:\n{}",
            check.command, check.tail
        ));
    }
    Some(text)
}
