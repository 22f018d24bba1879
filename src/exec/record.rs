//! Reads and writes the records in an attempt's folder.
//!
//! The lock is the only proof of life: the kernel frees it when its last holder is gone, and no
//! pid is needed to ask. The starter takes it before the shim exists and hands it over as the
//! shim's standard input, so there is no moment in which a started job looks dead.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::fault;
use crate::base::files;
use crate::exec::{ExecError, Job, JobEnd, JobStatus, system};

const JOB: &str = "job.json";
const PROC: &str = "proc.json";
const EXIT: &str = "exit.json";
const LOCK: &str = "alive.lock";
const RESERVE: &str = "reserve";

/// Bytes reserved for the record of the end: a whole block, so that no other file can use the rest.
const RESERVED: usize = 4096;

/// The shim's own output.
pub(super) const SHIM_LOG: &str = "shim.log";

/// The processes of one job (`proc.json`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcRecord {
    /// The value of `DISPATCH_COOKIE` in the worker and everything it starts; unique.
    pub cookie: String,
    /// The boot of the machine to which the pids below belong, if known.
    pub boot: Option<String>,
    /// The shim.
    pub shim: Process,
    /// The worker, which leads the process group of its pid; absent until it is started.
    pub worker: Option<Process>,
}

/// A process, distinguishable from a later one with the same pid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Its start time in clock ticks since the boot, if known.
    pub start: Option<u64>,
}

impl ProcRecord {
    /// Reads the record; `None` if no shim has written one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(folder: &Path) -> Result<Option<ProcRecord>, ExecError> {
        load(&folder.join(PROC))
    }

    /// Replaces the record, without syncing it: after a crash of the whole machine it would name
    /// processes that no longer exist.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        fault::full("shim record")?;
        let mut file = files::temporary_in(folder)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(folder.join(PROC)).map_err(|e| e.error)?;
        Ok(())
    }

    /// Opens a handle to one of its processes, if that still runs.
    pub(super) fn find(&self, process: Process) -> Option<system::Handle> {
        let same_boot = self.boot.is_none() || self.boot == system::boot_id();
        same_boot.then(|| system::Handle::open(process)).flatten()
    }
}

/// Reads the state of the job in a folder.
pub(super) fn status(folder: &Path) -> Result<JobStatus, ExecError> {
    if let Some(end) = load_end(folder)? {
        return Ok(JobStatus::Ended(end));
    }
    if is_held(folder)? {
        return Ok(JobStatus::Alive);
    }
    // The shim writes its last record before it frees the lock, possibly between the two reads.
    match (load_end(folder)?, ProcRecord::load(folder)?) {
        (Some(end), _) => Ok(JobStatus::Ended(end)),
        (None, Some(_)) => Ok(JobStatus::Lost),
        (None, None) => Ok(JobStatus::Absent),
    }
}

fn load_end(folder: &Path) -> Result<Option<JobEnd>, ExecError> {
    load(&folder.join(EXIT))
}

/// Reserves disk space for the end of a job with [`Job::keeps_room`]. Does nothing on a full disk.
pub(super) fn reserve_room(folder: &Path) {
    // Not zeros, which some file systems store as a hole.
    let _ = fs::write(folder.join(RESERVE), [b'.'; RESERVED]);
}

/// Frees the reserved space.
pub(super) fn give_room_back(folder: &Path) {
    let _ = fs::remove_file(folder.join(RESERVE));
}

/// Records the end of a job, durably.
pub(super) fn save_end(folder: &Path, end: &JobEnd) -> io::Result<()> {
    fault::full("end")?;
    files::replace(&folder.join(EXIT), &serde_json::to_vec(end)?)
}

