//! What `linux.rs` does, for systems that do not say as much about processes.
//!
//! Without a subreaper a daemon of the worker that leaves its process group gets away; without
//! start times no process of an earlier runner's is ever signalled, except a shim whose lock proves
//! that it is alive.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::exec::Process;

/// There is no such thing here.
pub(super) fn become_subreaper() -> bool {
    false
}

/// Not known here.
pub(super) fn children() -> Option<Vec<Pid>> {
    None
}

/// Only the process itself is known.
pub(super) fn tree(root: Pid) -> Vec<Pid> {
    vec![root]
}

/// `process 4711`.
pub(super) fn name(pid: Pid) -> String {
    format!("process {}", pid.as_raw_pid())
}

/// Not known here.
pub(super) fn boot_id() -> Option<String> {
    None
}

/// The pid alone.
pub(super) fn identify(pid: Pid) -> Process {
    Process {
        pid: pid.as_raw_pid(),
        start: None,
    }
}

/// Environments of other processes cannot be read here.
pub(super) fn with_cookie(_cookie: &str) -> Vec<Handle> {
    Vec::new()
}

/// A process; the caller makes sure that it is alive.
#[derive(Debug)]
pub(super) struct Handle(Pid);

impl Handle {
    /// For this pid.
    pub(super) fn open(process: Process) -> Option<Handle> {
        Pid::from_raw(process.pid).map(Handle)
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        Some(self.0)
    }

    /// Sends the signal; a process that is gone is no matter.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.0, signal);
    }

    /// Whether there is no such process any more.
    pub(super) fn is_gone(&self) -> bool {
        test_kill_process(self.0).is_err()
    }

    /// Waits until the process has ended; says whether.
    pub(super) fn wait_until_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.is_gone() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.is_gone()
    }
}
