//! The end of the connection, as calls that wait see it.

use std::sync::Arc;

use tokio::sync::watch;

/// Becomes closed when the client closes standard input, or ends.
#[derive(Clone, Debug)]
pub(super) struct Closing(Arc<watch::Sender<bool>>);

impl Default for Closing {
    fn default() -> Closing {
        Closing(Arc::new(watch::Sender::new(false)))
    }
}

impl Closing {
    /// Notes that the client sends nothing more.
    pub(super) fn close(&self) {
        self.0.send_replace(true);
    }

    /// Returns `true` once the client sends nothing more.
    pub(super) fn is_closed(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the client sends nothing more.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`, so that this ends only when it is closed.
        let _ = self.0.subscribe().wait_for(|is_closed| *is_closed).await;
    }
}
