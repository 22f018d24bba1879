//! Work of an executor that no attempt waits for. The end of the run waits for it a short time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest wait of a run's end for all of it.
const LONGEST: Duration = Duration::from_secs(5);

/// The chores of an executor.
#[derive(Default)]
pub(super) struct Chores(Mutex<JoinSet<()>>);

impl Chores {
    fn set(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Each change is made at once, so a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something in the background.
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut chores = self.set();
        while chores.try_join_next().is_some() {}
        chores.spawn(work);
    }

    /// Waits for the chores, a short time.
    pub(super) async fn finish(&self) {
        let mut chores = std::mem::take(&mut *self.set());
        let all = async { while chores.join_next().await.is_some() {} };
        // The rest is not tried again; it harms nothing.
        let _ = timeout(LONGEST, all).await;
    }
}
