//! The prompt of an attempt: its task, the shared context, and the conflict it returns from.

pub mod conflict;
pub mod context;
