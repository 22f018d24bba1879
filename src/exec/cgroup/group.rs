//! The cgroup of one job.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::exec::cgroup::{PREFIX, PROCESSES, own_folder, words};
use crate::exec::{ResourceLimits, system};

/// The least memory of a job: its supervisor is in the cgroup while it starts the worker.
const LEAST_MEMORY: u64 = 64 << 20;

/// The least number of processes of a job, for the same reason.
const LEAST_PROCESSES: u64 = 2;

/// The microseconds for which the processor time of a job is divided.
const PERIOD: u64 = 100_000;

/// The longest wait for killed processes to die.
const LIMIT: Duration = Duration::from_secs(5);

/// The cgroup of one job, which its supervisor creates and removes.
#[derive(Debug)]
pub(in crate::exec) struct Group {
    folder: PathBuf,
    /// The cgroup of the supervisor.
    home: PathBuf,
    /// The supervisor could not leave it again, so it must not be killed as a whole.
    is_inside: bool,
}

impl Group {
    /// Creates the cgroup of a job with its limits; `None` where it has none. `cookie` is the job's unique
    /// one.
    pub(in crate::exec) fn create(limits: &ResourceLimits, cookie: &str) -> Option<Group> {
        let parent = limits.cgroup.as_ref()?;
        Group::create_in(parent, own_folder()?, limits, cookie).ok()
    }

    pub(super) fn create_in(
        parent: &Path,
        home: PathBuf,
        limits: &ResourceLimits,
        cookie: &str,
    ) -> io::Result<Group> {
        let is_plain = |c: char| c.is_ascii_alphanumeric();
        let name = cookie.replace(|c| !is_plain(c), "-");
        let folder = parent.join(format!("{PREFIX}{name}"));
        fs::create_dir(&folder)?;
        for (file, value) in settings(limits) {
            // A limit that cannot be set here still holds for each process, or a remark named it.
            let _ = fs::write(folder.join(file), value);
        }
        Ok(Group {
            folder,
            home,
            is_inside: false,
        })
    }

    /// Returns its folder.
    pub(in crate::exec) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a program that is a member from its first instruction on: this process enters, starts it
    /// and leaves.
    pub(in crate::exec) fn around<T>(&mut self, start: impl FnOnce() -> T) -> T {
        let is_inside = fs::write(self.folder.join(PROCESSES), "0").is_ok();
        let started = start();
        self.is_inside = is_inside && fs::write(self.home.join(PROCESSES), "0").is_err();
        started
    }

    /// Lists the living members.
    pub(in crate::exec) fn members(&self) -> Vec<Pid> {
        match self.is_inside {
            true => Vec::new(),
            false => members(&self.folder),
        }
    }

    /// Kills every member, and whatever one starts meanwhile.
    pub(in crate::exec) fn kill(&self) {
        if !self.is_inside {
            kill(&self.folder);
        }
    }

    /// Returns `true` if the kernel killed a member because of the limit of memory.
    pub(in crate::exec) fn ran_out_of_memory(&self) -> bool {
        field(&self.folder.join("memory.events"), "oom_kill").is_some_and(|count| count != "0")
    }

    /// Removes it, once its members have died. One that cannot be removed is left to the next run.
    pub(in crate::exec) fn remove(self) {
        if !self.is_inside {
            wait_until_empty(&self.folder);
            let _ = remove_tree(&self.folder);
        }
    }
}

/// Lists the files of a cgroup with the values for these limits.
fn settings(limits: &ResourceLimits) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(bytes) = limits.memory {
        settings.push(("memory.max", bytes.max(LEAST_MEMORY).to_string()));
        // Otherwise it would take the rest from the disk.
        settings.push(("memory.swap.max", "0".to_owned()));
    }
    if let Some(count) = limits.processes {
        settings.push(("pids.max", count.max(LEAST_PROCESSES).to_string()));
    }
    if let Some(thousandths) = limits.cpu_thousandths {
        let quota = thousandths.saturating_mul(PERIOD) / 1000;
        settings.push(("cpu.max", format!("{} {PERIOD}", quota.max(1000))));
    }
    if let Some(weight) = limits.cpu_weight {
        settings.push(("cpu.weight", weight.clamp(1, 10_000).to_string()));
    }
    settings
}

/// Kills the members of the cgroup of a job whose supervisor died, removes it, and names what it killed.
/// The record that names the folder may be forged, so only a cgroup with the name of a job's is touched.
pub(in crate::exec) fn kill_abandoned(folder: &Path) -> Vec<String> {
    let is_named = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(PREFIX);
    let is_ours = folder.file_name().is_some_and(is_named)
        && fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir())
        && system::is_cgroup(folder);
    if !is_ours {
        return Vec::new();
    }
    let names = members(folder).into_iter().map(system::name).collect();
    kill(folder);
    wait_until_empty(folder);
    let _ = remove_tree(folder);
    names
}

fn kill(folder: &Path) {
    let kill = folder.join("cgroup.kill");
    // Linux before 5.14 has no such file, and it must not be created elsewhere.
    if !kill.is_file() || fs::write(kill, "1").is_err() {
        for pid in members(folder) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn members(folder: &Path) -> Vec<Pid> {
    let pids = words(&folder.join(PROCESSES)).filter_map(|pid| pid.parse().ok());
    // 0 is a process of another namespace.
    pids.filter(|pid: &i32| *pid > 0)
        .filter_map(Pid::from_raw)
        .collect()
}

/// Returns `true` if a living process is in this cgroup or one below it.
pub(super) fn is_populated(folder: &Path) -> bool {
    field(&folder.join("cgroup.events"), "populated").is_some_and(|value| value == "1")
}

fn field(file: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(' '));
    fields.find_map(|(field, value)| (field == name).then(|| value.to_owned()))
}

fn wait_until_empty(folder: &Path) {
    let deadline = Instant::now() + LIMIT;
    while is_populated(folder) && Instant::now() < deadline {
        kill(folder);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Removes a cgroup and those that a member made below it. Its files are the kernel's and go with it.
pub(super) fn remove_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = remove_tree(&entry.path());
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
