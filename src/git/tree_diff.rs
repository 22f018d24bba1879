//! Reads the changes of many branches with `git diff-tree --stdin`. One process for all of them
//! costs a tenth of libgit2's time.

use crate::base::parallel::in_batches;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::raw_diff::{RawEntry, parse_differences, tree_changes};
use crate::merge::answer::Rename;
use crate::merge::oid::Oid;

pub use crate::git::raw_diff::TreeChanges;

/// The most pairs of trees of one process, which bounds its output in memory.
const LARGEST_BATCH: usize = 256;

/// The fewest pairs that pay for another process.
const SMALLEST_BATCH: usize = 16;

impl MergeEngine {
    /// Compares each pair of trees, (old, new), without rename detection.
    ///
    /// # Errors
    /// When git cannot be run or a tree is missing.
    pub fn tree_changes(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<TreeChanges>, MergeError> {
        let args = ["-r", "-t", "--no-renames", "--ignore-submodules=none"];
        let found = self.diff_trees(&args, pairs)?;
        Ok(found.into_iter().map(tree_changes).collect())
    }

    /// Lists git's renames between each pair of trees, as (old path, new path).
    ///
    /// # Errors
    /// When git cannot be run or a tree is missing.
    pub fn renames(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<Vec<Rename>>, MergeError> {
        let found = self.diff_trees(&["-r", "-M", "--diff-filter=R"], pairs)?;
        let renames = |entries: Vec<RawEntry>| {
            let renames = entries.into_iter();
            renames
                .filter_map(|entry| Some((entry.path, entry.second?)))
                .collect()
        };
        Ok(found.into_iter().map(renames).collect())
    }

    fn diff_trees(
        &self,
        args: &[&str],
        pairs: &[(Oid, Oid)],
    ) -> Result<Vec<Vec<RawEntry>>, MergeError> {
        in_batches(pairs, (SMALLEST_BATCH, LARGEST_BATCH), |batch| {
            let input: String = batch.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
            let fixed = ["diff-tree", "--stdin", "--raw", "-z", "--no-abbrev"];
            let output = self.run(&[&fixed, args].concat(), input.into_bytes())?;
            let whole = parse_differences(&output).filter(|answers| {
                let asked = answers.iter().map(|(trees, _)| trees);
                asked.eq(batch.iter())
            });
            let answers = whole.ok_or(MergeError::Grammar("diff-tree"))?;
            Ok(answers.into_iter().map(|(_, entries)| entries).collect())
        })
    }
}
