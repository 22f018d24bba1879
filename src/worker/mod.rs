//! What a worker gets and gives back: its prompt, its command line, its environment, its report.
//!
//! Everything here is text and values; running the worker is the business of the room `exec`.

pub mod command;
pub mod dialect;
pub mod environment;
pub mod prompt;
pub mod result;
pub mod template;
