//! Runs asynchronous work of a command that has no event loop; Ctrl-C cancels it.

use crate::base::parallel::STACK;
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::signals::Signals;
use crate::exec::StopSignal;

/// Runs work to its end. The first Ctrl-C interrupts its current process, the next one kills it; the
/// work sees that by its handle.
///
/// # Errors
/// When the system refuses the event loop.
pub fn run_interruptible<T>(
    cancel: &CancelHandle,
    work: impl Future<Output = T>,
) -> Result<T, EngineError> {
    let failed = |error| EngineError::File("the event loop".to_owned(), error);
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(failed)?;
        let mut work = std::pin::pin!(work);
        let mut signal = StopSignal::Interrupt;
        loop {
            tokio::select! {
                result = &mut work => return Ok(result),
                _ = signals.next() => {
                    cancel.cancel(signal);
                    signal = StopSignal::Kill;
                }
            }
        }
    })
}
