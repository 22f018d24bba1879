//! The confinement and the resource limits of a job, as plain data.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The confinement of a job. A confined job has a folder of its own for temporary files (`TMPDIR`),
/// which is removed after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// The kernel lets it change nothing but these files and folders (Landlock). Missing ones are
    /// skipped.
    Write(Vec<PathBuf>),
    /// A program that confines what its arguments name, with its own arguments. `{tmp}` in one of them
    /// is the folder for temporary files.
    Wrapper(Vec<String>),
}

/// The resource limits of a job; absent ones are not set. They hold for each process (`setrlimit`), and
/// with a cgroup some of them for the job as a whole, too.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Bytes of memory: for the data of a process, and in a cgroup for everything of the job.
    pub memory: Option<u64>,
    /// Processes and threads: of the user, besides those of the whole system when the job starts, and in
    /// a cgroup those of the job.
    pub processes: Option<u64>,
    /// Open files.
    pub open_files: Option<u64>,
    /// Bytes of a file that it writes.
    pub file_size: Option<u64>,
    /// Processor time.
    pub cpu_time: Option<Duration>,
    /// Processor time in a second, in thousandths of a processor. It needs a cgroup.
    pub cpu_thousandths: Option<u64>,
    /// The share of busy processors, from 1 to 10,000, where others have 100. It needs a cgroup.
    pub cpu_weight: Option<u64>,
    /// The cgroup in which that of the job is created; the job has none if absent.
    pub cgroup: Option<PathBuf>,
}

/// The part of a confinement that the kernel of this machine can enforce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Support {
    /// Nothing.
    None,
    /// Writes to files.
    Files,
    /// Writes to files, and signals and abstract sockets out of the job.
    FilesAndSignals,
}
