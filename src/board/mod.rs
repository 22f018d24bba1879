//! Boards: one [`view::BoardView`] of a run, rendered as Markdown, terminal text and JSON, and the
//! report of a completed run.

pub mod completion;
mod completion_json;
mod completion_markdown;
pub mod json;
pub mod markdown;
mod next_steps;
mod note;
mod notices;
pub mod notification;
pub mod pull_request;
pub mod taken_up;
pub mod text;
pub mod view;

#[cfg(test)]
mod tests;
