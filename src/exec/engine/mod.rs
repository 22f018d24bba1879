//! Engines: programs of others that start jobs on other machines.
//!
//! A job is a shell script that one [`Engine`] starts on one node. An engine is a hint: it may start a
//! job twice, forget one that has ended, or not answer. So nothing here decides how an attempt ended;
//! that is read from git (`engine/remote`).
//!
//! | file | engine |
//! |---|---|
//! | [`ssh`] | hosts that the program `ssh` reaches |
//! | [`slurm`] | a Slurm cluster, by its commands |
//! | [`command`] | anything that four commands describe |

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::process::{Finished, Program};
use crate::base::text::one_line;
use crate::exec::StopSignal;

pub mod command;
pub mod script;
pub mod slurm;
mod slurm_state;
pub mod ssh;
mod ssh_script;

/// The longest time that a command of an engine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job to start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewJob {
    /// A name that no other job has, such as `dispatch/checkout-7k3q/2/1`.
    pub name: String,
    /// The host that runs it, where dispatch chooses.
    pub host: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables with secret values, for engines that carry them over an encrypted connection.
    pub env: Vec<(String, String)>,
    /// A file on the node that sets variables.
    pub env_file: Option<String>,
}

/// The name of a started job, in the words of its engine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobId {
    /// The name that dispatch gave it.
    pub name: String,
    /// The id that the engine gave it.
    pub id: String,
    /// The host, where dispatch chose it.
    #[serde(default)]
    pub host: Option<String>,
}

/// The state of a job as an engine reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobState {
    /// It waits, for this reason.
    Queued(String),
    /// It runs, on this node if the engine says so.
    Running(Option<String>),
    /// It has ended.
    Ended(JobExit),
    /// Its node failed, or lost it: it may run again elsewhere.
    Lost(String),
    /// The engine does not know it, or no longer.
    Vanished,
    /// The engine or the host does not answer, which says nothing about the job.
    Unreachable(String),
}

/// The way a job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobExit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// At a time limit of the engine.
    TimedOut,
    /// At a memory limit of the engine.
    OutOfMemory,
    /// On request.
    Cancelled,
    /// In a way that the engine does not tell.
    Unknown,
}

impl std::fmt::Display for JobExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JobExit::Code(code) => write!(f, "exit code {code}"),
            JobExit::Signal(signal) => write!(f, "signal {signal}"),
            JobExit::TimedOut => f.write_str("the time limit of the job"),
            JobExit::OutOfMemory => f.write_str("the memory limit of the job"),
            JobExit::Cancelled => f.write_str("a request to stop"),
            JobExit::Unknown => f.write_str("an unknown cause"),
        }
    }
}

/// The reason why an engine did not do something.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EngineFault {
    /// It does not answer; it may later.
    #[error("{0}")]
    Unreachable(String),
    /// It refuses; it will do so again.
    #[error("{0}")]
    Refused(String),
}

/// The finding of a check of one place where jobs run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// The host, or the engine itself.
    pub place: String,
    /// The first line that `dispatch node-attempt --check` printed there, or the problem.
    pub answer: Result<String, String>,
}

/// An engine that starts jobs. Every method waits for a program, so none may be called on the loop.
pub trait Engine: Send + Sync {
    /// Starts a job. A name that was started before is not started again, as far as the engine can tell.
    ///
    /// # Errors
    /// When the engine does not answer or refuses.
    fn submit(&self, job: &NewJob) -> Result<JobId, EngineFault>;

    /// Reads the states of all these jobs, in their order, with as few questions as possible.
    fn poll(&self, jobs: &[JobId]) -> Vec<JobState>;

    /// Asks a job to stop.
    ///
    /// # Errors
    /// When the engine does not answer or refuses.
    fn cancel(&self, job: &JobId, signal: StopSignal) -> Result<(), EngineFault>;

    /// Finds a job by its name, after the process that started it was killed. Of several, that on this node comes
    /// first, then one that has not ended.
    ///
    /// # Errors
    /// When the engine does not answer, which says nothing about the job.
    fn find(&self, name: &str, on: Option<&str>) -> Result<Option<JobId>, EngineFault>;

    /// Reads the output of a job, of which the engine may keep none.
    ///
    /// # Errors
    /// When the engine does not answer.
    fn logs(&self, job: &JobId) -> Result<Vec<u8>, EngineFault>;

    /// Removes what the engine keeps of a job that has ended. Returns `false` if it has not ended yet.
    ///
    /// # Errors
    /// When the engine does not answer or refuses.
    fn discard(&self, _job: &JobId) -> Result<bool, EngineFault> {
        Ok(true)
    }

    /// Checks every place where jobs run: it answers, and has `dispatch`.
    fn check(&self, program: &[String]) -> Vec<Checked>;

    /// Returns `true` if a place that does not answer for long is lost, as one host of several is. A
    /// cluster decides that itself.
    fn loses_places(&self) -> bool {
        false
    }
}

/// Runs a command of an engine within a time.
fn run(program: &Program) -> Result<Finished, EngineFault> {
    match program.output_within(PATIENCE) {
        Ok(Some(finished)) => Ok(finished),
        Ok(None) => Err(EngineFault::Unreachable(
            "no answer within a minute".to_owned(),
        )),
        Err(error) => Err(EngineFault::Refused(crate::base::text::error_chain(&error))),
    }
}

/// Returns what a failed command said, on one line.
fn said(finished: &Finished) -> String {
    let text = match finished.stderr.is_empty() {
        true => &finished.stdout,
        false => &finished.stderr,
    };
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(3);
    match one_line(&lines[from..].join("; ")) {
        said if said.is_empty() => finished.status.to_string(),
        said => said,
    }
}
