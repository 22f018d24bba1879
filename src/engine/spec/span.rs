//! The trace span of an attempt.

use tracing::Span;

use crate::engine::spec::AttemptSpec;

/// Opens a span for an attempt inside one for its task.
pub fn attempt_span(spec: &AttemptSpec) -> Span {
    let task = tracing::debug_span!("task", number = %spec.task);
    tracing::debug_span!(parent: &task, "attempt", number = spec.attempt, worker = %spec.worker.name)
}
