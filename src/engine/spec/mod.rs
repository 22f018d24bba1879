//! The description of an attempt: complete when it is built, and writable as a value.

pub mod limits;
pub mod ports;