/// Creates the folder of a new job, readable by its owner only, locks it, and writes the job for
/// the shim.
pub(super) fn prepare(folder: &Path, job: &Job) -> Result<File, ExecError> {
    fault::point("job", "before its folder is made");
    make_folder(folder).map_err(|error| ExecError::file(folder, error))?;
    fault::point("job", "with its folder");
    let lock = take_lock(folder)?.ok_or_else(|| ExecError::Used(folder.to_owned()))?;
    let used = [JOB, PROC, EXIT].iter().any(|n| folder.join(n).exists());
    if used {
        return Err(ExecError::Used(folder.to_owned()));
    }
    let path = folder.join(JOB);
    if let Err(error) = save_job(&path, job) {
        // A half-written job must not block a later try with this folder.
        let _ = fs::remove_file(&path);
        return Err(ExecError::file(&path, error));
    }
    fault::point("job", "written");
    Ok(lock)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(folder, Permissions::from_mode(0o700))
        }
        made => made,
    }
}

fn save_job(path: &Path, job: &Job) -> io::Result<()> {
    fault::full("job")?;
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&serde_json::to_vec(job)?)
}

/// Reads the job and removes its file, because its environment may hold secrets.
pub(super) fn take_job(folder: &Path) -> Result<Job, ExecError> {
    let path = folder.join(JOB);
    let missing = || ExecError::file(&path, io::ErrorKind::NotFound.into());
    let job = load(&path)?.ok_or_else(missing)?;
    fs::remove_file(&path).map_err(|error| ExecError::file(&path, error))?;
    Ok(job)
}

/// Returns the lock that the starter passed as standard input, or takes it now.
pub(super) fn inherit_lock(folder: &Path) -> Result<File, ExecError> {
    let path = folder.join(LOCK);
    let handed_over = stdin_if_it_is(&path).map_err(|error| ExecError::file(&path, error))?;
    let lock = match handed_over {
        // This open file holds the lock already, so this only verifies it.
        Some(file) => file.try_lock().is_ok().then_some(file),
        None => take_lock(folder)?,
    };
    lock.ok_or_else(|| ExecError::Used(folder.to_owned()))
}

/// Duplicates standard input with close-on-exec, if it is this file. The worker gets another
/// standard input, so the lock never reaches it.
fn stdin_if_it_is(path: &Path) -> io::Result<Option<File>> {
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let given = stdin.metadata()?;
    let same = |lock: fs::Metadata| (lock.dev(), lock.ino()) == (given.dev(), given.ino());
    Ok(fs::metadata(path).is_ok_and(same).then_some(stdin))
}

/// Takes the lock for good; `None` if another process holds it. A process that only checks it
/// ([`is_held`]) holds it for a moment, so this retries for a while.
pub(super) fn take_lock(folder: &Path) -> Result<Option<File>, ExecError> {
    let (path, file) = open_lock(folder, true)?;
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::Error(error)) => return Err(ExecError::file(&path, error)),
        }
    }
    Ok(None)
}

/// Returns `true` if the job is alive. Tries a shared lock, so that two concurrent checks do not
/// disturb each other.
pub(super) fn is_held(folder: &Path) -> Result<bool, ExecError> {
    let (path, file) = match open_lock(folder, false) {
        Err(ExecError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(false);
        }
        other => other?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(ExecError::file(&path, error)),
    }
}

/// Blocks until no process holds the lock.
pub(super) fn wait_until_free(folder: &Path) -> Result<(), ExecError> {
    match open_lock(folder, false) {
        Err(ExecError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => {
            let (path, file) = other?;
            let lock = file.lock_shared();
            lock.map_err(|error| ExecError::file(&path, error))
        }
    }
}

fn open_lock(folder: &Path, create: bool) -> Result<(PathBuf, File), ExecError> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(create).open(&path);
    match file {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(ExecError::file(&path, error)),
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ExecError> {
    let read = files::read_if_exists(path);
    let Some(bytes) = read.map_err(|error| ExecError::file(path, error))? else {
        return Ok(None);
    };
    let damaged = |source| ExecError::Damaged {
        path: path.to_owned(),
        source,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}
