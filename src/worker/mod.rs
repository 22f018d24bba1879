//! Input and output of a worker: prompt, command line, environment, output, report.
//!
//! Everything here is text and values; the room `exec` runs the worker.

pub mod command;
pub mod dialect;
pub mod environment;
pub mod inner_sandbox;
pub mod judge;
pub mod planner;
pub mod prompt;
pub mod read_only;
pub mod result;
pub mod template;
