//! Gives each job a cgroup (version 2) of its own, where the user has one to create it in.
//!
//! A cgroup limits the memory, processes and processor time of a job as a whole, and its members can
//! be killed at once, whatever they have become. A cgroup is used only if it is the user's to divide:
//! systemd delegated it to this process (`Delegate=yes`), or the settings name it. No other cgroup of the
//! machine is touched.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exec::system;

mod group;

pub(super) use group::{Group, kill_abandoned};

/// The beginning of the names of all cgroups that dispatch creates.
const PREFIX: &str = "dispatch-";

/// The cgroup of dispatch itself, below the one that was delegated to it: one with limits for those below
/// it must have no processes.
const OWN: &str = "dispatch-itself";

const PROCESSES: &str = "cgroup.procs";
const ENABLED: &str = "cgroup.subtree_control";

/// A part of cgroups that limits something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// The number of processes and threads.
    Pids,
}

impl Controller {
    const ALL: [Controller; 3] = [Controller::Cpu, Controller::Memory, Controller::Pids];

    /// Returns its name in the files of a cgroup.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
        }
    }
}

/// A cgroup in which those of jobs are created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delegation {
    folder: PathBuf,
}

impl Delegation {
    /// Finds the cgroup that the settings name, or without a name the one that systemd delegated to this
    /// process. Returns `None` where there is none, or it is not the user's to divide.
    pub fn find(named: Option<&Path>) -> Option<Delegation> {
        let folder = match named {
            Some(named) => named.to_owned(),
            None => delegated_by_systemd(&own_folder()?)?,
        };
        let is_cgroup = folder.join(PROCESSES).is_file() && folder.join(ENABLED).is_file();
        (is_cgroup && rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok())
            .then_some(Delegation { folder })
    }

    /// Returns its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns `true` if jobs can have this limit: it is enabled, or `Delegation::enable` can do that.
    pub fn can_limit(&self, controller: Controller) -> bool {
        let lists = |file: &str| words(&self.folder.join(file)).any(|it| it == controller.name());
        lists(ENABLED) || (lists("cgroup.controllers") && self.has_only_this_program())
    }

    /// Enables the limits that the system has for the cgroups of jobs, and moves this process out of the
    /// way for that. Where it fails, jobs have cgroups without those limits.
    pub(super) fn enable(&self) {
        let enabled: Vec<String> = words(&self.folder.join(ENABLED)).collect();
        let available: Vec<String> = words(&self.folder.join("cgroup.controllers")).collect();
        let missing = Controller::ALL.map(Controller::name);
        let missing = missing.iter().filter(|name| {
            let is_in = |list: &[String]| list.iter().any(|it| it == *name);
            is_in(&available) && !is_in(&enabled)
        });
        for name in missing {
            if self.enable_one(name).is_err() && self.has_only_this_program() {
                self.move_this_program();
                let _ = self.enable_one(name);
            }
        }
    }

    fn enable_one(&self, name: &str) -> std::io::Result<()> {
        fs::write(self.folder.join(ENABLED), format!("+{name}"))
    }

    /// Returns `true` if it has no processes but this one and its children. Those of the user, such as a
    /// shell, are never moved.
    fn has_only_this_program(&self) -> bool {
        let own = system::tree(rustix::process::getpid());
        let mut processes = words(&self.folder.join(PROCESSES));
        processes.all(|pid| own.iter().any(|own| own.as_raw_pid().to_string() == pid))
    }

    fn move_this_program(&self) {
        let own = self.folder.join(OWN);
        // An earlier dispatch may have created it.
        let _ = fs::create_dir(&own);
        for pid in words(&self.folder.join(PROCESSES)) {
            let _ = fs::write(own.join(PROCESSES), pid);
        }
    }

    /// Removes [`Delegation::abandoned`], of this run or of another.
    pub fn sweep(&self) {
        for folder in self.abandoned() {
            // A supervisor may just have created it, and enters it now.
            let _ = remove_abandoned(&folder);
        }
    }

    /// Lists the cgroups of jobs that have no process any more, which a killed supervisor left.
    pub fn abandoned(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter(|entry| {
            let name = entry.file_name();
            let is_named = name.to_string_lossy().starts_with(PREFIX) && name != OWN;
            is_named && entry.file_type().is_ok_and(|kind| kind.is_dir())
        });
        let folders = names.map(|entry| entry.path());
        folders
            .filter(|folder| !group::is_populated(folder))
            .collect()
    }
}

/// Removes a cgroup of [`Delegation::abandoned`]. The kernel refuses it if a process is in it by now.
///
/// # Errors
/// When it cannot be removed. One that is gone is not an error.
pub fn remove_abandoned(folder: &Path) -> std::io::Result<()> {
    group::remove_tree(folder)
}

/// Returns the cgroup that systemd delegated, if this process runs in it.
fn delegated_by_systemd(own: &Path) -> Option<PathBuf> {
    let folder = match own.file_name() {
        Some(name) if name == OWN => own.parent()?,
        _ => own,
    };
    let is_set = |attribute: &str| {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(folder, attribute, &mut value);
        length.is_ok_and(|length| value.get(..length) == Some(b"1"))
    };
    // Only root may read the older of the two.
    let is_delegated = is_set("user.delegate") || is_set("trusted.delegate");
    is_delegated.then(|| folder.to_owned())
}

/// Returns the folder of the cgroup in which this process is, if the system has cgroups of version 2.
fn own_folder() -> Option<PathBuf> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    folder_of(&membership, &mounts)
}

/// Finds the folder of a process's cgroup in cgroups(7) and mountinfo, as of proc(5).
fn folder_of(membership: &str, mounts: &str) -> Option<PathBuf> {
    let path = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let mut fields = mount.split(' ').skip(3);
    let (root, place) = (fields.next()?, fields.next()?);
    let below = Path::new(path).strip_prefix(root).ok()?;
    // A process outside of its namespace's cgroups has a path with dots; a mount point with a space has
    // an escape.
    let is_strange = path.contains("/..") || place.contains('\\');
    (!is_strange).then(|| Path::new(place).join(below))
}

/// Lists the words of a file of a cgroup; none if it cannot be read.
fn words(file: &Path) -> impl Iterator<Item = String> + use<> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.into_iter()
}

#[cfg(test)]
mod tests;
