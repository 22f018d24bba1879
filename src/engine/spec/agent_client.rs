//! The command line of dispatch's own ACP client, before that of an agent that speaks ACP.

use std::io;
use std::path::Path;

use crate::model::permissions::Permissions;
use crate::model::worker::{Dialect, PromptBy, Worker};

/// Puts the client before the command of an agent.
///
/// # Errors
/// When the system does not say where dispatch itself is.
pub fn through_client(
    agent: Vec<String>,
    permissions: Permissions,
    session: Option<&str>,
    inbox: Option<&Path>,
) -> io::Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let mut line = vec![path(&program), "__acp".to_owned()];
    line.extend(["--permissions".to_owned(), permissions.name().to_owned()]);
    if let Some(inbox) = inbox {
        line.extend(["--inbox".to_owned(), path(inbox)]);
    }
    if let Some(session) = session {
        line.extend(["--session".to_owned(), session.to_owned()]);
    }
    line.push("--".to_owned());
    line.extend(agent);
    Ok(line)
}

/// Puts the feeder before the command of an agent that reads a stream of prompts.
///
/// # Errors
/// When the system does not say where dispatch itself is.
pub fn through_feeder(agent: Vec<String>, inbox: Option<&Path>) -> io::Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let mut line = vec![path(&program), "__feed".to_owned()];
    if let Some(inbox) = inbox {
        line.extend(["--inbox".to_owned(), path(inbox)]);
    }
    line.push("--".to_owned());
    line.extend(agent);
    Ok(line)
}

/// Puts the client or the feeder before the command of an agent that needs one, for a call whose answer
/// counts and not its changes: the client allows reading alone.
///
/// # Errors
/// When the system does not say where dispatch itself is.
pub fn through_reader(worker: &Worker, agent: Vec<String>) -> io::Result<Vec<String>> {
    match (worker.dialect, worker.prompt) {
        (Dialect::Acp, _) => through_client(agent, Permissions::Read, None, None),
        (_, PromptBy::Stream) => through_feeder(agent, None),
        _ => Ok(agent),
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
