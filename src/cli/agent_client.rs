//! `dispatch __acp` and `__feed`: what stands between an attempt and an agent that receives messages.

use std::path::PathBuf;

use clap::Args;

use crate::acp::{self, Order};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::model::permissions::Permissions;

/// The arguments with which an attempt starts the client
#[derive(Args, Debug, Clone)]
pub(crate) struct AcpArgs {
    /// The actions that the agent may take: read, edit or all
    #[arg(long, value_name = "MODE")]
    permissions: String,
    /// The folder in which messages of the user arrive
    #[arg(long, value_name = "FOLDER")]
    inbox: Option<PathBuf>,
    /// The session to continue
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The agent and its arguments
    #[arg(last = true, required = true)]
    agent: Vec<String>,
}

/// Runs the client until the agent has ended its last turn.
///
/// # Errors
/// When the permissions are unknown; everything else is part of the output.
pub(crate) fn run(args: AcpArgs) -> CommandResult {
    let permissions = Permissions::parse(&args.permissions).ok_or_else(|| {
        CommandError::failed(format!("unknown permissions {:?}", args.permissions))
    })?;
    let code = acp::main(&Order {
        agent: args.agent,
        permissions,
        session: args.session,
        inbox: args.inbox,
    });
    Ok(status(code))
}

/// The arguments with which an attempt starts the feeder
#[derive(Args, Debug, Clone)]
pub(crate) struct FeedArgs {
    /// The folder in which messages of the user arrive
    #[arg(long, value_name = "FOLDER")]
    inbox: Option<PathBuf>,
    /// The agent and its arguments
    #[arg(last = true, required = true)]
    agent: Vec<String>,
}

/// Runs an agent with a stream of prompts until it exits.
pub(crate) fn feed(args: FeedArgs) -> CommandResult {
    Ok(status(acp::feed(&args.agent, args.inbox)))
}

/// Converts the exit code of an agent.
fn status(code: i32) -> ExitStatus {
    match code {
        0 => ExitStatus::Ok,
        130 => ExitStatus::Interrupted,
        _ => ExitStatus::Failed,
    }
}
