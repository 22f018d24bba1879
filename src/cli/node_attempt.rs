//! `dispatch node-attempt REMOTE REF`: carries out one attempt on a node, with git as the transport.

use clap::Args;

use crate::base::clock::Clock;
use crate::base::parallel::STACK;
use crate::base::process::Program;
use crate::base::text::error_chain;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::engine::remote::check::own_line;
use crate::engine::remote::node::{NodeEnd, NodeRequest, carry_out};
use crate::merge::oid::Oid;
use crate::ui::Ui;

/// Carry out one attempt on this node
#[derive(Args, Debug, Clone)]
pub(crate) struct NodeAttemptArgs {
    /// Print the version and the protocol of this program, and do nothing else
    #[arg(long)]
    check: bool,
    /// The commit of the package that is to be there
    #[arg(long, value_name = "OID", required_unless_present = "check")]
    package: Option<String>,
    /// The name of this node [default: its host name]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// A text that tells the mirrors of different users apart
    #[arg(long, value_name = "TEXT", default_value = "")]
    user: String,
    /// The address of the git remote
    #[arg(required_unless_present = "check")]
    remote: Option<String>,
    /// The folder of the attempt's references
    #[arg(value_name = "REF", required_unless_present = "check")]
    folder: Option<String>,
}

/// Runs the subcommand. Exit code 5: another node has the attempt, or it is over.
///
/// # Errors
/// When the package cannot be used, or the remote does not take the end of the attempt.
pub(crate) fn run(args: NodeAttemptArgs, ui: &Ui) -> CommandResult {
    if args.check {
        ui.answer(&format!("{}\n", own_line()));
        return Ok(ExitStatus::Ok);
    }
    let package = args.package.unwrap_or_default();
    let package: Oid = package
        .parse()
        .map_err(|_| CommandError::failed(format!("invalid commit {package:?}")))?;
    let request = NodeRequest {
        address: args.remote.unwrap_or_default(),
        folder: args.folder.unwrap_or_default(),
        package,
        host: args.host.unwrap_or_else(host_name),
        user: args.user,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .map_err(|error| CommandError::failed(format!("no event loop: {error}")))?;
    let end = runtime.block_on(carry_out(request, Clock::from_env()));
    runtime.shutdown_background();
    match end {
        Ok(NodeEnd::Pushed) => Ok(ExitStatus::Ok),
        Ok(NodeEnd::Claimed) => Ok(ExitStatus::Held),
        Err(error) => Err(CommandError::failed(error_chain(&error))),
    }
}

/// Returns the name by which the run shows this node: that of its cluster, else that of its system.
fn host_name() -> String {
    let of_cluster = ["SLURMD_NODENAME", "NODE_NAME"].map(|name| std::env::var(name).ok());
    let named = || {
        let finished = Program::new("uname").arg("-n").output().ok()?;
        Some(String::from_utf8_lossy(&finished.stdout).trim().to_owned())
    };
    let found = of_cluster.into_iter().flatten().next();
    let found = found.or_else(named);
    found.unwrap_or_default().trim().to_owned()
}
