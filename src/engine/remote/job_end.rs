//! Stops jobs whose results are not taken, and removes those whose results were. No attempt waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::engine::remote::fleet::Fleet;
use crate::engine::remote::node::off_loop;
use crate::exec::StopSignal;
use crate::exec::engine::JobId;

/// The number of times that a job without a future is asked to stop, with growing pauses: about five minutes.
const REQUESTS: u32 = 6;

/// The pauses between the tries to remove a job, whose program ends a moment after its result is there.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_millis(300),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(30),
];

impl Fleet {
    /// Asks a job to stop whose result is not taken, some times if its engine does not answer.
    pub(super) fn stop_job(self: &Arc<Self>, job: JobId) {
        let fleet = Arc::clone(self);
        self.chores.later(async move {
            let mut pause = fleet.profile.poll.max(Duration::from_secs(5));
            for _ in 0..REQUESTS {
                let (asked, job) = (Arc::clone(&fleet), job.clone());
                let signal = StopSignal::Terminate;
                let stopped = off_loop(move || Ok(asked.engine.cancel(&job, signal))).await;
                if matches!(stopped, Ok(Ok(()))) {
                    return;
                }
                sleep(pause).await;
                pause *= 2;
            }
        });
    }

    /// Removes what the engine keeps of a job whose result was taken over.
    pub(super) fn discard(self: &Arc<Self>, job: JobId) {
        let fleet = Arc::clone(self);
        self.chores.later(async move {
            for pause in PAUSES {
                let (asked, job) = (Arc::clone(&fleet), job.clone());
                // What cannot be removed stays: it is small, and harms nothing.
                match off_loop(move || Ok(asked.engine.discard(&job))).await {
                    Ok(Ok(false)) => sleep(pause).await,
                    _ => return,
                }
            }
        });
    }
}
