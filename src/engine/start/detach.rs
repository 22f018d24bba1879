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
    let log = repo.run_folder(run.as_str()).join("runner.log");
    let log = File::options().create(true).append(true).open(log)?;
    let runner = Program::new(std::env::current_exe()?)
        .arg(DRIVE)
        .arg(run.as_str())
        .folder(&repo.top);
    let pid = runner.spawn_detached(log)?;
    // The child has left the terminal by the time it holds the run. Earlier, the end of this
    // process could send it a hang-up.
    let start = Instant::now();
    let holds = || RunLock::last_holder(repo, run).is_some_and(|holder| holder.pid == pid);
    while !holds() && start.elapsed() < HAND_OVER {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
