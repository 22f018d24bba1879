//! Which commits a branch has on top of a base, and one base below many branches.

use git2::{ErrorCode, Sort};

use crate::git::store::{Store, StoreError, from_git2, to_git2};
use crate::model::ids::Oid;
use crate::model::merge::Lineage;

impl Store {
    /// The commits that `tip` has and `base` has not, each with its parents.
    ///
    /// # Errors
    /// When history is missing.
    pub fn commits_above(&self, tip: Oid, base: Option<Oid>) -> Result<Vec<Lineage>, StoreError> {
        let mut walk = self.inner.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL)?;
        walk.push(to_git2(tip))?;
        if let Some(base) = base {
            walk.hide(to_git2(base))?;
        }
        let lineage = |oid: git2::Oid| -> Result<Lineage, git2::Error> {
            let commit = self.inner.find_commit(oid)?;
            let parents = commit.parent_ids().map(from_git2).collect();
            Ok((from_git2(oid), parents))
        };
        Ok(walk.map(|oid| lineage(oid?)).collect::<Result<_, _>>()?)
    }

    /// A commit that is an ancestor of all of these, or `None` if nothing is.
    ///
    /// # Errors
    /// When history is missing.
    pub fn common_ancestor(&self, tips: &[Oid]) -> Result<Option<Oid>, StoreError> {
        let tips: Vec<_> = tips.iter().map(|tip| to_git2(*tip)).collect();
        match self.inner.merge_base_octopus(&tips) {
            Ok(base) => Ok(Some(from_git2(base))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether `refs/replace` or a graft file gives commits other contents or parents than their
    /// own, which git honours and libgit2 does not.
    ///
    /// # Errors
    /// When references cannot be listed.
    pub fn has_replacements(&self) -> Result<bool, StoreError> {
        let grafts = self.inner.commondir().join("info/grafts");
        Ok(grafts.exists() || !self.references("refs/replace/")?.is_empty())
    }
}
