//! Reads and writes the records in an attempt's folder.
//!
//! The lock is the only proof of life: the kernel frees it when its last holder is gone, and no
//! pid is needed to ask. The starter takes it before the shim exists and hands it over as the
//! shim's standard input, so there is no moment in which a started job looks dead.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::fault;
use crate::base::files;
use crate::exec::{ExecError, Job, JobEnd, JobStatus, system};

const JOB: &str = "job.json";
const PROC: &str = "proc.json";
const EXIT: &str = "exit.json";
const LOCK: &str = "alive.lock";
const RESERVE: &str = "reserve";
const SEAL: &str = "seal";

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
    /// The longest time of the job, its grace included, if it is limited.
    #[serde(default)]
    pub limit: Option<Duration>,
    /// The folder for the worker's temporary files, if it has one of its own.
    #[serde(default)]
    pub tmp: Option<PathBuf>,
    /// The cgroup of the job, if it has one.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
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

/// A secret that the record of an end carries: only the shim that got it with the job can have written
/// that record. The folder keeps its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Seal(String);

impl Seal {
    fn draw(folder: &Path) -> io::Result<Seal> {
        let seal = Seal(files::draw_secret()?);
        fs::write(folder.join(SEAL), seal.hash())?;
        Ok(seal)
    }

    fn hash(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The content of `job.json`.
#[derive(Serialize, Deserialize)]
struct SealedJob {
    seal: Seal,
    job: Job,
}

/// The content of `exit.json`.
#[derive(Serialize, Deserialize)]
struct SealedEnd {
    seal: Option<Seal>,
    #[serde(flatten)]
    end: JobEnd,
}

/// Reads the state of the job in a folder. A job has not ended before its shim has.
pub(super) fn status(folder: &Path) -> Result<JobStatus, ExecError> {
    if is_held(folder)? {
        return Ok(JobStatus::Alive);
    }
    let hash = files::read_if_exists(&folder.join(SEAL));
    let hash = hash.map_err(|error| ExecError::file(folder, error))?;
    let fits = |end: &SealedEnd| match (&end.seal, &hash) {
        (Some(seal), Some(hash)) => seal.hash().as_bytes() == hash,
        (_, known) => known.is_none(),
    };
    end_or_lost(folder, fits)
}

/// Reads the end of a job whose shim has ended, if that shim recorded it.
pub(super) fn status_sealed(folder: &Path, seal: &Seal) -> Result<JobStatus, ExecError> {
    if is_held(folder)? {
        return Ok(JobStatus::Alive);
    }
    end_or_lost(folder, |end| end.seal.as_ref() == Some(seal))
}

fn end_or_lost(
    folder: &Path,
    fits: impl FnOnce(&SealedEnd) -> bool,
) -> Result<JobStatus, ExecError> {
    let end: Option<SealedEnd> = load(&folder.join(EXIT))?;
    let was_there = end.is_some();
    match end.filter(fits) {
        Some(sealed) => Ok(JobStatus::Ended(sealed.end)),
        // Another process wrote the record of the end.
        None if was_there => Ok(JobStatus::Lost),
        None if ProcRecord::load(folder)?.is_some() => Ok(JobStatus::Lost),
        None => Ok(JobStatus::Absent),
    }
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
pub(super) fn save_end(folder: &Path, end: &JobEnd, seal: &Seal) -> io::Result<()> {
    fault::full("end")?;
    let sealed = SealedEnd {
        seal: Some(seal.clone()),
        end: end.clone(),
    };
    files::replace(&folder.join(EXIT), &serde_json::to_vec(&sealed)?)
}

/// Creates the folder of a new job, readable by its owner only, locks it, and writes the job for
/// the shim.
pub(super) fn prepare(folder: &Path, job: &Job) -> Result<(File, Seal), ExecError> {
    fault::point("job", "before its folder is made");
    files::private_folder(folder).map_err(|error| ExecError::file(folder, error))?;
    fault::point("job", "with its folder");
    let lock = take_lock(folder)?.ok_or_else(|| ExecError::Used(folder.to_owned()))?;
    let used = [JOB, PROC, EXIT].iter().any(|n| folder.join(n).exists());
    if used {
        return Err(ExecError::Used(folder.to_owned()));
    }
    let path = folder.join(JOB);
    match Seal::draw(folder).and_then(|seal| save_job(&path, job, seal)) {
        Ok(seal) => {
            fault::point("job", "written");
            Ok((lock, seal))
        }
        Err(error) => {
            // A half-written job must not block a later try with this folder.
            let _ = fs::remove_file(&path);
            Err(ExecError::file(&path, error))
        }
    }
}

fn save_job(path: &Path, job: &Job, seal: Seal) -> io::Result<Seal> {
    fault::full("job")?;
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let sealed = SealedJob {
        seal,
        job: job.clone(),
    };
    file.write_all(&serde_json::to_vec(&sealed)?)?;
    Ok(sealed.seal)
}

/// Reads the job with its seal and removes its file, because its environment may hold secrets.
pub(super) fn take_job(folder: &Path) -> Result<(Job, Seal), ExecError> {
    let path = folder.join(JOB);
    let missing = || ExecError::file(&path, io::ErrorKind::NotFound.into());
    let sealed: SealedJob = load(&path)?.ok_or_else(missing)?;
    fs::remove_file(&path).map_err(|error| ExecError::file(&path, error))?;
    Ok((sealed.job, sealed.seal))
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
