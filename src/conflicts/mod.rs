//! Which branches meet where, and what kind of meeting it is. Pure: the merges themselves are git's
//! ([`crate::git::merge_engine`]) and are handed in as values.

pub mod blob_merges;
pub mod branches;
pub mod cache;
pub mod classify;
pub mod detector;
pub mod edit_pairs;
pub mod explain;
pub mod folded_names;
pub mod footprint;
pub mod hunk_rules;
pub mod hunks;
pub mod incremental_merge;
pub mod language;
pub mod markers;
pub mod merge_bases;
pub mod merged_footprint;
pub mod minimize;
pub mod multiway;
pub mod multiway_risk;
pub mod name_collisions;
pub mod prune;
pub mod reproduce;
pub mod shared_edits;
pub mod verdicts;
