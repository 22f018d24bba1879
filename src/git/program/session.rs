//! Processes of `git` that answer many questions, one after the other.
//!
//! Starting git costs more than most answers. A session is taken for one question and put back after
//! a whole answer, so that no process ever has half of one in its pipes. git exits when its standard
//! input is closed, also if this process is killed.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::process::Finished;
use crate::git::command::{Git, GitError};

/// The most idle processes with the same arguments.
const MOST_IDLE: usize = 4;

/// The most questions of one process, which keeps some of the objects it has read.
const MOST_QUESTIONS: u32 = 20_000;

/// A running `git`.
pub(super) struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: File,
    questions: u32,
}

/// Idle sessions with the arguments they were started with.
#[derive(Default)]
pub(in crate::git) struct Sessions {
    idle: Mutex<Vec<(Vec<String>, Session)>>,
}

impl Sessions {
    /// Asks `git` with these arguments one question and returns what `answer` reads. A process that
    /// was idle may have been killed meanwhile; then another one is asked.
    ///
    /// # Errors
    /// When git cannot be started, or exits before the end of its answer.
    pub(super) fn ask<T>(
        &self,
        git: &Git,
        args: &[&str],
        question: &[u8],
        answer: impl Fn(&mut Session) -> io::Result<T>,
    ) -> Result<T, GitError> {
        if let Some(mut session) = self.take(args)
            && let Ok(found) = session.ask(question, &answer)
        {
            self.put_back(args, session);
            return Ok(found);
        }
        let mut session = Session::start(git, args)?;
        match session.ask(question, &answer) {
            Ok(found) => {
                self.put_back(args, session);
                Ok(found)
            }
            Err(error) => Err(session.end(git, args, &error)),
        }
    }

    /// Ends all idle processes with these arguments, which may not know of objects that were moved.
    pub(super) fn renew(&self, args: &[&str]) {
        let ended: Vec<_> = {
            let mut idle = self.lock();
            idle.extract_if(.., |(known, _)| known == args).collect()
        };
        drop(ended);
    }

    fn take(&self, args: &[&str]) -> Option<Session> {
        let mut idle = self.lock();
        let place = idle.iter().position(|(known, _)| known == args)?;
        Some(idle.swap_remove(place).1)
    }

    fn put_back(&self, args: &[&str], session: Session) {
        let mut idle = self.lock();
        let same = idle.iter().filter(|(known, _)| known == args).count();
        if same < MOST_IDLE && session.questions < MOST_QUESTIONS {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            idle.push((args, session));
        }
    }

    /// Kills all idle processes and returns their number.
    #[cfg(test)]
    pub(in crate::git) fn kill_all(&self) -> usize {
        let mut idle = self.lock();
        for (_, session) in idle.iter_mut() {
            let _ = session.child.kill();
            let _ = session.child.wait();
        }
        idle.len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Vec<String>, Session)>> {
        // A panic elsewhere leaves a list of complete entries.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({} idle)", self.lock().len())
    }
}

impl Session {
    fn start(git: &Git, args: &[&str]) -> Result<Session, GitError> {
        let program = git.program().args(args);
        let failed = |source| crate::base::process::ProcessError {
            program: "git".to_owned(),
            source,
        };
        let errors = tempfile::tempfile().map_err(failed)?;
        let mut child = program.spawn_conversation(errors.try_clone().map_err(failed)?)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Session {
            child,
            input,
            output: BufReader::new(output),
            errors,
            questions: 0,
        })
    }

    fn ask<T>(
        &mut self,
        question: &[u8],
        answer: impl Fn(&mut Session) -> io::Result<T>,
    ) -> io::Result<T> {
        self.questions += 1;
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        input.write_all(question)?;
        input.flush()?;
        answer(self)
    }

    /// Reads up to this byte, which is left out.
    pub(super) fn read_until(&mut self, end: u8) -> io::Result<Vec<u8>> {
        let mut found = Vec::new();
        self.output.read_until(end, &mut found)?;
        match found.pop() {
            Some(last) if last == end => Ok(found),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads a line that is UTF-8, without its end.
    pub(super) fn line(&mut self) -> io::Result<String> {
        let line = self.read_until(b'\n')?;
        String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Reads this number of bytes.
    pub(super) fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut found = Vec::new();
        let read = (&mut self.output).take(count).read_to_end(&mut found)?;
        match read as u64 == count {
            true => Ok(found),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Lets git exit and returns its message as an error.
    fn end(mut self, git: &Git, args: &[&str], error: &io::Error) -> GitError {
        self.input = None;
        // A process that still has something to say would wait for a reader.
        if error.kind() == io::ErrorKind::InvalidData {
            let _ = self.child.kill();
        }
        let _ = io::copy(&mut self.output, &mut io::sink());
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(source) => {
                let program = "git".to_owned();
                return crate::base::process::ProcessError { program, source }.into();
            }
        };
        let mut stderr = Vec::new();
        let _ = self.errors.rewind();
        let _ = self.errors.read_to_end(&mut stderr);
        if stderr.is_empty() {
            stderr = error.to_string().into_bytes();
        }
        let stdout = Vec::new();
        git.failed(
            args,
            &Finished {
                status,
                stdout,
                stderr,
            },
        )
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.input = None;
        // It is idle, or in the middle of an answer that is not read.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
