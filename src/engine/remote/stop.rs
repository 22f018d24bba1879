//! Stops the job of an attempt: asks its engine until that has taken the request.

use std::sync::Arc;
use std::time::Duration;

use crate::base::text::error_chain;
use crate::engine::kernel::message::Message;
use crate::engine::remote::attempt::{Next, Progressed, RemoteAttempt};
use crate::engine::remote::failure;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::transport::Transport;

/// The longest time to the end of a node that was asked to stop.
const GRACE: Duration = Duration::from_secs(60);

impl RemoteAttempt {
    /// Returns the time from a request to stop to the end of the attempt, whatever its node does.
    pub(super) fn grace(&self) -> Duration {
        GRACE.min(self.fleet.profile.lost_after)
    }

    /// Returns `true` if the attempt was asked to stop so long ago that it ends now.
    pub(super) fn is_overdue(&self, now: &Progressed) -> bool {
        let asked = now.stop.asked.get();
        asked.is_some_and(|asked| asked.elapsed() >= self.grace())
    }

    /// Returns the way to the remote for this attempt: once it is to stop, no call holds it up for long.
    pub(super) fn transport(&self, now: &Progressed) -> Transport {
        self.fleet
            .transport
            .until(&now.stop.asked, 2 * self.grace())
    }

    /// Asks the engine to stop the job, unless it has taken the request before.
    pub(super) async fn deliver_stop(&self, now: &mut Progressed) {
        let (Some(signal), Some(job)) = (now.stop.signal, now.job.clone()) else {
            return;
        };
        let fleet = Arc::clone(&self.fleet);
        let asked = off_loop(move || Ok(fleet.engine.cancel(&job, signal))).await;
        match asked {
            Ok(Ok(())) => now.stop.signal = None,
            Ok(Err(fault)) => self.note(now, format!("could not be stopped yet: {fault}")),
            Err(error) => self.note(
                now,
                format!("could not be stopped yet: {}", error_chain(&error)),
            ),
        }
    }

    /// Ends an attempt that was to stop, and could not tell the remote so: its node may work on, and its
    /// result is not taken.
    pub(super) fn stop_unheard(&self, now: &Progressed) -> Next {
        if now.package.is_some() {
            let (task, attempt) = (self.spec.task, self.spec.attempt);
            let place = match &now.host {
                Some(host) => host,
                None => &self.fleet.profile.name,
            };
            self.post(Message::Warning(format!(
                "attempt {attempt} at {task} may go on on {place}: its git remote could not be told to stop it"
            )));
        }
        Next::Over(Some(Box::new(failure::stopped())))
    }
}
