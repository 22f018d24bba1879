//! The process that mirrors a run while another one drives it (`[github] project`).
//!
//! It reads the journal as any reader does. Nothing of the run waits for it, and no failure of it is one of
//! the run: the reason is kept for the user.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::files::{self, FileLock};
use crate::base::process::Program;
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::record::{Record, Wait};
use crate::git::Repo;
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;

/// The longest time in which a process that has shown the end of a run exits.
const HANDOVER: Duration = Duration::from_secs(3);

/// The pause between two looks at the lock.
const PAUSE: Duration = Duration::from_millis(100);

/// The hidden subcommand that mirrors a run in the background.
pub const MIRROR: &str = "__mirror";

/// Starts the process in the background. If one mirrors the run already, the new one exits soon. Its
/// output goes to `github.log` of the run.
///
/// # Errors
/// When it cannot be started.
pub fn start(repo: &Repo, run: &RunId) -> io::Result<()> {
    let folder = repo.run_folder(run.as_str());
    files::private_folder(&folder)?;
    let log = folder.join("github.log");
    let log = File::options().create(true).append(true).open(log)?;
    let mirror = Program::new(std::env::current_exe()?)
        .arg(MIRROR)
        .arg(run.as_str())
        .folder(&repo.top);
    mirror.spawn_detached(log).map(drop)
}

/// Takes the right to write a run to GitHub, until it is dropped or the process exits.
///
/// # Errors
/// [`MirrorError::Busy`] when another process has it.
pub fn lock(repo: &Repo, run: &RunId) -> Result<FileLock, MirrorError> {
    let file = lock_file(repo, run);
    let failed = |error| EngineError::File(file.display().to_string(), error);
    files::private_folder(&repo.run_folder(run.as_str())).map_err(failed)?;
    let lock = FileLock::try_take(&file).map_err(failed)?;
    lock.ok_or_else(|| MirrorError::Busy {
        run: run.clone(),
        waits_for: Record::load(repo, run)
            .wait
            .map_or_else(String::new, |wait| wait.words(Timestamp::now())),
        is_live: RunLock::is_held(repo, run),
    })
}

/// Takes the right to write a run to GitHub as [`lock`] does. A process that has just shown the end of the run
/// gives it up within a moment, and the run may have been resumed since.
///
/// # Errors
/// [`MirrorError::Busy`] when another process keeps it.
pub fn lock_soon(repo: &Repo, run: &RunId) -> Result<FileLock, MirrorError> {
    let start = Instant::now();
    loop {
        match lock(repo, run) {
            Err(MirrorError::Busy { .. }) if start.elapsed() < HANDOVER => {
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

fn lock_file(repo: &Repo, run: &RunId) -> PathBuf {
    repo.run_folder(run.as_str()).join("github.lock")
}

/// Keeps the end of the mirror in the background for the user: the error, or none.
///
/// # Errors
/// When the record cannot be written.
pub fn keep_end(
    repo: &Repo,
    run: &RunId,
    end: Result<(), &MirrorError>,
) -> Result<(), EngineError> {
    let mut record = Record::load(repo, run);
    record.problem = end.map_or_else(|error| error_chain(error), |()| String::new());
    record.save(repo, run)
}

/// Returns what the process that mirrors a run waits for, in words; `None` if it waits for nothing.
pub fn waits_for(repo: &Repo, run: &RunId) -> Option<String> {
    let wait = Record::load(repo, run).wait?;
    // A process that was killed leaves its wait behind.
    let is_there = FileLock::is_held(&lock_file(repo, run));
    is_there.then(|| wait.words(Timestamp::now()))
}

/// Keeps what the process in the background waits for; `None` once it waits no more.
///
/// # Errors
/// When the record cannot be written.
pub fn keep_wait(repo: &Repo, run: &RunId, wait: Option<Wait>) -> Result<(), EngineError> {
    let mut record = Record::load(repo, run);
    record.wait = wait;
    record.save(repo, run)
}

/// Returns the error that ended the mirror of a run in the background, if any.
pub fn problem(repo: &Repo, run: &RunId) -> Option<String> {
    let problem = Record::load(repo, run).problem;
    (!problem.is_empty()).then_some(problem)
}
