//! Boards: one [`view::BoardView`] of a run, rendered as Markdown, terminal text and JSON.

pub mod incremental;
pub mod json;
pub mod markdown;
pub mod text;
pub mod view;

pub mod banners;
pub mod row_note;
#[cfg(test)]
mod tests;
