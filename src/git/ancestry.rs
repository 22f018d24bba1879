//! Which commits a branch has on top of a base, and one base below many branches.

use std::collections::{HashMap, HashSet};

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
    parents: HashMap<Oid, Vec<Oid>>,
}

impl History {
    /// Reads what these tips have and the base has not.
    ///
    /// # Errors
    /// When history is missing.
    pub fn above(git: &Git, tips: &[Oid], base: Option<Oid>) -> Result<History, GitError> {
        let mut input: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        input.extend(base.map(|base| format!("^{base}\n")));
        let args = ["rev-list", "--parents", "--stdin"];
        let finished = git.program().args(args).stdin(input).output()?;
        if !finished.status.success() {
            return Err(git.failed(&args, &finished));
        }
        let listed = String::from_utf8_lossy(&finished.stdout);
        let commit = |line: &str| {
            let mut oids = line.split(' ').filter_map(|word| word.parse().ok());
            Some((oids.next()?, oids.collect()))
        };
        let parents = listed.lines().filter_map(commit).collect();
        Ok(History { parents })
    }

    /// The commits one of the tips has above the base.
    pub fn of(&self, tip: Oid) -> Vec<Lineage> {
        let (mut open, mut seen) = (vec![tip], HashSet::from([tip]));
        let mut found = Vec::new();
        while let Some(commit) = open.pop() {
            let Some(parents) = self.parents.get(&commit) else {
                continue;
            };
            found.push((commit, parents.clone()));
            open.extend(parents.iter().filter(|parent| seen.insert(**parent)));
        }
        found
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
