//! The only way to start a program.
//!
//! A [`Program`] is a value. It is run to its end with its output collected ([`Program::output`],
//! [`Program::output_within`]), run on the user's terminal ([`Program::on_terminal`]), or started
//! and left to the caller ([`Program::command`]).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::Signal;
use signal_hook::consts::SIGINT;

use crate::base::interrupt::end_at_questions;
use crate::base::text::shell_word;

mod ancestry;
mod collect;
mod lookup;
mod timeout;

pub use ancestry::{Peer, count_above, is_root, peer_of, stat_field};
pub use lookup::{find_program, is_executable};

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

/// The exit status and the output of a program.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Everything from standard output.
    pub stdout: Vec<u8>,
    /// Everything from standard error.
    pub stderr: Vec<u8>,
}

/// A program that could not be started, or whose pipes failed.
#[derive(Debug, thiserror::Error)]
#[error("could not run {program}")]
pub struct ProcessError {
    /// The name of the program.
    pub program: String,
    /// The error of the system.
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

    /// Sets the working directory.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Program {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Program {
        self.env
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Program {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Replaces the whole environment.
    #[must_use]
    pub fn environment(
        mut self,
        env: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Program {
        self.clear = true;
        env.into_iter()
            .fold(self, |program, (name, value)| program.env(name, value))
    }

    /// Sets the bytes on standard input; empty by default.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Program {
        self.stdin = bytes.into();
        self
    }

    /// Passes this file as standard input. The program then holds a lock on the file as long as it
    /// runs, even if this process exits earlier.
    #[must_use]
    pub fn holding(mut self, file: Arc<File>) -> Program {
        self.stdin_file = Some(file);
        self
    }

    /// Runs it in its own process group, so that Ctrl-C on the terminal does not reach it. Such a
    /// program cannot use the terminal.
    #[must_use]
    pub fn own_group(mut self) -> Program {
        self.own_group = true;
        self
    }

    /// Builds the standard library's command.
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

    /// Starts it under a tokio runtime, which reports its exit. Standard output is discarded.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_async(&self, stdin: File, stderr: File) -> io::Result<tokio::process::Child> {
        tokio::process::Command::from(self.command())
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr))
            .spawn()
    }

    /// Starts it under a tokio runtime with pipes for standard input and output; standard error is this
    /// program's own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_piped(&self) -> io::Result<tokio::process::Child> {
        tokio::process::Command::from(self.command())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
    }

    /// Starts it with pipes for standard input and output, for a conversation with a program that
    /// answers line by line.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_conversation(&self, errors: File) -> Result<Child, ProcessError> {
        let _span = self.span().entered();
        self.command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(errors))
            .spawn()
            .map_err(|source| self.error(source))
    }

    /// Starts it in the background with its output in a file; returns its pid.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_detached(&self, output: File) -> io::Result<u32> {
        let errors = output.try_clone()?;
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors))
            .spawn()?;
        let pid = child.id();
        // A process that lives on, such as a server, must not keep its ended children.
        std::thread::spawn(move || drop(child.wait()));
        Ok(pid)
    }

    /// Runs it on the user's terminal until it exits.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn on_terminal(&self) -> Result<ExitStatus, ProcessError> {
        let _span = self.span().entered();
        self.command().status().map_err(|source| self.error(source))
    }

    /// Runs it on the user's terminal until it exits. Ctrl-C belongs to the program meanwhile.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn on_terminal_with_ctrl_c(&self) -> Result<ExitStatus, ProcessError> {
        let failed = |source| self.error(source);
        let ignored = Arc::new(AtomicBool::new(false));
        let ctrl_c = signal_hook::flag::register(SIGINT, ignored).map_err(failed)?;
        end_at_questions(&[SIGINT]).map_err(failed)?;
        let status = self.on_terminal();
        signal_hook::low_level::unregister(ctrl_c);
        status
    }

    /// Runs it on the user's terminal with its standard input fed from memory, as a pager is.
    ///
    /// Ctrl-C belongs to the program meanwhile. A program may read only a part of its input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn on_terminal_with_input(&self) -> Result<ExitStatus, ProcessError> {
        let failed = |source| self.error(source);
        let ignored = Arc::new(AtomicBool::new(false));
        let ctrl_c = signal_hook::flag::register(SIGINT, ignored).map_err(failed)?;
        end_at_questions(&[SIGINT]).map_err(failed)?;
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

    /// Opens a span for its run, with the command line of a git call without dispatch's settings.
    fn span(&self) -> tracing::Span {
        let name = Path::new(&self.name).file_name().unwrap_or(&self.name);
        let folder = self.folder.as_deref().unwrap_or(Path::new("."));
        if name == "git" {
            let call = CommandLine(&self.args);
            tracing::debug_span!(target: "git_dispatch::git", "git", %call, folder = %folder.display())
        } else {
            tracing::debug_span!("program", ?name, folder = %folder.display())
        }
    }

    fn error(&self, source: io::Error) -> ProcessError {
        ProcessError {
            program: self.name.to_string_lossy().into_owned(),
            source,
        }
    }
}

/// The arguments of a git call, without the settings in front.
struct CommandLine<'a>(&'a [OsString]);

impl fmt::Display for CommandLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut args = self.0;
        while let [flag, _, rest @ ..] = args
            && flag == "-c"
        {
            args = rest;
        }
        let words: Vec<_> = args
            .iter()
            .map(|arg| shell_word(&arg.to_string_lossy()))
            .collect();
        f.write_str(&words.join(" "))
    }
}

/// Returns `true` if another process killed the program, which is then not at fault. A crash
/// (SIGSEGV, SIGABRT) is the program's own failure.
pub fn was_killed(status: ExitStatus) -> bool {
    let from_outside = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP];
    let is_ours = |signal: &Signal| status.signal() == Some(signal.as_raw());
    from_outside.iter().any(is_ours)
}

/// Detaches this process from its terminal, so that closing the terminal does not end it.
pub fn leave_terminal() {
    // Fails only for a group leader, which has left its terminal already.
    let _ = rustix::process::setsid();
}
