//! Process functions that need Linux: `/proc`, pidfds and the child subreaper.
//!
//! `portable.rs` has the same functions for other systems.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, child_subreaper, getpid, kill_process, pidfd_open, pidfd_send_signal,
    set_child_subreaper,
};

use crate::base::process;
use crate::exec::{Process, Support, capabilities, landlock};

/// Returns the part of a confinement that the kernel can enforce.
pub(super) fn sandbox_support() -> Support {
    landlock::support()
}

/// Confines this thread and what it starts to changes of these files and folders. The error is a
/// message for the user.
pub(super) fn restrict(write: &[PathBuf]) -> Result<(), String> {
    capabilities::drop_those_around_the_rules();
    landlock::restrict(write)
}

/// Returns `true` if a folder is a cgroup of version 2.
pub(super) fn is_cgroup(folder: &Path) -> bool {
    const MAGIC: u64 = 0x6367_7270;
    rustix::fs::statfs(folder).is_ok_and(|found| found.f_type as u64 == MAGIC)
}

/// Counts the processes and threads of the whole system.
pub(super) fn running_threads() -> u64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let of_all = load
        .split_whitespace()
        .nth(3)
        .and_then(|field| field.split_once('/'));
    of_all.and_then(|(_, all)| all.parse().ok()).unwrap_or(0)
}

/// Makes this process the parent of every descendant whose own parent ends, so that no daemon
/// escapes. Returns `true` if the system did it.
pub(super) fn become_subreaper() -> bool {
    set_child_subreaper(Some(getpid())).is_ok()
}

/// Returns `true` after [`become_subreaper`].
pub(super) fn is_subreaper() -> bool {
    matches!(child_subreaper(), Ok(Some(_)))
}

/// Lists the children of this process, dead ones included; `None` if the system does not tell.
pub(super) fn children() -> Option<Vec<Pid>> {
    children_of(getpid())
}

fn children_of(parent: Pid) -> Option<Vec<Pid>> {
    let threads = fs::read_dir(format!("/proc/{}/task", parent.as_raw_pid())).ok()?;
    let mut children = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => children.extend(list.split_whitespace().filter_map(parse_pid)),
            // A kernel without CONFIG_PROC_CHILDREN, or the thread has just ended.
            Err(_) => return Some(children_by_parent(parent)),
        }
    }
    Some(children)
}

fn children_by_parent(parent: Pid) -> Vec<Pid> {
    let is_child = |pid: &Pid| stat_field(*pid, 4) == Some(parent.as_raw_pid() as u64);
    every_process().filter(is_child).collect()
}

/// Lists a process, first, and everything it started that is still linked to it.
pub(super) fn tree(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        let children = children_of(pid).unwrap_or_default();
        found.extend(children.into_iter().filter(|child| *child != root));
        next += 1;
    }
    found
}

/// Renders the name and pid of a process: `sleep (4711)`.
pub(super) fn name(pid: Pid) -> String {
    let number = pid.as_raw_pid();
    match fs::read(format!("/proc/{number}/comm")) {
        Ok(name) => format!("{} ({number})", String::from_utf8_lossy(&name).trim_end()),
        Err(_) => format!("process {number}"),
    }
}

/// Returns the id of this boot; pids and start times mean nothing in another one.
pub(super) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Lists the living processes that have become children of this one because their own parent ended,
/// and that started after `since`: in a session of their own, which this program's children have only
/// if they run this program, too.
///
/// A dead process runs no program any more, so it may be a supervisor whose end is still to be read.
pub(super) fn adopted_since(since: u64) -> Vec<Pid> {
    let session = stat_field(getpid(), 6);
    let is_strange = |pid: &Pid| {
        let other = stat_field(*pid, 6) != session;
        let later = stat_field(*pid, 22).is_some_and(|start| start >= since);
        other && later && runs_another_program(*pid)
    };
    let children = children().unwrap_or_default();
    children.into_iter().filter(is_strange).collect()
}

fn runs_another_program(pid: Pid) -> bool {
    let program = |of: &str| fs::read_link(format!("/proc/{of}/exe"));
    match (program("self"), program(&pid.as_raw_pid().to_string())) {
        (Ok(own), Ok(other)) => own != other,
        // A program with the rights of another user.
        (_, Err(error)) => error.kind() == io::ErrorKind::PermissionDenied,
        (Err(_), Ok(_)) => true,
    }
}

