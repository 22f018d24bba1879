//! Finds, names and kills the processes that a worker leaves behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

use crate::base::files;
use crate::exec::cgroup::{self, Group};
use crate::exec::record::{self, ProcRecord};
use crate::exec::signals::Signals;
use crate::exec::worker::Worker;
use crate::exec::{ExecError, system};

/// The beginning of the name of a worker's folder for temporary files.
pub(super) const TEMPORARY: &str = "dispatch-";

/// The longest wait for a killed process to die; one that survives it hangs in the kernel.
const LIMIT: Duration = Duration::from_secs(5);

/// Kills the remaining processes of a worker that has ended but is not reaped yet, and names them.
///
/// Processes that left the worker's group or session are children of the shim by now, which is a
/// subreaper. A child that was not reaped keeps its pid, so no other process is signalled. Where the
/// shim could not become a subreaper, the rest is found by `cookie`. The cgroup has all of them, also those
/// that start while others are killed.
pub(super) fn kill(
    worker: &Worker,
    signals: &mut Signals,
    group: Option<&Group>,
    cookie: Option<&str>,
) -> Vec<String> {
    let mut names = BTreeMap::new();
    let deadline = Instant::now() + LIMIT;
    loop {
        let alive = reap_children(worker.pid);
        let members = group.map(Group::members).unwrap_or_default();
        let trees = alive.iter().flat_map(|pid| system::tree(*pid));
        for pid in trees.chain(members).filter(|pid| *pid != worker.pid) {
            let name = || system::name(pid);
            names.entry(pid.as_raw_pid()).or_insert_with(name);
        }
        worker.signal(Signal::KILL);
        if let Some(group) = group {
            group.kill();
        }
        for pid in &alive {
            let _ = kill_process(*pid, Signal::KILL);
        }
        if alive.is_empty() || Instant::now() > deadline {
            break;
        }
        wait_for_child(signals);
    }
    let mut names: Vec<String> = names.into_values().collect();
    names.extend(cookie.map(kill_bearers).unwrap_or_default());
    names
}

/// Reaps ended children and returns the living ones, without the worker itself.
pub(super) fn reap_children(worker: Pid) -> Vec<Pid> {
    let children = system::children().unwrap_or_default().into_iter();
    children
        .filter(|pid| *pid != worker)
        .filter(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)))
        .collect()
}

fn wait_for_child(signals: &mut Signals) {
    let timeout = Duration::from_millis(20).try_into().ok();
    let _ = poll(
        &mut [PollFd::new(&signals.wake(), PollFlags::IN)],
        timeout.as_ref(),
    );
    signals.take();
}

/// Kills the worker of a job whose shim died, with everything it started, and names what it killed.
///
/// Only processes are signalled that are known by start time and boot, that carry the attempt's unique
/// cookie in their environment, or that have become children of this process.
///
/// # Errors
/// When the job is alive after all, or its records cannot be read.
pub fn kill_orphans(folder: &Path) -> Result<Vec<String>, ExecError> {
    if record::is_held(folder)? {
        return Err(ExecError::Alive(folder.to_owned()));
    }
    let Some(record) = ProcRecord::load(folder)? else {
        return Ok(Vec::new());
    };
    let known = record.worker.filter(|worker| worker.start.is_some());
    let worker = known.and_then(|worker| record.find(worker));
    let mut names = worker.as_ref().map(kill_tree).unwrap_or_default();
    names.extend(kill_bearers(&record.cookie));
    if system::is_subreaper() {
        names.extend(record.shim.start.map(kill_adopted).unwrap_or_default());
    }
    if let Some(cgroup) = &record.cgroup {
        names.extend(cgroup::kill_abandoned(cgroup));
    }
    if let Some(tmp) = &record.tmp {
        remove_temporary(tmp);
    }
    Ok(names)
}

/// Removes the folder for temporary files of a worker that is dead. The record may be forged, so only a
/// folder with the name of such a one, below the system's folder for temporary files, is removed.
fn remove_temporary(folder: &Path) {
    let is_named = |name: &OsStr| name.to_string_lossy().starts_with(TEMPORARY);
    let is_ours = folder.parent() == Some(&files::real_path(&std::env::temp_dir()))
        && folder.file_name().is_some_and(is_named)
        && fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    if is_ours {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Makes this process the parent of what a killed shim leaves behind, so that [`kill_orphans`] finds
/// also a daemon that cleared its environment. Returns `false` where the system cannot.
pub fn adopt_orphans() -> bool {
    system::become_subreaper()
}

/// Kills the processes that lost their shim and became children of this process ([`adopt_orphans`]).
fn kill_adopted(since: u64) -> Vec<String> {
    let mut names = Vec::new();
    let deadline = Instant::now() + LIMIT;
    loop {
        let adopted = system::adopted_since(since);
        let handles = adopted.iter().map(|pid| system::identify(*pid));
        let handles: Vec<_> = handles.filter_map(system::Handle::open).collect();
        if handles.is_empty() || Instant::now() > deadline {
            return names;
        }
        names.extend(kill_all(name_living(handles)));
        for pid in adopted {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

fn kill_tree(worker: &system::Handle) -> Vec<String> {
    let Some(pid) = worker.pid() else {
        return Vec::new();
    };
    let tree = system::tree(pid).into_iter().map(system::identify);
    let living = name_living(tree.filter_map(system::Handle::open).collect());
    if !worker.is_gone() {
        // The worker lives and leads the group of its pid, so the group belongs to it.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    kill_all(living)
}

/// Kills every process with the cookie, until two searches in a row find none: a process may fork
/// during a search.
fn kill_bearers(cookie: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut empty = 0;
    let deadline = Instant::now() + LIMIT;
    while empty < 2 && Instant::now() < deadline {
        let killed = kill_all(name_living(system::with_cookie(cookie)));
        empty = if killed.is_empty() { empty + 1 } else { 0 };
        names.extend(killed);
    }
    names
}

fn name_living(handles: Vec<system::Handle>) -> Vec<(system::Handle, String)> {
    let living = handles.into_iter().filter(|handle| !handle.is_gone());
    let named = living.filter_map(|handle| {
        let name = system::name(handle.pid()?);
        Some((handle, name))
    });
    named.collect()
}

/// Kills processes, waits until they are dead, and returns their names.
fn kill_all(named: Vec<(system::Handle, String)>) -> Vec<String> {
    for (handle, _) in &named {
        handle.signal(Signal::KILL);
    }
    for (handle, _) in &named {
        handle.wait_until_gone(LIMIT);
    }
    named.into_iter().map(|(_, name)| name).collect()
}
