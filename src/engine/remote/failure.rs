//! Outcomes of attempts whose end no node has told.

use crate::engine::attempt::aborted::outcome_of;
use crate::model::failure::{Failure, FailureClass};
use crate::model::outcome::{End, Outcome};

/// Returns the outcome of an attempt that its executor lost. The next one may run elsewhere.
pub(super) fn lost(message: String, cause: Option<String>) -> Outcome {
    failed(FailureClass::Transient, message, cause, None)
}

/// Returns the outcome of an attempt that could not be handed over, which the user must see.
pub(super) fn refused(message: String, suggestion: String) -> Outcome {
    failed(FailureClass::Blocker, message, None, Some(suggestion))
}

/// Returns the outcome of an attempt that was stopped before or while it ran elsewhere.
pub(super) fn stopped() -> Outcome {
    outcome_of(End::Interrupted {})
}

fn failed(
    class: FailureClass,
    message: String,
    root_cause: Option<String>,
    suggestion: Option<String>,
) -> Outcome {
    outcome_of(End::Failed(Failure {
        class,
        // Of two hosts that fail in the same way, a third may not.
        signature: message.clone(),
        message,
        root_cause,
        suggestion,
        evidence: "the executor".to_owned(),
        reset_at: None,
        rate_limited: false,
        access_denied: false,
        kind: None,
    }))
}
