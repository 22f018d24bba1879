//! Which branches meet where, and what kind of meeting it is. Pure: the merges themselves are git's
//! ([`crate::git::merge_tree`]) and are handed in as values.

pub mod bases;
pub mod classify;
pub mod edits;
pub mod footprint;
pub mod joint;
pub mod language;
pub mod lines;
pub mod markers;
pub mod matrix;
pub mod names;
pub mod prune;
pub mod resolve;
pub mod territory;
