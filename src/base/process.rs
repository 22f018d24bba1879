//! The only way to start a program.
//!
//! A program is described by a value and then run to its end with its output collected
//! ([`Program::output`]), run on the user's terminal ([`Program::on_terminal`]), or started and
//! left to the caller ([`Program::command`]).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::SIGINT;

use crate::base::interrupt::{Watched, is_asked};

/// How often a program that has a time limit is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long the last output of a program that is over may take to arrive. Only what it started and
/// left behind can hold it up.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A program with its arguments, folder and environment.
#[derive(Clone, Debug)]
pub struct Program {
    name: OsString,
    args: Vec<OsString>,
    folder: Option<PathBuf>,
    env: Vec<(OsString, Option<OsString>)>,
    clear: bool,
    stdin: Vec<u8>,
    stdin_file: Option<Arc<File>>,
    own_group: bool,
}

/// How a program ended and what it wrote.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Everything from standard output.
    pub stdout: Vec<u8>,
    /// Everything from standard error.
    pub stderr: Vec<u8>,
}

/// A program that could not be started or talked to.
#[derive(Debug, thiserror::Error)]
#[error("could not run {program}")]
pub struct ProcessError {
    /// Its name.
    pub program: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Program {
    /// A program by name or path.
    pub fn new(name: impl AsRef<OsStr>) -> Program {
        Program {
            name: name.as_ref().to_owned(),
            args: Vec::new(),
            folder: None,
            env: Vec::new(),
            clear: false,
            stdin: Vec::new(),
            stdin_file: None,
            own_group: false,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Program {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Program {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Program {
        self.env
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Takes a variable out of its environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Program {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Gives it this environment and nothing else.
    #[must_use]
    pub fn environment(
        mut self,
        env: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Program {
        self.clear = true;
        env.into_iter()
            .fold(self, |program, (name, value)| program.env(name, value))
    }

    /// What it reads from standard input; nothing (an empty input) by default.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Program {
        self.stdin = bytes.into();
        self
    }

    /// Gives it this file as standard input. A lock on the file is then held until the program has
    /// ended, too, also when this process ends before it.
    #[must_use]
    pub fn holding(mut self, file: Arc<File>) -> Program {
        self.stdin_file = Some(file);
        self
    }

    /// Runs it in a process group of its own, so that Ctrl-C on the terminal does not reach it. It
    /// must not need the terminal then.
    #[must_use]
    pub fn own_group(mut self) -> Program {
        self.own_group = true;
        self
    }

    /// The standard library's form of it, for callers that want to start it themselves.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.args);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if self.clear {
            command.env_clear();
        }
        if self.own_group {
            command.process_group(0);
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs it to its end, feeding standard input while both outputs are collected.
    ///
    /// # Errors
    /// When it cannot be started; how it ended is in the result.
    pub fn output(&self) -> Result<Finished, ProcessError> {
        self.output_heard(&mut |_| {})
    }

    /// The same, with what it writes to standard output told as it comes.
    ///
    /// # Errors
    /// As [`Program::output`].
    pub fn output_heard(&self, heard: &mut dyn FnMut(&[u8])) -> Result<Finished, ProcessError> {
        self.collect(heard).map_err(|source| self.error(source))
    }

    fn collect(&self, heard: &mut dyn FnMut(&[u8])) -> io::Result<Finished> {
        let mut command = self.command();
        let stdin = match &self.stdin_file {
            Some(file) => Stdio::from(file.try_clone()?),
            None if self.stdin.is_empty() => Stdio::null(),
            None => Stdio::piped(),
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (mut child, watched) = Watched::start(|own_group| {
            if own_group {
                command.process_group(0);
            }
            let child = command.spawn()?;
            let pid = child.id();
            Ok((child, pid))
        })?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let mut stdout = Vec::new();
        let stderr = std::thread::scope(|scope| -> io::Result<Vec<u8>> {
            let feeding = stdin.map(|mut pipe| {
                // A program may end without reading everything; that is its right.
                scope.spawn(move || drop(pipe.write_all(&self.stdin)))
            });
            let errors = stderr.map(|mut pipe| {
                scope.spawn(move || {
                    let mut bytes = Vec::new();
                    pipe.read_to_end(&mut bytes).map(|_| bytes)
                })
            });
            if let Some(mut pipe) = child.stdout.take() {
                read_heard(&mut pipe, &mut stdout, heard)?;
            }
            if let Some(feeding) = feeding {
                let _ = feeding.join();
            }
            errors.map_or(Ok(Vec::new()), |thread| {
                thread.join().unwrap_or(Ok(Vec::new()))
            })
        })?;
        // Once it is waited for, its number may mean another program.
        drop(watched);
        if is_asked() {
            // It may not have ended by itself.
            let _ = child.wait();
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(Finished {
            status: child.wait()?,
            stdout,
            stderr,
        })
    }

    /// Runs it to its end in a process group of its own, but no longer than this: then the group is
    /// killed, and the answer is `None`.
    ///
    /// # Errors
    /// When it cannot be started; how it ended is in the result.
    pub fn output_within(&self, limit: Duration) -> Result<Option<Finished>, ProcessError> {
        self.collect_within(limit)
            .map_err(|source| self.error(source))
    }

    fn collect_within(&self, limit: Duration) -> io::Result<Option<Finished>> {
        let mut child = self
            .clone()
            .own_group()
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let end = Instant::now() + limit;
        if let Some(mut pipe) = child.stdin.take() {
            let input = self.stdin.clone();
            // A program may end without reading everything; that is its right.
            thread::spawn(move || drop(pipe.write_all(&input)));
        }
        let stdout = Collecting::start(child.stdout.take());
        let stderr = Collecting::start(child.stderr.take());
        let Some(status) = wait_until(&mut child, end)? else {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            child.wait()?;
            return Ok(None);
        };
        let patience = Instant::now() + LAST_WORDS;
        Ok(Some(Finished {
            status,
            stdout: stdout.until(patience),
            stderr: stderr.until(patience),
        }))
    }

    /// Starts it beside a tokio runtime, which learns of its end; standard output goes nowhere.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_beside(&self, stdin: File, stderr: File) -> io::Result<tokio::process::Child> {
        tokio::process::Command::from(self.command())
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr))
            .spawn()
    }

    /// Starts it and leaves it alone; what it writes goes into this file. Gives its pid.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_and_leave(&self, output: File) -> io::Result<u32> {
        let errors = output.try_clone()?;
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors))
            .spawn()
            .map(|child| child.id())
    }

    /// Runs it on the user's terminal, to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn on_terminal(&self) -> Result<ExitStatus, ProcessError> {
        self.command().status().map_err(|source| self.error(source))
    }

    /// Runs it on the user's terminal with its standard input fed from memory, as a pager is.
    ///
    /// Ctrl-C belongs to the program meanwhile, and one that reads only a part of its input is no
    /// error.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn on_terminal_with_input(&self) -> Result<ExitStatus, ProcessError> {
        let failed = |source| self.error(source);
        let ignored = Arc::new(AtomicBool::new(false));
        let ctrl_c = signal_hook::flag::register(SIGINT, ignored).map_err(failed)?;
        let mut command = self.command();
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            // It may have been closed early: `q` in a pager.
            let _ = input.write_all(&self.stdin);
        }
        let status = child.wait().map_err(failed);
        signal_hook::low_level::unregister(ctrl_c);
        status
    }

