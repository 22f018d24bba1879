//! Packs the state of a run into bytes, for the state cache.
//!
//! Values that occur thousands of times are packed field by field; rare ones as JSON.

use crate::base::pack::{Pack, pack_as_json, pack_struct};
use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::{AssemblyConflict, ManualResolution, OpenResolution};
use crate::model::attempt::Attempt;
use crate::model::circuit_breaker::CircuitBreaker;
use crate::model::failure::Failure;
use crate::model::hand_take::HandTake;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::integration::{CheckResult, Culprit, Integration, Landing, LeftOut, Merged};
use crate::model::kept_changes::KeptChanges;
use crate::model::outcome::{End, Outcome};
use crate::model::outside_changes::OutsideChange;
use crate::model::plan::{Isolation, Plan, Produces, Strategy, Task, TaskFields, Variants};
use crate::model::pull_request::PullRequest;
use crate::model::resolution::Resolution;
use crate::model::run::{RunPhase, RunState, SpeculativeConflict};
use crate::model::shortage::Shortage;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::{TaskPhase, TaskState, VariantSet};
use crate::model::usage::{Cost, Dollars, Usage};
use crate::model::user_message::UserMessage;
use crate::model::worker::Confinement;
use crate::model::worker_health::WorkerHealth;
use crate::model::worker_report::{WorkerError, WorkerReport};

pack_as_json!(
    AssemblyConflict,
    CheckResult,
    CircuitBreaker,
    Class,
    Cost,
    Culprit,
    Dollars,
    Failure,
    Confinement,
    Isolation,
    KeptChanges,
    Landing,
    LeftOut,
    ManualResolution,
    OpenResolution,
    OutsideChange,
    Produces,
    PullRequest,
    RepoPath,
    Resolution,
    RunId,
    RunPhase,
    Shortage,
    SpeculativeConflict,
    Strategy,
    TaskConflict,
    TaskPhase,
    Usage,
    WorkerError,
    WorkerHealth,
    Variants,
    Box<HandTake>,
    Box<VariantSet>,
    (String, String, Oid),
);

pack_struct!(RunState {
    run,
    plan,
    base,
    base_name,
    target,
    assemble,
    assembly_order,
    leave_out,
    redispatch_suspended,
    started,
    updated,
    seq,
    phase,
    tasks,
    conflicts,
    all_conflicts,
    worker_health,
    max_cost,
    cost_limit_reached,
    setup,
    shortage,
    speculative_conflicts,
    holds_back,
    integration,
    assembly_requested,
    assembly_refused,
    landed,
    pending_landing,
    undone_landing,
    pull_requests,
    pushed,
    cleaned,
    plan_file
});

pack_struct!(TaskState {
    phase,
    attempts,
    note,
    counted_from,
    retry_budget_spent,
    extra_prompt,
    messages,
    continues,
    by_hand,
    take,
    picked,
    rewritten_prompt,
    worker_override,
    rejected,
    explicitly_skipped,
    cancelled,
    removed,
    superseded,
    redispatched_for,
    redispatches,
    candidate_attempt,
    open_resolution,
    manual_resolution,
    variants
});

pack_struct!(UserMessage {
    text,
    delivered_to,
    waits_for
});

pack_struct!(Attempt {
    number,
    variant,
    worker,
    branch,
    worktree,
    executor,
    host,
    base,
    warm,
    started,
    ended,
    outcome,
    by_hand,
    jitter,
});

pack_struct!(Outcome {
    end,
    report,
    checks,
    killed_processes,
    warnings,
    left_behind,
    secrets,
    undeclared,
    millis,
    outside_changes,
    flaky,
    kept,
    kept_changes,
    usage,
    cost,
    session
});

pack_struct!(WorkerReport {
    summary,
    decisions,
    issues,
    next_steps,
    progress,
    error
});

pack_struct!(ChangeStat {
    files,
    added,
    removed
});

pack_struct!(Task {
    number,
    tag,
    title,
    label,
    prompt,
    depends_on,
    fields
});

pack_struct!(TaskFields {
    worker,
    run,
    files,
    strategy,
    produces,
    check,
    timeout,
    stall_timeout,
    max_turns,
    max_cost,
    retries,
    env,
    output,
    priority,
    expected,
    allow_empty,
    fresh,
    isolation,
    sandbox,
    variants,
    judge,
    executor,
    source,
});

pack_struct!(Integration {
    merged,
    left_out,
    tip,
    code_tip,
    chain_tip,
    checks,
    culprits,
    check_runs
});

pack_struct!(Merged {
    task,
    candidate,
    commit,
    resolved
});

impl Pack for TaskNumber {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.0.pack(bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<TaskNumber> {
        u32::unpack(bytes).map(TaskNumber)
    }
}

impl Pack for Oid {
    fn pack(&self, bytes: &mut Vec<u8>) {
        let id = self.as_bytes();
        bytes.push(id.len() as u8);
        bytes.extend_from_slice(id);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Oid> {
        let (length, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        *bytes = rest;
        Oid::from_slice(id)
    }
}

impl Pack for End {
    fn pack(&self, bytes: &mut Vec<u8>) {
        match self {
            End::Passed {
                candidate,
                stat,
                info,
            } => {
                0u8.pack(bytes);
                candidate.pack(bytes);
                stat.pack(bytes);
                info.pack(bytes);
            }
            End::Failed(failure) => {
                1u8.pack(bytes);
                failure.pack(bytes);
            }
            End::Interrupted {} => 2u8.pack(bytes),
        }
    }

    fn unpack(bytes: &mut &[u8]) -> Option<End> {
        match u8::unpack(bytes)? {
            0 => Some(End::Passed {
                candidate: Pack::unpack(bytes)?,
                stat: Pack::unpack(bytes)?,
                info: Pack::unpack(bytes)?,
            }),
            1 => Failure::unpack(bytes).map(End::Failed),
            2 => Some(End::Interrupted {}),
            _ => None,
        }
    }
}

/// Rebuilds and validates a plan from its tasks.
impl Pack for Plan {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.title().to_owned().pack(bytes);
        self.context().to_vec().pack(bytes);
        self.tasks().len().pack(bytes);
        self.tasks().iter().for_each(|task| task.pack(bytes));
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Plan> {
        let (title, context) = (Pack::unpack(bytes)?, Pack::unpack(bytes)?);
        Plan::new(title, context, Pack::unpack(bytes)?).ok()
    }
}
