//! What a worker gets and gives back: its prompt, its command line, its environment, its report.
//!
//! Everything here is text and values; the worker itself is run by [`crate::exec`].

pub mod command;
pub mod environment;
pub mod prompt;
pub mod result;
