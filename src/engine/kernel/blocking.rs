//! Runs blocking work outside the loop's thread.

use crate::engine::EngineError;

/// Runs blocking work in the background.
///
/// # Errors
/// When the work fails or panics.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let span = tracing::Span::current();
    let joined: Result<Result<T, EngineError>, _> =
        tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    joined.unwrap_or_else(|error| Err(EngineError::Broken(error.to_string())))
}
