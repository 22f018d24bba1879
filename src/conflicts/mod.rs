//! Tells which branches conflict, and how.

mod base_walk;
pub(crate) mod blob_merges;
mod branch;
mod branch_changes;
mod candidate_pairs;
mod classify;
mod comparison;
mod detection;
mod detector;
mod disjoint_edits;
mod error;
mod explain;
mod footprint;
pub(crate) mod hunk_rules;
pub(crate) mod hunks;
pub(crate) mod incremental_merge;
mod language;
pub(crate) mod markers;
mod merge_bases;
pub(crate) mod merge_sequence;
mod merged_footprint;
pub(crate) mod minimize;
mod multiway;
mod multiway_conflict;
mod multiway_risk;
mod name_collisions;
mod options;
mod pair;
mod progress;
mod prune;
mod reproduce;
mod shared_edit_merges;
mod shared_edits;
mod verdict_cache;
mod verdicts;

pub use crate::conflicts::branch::Branch;
pub use crate::conflicts::detection::Detection;
pub use crate::conflicts::detector::{Detector, detect};
pub use crate::conflicts::error::DetectError;
pub use crate::conflicts::explain::{Explanation, FileVersions};
pub use crate::conflicts::multiway::{DIVERGED_MERGES, SEQUENCE_MERGES};
pub use crate::conflicts::multiway_conflict::{MultiwayConflict, MultiwayReport};
pub use crate::conflicts::options::Options;
pub use crate::conflicts::progress::Progress;
pub use crate::conflicts::reproduce::Reproduction;
pub use crate::git::Repo;
pub use crate::git::discover::DiscoverError;
pub use crate::merge::change::RepoPath;
pub use crate::merge::oid::Oid;
pub use crate::merge::verdict::{
    Class, Hunk, HunkClass, LineRange, PairVerdict, Rule, Unit, Verdict,
};
