//! Runs attempts on other machines, with git as the only transport.
//!
//! The run pushes a `package` to a git remote and asks an engine to start `dispatch node-attempt` on a
//! node. The node fetches it into a `mirror`, claims it, carries it out as a local attempt, and pushes
//! the end back ([`node`]). The run fetches that, checks it and posts the same facts as a local attempt
//! ([`attempt`]).
//!
//! Git is the truth, an engine is a hint: an attempt ends once, by the reference that is created first,
//! whatever an engine says or starts.

mod accept;
pub mod address;
pub mod attempt;
pub mod check;
mod chores;
mod error;
mod failure;
mod find;
pub mod fleet;
mod follow;
mod hand_over;
mod job_end;
mod job_record;
mod judge;
mod mirror;
pub mod node;
mod node_claim;
mod node_end;
mod node_progress;
mod outcome_record;
mod package;
mod record_commit;
mod shown;
mod stop;
mod stop_request;
mod transport;

pub use error::RemoteError;

/// The version of the package and of the records. Both sides must have the same.
pub const PROTOCOL: u32 = 1;

/// The exit code of `dispatch node-attempt` if another node has claimed the attempt, or it is over.
pub const CLAIMED: u8 = 5;
