//! Feeds an agent that reads its prompts as lines of JSON from standard input (Claude Code,
//! `--input-format stream-json`), so that messages of the user reach it while it works.
//!
//! `dispatch __feed … -- AGENT` starts the agent as its child and passes its output on. The input is
//! closed after a result, unless a message has arrived meanwhile.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::ChildStdin;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

use crate::base::inbox::Inbox;
use crate::base::process::Program;

/// The time between two looks into the folder of messages.
const LOOK: Duration = Duration::from_millis(500);

/// Feeds an agent with the prompt from standard input and with messages. Returns its exit code.
pub fn feed(agent: &[String], inbox: Option<PathBuf>) -> i32 {
    match try_to_feed(agent, inbox) {
        Ok(code) => code,
        Err(error) => {
            let program = agent.first().map_or("the agent", String::as_str);
            let _ = writeln!(io::stderr(), "could not run {program}: {error}");
            127
        }
    }
}

fn try_to_feed(agent: &[String], inbox: Option<PathBuf>) -> io::Result<i32> {
    let mut prompt = String::new();
    io::stdin().read_to_string(&mut prompt)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(agent, inbox.map(Inbox::at).as_ref(), &prompt))
}

async fn run(agent: &[String], inbox: Option<&Inbox>, prompt: &str) -> io::Result<i32> {
    // The agent gets the same signals and decides what they mean.
    let (mut interrupted, mut terminated) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let (program, args) = agent.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Program::new(program).args(args).spawn_piped()?;
    let mut input = child.stdin.take();
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut output = BufReader::new(output);
    say(&mut input, prompt).await;
    let (mut line, mut look) = (Vec::new(), interval(LOOK));
    loop {
        tokio::select! {
            read = output.read_until(b'\n', &mut line) => {
                if read? == 0 {
                    break;
                }
                pass_on(&line)?;
                if is_result(&line) {
                    match next_message(inbox)? {
                        Some(message) => tell(&mut input, &message).await?,
                        None => input = None,
                    }
                }
                line.clear();
            }
            _ = look.tick(), if input.is_some() => {
                while let Some(message) = inbox.map_or(Ok(None), Inbox::take)? {
                    tell(&mut input, &message).await?;
                }
            }
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    }
    drop(input);
    let status = child.wait().await?;
    let signal = status.signal().map(|signal| 128 + signal);
    Ok(status.code().or(signal).unwrap_or(1))
}

fn next_message(inbox: Option<&Inbox>) -> io::Result<Option<String>> {
    inbox.map_or(Ok(None), Inbox::take_or_close)
}

/// Sends a message of the user, and notes that in the output.
async fn tell(input: &mut Option<ChildStdin>, message: &str) -> io::Result<()> {
    pass_on(format!("{}\n", json!({"type": "dispatch", "told": message})).as_bytes())?;
    say(input, message).await;
    Ok(())
}

/// Sends a prompt. An agent that has closed its input is about to exit, and its output says why.
async fn say(input: &mut Option<ChildStdin>, text: &str) {
    let Some(stdin) = input else {
        return;
    };
    let event = json!({"type": "user", "message": {"role": "user", "content": text}});
    let sent = async {
        stdin.write_all(format!("{event}\n").as_bytes()).await?;
        stdin.flush().await
    };
    if sent.await.is_err() {
        *input = None;
    }
}

fn pass_on(line: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line)?;
    out.flush()
}

/// Returns `true` for the event with which a turn ends.
fn is_result(line: &[u8]) -> bool {
    let event: Option<Value> = serde_json::from_slice(line).ok();
    event.is_some_and(|event| event["type"] == "result")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_event_itself_is_a_result() {
        assert!(is_result(b"{\"is_error\":false,\"type\":\"result\"}\n"));
        assert!(!is_result(
            b"{\"type\":\"assistant\",\"text\":\"\\\"type\\\":\\\"result\\\"\"}\n"
        ));
        assert!(!is_result(b"the type is result\n"));
    }
}
