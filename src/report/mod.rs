//! Views of a run: boards, reports, notifications. Each is a value and its renderings.

pub mod blame;
pub mod board;
pub mod completion;
pub mod conflict_suggestion;
pub mod estimate;
pub mod event_sentence;
pub mod failure;
pub mod graph;
pub mod history;
pub mod issue;
pub mod landing;
pub mod matrix;
pub mod notification;
pub mod pair;
pub mod patch;
pub mod pull_request;
mod quiet;
pub mod recovery_table;
pub mod statistics;
pub mod suggest;
pub mod task;
pub mod task_facts;
pub mod timeline;
pub mod variants;
pub mod words;
