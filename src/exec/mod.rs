//! Runs attempts: a job is a serialisable value that an [`Executor`] starts until it ends.
//!
//! On this machine ([`local`]) every job gets a small process of its own, the *shim*
//! (`dispatch __attempt <folder>`): it starts the worker, keeps its output, enforces the limits,
//! kills the processes that the worker leaves behind, and records how it ended. So a killed runner
//! loses neither a result nor output, and a later one can adopt jobs that are still alive.
//!
//! The folder of an attempt belongs to exactly one job and holds:
//!
//! | file | content |
//! |---|---|
//! | `alive.lock` | locked from before the shim exists until it exits for any reason |
//! | `job.json` | the job; removed by the shim once read, because it holds the environment |
//! | `proc.json` | the identity of shim and worker, so that a later runner signals no other process |
//! | `output.log`, `output.tail.*` | the output of the worker ([`log`]) |
//! | `reserve` | reserved space for `exit.json`, while the job of a check is alive |
//! | `seal` | the hash of a secret that only the shim got, without which `exit.json` is not believed |
//! | `exit.json` | the end of the job; it counts once the shim has ended |
//! | `shim.log` | the shim's own output, normally empty |

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::{error, io};

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod capabilities;
pub mod cgroup;
pub mod engine;
#[cfg(target_os = "linux")]
mod landlock;
mod leftovers;
mod limits;
pub mod local;
pub mod log;
mod overdue;
mod record;
pub mod sandbox;
pub mod scripted;
pub mod shim;
mod signals;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "portable.rs")]
mod system;
mod worker;

pub use leftovers::{adopt_orphans, kill_orphans};
pub use record::{ProcRecord, Process};
pub use sandbox::{ResourceLimits, Sandbox, Support};

/// The first argument of a shim, by which it is known among the ancestors of a process.
pub const SHIM_ARGUMENT: &str = "__attempt";

/// A program to run under limits until it ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its whole environment; nothing is inherited. `DISPATCH_COOKIE` is added.
    pub env: BTreeMap<String, String>,
    /// The file it reads from standard input; nothing when absent.
    pub stdin: Option<PathBuf>,
    /// The longest run time.
    pub timeout: Option<Duration>,
    /// The longest time without any output.
    pub stall_timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// The number of output bytes to keep on disk: half of them the first, half the newest.
    pub max_log: u64,
    /// A name for the attempt, such as `checkout-7k3q/2/1`, by which its processes are found.
    pub cookie: String,
    /// `true` if space on disk is reserved for the record of its end, because the files with which
    /// it may fill the disk are removed only after that record exists.
    pub keeps_room: bool,
    /// The confinement of the program and of everything it starts; none if absent.
    pub sandbox: Option<Sandbox>,
    /// The resource limits of its processes.
    pub limits: ResourceLimits,
}

/// Returns the part of a confinement that the kernel of this machine can enforce.
pub fn sandbox_support() -> Support {
    system::sandbox_support()
}

impl Job {
    /// Returns the longest time that it may take, if it is limited: its timeout and its grace.
    pub(crate) fn longest(&self) -> Option<Duration> {
        Some(self.timeout?.saturating_add(self.grace))
    }
}

/// The way a program ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It was killed because it took longer than [`Job::timeout`].
    TimedOut,
    /// It was killed because it was silent for [`Job::stall_timeout`].
    Stalled,
    /// It could not be started, for this reason.
    NotStarted(String),
}

/// The end of a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobEnd {
    /// The way its program ended.
    pub exit: Exit,
    /// `true` if it was asked to stop ([`Stopper::stop`]) before it ended.
    pub stopped: bool,
    /// The run time in milliseconds of the monotonic clock.
    pub millis: u64,
    /// Processes that outlived the program and were killed, each as `name (pid)`.
    pub leftovers: Vec<String>,
    /// The number of output bytes that were not kept.
    pub dropped_bytes: u64,
    /// `true` if the kernel killed one of its processes at [`ResourceLimits::memory`].
    #[serde(default)]
    pub out_of_memory: bool,
}

/// The state of the job in a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobStatus {
    /// No job was started there.
    Absent,
    /// It runs, or is starting.
    Alive,
    /// It has ended.
    Ended(JobEnd),
    /// Its shim died without recording the end of the job (kill -9, power loss), or another process
    /// recorded it. The worker may still run: [`kill_orphans`].
    Lost,
}

/// A request to a running job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopSignal {
    /// SIGINT to the worker's process group, which may ignore it.
    Interrupt,
    /// SIGTERM to the group, and SIGKILL after [`Job::grace`].
    Terminate,
    /// SIGKILL to the group at once.
    Kill,
}

/// A place where jobs run.
pub trait Executor: Send + Sync {
    /// Starts a job in `folder`, which is created if necessary and must not have held a job before.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written, or the shim cannot be started. A program
    /// that cannot be started is not an error: [`Exit::NotStarted`].
    fn start(&self, folder: &Path, job: &Job) -> Result<Running, ExecError>;

    /// Reads the state of the job in a folder.
    ///
    /// # Errors
    /// When its records cannot be read.
    fn status(&self, folder: &Path) -> Result<JobStatus, ExecError>;

    /// Attaches to a job that another process started; for an ended one the result is ready at
    /// once.
    ///
    /// # Errors
    /// When its records cannot be read.
    fn adopt(&self, folder: &Path) -> Result<Running, ExecError>;
}

/// A started or adopted job. Dropping it does not stop the job.
pub struct Running {
    end: Pin<Box<dyn Future<Output = Result<JobStatus, ExecError>> + Send>>,
    stopper: Stopper,
}

impl Running {
    /// Creates a handle from a future that waits for the end of the job.
    pub fn new(
        end: impl Future<Output = Result<JobStatus, ExecError>> + Send + 'static,
        stopper: Stopper,
    ) -> Running {
        Running {
            end: Box::pin(end),
            stopper,
        }
    }

    /// Waits until the job has ended; never returns [`JobStatus::Alive`].
    ///
    /// # Errors
    /// When its records cannot be read.
    pub async fn wait(self) -> Result<JobStatus, ExecError> {
        self.end.await
    }

    /// Returns a handle that stops the job, also while another task waits for it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Stops one job; does nothing once that has ended.
#[derive(Clone)]
pub struct Stopper(Arc<dyn Fn(StopSignal) + Send + Sync>);

impl Stopper {
    /// Creates a handle that calls this function.
    pub fn new(stop: impl Fn(StopSignal) + Send + Sync + 'static) -> Stopper {
        Stopper(Arc::new(stop))
    }

    /// Sends a request to the job, without waiting for its effect.
    pub fn stop(&self, signal: StopSignal) {
        (self.0)(signal);
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

/// A failed operation of an executor.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A file of the attempt's folder cannot be read or written.
    #[error("could not use {path}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A record of the attempt's folder is not one that dispatch wrote.
    #[error("{path} is damaged")]
    Damaged {
        /// The record.
        path: PathBuf,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// The folder has held a job before, or holds one now.
    #[error("{0} already holds a job; every attempt needs a folder of its own")]
    Used(PathBuf),
    /// The job in the folder is alive, so nothing of it may be removed.
    #[error("the job in {0} is still alive")]
    Alive(PathBuf),
    /// The shim cannot be started or waited for.
    #[error("could not run {program} for the attempt")]
    Shim {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn error::Error + Send + Sync>,
    },
}

impl ExecError {
    fn file(path: &Path, source: io::Error) -> ExecError {
        let path = path.to_owned();
        ExecError::File { path, source }
    }
}