    fn error(&self, source: io::Error) -> ProcessError {
        ProcessError {
            program: self.name.to_string_lossy().into_owned(),
            source,
        }
    }
}

/// How the program ended, or `None` if it has not by then.
fn wait_until(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

/// An output that is read beside everything else. What a program leaves behind may hold it open for
/// ever, so nobody waits for its end without a limit.
struct Collecting {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Collecting {
    fn start(pipe: Option<impl Read + Send + 'static>) -> Collecting {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let into = Arc::clone(&bytes);
        let reading = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut piece) {
                    let mut bytes = into.lock().unwrap_or_else(PoisonError::into_inner);
                    bytes.extend_from_slice(&piece[..count]);
                }
            })
        });
        Collecting { bytes, reading }
    }

    fn until(self, end: Instant) -> Vec<u8> {
        let is_open = || self.reading.as_ref().is_some_and(|r| !r.is_finished());
        while is_open() && Instant::now() < end {
            thread::sleep(LOOK);
        }
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }
}

/// Reads to the end, telling every piece.
fn read_heard(
    from: &mut impl Read,
    to: &mut Vec<u8>,
    heard: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut piece = vec![0; 1 << 16];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                heard(&piece[..count]);
                to.extend_from_slice(&piece[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Where a program is: a path as it is given, a name as PATH finds it. `None` if there is no
/// executable file.
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_executable(path));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

/// Whether this is a file that may be run.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether somebody ended the program from outside: what it was doing is not to blame. A crash of
/// its own (SIGSEGV, SIGABRT) is no such end.
pub fn was_killed(status: ExitStatus) -> bool {
    let from_outside = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP];
    let is_ours = |signal: &Signal| status.signal() == Some(signal.as_raw());
    from_outside.iter().any(is_ours)
}

/// Leaves the terminal this process was started from, so that closing it means nothing here.
pub fn leave_terminal() {
    // Only the leader of a process group is refused, and such a process has left already.
    let _ = rustix::process::setsid();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Program {
        Program::new("sh").arg("-c").arg(line)
    }

    fn fifo(folder: &Path) -> PathBuf {
        let fifo = folder.join("fifo");
        let made = Program::new("mkfifo").arg(&fifo).output().unwrap();
        assert!(made.status.success());
        fifo
    }

    #[test]
    fn a_program_with_a_limit_is_fed_and_heard() {
        let program = shell("cat; echo no >&2; exit 3").stdin("yes");
        let ended = program.output_within(Duration::from_secs(60)).unwrap();
        let ended = ended.unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(
            (&ended.stdout[..], &ended.stderr[..]),
            (&b"yes"[..], &b"no\n"[..])
        );
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_everything_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path());
        let line = format!("sleep 600 > {} & wait", fifo.display());
        // Ends when nobody holds the other side any more.
        let alive = thread::spawn(move || std::fs::read(fifo));
        let ended = shell(&line).output_within(Duration::from_secs(1)).unwrap();
        assert!(ended.is_none());
        assert!(alive.join().unwrap().unwrap().is_empty());
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_up_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path());
        let line = format!("setsid cat {} & echo hello", fifo.display());
        let ended = shell(&line).output_within(Duration::from_secs(60)).unwrap();
        assert_eq!(ended.unwrap().stdout, b"hello\n");
        // Lets the one that was left behind come to its end.
        drop(File::options().write(true).open(fifo).unwrap());
    }
}
