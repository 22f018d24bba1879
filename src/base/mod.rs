//! Things any program needs; nothing here knows a word of dispatch.

pub mod clock;
pub mod files;
pub mod process;
pub mod text;