/// Reads the start time of a process, which tells it from a later one of the same pid.
pub(super) fn identify(pid: Pid) -> Process {
    Process {
        pid: pid.as_raw_pid(),
        start: stat_field(pid, 22),
    }
}

/// Lists the processes that were started with this `DISPATCH_COOKIE`, without dead ones.
pub(super) fn with_cookie(cookie: &str) -> Vec<Handle> {
    let line = format!("DISPATCH_COOKIE={cookie}").into_bytes();
    let has_cookie = |pid: Pid| {
        fs::read(format!("/proc/{}/environ", pid.as_raw_pid()))
            .is_ok_and(|environ| environ.split(|b| *b == 0).any(|entry| entry == line))
    };
    // The identity comes first: if another process gets the pid later, the handle cannot be opened.
    every_process()
        .filter(|pid| *pid != getpid())
        .map(identify)
        .filter(|process| Pid::from_raw(process.pid).is_some_and(has_cookie))
        .filter_map(Handle::open)
        .collect()
}

fn every_process() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| parse_pid(entry.file_name().to_str()?))
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok().filter(|pid| *pid > 0)?)
}

/// Reads a numeric field of `/proc/PID/stat`, by its number in proc(5).
fn stat_field(pid: Pid, number: usize) -> Option<u64> {
    process::stat_field(pid.as_raw_pid() as u32, number)?
        .parse()
        .ok()
}

/// A handle to a process. Its signals never reach another process that got the same pid.
#[derive(Debug)]
pub(super) struct Handle {
    process: Process,
    /// Absent before Linux 5.3 and where a sandbox forbids it; then the start time must suffice.
    fd: Option<OwnedFd>,
}

impl Handle {
    /// Opens a handle to the process of this identity, if it still exists.
    pub(super) fn open(process: Process) -> Option<Handle> {
        let pid = Pid::from_raw(process.pid)?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).ok();
        // Checked after the descriptor is open: from here on it refers to this one process.
        let same = process.start.is_some() && identify(pid).start == process.start;
        same.then_some(Handle { process, fd })
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.process.pid)
    }

    /// Sends the signal, and does nothing if the process is gone.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = match (&self.fd, self.pid()) {
            (Some(fd), _) => pidfd_send_signal(fd, signal),
            (None, Some(pid)) if identify(pid) == self.process => kill_process(pid, signal),
            _ => Ok(()),
        };
    }

    /// Waits until the process has ended, at most this long. Returns `true` if it has ended.
    pub(super) fn wait_until_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.is_gone() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            match &self.fd {
                Some(fd) => {
                    let timeout = left.try_into().ok();
                    let _ = poll(&mut [PollFd::new(fd, PollFlags::IN)], timeout.as_ref());
                }
                None => std::thread::sleep(left.min(Duration::from_millis(5))),
            }
        }
        true
    }

    /// Returns `true` if a signal has stopped the process.
    pub(super) fn is_stopped(&self) -> bool {
        self.pid().and_then(state) == Some(b'T')
    }

    /// Returns `true` if the process has ended, reaped or not.
    pub(super) fn is_gone(&self) -> bool {
        let Some(pid) = self.pid() else { return true };
        identify(pid) != self.process || is_dead(pid)
    }
}

fn is_dead(pid: Pid) -> bool {
    matches!(state(pid), None | Some(b'Z' | b'X'))
}

/// Reads the letter of a process's state, as in proc(5).
fn state(pid: Pid) -> Option<u8> {
    let state = process::stat_field(pid.as_raw_pid() as u32, 3)?;
    state.bytes().next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn a_dead_child_in_a_session_of_its_own_is_nothing_that_was_adopted() {
        let mut child = Command::new("setsid").arg("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        let unreaped = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), unreaped).unwrap();
        assert_ne!(stat_field(pid, 6), stat_field(getpid(), 6));
        assert!(!adopted_since(0).contains(&pid));
        assert!(child.wait().unwrap().success());
    }
}
