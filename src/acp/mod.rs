//! Drives an agent that speaks the Agent Client Protocol (ACP), as the process of an attempt.
//!
//! `dispatch __acp … -- AGENT` is what a worker with the dialect `acp` runs: it starts the agent as
//! its child, sends it the prompt from standard input, answers its requests, and writes what happens
//! as one JSON object per line, which the dialect reads. So an attempt with an ACP agent is a process
//! like any other: its shim supervises it, and it outlives the runner.
//!
//! * A permission is granted by the profile's [`Permissions`], never by asking.
//! * Files are read and written for the agent inside the worktree only; terminals are not offered.
//! * Messages of the user ([`Inbox`](crate::base::inbox::Inbox)) become further prompts of the same
//!   session when a turn ends.
//! * SIGINT and SIGTERM cancel the turn (`session/cancel`); then the agent is killed.

mod agent;
mod conversation;
mod events;
mod file_access;
mod permission;
mod stream_input;
mod tools;

pub use stream_input::feed;

use std::io::Read;
use std::path::PathBuf;

use crate::acp::events::{Events, Failure};
use crate::model::permissions::Permissions;

/// The description of a conversation with an agent.
#[derive(Clone, Debug)]
pub struct Order {
    /// The agent's program and its arguments.
    pub agent: Vec<String>,
    /// The actions it may take.
    pub permissions: Permissions,
    /// The session to continue, instead of a new one.
    pub session: Option<String>,
    /// The folder in which messages of the user arrive.
    pub inbox: Option<PathBuf>,
}

/// Talks to an agent in the working directory, with the prompt from standard input. Returns the exit
/// code: 0 when the agent finished its last turn.
pub fn main(order: &Order) -> i32 {
    let events = Events::to(std::io::stdout());
    let ended = prompt().and_then(|prompt| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::environment(format!("no runtime: {error}")))?;
        let worktree = std::env::current_dir()
            .and_then(std::fs::canonicalize)
            .map_err(|error| Failure::environment(format!("no working directory: {error}")))?;
        runtime.block_on(conversation::hold(order, &worktree, prompt, &events))
    });
    let code = match &ended {
        Ok(()) => 0,
        Err(failure) => failure.exit_code(),
    };
    events.result(ended.err());
    code
}

fn prompt() -> Result<String, Failure> {
    let mut prompt = String::new();
    let read = std::io::stdin().read_to_string(&mut prompt);
    read.map_err(|error| Failure::environment(format!("could not read the prompt: {error}")))?;
    Ok(prompt)
}
