//! Builds outcomes of attempts that tell nothing about a worker: interrupted, or never started.

use crate::base::text::{error_chain, one_line};
use crate::engine::EngineError;
use crate::engine::worktree::setup::SetUpFailure;
use crate::failure::signature::signature;
use crate::merge::oid::Oid;
use crate::model::failure::{Failure, FailureClass, FailureKind};
use crate::model::outcome::{End, Outcome};
use crate::model::usage::Cost;
use crate::model::worker_report::WorkerReport;

/// Returns the outcome of an attempt that the run interrupted; it does not count.
pub(super) fn interrupted(kept: Option<Oid>) -> Outcome {
    Outcome {
        kept,
        ..outcome_of(End::Interrupted {})
    }
}

/// Returns the outcome of an attempt whose supervisor was killed: by the worker, or for lack of memory.
/// It counts, so that a worker that does this is not started forever.
pub(super) fn unsupervised(kept: Option<Oid>) -> Outcome {
    let message = "the supervisor of the worker was killed".to_owned();
    let end = End::Failed(Failure {
        class: FailureClass::Transient,
        signature: message.clone(),
        message,
        suggestion: Some(
            "the worker or the system's lack of memory may have killed it; whatever it left running \
             was killed, too"
                .to_owned(),
        ),
        ..blocker("the process that supervised it ended without a record")
    });
    Outcome {
        kept,
        ..outcome_of(end)
    }
}

/// Returns the outcome of an attempt that dispatch itself failed to run. It needs attention, unless
/// a killed git, or a `git gc --prune=now`, is the only cause.
pub(super) fn could_not(error: &EngineError) -> Outcome {
    let message = one_line(&error_chain(error));
    let suggestion = error.suggestion();
    let class = match error.is_killed_git() || error.says_pruned() {
        true => FailureClass::Transient,
        false => FailureClass::Blocker,
    };
    outcome_of(End::Failed(Failure {
        class,
        signature: message.clone(),
        root_cause: suggestion.as_ref().map(|_| message.clone()),
        message,
        suggestion,
        ..blocker("dispatch could not carry the attempt out")
    }))
}

/// Returns the outcome of an attempt whose worktree could not be set up. Its worker never ran, and it
/// does not count.
pub(super) fn not_set_up(failed: &SetUpFailure, kept: Option<Oid>) -> Outcome {
    let end = End::Failed(Failure {
        signature: signature(
            FailureClass::Blocker,
            "set-up",
            std::slice::from_ref(&failed.message),
            &[],
        ),
        message: failed.message.clone(),
        root_cause: failed.output.clone(),
        kind: Some(FailureKind::Setup),
        ..blocker("the set-up of its worktree")
    });
    Outcome {
        millis: failed.millis,
        kept,
        ..outcome_of(end)
    }
}

fn blocker(evidence: &str) -> Failure {
    Failure {
        class: FailureClass::Blocker,
        message: String::new(),
        root_cause: None,
        suggestion: None,
        evidence: evidence.to_owned(),
        signature: String::new(),
        reset_at: None,
        rate_limited: false,
        access_denied: false,
        kind: None,
    }
}

/// Returns an outcome of which only the end is known.
pub(crate) fn outcome_of(end: End) -> Outcome {
    Outcome {
        end,
        report: WorkerReport::default(),
        checks: Vec::new(),
        killed_processes: Vec::new(),
        warnings: Vec::new(),
        secrets: Vec::new(),
        undeclared: Vec::new(),
        flaky: None,
        left_behind: Vec::new(),
        outside_changes: Vec::new(),
        millis: 0,
        kept: None,
        kept_changes: None,
        usage: None,
        cost: Cost::Unknown,
        session: None,
    }
}
