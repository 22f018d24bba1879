//! The engine: one loop that records facts, decides, and carries out what is decided.
//!
//! A stack of rooms; each uses only rooms below it:
//!
//! ```text
//! run
//! doctor
//! planner
//! start  land  clean  reconcile
//! remote
//! attempt  assemble  variants
//! resolve  prompt  blame  share  mirror
//! checks  candidates  publish  runs
//! pool
//! worktree
//! commands  trust
//! spec
//! kernel
//! ```
//!
//! Every effect is announced in the journal before it happens and can be checked against the
//! repository afterwards. Resuming a run is therefore replay plus the same loop.

pub mod kernel;

pub mod spec;

pub mod commands;
pub mod trust;

pub mod worktree;

pub mod pool;

pub mod candidates;
pub mod checks;
pub mod publish;
pub mod runs;

pub mod blame;
pub mod mirror;
pub mod prompt;
pub mod resolve;
pub mod share;

pub mod assemble;
pub mod attempt;
pub mod variants;

pub mod remote;

pub mod clean;
pub mod land;
pub mod reconcile;
pub mod start;

pub mod planner;

pub mod doctor;

pub mod run;

pub use kernel::error::EngineError;
