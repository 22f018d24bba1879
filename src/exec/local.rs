//! Runs jobs on this machine, each under a shim.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitStatus;
use std::sync::Arc;
use std::{error, io};

use rustix::process::{Pid, Signal};
use tokio::process::Child;
use tokio::sync::oneshot;

use crate::base::files;
use crate::base::process::Program;
use crate::exec::cgroup::Delegation;
use crate::exec::record::{self, ProcRecord, Seal};
use crate::exec::{
    ExecError, Executor, Exit, Job, JobEnd, JobStatus, Running, SHIM_ARGUMENT, StopSignal, Stopper,
    overdue, system,
};

/// Starts `dispatch __attempt <folder>` for every job. Its methods must be called within a tokio
/// runtime that drives input and output.
#[derive(Clone, Debug)]
pub struct LocalExecutor {
    program: PathBuf,
}

impl LocalExecutor {
    /// Creates an executor with this `dispatch` as the shim.
    pub fn new(program: impl Into<PathBuf>) -> LocalExecutor {
        LocalExecutor {
            program: program.into(),
        }
    }

    /// Creates an executor with the running program as the shim.
    ///
    /// # Errors
    /// When the system does not say where that is.
    pub fn this_program() -> io::Result<LocalExecutor> {
        std::env::current_exe().map(LocalExecutor::new)
    }

    fn spawn(&self, folder: &Path, lock: File) -> io::Result<Child> {
        let mut options = OpenOptions::new();
        let path = folder.join(record::SHIM_LOG);
        let errors = options.create(true).append(true).open(path)?;
        let shim = Program::new(&self.program).arg(SHIM_ARGUMENT).arg(folder);
        shim.folder("/").spawn_async(lock, errors)
    }

    fn failure(&self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> ExecError {
        ExecError::Shim {
            program: self.program.clone(),
            source: source.into(),
        }
    }
}

impl Executor for LocalExecutor {
    fn start(&self, folder: &Path, job: &Job) -> Result<Running, ExecError> {
        let folder = absolute(folder).map_err(|error| ExecError::file(folder, error))?;
        let cgroup = job.limits.cgroup.as_deref();
        if let Some(delegation) = cgroup.and_then(|named| Delegation::find(Some(named))) {
            delegation.enable();
        }
        let (lock, seal) = record::prepare(&folder, job)?;
        let child = self.spawn(&folder, lock);
        let child = child.map_err(|error| self.failure(error))?;
        // The shim is not reaped yet, so no other process can have its pid.
        let pid = child.id().and_then(|id| Pid::from_raw(id as i32));
        let shim = pid.and_then(|pid| system::Handle::open(system::identify(pid)));
        let shim = Arc::new(shim);
        let stopper = stopper_of(&folder, Arc::clone(&shim));
        let (executor, limit) = (self.clone(), job.longest());
        Ok(Running::new(
            async move {
                tokio::select! {
                    end = executor.end_of_child(&folder, child, &seal) => end,
                    never = overdue::press(&shim, limit) => match never {},
                }
            },
            stopper,
        ))
    }

    fn status(&self, folder: &Path) -> Result<JobStatus, ExecError> {
        record::status(folder)
    }

    fn adopt(&self, folder: &Path) -> Result<Running, ExecError> {
        let folder = absolute(folder).map_err(|error| ExecError::file(folder, error))?;
        let record = ProcRecord::load(&folder)?;
        let limit = record.as_ref().and_then(|record| record.limit);
        let shim = record.and_then(|record| record.find(record.shim));
        let shim = Arc::new(shim);
        let stopper = stopper_of(&folder, Arc::clone(&shim));
        Ok(Running::new(
            async move {
                tokio::select! {
                    end = end_of_stranger(folder) => end,
                    never = overdue::press(&shim, limit) => match never {},
                }
            },
            stopper,
        ))
    }
}

/// Stops a shim while its lock proves that it is alive, also where a handle is only a pid.
fn stopper_of(folder: &Path, shim: Arc<Option<system::Handle>>) -> Stopper {
    let folder = folder.to_owned();
    Stopper::new(move |signal| {
        let signal = match signal {
            StopSignal::Interrupt => Signal::USR1,
            StopSignal::Terminate => Signal::TERM,
            StopSignal::Kill => Signal::USR2,
        };
        if let (Some(shim), Ok(true)) = (&*shim, record::is_held(&folder)) {
            shim.signal(signal);
            // Something may have stopped the shim.
            shim.signal(Signal::CONT);
        }
    })
}

impl LocalExecutor {
    async fn end_of_child(
        &self,
        folder: &Path,
        mut child: Child,
        seal: &Seal,
    ) -> Result<JobStatus, ExecError> {
        let exit = child.wait().await.map_err(|error| self.failure(error))?;
        let status = match record::status_sealed(folder, seal)? {
            // A program that another thread is starting may have a copy of the lock from its fork
            // to its exec.
            JobStatus::Alive => {
                end_of_stranger(folder.to_owned()).await?;
                record::status_sealed(folder, seal)?
            }
            status => status,
        };
        match status {
            JobStatus::Absent => self.end_without_worker(folder, exit, seal),
            status => Ok(status),
        }
    }

    /// Records the end of a job whose shim ended before it had a worker: it was stopped at once, or
    /// it failed.
    fn end_without_worker(
        &self,
        folder: &Path,
        exit: ExitStatus,
        seal: &Seal,
    ) -> Result<JobStatus, ExecError> {
        if exit.signal().is_none() {
            let said = files::read_tail(&folder.join(record::SHIM_LOG), 1024).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(self.failure(if said.is_empty() {
                exit.to_string()
            } else {
                said
            }));
        }
        let end = JobEnd {
            exit: Exit::NotStarted("stopped before it was started".to_owned()),
            stopped: true,
            millis: 0,
            leftovers: Vec::new(),
            dropped_bytes: 0,
            out_of_memory: false,
        };
        record::save_end(folder, &end, seal).map_err(|error| ExecError::file(folder, error))?;
        Ok(JobStatus::Ended(end))
    }
}

/// Waits for the end of a job that another process started. The wait is in a thread of its own,
/// because one of tokio's would keep the runtime from being dropped while the job lives.
async fn end_of_stranger(folder: PathBuf) -> Result<JobStatus, ExecError> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let end = record::wait_until_free(&folder).and_then(|()| record::status(&folder));
        // The receiver may have stopped waiting.
        let _ = sender.send(end);
    });
    receiver.await.unwrap_or(Ok(JobStatus::Lost))
}
