//! Keeps the time limit of a job whose own supervisor does not.
//!
//! A shim enforces the limits, unless something stops it (SIGSTOP). A stopped one is continued after the
//! limit, whereupon it ends its worker; one that is stopped again and again is killed.

use std::convert::Infallible;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use crate::exec::system::Handle;

/// The time after the limit in which a shim acts on its own.
const LEEWAY: Duration = Duration::from_secs(1);

/// The time between two looks at a shim beyond its limit.
const INTERVAL: Duration = Duration::from_millis(500);

/// The number of times that a stopped shim is continued.
const MOST_CONTINUED: u32 = 4;

/// Presses a stopped shim for its end once `left` has passed. It never returns: drop it when the job
/// has ended.
pub(super) async fn press(shim: &Option<Handle>, left: Option<Duration>) -> Infallible {
    let (Some(shim), Some(left)) = (shim, left) else {
        return std::future::pending().await;
    };
    sleep(left.saturating_add(LEEWAY)).await;
    let mut continued = 0;
    loop {
        if shim.is_stopped() {
            let again = continued < MOST_CONTINUED;
            shim.signal(if again { Signal::CONT } else { Signal::KILL });
            continued += 1;
        }
        sleep(INTERVAL).await;
    }
}
