//! Things any program needs; nothing here knows a term of dispatch.

pub mod ansi;

pub mod clock;
pub mod excerpt;
pub mod fault;
pub mod file_signature;
pub mod files;
#[cfg(test)]
pub(crate) mod golden;
pub mod hmac;
pub mod inbox;
pub mod interrupt;
pub mod line_map;
pub mod low_priority;
pub mod markdown;
pub mod pack;
pub mod parallel;
pub mod process;
pub mod quoted_path;
pub mod record_log;
pub mod reflink;
pub mod regular_file;
pub mod removal;
pub mod safe;
pub mod same_copy;
pub mod table;
pub mod terminal;
pub mod text;
pub mod text_diff;
pub mod user_folders;
pub mod user_key;
