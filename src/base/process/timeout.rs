//! Runs a program with a time limit.

use std::io::{self, Read, Write};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use wait_timeout::ChildExt;

use crate::base::process::{Finished, ProcessError, Program};

/// The longest wait for the last output after the exit. Only a process that the program left behind
/// can hold its pipes open that long.
const OUTPUT_GRACE: Duration = Duration::from_millis(200);

/// The time between two questions if a program is still to go on.
const SLICE: Duration = Duration::from_millis(100);

impl Program {
    /// Runs it in its own process group for at most this long; `None` if it was killed then.
    ///
    /// # Errors
    /// When it cannot be started; its exit status is in the result.
    pub fn output_within(&self, limit: Duration) -> Result<Option<Finished>, ProcessError> {
        self.collect_while(|child| child.wait_timeout(limit))
            .map_err(|source| self.error(source))
    }

    /// Runs it as [`Program::output_within`] does, and kills it earlier if `is_over` returns `true`.
    ///
    /// # Errors
    /// As [`Program::output_within`].
    pub fn output_until(
        &self,
        limit: Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<Finished>, ProcessError> {
        let start = Instant::now();
        let wait = |child: &mut Child| {
            loop {
                let left = limit.saturating_sub(start.elapsed());
                let status = child.wait_timeout(left.min(SLICE))?;
                if status.is_some() || left.is_zero() || is_over() {
                    return Ok(status);
                }
            }
        };
        self.collect_while(wait)
            .map_err(|source| self.error(source))
    }

    /// Runs it and collects its output, unless `wait` ends before it.
    fn collect_while(
        &self,
        wait: impl FnOnce(&mut Child) -> io::Result<Option<ExitStatus>>,
    ) -> io::Result<Option<Finished>> {
        let _span = self.span().entered();
        let mut child = self
            .clone()
            .own_group()
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            let input = self.stdin.clone();
            // A program may exit without reading all of its input.
            thread::spawn(move || drop(pipe.write_all(&input)));
        }
        let stdout = Reader::start(child.stdout.take());
        let stderr = Reader::start(child.stderr.take());
        let Some(status) = wait(&mut child)? else {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            child.wait()?;
            return Ok(None);
        };
        let end = Instant::now() + OUTPUT_GRACE;
        Ok(Some(Finished {
            status,
            stdout: stdout.read_until(end),
            stderr: stderr.read_until(end),
        }))
    }
}

/// Reads a pipe in a thread of its own. The pipe may stay open forever, so the thread is never
/// joined.
struct Reader {
    bytes: Arc<Mutex<Vec<u8>>>,
    closed: Receiver<()>,
}

impl Reader {
    fn start(pipe: Option<impl Read + Send + 'static>) -> Reader {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let into = Arc::clone(&bytes);
        let (open, closed) = channel();
        if let Some(mut pipe) = pipe {
            thread::spawn(move || {
                let _open = open;
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut piece) {
                    let mut bytes = into.lock().unwrap_or_else(PoisonError::into_inner);
                    bytes.extend_from_slice(&piece[..count]);
                }
            });
        }
        Reader { bytes, closed }
    }

    fn read_until(self, end: Instant) -> Vec<u8> {
        // The thread never sends; it hangs up when the pipe is closed.
        let left = end.saturating_duration_since(Instant::now());
        let _ = self.closed.recv_timeout(left);
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::path::{Path, PathBuf};

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
    fn a_program_with_a_limit_gets_its_input_and_gives_its_output() {
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
        // Ends when no process holds the other side.
        let alive = thread::spawn(move || std::fs::read(fifo));
        let ended = shell(&line).output_within(Duration::from_secs(1)).unwrap();
        assert!(ended.is_none());
        assert!(alive.join().unwrap().unwrap().is_empty());
    }

    #[test]
    fn a_program_that_is_no_longer_wanted_is_killed_before_its_time() {
        let long = Duration::from_secs(600);
        let ended = shell("sleep 600").output_until(long, || true).unwrap();
        assert!(ended.is_none());
        let ended = shell("echo hello").output_until(long, || false).unwrap();
        assert_eq!(ended.unwrap().stdout, b"hello\n");
        let none = Duration::ZERO;
        let ended = shell("sleep 600").output_until(none, || false).unwrap();
        assert!(ended.is_none());
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_up_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path());
        let line = format!("setsid cat {} & echo hello", fifo.display());
        let ended = shell(&line).output_within(Duration::from_secs(60)).unwrap();
        assert_eq!(ended.unwrap().stdout, b"hello\n");
        // Ends the process that was left behind.
        drop(File::options().write(true).open(fifo).unwrap());
    }
}
