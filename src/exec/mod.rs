//! Where attempts run: a job is a value that can be written down, an [`Executor`] starts it and
//! says how it ended.
//!
//! On this machine ([`local`]) every job gets a small process of its own, the *shim*
//! (`dispatch __attempt <folder>`): it starts the worker, keeps its output, enforces the limits,
//! cleans up what the worker leaves behind and writes down how it ended. So a killed runner loses
//! neither a result nor output, and a later one can take up what is still alive.
//!
//! The folder of an attempt belongs to exactly one job and holds:
//!
//! | file | what |
//! |---|---|
//! | `alive.lock` | locked from before the shim exists until it is gone, however it goes |
//! | `job.json` | the job; removed by the shim once read, because it holds the environment |
//! | `proc.json` | who the shim and the worker are, so that a later runner can tell them from strangers |
//! | `output.log`, `output.tail.*` | what the worker wrote ([`log`]) |
//! | `reserve` | room for its end, while the job of a check is alive |
//! | `exit.json` | how it ended; its presence is what "ended" means |
//! | `shim.log` | the shim's own last words, normally empty |

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::{error, io};

use serde::{Deserialize, Serialize};

mod leftovers;
pub mod local;
pub mod log;
mod record;
pub mod scripted;
pub mod shim;
mod signals;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "portable.rs")]
mod system;
mod worker;

pub use leftovers::kill_orphans;
pub use record::{ProcRecord, Process};

/// A program to run to its end under limits.
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
    /// Longest time it may take.
    pub timeout: Option<Duration>,
    /// Longest time it may write nothing to standard output and standard error.
    pub stall_timeout: Option<Duration>,
    /// How long after SIGTERM it is killed.
    pub grace: Duration,
    /// How many bytes of output are kept on disk: the first half, and the newest.
    pub max_log: u64,
    /// A name for the attempt, such as `checkout-7k3q/2/1`, by which its processes can be found.
    pub cookie: String,
    /// Whether room is kept for writing down its end, because what it may fill the disk with is
    /// removed only once that end is known.
    pub keeps_room: bool,
}

/// How the program ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended because it took longer than [`Job::timeout`].
    TimedOut,
    /// It was ended because it was silent for [`Job::stall_timeout`].
    Stalled,
    /// It could not be started; why.
    NotStarted(String),
}

/// How a job ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobEnd {
    /// How the program ended.
    pub exit: Exit,
    /// Whether it was asked to stop ([`Stopper::stop`]) before it ended.
    pub stopped: bool,
    /// How long the program ran, in milliseconds by the monotonic clock.
    pub millis: u64,
    /// Processes that outlived the program and were killed, as `name (pid)`.
    pub leftovers: Vec<String>,
    /// Bytes of output that were not kept.
    pub dropped_bytes: u64,
}

/// What is known about the job of a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobStatus {
    /// Nothing was ever started there.
    Absent,
    /// It runs, or is about to.
    Alive,
    /// It is over.
    Ended(JobEnd),
    /// Its shim died without writing down how the job ended (kill -9, power loss). The worker may
    /// still be there: [`kill_orphans`].
    Lost,
}

/// What a job can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopSignal {
    /// SIGINT to the worker's process group; what it makes of that is its own business.
    Interrupt,
    /// SIGTERM to the group, and SIGKILL after [`Job::grace`].
    Terminate,
    /// SIGKILL to the group at once.
    Kill,
}

/// A place where jobs run.
pub trait Executor: Send + Sync {
    /// Starts a job; `folder` is made if need be and must not have held a job before.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written, or the shim cannot be started. A program
    /// that cannot be started is no error: [`Exit::NotStarted`].
    fn start(&self, folder: &Path, job: &Job) -> Result<Running, ExecError>;

    /// What became of the job of a folder.
    ///
    /// # Errors
    /// When what is written there cannot be read.
    fn status(&self, folder: &Path) -> Result<JobStatus, ExecError>;

    /// Takes up a job that another process started; one that is over already is "running" with
    /// its end known.
    ///
    /// # Errors
    /// When what is written there cannot be read.
    fn adopt(&self, folder: &Path) -> Result<Running, ExecError>;
}

/// A started or adopted job. Dropping it does not stop the job.
pub struct Running {
    end: Pin<Box<dyn Future<Output = Result<JobStatus, ExecError>> + Send>>,
    stopper: Stopper,
}

impl Running {
    /// A job whose end this future waits for.
    pub fn new(
        end: impl Future<Output = Result<JobStatus, ExecError>> + Send + 'static,
        stopper: Stopper,
    ) -> Running {
        Running {
            end: Box::pin(end),
            stopper,
        }
    }

    /// Waits until the job is over; never gives [`JobStatus::Alive`].
    ///
    /// # Errors
    /// When what is written about it cannot be read.
    pub async fn wait(self) -> Result<JobStatus, ExecError> {
        self.end.await
    }

    /// A handle to stop it with, also while somebody waits.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Stops one job; harmless when that is over.
#[derive(Clone)]
pub struct Stopper(Arc<dyn Fn(StopSignal) + Send + Sync>);

impl Stopper {
    /// A handle that does this.
    pub fn new(stop: impl Fn(StopSignal) + Send + Sync + 'static) -> Stopper {
        Stopper(Arc::new(stop))
    }

    /// Tells the job; does not wait for what it makes of it.
    pub fn stop(&self, signal: StopSignal) {
        (self.0)(signal);
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

/// What an executor could not do.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// A file of the attempt's folder cannot be read or written.
    #[error("could not use {path}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record of the attempt's folder is not what dispatch wrote.
    #[error("{path} is damaged")]
    Damaged {
        /// The record.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The folder has held a job before, or holds one now.
    #[error("{0} already holds a job; every attempt needs a folder of its own")]
    Used(PathBuf),
    /// The job of the folder is alive, so nothing of it may be cleaned up.
    #[error("the job in {0} is still alive")]
    Alive(PathBuf),
    /// The shim cannot be started or waited for.
    #[error("could not run {program} for the attempt")]
    Shim {
        /// The program.
        program: PathBuf,
        /// Why.
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
