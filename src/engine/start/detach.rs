//! Starts the background process that drives a run.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use crate::base::process::Program;
use crate::git::Repo;
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;

/// The hidden subcommand that drives a run in the background.
pub const DRIVE: &str = "__drive";

/// The longest wait for a background process to take over.
const HAND_OVER: Duration = Duration::from_secs(10);

/// Starts a background process that drives the run, and waits until it holds the run's lock. Its
/// output goes to `runner.log` of the run.
///
/// # Errors
/// When it cannot be started; the run can then be resumed.
pub fn detach(repo: &Repo, run: &RunId) -> io::Result<()> {
    start(repo, run, &[]).map(|_| ())
}

/// Starts a background process that first compares the run with the repository, as `dispatch resume` does,
/// and then drives it. Returns `false` if it has not taken the run's lock in time: it may have refused the
/// run, which `runner.log` tells.
///
/// # Errors
/// As [`detach`].
pub fn resume_detached(repo: &Repo, run: &RunId) -> io::Result<bool> {
    start(repo, run, &["--resume"])
}

fn start(repo: &Repo, run: &RunId, more: &[&str]) -> io::Result<bool> {
    let log = repo.run_folder(run.as_str()).join("runner.log");
    let log = File::options().create(true).append(true).open(log)?;
    let runner = Program::new(std::env::current_exe()?)
        .arg(DRIVE)
        .arg(run.as_str())
        .args(more)
        .folder(&repo.top);
    let pid = runner.spawn_detached(log)?;
    // The child has left the terminal by the time it holds the run. Earlier, the end of this
    // process could send it a hang-up.
    let start = Instant::now();
    let holds = || RunLock::last_holder(repo, run).is_some_and(|holder| holder.pid == pid);
    while !holds() && start.elapsed() < HAND_OVER {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(holds())
}
