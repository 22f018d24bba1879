//! The agent's process and its lines.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use agent_client_protocol::Lines;
use futures::channel::mpsc;
use futures::{Sink, SinkExt, Stream, StreamExt};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::acp::events::Failure;
use crate::base::process::Program;

/// The longest line of an agent, in bytes; a longer one is skipped.
const LINE_LIMIT: usize = 32 * 1024 * 1024;

/// The number of lines that wait on each side.
const WAITING: usize = 64;

/// The time that an agent has to exit once its input is closed, and again after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running agent.
pub(super) struct Agent {
    child: Child,
}

impl Agent {
    /// Starts an agent as the leader of its own process group, so that a signal to the client lets
    /// the client cancel the turn first.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        argv: &[String],
    ) -> Result<(Agent, Lines<impl Outgoing, impl Incoming>), Failure> {
        let (program, args) = argv
            .split_first()
            .ok_or_else(|| Failure::environment("no agent is given"))?;
        let mut child = Program::new(program)
            .args(args)
            .own_group()
            .spawn_piped()
            .map_err(|error| not_started(program, &error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::environment("the agent has no pipes"));
        };
        let (outgoing, to_write) = mpsc::channel::<String>(WAITING);
        let (read, incoming) = mpsc::channel::<io::Result<String>>(WAITING);
        tokio::spawn(write_lines(stdin, to_write));
        tokio::spawn(read_lines(stdout, read));
        let outgoing = outgoing.sink_map_err(io::Error::other);
        Ok((Agent { child }, Lines::new(outgoing, incoming)))
    }

    /// Waits until the agent exits.
    pub(super) async fn exited(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Lets the agent exit, and kills its process group when it does not.
    pub(super) async fn end(mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if timeout(PATIENCE, self.child.wait()).await.is_ok() {
                return;
            }
            let pid = self.child.id().and_then(|pid| Pid::from_raw(pid as i32));
            if let Some(pid) = pid {
                let _ = kill_process_group(pid, signal);
            }
        }
        let _ = self.child.wait().await;
    }
}

/// The lines to an agent.
pub(super) trait Outgoing: Sink<String, Error = io::Error> + Send + 'static {}
impl<T: Sink<String, Error = io::Error> + Send + 'static> Outgoing for T {}

/// The lines from an agent.
pub(super) trait Incoming: Stream<Item = io::Result<String>> + Send + 'static {}
impl<T: Stream<Item = io::Result<String>> + Send + 'static> Incoming for T {}

fn not_started(program: &str, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => "missing-program",
        _ => "environment",
    };
    Failure::new(
        kind,
        format!("could not start the agent {program:?}: {error}"),
    )
}

/// Writes lines until the connection ends, then closes the agent's input.
async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.next().await {
        let written = async {
            stdin
                .write_all(line.trim_end_matches('\n').as_bytes())
                .await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await
        };
        if written.await.is_err() {
            return;
        }
    }
}

/// Reads lines until the agent closes its output. A line that is not an object is not a message: it is
/// passed on to standard error, as part of the log.
async fn read_lines(stdout: ChildStdout, mut lines: mpsc::Sender<io::Result<String>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        match read_line(&mut stdout).await {
            Ok(None) => return,
            Ok(Some(line)) if is_message(&line) => {
                if lines.send(Ok(line)).await.is_err() {
                    return;
                }
            }
            Ok(Some(line)) => {
                let _ = io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes());
            }
            Err(error) => {
                let _ = lines.send(Err(error)).await;
                return;
            }
        }
    }
}

fn is_message(line: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value.is_object())
}

/// Reads a line within the limit; `None` at the end. The rest of a longer line is skipped.
async fn read_line(stdout: &mut BufReader<ChildStdout>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let bytes = stdout.fill_buf().await?;
        if bytes.is_empty() && line.is_empty() {
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        if line.len() + taken <= LINE_LIMIT {
            line.extend_from_slice(&bytes[..taken]);
        }
        let is_over = end.is_some() || taken == 0;
        stdout.consume(taken);
        if is_over {
            let text = String::from_utf8_lossy(&line);
            return Ok(Some(text.trim_end().to_owned()));
        }
    }
}
