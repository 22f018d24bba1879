//! The face for coding agents: tools of the Model Context Protocol over standard input and output.
//!
//! | part | does |
//! |---|---|
//! | [`serve`] | serves one client until it closes standard input |
//! | `lines` | one message per line, and an answer to every other line |
//! | `opening` | refuses calls before the connection is open |
//! | `closing` | ends what waits when the client closes standard input |
//! | `server` | the protocol: tools, tasks, progress |
//! | `folder` | finds the repository: the current folder, or a root of the client |
//! | `land_checks` | runs the checks before a landing is shown |
//! | `consent` | asks the user, or hands out tokens for the confirming call |
//! | `call`, `answer`, `error`, `proposal` | the arguments and the result of one call |
//! | `task_name` | reads the name of a task |
//! | `schema` | simplifies the schemas of the tools |
//! | `tools` | one file per tool |
//!
//! Standard output carries the protocol alone. A call holds no lock after its answer, so a server that
//! is killed leaves nothing behind; a run that it started continues in a process of its own.

mod answer;
mod call;
mod closing;
mod consent;
mod error;
mod excerpt;
mod folder;
mod land_checks;
mod lines;
mod opening;
mod proposal;
mod repository;
mod schema;
mod server;
mod task_name;
mod tools;

use std::io;

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::stdio_pipes;

use crate::mcp::lines::Lines;
use crate::mcp::opening::Opening;
use crate::mcp::server::Server;

pub use tools::names;

/// A server that could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The event loop could not be created.
    #[error("could not create the event loop")]
    Runtime(#[source] io::Error),
    /// The client opened the connection in a way that cannot be answered.
    #[error("the client could not be served")]
    Opening(#[source] Box<ServerInitializeError>),
}

/// Serves one client on standard input and output until it closes its side.
///
/// # Errors
/// When the connection could not be opened. A client that closes early is not an error.
pub fn serve() -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let served = runtime.block_on(serve_client());
    // A call that only waits ends with the process.
    runtime.shutdown_background();
    served
}

async fn serve_client() -> Result<(), ServeError> {
    let server = Server::new();
    let (changes, checks) = (server.changes(), server.land_checks());
    let (input, output) = stdio_pipes();
    let transport = Opening::new(Lines::new(input, output, server.closing()));
    match server.serve(transport).await {
        Ok(running) => drop(running.waiting().await),
        Err(ServerInitializeError::ConnectionClosed(_)) => {}
        Err(error) => return Err(ServeError::Opening(Box::new(error))),
    }
    // A change that has begun is finished: a landing, the start of a run. Checks before a landing are
    // stopped.
    drop(changes.lock().await);
    checks.stop();
    Ok(())
}
