//! Values of git merges: object ids, changed paths, answers of the merge engine, verdicts.

pub mod answer;
pub mod change;
pub mod class;
pub mod oid;
pub mod rule;
pub mod verdict;
pub mod versions;
