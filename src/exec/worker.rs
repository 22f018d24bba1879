//! Starts the worker process, signals it and reads its end.
//!
//! The dead worker is not reaped before its process group has been killed: until then the kernel
//! gives its pid, which is also the group's, to no other process.

use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, waitid,
    waitpid,
};

use crate::base::process::Program;
use crate::base::regular_file;
use crate::exec::{Exit, Job, Sandbox, limits, system};

/// The variables that name the folder for temporary files.
const TMP_VARIABLES: [&str; 3] = ["TMPDIR", "TMP", "TEMP"];

/// A started worker, leader of a process group of its own.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) pid: Pid,
    // Kept for its pid only: the status is read with `waitid`.
    _child: Child,
}

impl Worker {
    /// Starts the job's program with both outputs connected to the pipe. The error is a message for
    /// the user.
    pub(super) fn spawn(
        job: &Job,
        cookie: &str,
        tmp: Option<&Path>,
    ) -> Result<(Worker, PipeReader), String> {
        let argv = wrapped(job, tmp);
        let Some((program, args)) = argv.split_first().filter(|_| !job.argv.is_empty()) else {
            return Err("there is no command to run".to_owned());
        };
        if !job.cwd.is_dir() {
            return Err(format!("the folder {} does not exist", job.cwd.display()));
        }
        let stdin = open_stdin(job.stdin.as_deref())?;
        let (output, writer) = io::pipe().map_err(|e| format!("could not make a pipe: {e}"))?;
        let writer_too = writer.try_clone();
        let writer_too = writer_too.map_err(|e| format!("could not copy a pipe: {e}"))?;
        let mut command = Program::new(program).args(args).folder(&job.cwd).command();
        command
            .env_clear()
            .envs(&job.env)
            .envs(
                tmp.into_iter()
                    .flat_map(|tmp| TMP_VARIABLES.map(|name| (name, tmp))),
            )
            .env("DISPATCH_COOKIE", cookie)
            .stdin(stdin)
            .stdout(writer)
            .stderr(writer_too)
            .process_group(0);
        limits::set(&job.limits, job.max_log);
        let started = match &job.sandbox {
            Some(Sandbox::Write(write)) => start_confined(|| command.spawn(), write, tmp)?,
            _ => command.spawn(),
        };
        let child = started.map_err(|error| explain(program, &error))?;
        let pid = Pid::from_child(&child);
        Ok((Worker { pid, _child: child }, output))
    }

    /// Sends a signal to the worker and its group. SIGCONT follows if a stopped process would not
    /// receive the signal before it continues.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
        if signal == Signal::KILL {
            // The worker may have left its own group.
            let _ = kill_process(self.pid, signal);
        } else {
            let _ = kill_process_group(self.pid, Signal::CONT);
        }
    }

    /// Returns the way it ended, if it has; it stays unreaped.
    pub(super) fn exit(&self) -> Option<Exit> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::Pid(self.pid), options).ok()??;
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Some(Exit::Code(code)),
            (None, Some(signal)) => Some(Exit::Signal(signal)),
            (None, None) => None,
        }
    }

    /// Reaps a worker that has ended, which frees its pid.
    pub(super) fn reap(self) {
        let _ = waitpid(Some(self.pid), WaitOptions::NOHANG);
    }
}

/// Returns the command with the wrapper in front of it, if the job has one.
fn wrapped(job: &Job, tmp: Option<&Path>) -> Vec<String> {
    let tmp = tmp.unwrap_or(Path::new("")).to_string_lossy();
    let wrapper = match &job.sandbox {
        Some(Sandbox::Wrapper(words)) => words.iter().map(|word| word.replace("{tmp}", &tmp)),
        _ => return job.argv.clone(),
    };
    wrapper.chain(job.argv.iter().cloned()).collect()
}

/// Starts a program from a thread that confines itself first, so that the shim stays free and the
/// program has not run a single instruction unconfined.
fn start_confined(
    start: impl FnOnce() -> io::Result<Child> + Send,
    write: &[PathBuf],
    tmp: Option<&Path>,
) -> Result<io::Result<Child>, String> {
    let mut write = write.to_vec();
    write.extend(tmp.map(Path::to_owned));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| system::restrict(&write).map(|()| start()));
        let failed = |_| Err("the thread that starts the worker failed".to_owned());
        thread.join().unwrap_or_else(failed)
    })
}

fn open_stdin(path: Option<&Path>) -> Result<Stdio, String> {
    let Some(path) = path else {
        return Ok(Stdio::null());
    };
    let file = regular_file::open(path);
    file.map(Stdio::from).map_err(|error| {
        format!(
            "could not open {} for standard input: {error}",
            path.display()
        )
    })
}

fn explain(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => {
            format!("{program} does not exist, or the interpreter it names does not")
        }
        io::ErrorKind::NotFound => format!("{program} is not in PATH"),
        io::ErrorKind::PermissionDenied => format!("{program} is not executable"),
        _ => format!("could not start {program}: {error}"),
    }
}
