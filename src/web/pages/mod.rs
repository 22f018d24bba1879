//! The pages: pure functions from views to HTML.

pub(super) mod board;
mod diff;
mod frame;
pub(super) mod history;
pub(super) mod markdown;
pub(super) mod matrix;
pub(super) mod notice;
pub(super) mod pair;
mod part;
pub(super) mod report;
pub(super) mod runs;
pub(super) mod task;
#[cfg(test)]
mod tests;
pub(super) mod timeline;

pub(super) use frame::{Frame, Medium, Subject};
pub(super) use part::block;
