//! Changed lines of the files of two trees through libgit2, without rename detection.

use std::collections::BTreeMap;

use git2::{DiffOptions, Patch};

use crate::git::libgit2::{Libgit2, to_git2};
use crate::git::store_error::StoreError;
use crate::merge::change::{FileStat, RepoPath};
use crate::merge::oid::Oid;

impl Libgit2 {
    pub(super) fn count_lines(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        // A file that becomes a link is removed and added, so that its lines count as git counts them.
        let diff = self.diff(old, new, &mut DiffOptions::new())?;
        let mut stats: BTreeMap<RepoPath, Option<(u64, u64)>> = BTreeMap::new();
        for (place, delta) in diff.deltas().enumerate() {
            let path = delta.new_file().path_bytes();
            let path = path.or(delta.old_file().path_bytes()).unwrap_or_default();
            let patch = Patch::from_diff(&diff, place)?;
            let lines = patch.as_ref().map(Patch::line_stats).transpose()?;
            let lines = lines.map(|(_, added, removed)| (added as u64, removed as u64));
            let is_binary = delta.flags().is_binary();
            let lines = lines.filter(|_| !is_binary);
            let sum = |(added, removed): (u64, u64)| lines.map(|(a, r)| (added + a, removed + r));
            stats
                .entry(RepoPath::new(path))
                .and_modify(|known| *known = known.and_then(sum))
                .or_insert(lines);
        }
        let stat = |(path, lines)| FileStat { path, lines };
        Ok(stats.into_iter().map(stat).collect())
    }

    fn diff(
        &self,
        old: Oid,
        new: Oid,
        options: &mut DiffOptions,
    ) -> Result<git2::Diff<'_>, StoreError> {
        let old = self.repository.find_tree(to_git2(old))?;
        let new = self.repository.find_tree(to_git2(new))?;
        options.ignore_submodules(false).skip_binary_check(false);
        let repository = &self.repository;
        Ok(repository.diff_tree_to_tree(Some(&old), Some(&new), Some(options))?)
    }
}
