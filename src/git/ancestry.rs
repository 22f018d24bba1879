//! Which commits a branch has on top of a base, and one base below many branches.

use git2::{ErrorCode, Sort};

use crate::git::cli::{Git, GitError};
use crate::git::store::{Store, StoreError, from_git2, to_git2};
use crate::model::ids::Oid;
use crate::model::merge::Lineage;

/// The commits above a base, with their parents, of many branches at once.
///
/// git walks such a history once for all of them; libgit2, which walks it again for every branch,
/// takes minutes for a hundred branches of a long history.
#[derive(Debug)]
pub struct History {
    listed: Vec<u8>,
}

impl History {
    /// Reads what these tips have and the base has not.
    ///
    /// # Errors
    /// When history is missing.
    pub fn above(git: &Git, tips: &[Oid], base: Option<Oid>) -> Result<History, GitError> {
        let mut input: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        input.extend(base.map(|base| format!("^{base}\n")));
        let args = ["rev-list", "--topo-order", "--parents", "--stdin"];
        let finished = git.program().args(args).stdin(input).output()?;
        if !finished.status.success() {
            return Err(git.failed(&args, &finished));
        }
        let listed = finished.stdout;
        Ok(History { listed })
    }

    /// Every commit once, children before their parents.
    pub fn commits(&self) -> impl Iterator<Item = Lineage> + '_ {
        let lines = self.listed.split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let words = std::str::from_utf8(line).ok()?.split(' ');
            let mut oids = words.filter_map(|word| word.parse().ok());
            Some((oids.next()?, oids.collect()))
        })
    }
}

/// A commit that is an ancestor of all of these, or `None` if nothing is.
///
/// # Errors
/// When git cannot be run or history is missing.
pub fn common_ancestor(git: &Git, tips: &[Oid]) -> Result<Option<Oid>, GitError> {
    let tips: Vec<String> = tips.iter().map(Oid::to_string).collect();
    let tips = tips.iter().map(String::as_str);
    let args: Vec<&str> = ["merge-base", "--octopus"]
        .into_iter()
        .chain(tips)
        .collect();
    let finished = git.finish(&args)?;
    let first = String::from_utf8_lossy(&finished.stdout);
    let first = first.lines().next().and_then(|line| line.parse().ok());
    match finished.status.code() {
        Some(0) => Ok(first),
        Some(1) if finished.stderr.is_empty() => Ok(None),
        _ => Err(git.failed(&args, &finished)),
    }
}

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
