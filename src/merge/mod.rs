//! Values of git merges: object ids, changed paths, answers of the merge engine, verdicts.

pub mod answer;
pub mod change;
pub mod oid;
pub mod verdict;
