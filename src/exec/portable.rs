//! The functions of `linux.rs` for systems that tell less about processes.
//!
//! Without a subreaper a daemon of the worker that leaves its process group gets away; without
//! start times no process of an earlier runner's is ever signalled, except a shim whose lock proves
//! that it is alive.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::exec::{Process, Support};

/// Returns [`Support::None`]: these systems have no Landlock.
pub(super) fn sandbox_support() -> Support {
    Support::None
}

/// Fails: these systems have no Landlock.
pub(super) fn restrict(_write: &[PathBuf]) -> Result<(), String> {
    Err("this system has no Landlock".to_owned())
}

/// Returns `false`: these systems have no cgroups.
pub(super) fn is_cgroup(_folder: &Path) -> bool {
    false
}

/// Returns 0: the number of processes is unknown here.
pub(super) fn running_threads() -> u64 {
    0
}

/// Returns `false`: these systems have no subreaper.
pub(super) fn become_subreaper() -> bool {
    false
}

/// Returns `false`: these systems have no subreaper.
pub(super) fn is_subreaper() -> bool {
    false
}

/// Returns `None`: the children are unknown here.
pub(super) fn children() -> Option<Vec<Pid>> {
    None
}

/// Lists the process alone; its children are unknown here.
pub(super) fn tree(root: Pid) -> Vec<Pid> {
    vec![root]
}

/// Renders the pid: `process 4711`.
pub(super) fn name(pid: Pid) -> String {
    format!("process {}", pid.as_raw_pid())
}

/// Returns `None`: the boot is unknown here.
pub(super) fn boot_id() -> Option<String> {
    None
}

/// Returns nothing: processes without a parent are unknown here.
pub(super) fn adopted_since(_since: u64) -> Vec<Pid> {
    Vec::new()
}

/// Returns the pid alone, without a start time.
pub(super) fn identify(pid: Pid) -> Process {
    Process {
        pid: pid.as_raw_pid(),
        start: None,
    }
}

/// Returns nothing: environments of other processes cannot be read here.
pub(super) fn with_cookie(_cookie: &str) -> Vec<Handle> {
    Vec::new()
}

/// A handle to a process; the caller makes sure that it is alive.
#[derive(Debug)]
pub(super) struct Handle(Pid);

impl Handle {
    /// Opens a handle to this pid.
    pub(super) fn open(process: Process) -> Option<Handle> {
        Pid::from_raw(process.pid).map(Handle)
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        Some(self.0)
    }

    /// Sends the signal, and does nothing if the process is gone.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.0, signal);
    }

    /// Returns `false`: the state of a process is unknown here.
    pub(super) fn is_stopped(&self) -> bool {
        false
    }

    /// Returns `true` if the process no longer exists.
    pub(super) fn is_gone(&self) -> bool {
        test_kill_process(self.0).is_err()
    }

    /// Waits until the process has ended, at most this long. Returns `true` if it has ended.
    pub(super) fn wait_until_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.is_gone() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.is_gone()
    }
}
