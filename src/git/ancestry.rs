//! The commits of branches above a base, and a common base of many branches.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::store::{Store, StoreError};
use crate::merge::answer::Lineage;
use crate::merge::oid::Oid;

/// The commits above a base, with their parents, of many branches at once.
///
/// git walks such a history once for all of them; libgit2, which walks it again for every branch,
/// takes minutes for a hundred branches of a long history.
#[derive(Debug)]
pub struct History {
    listed: Vec<u8>,
}

impl History {
    /// Reads the commits that are reachable from these tips and not from the base.
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

    /// Yields every commit once, children before their parents.
    pub fn commits(&self) -> impl Iterator<Item = Lineage> + '_ {
        let lines = self.listed.split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let words = std::str::from_utf8(line).ok()?.split(' ');
            let mut oids = words.filter_map(|word| word.parse().ok());
            Some((oids.next()?, oids.collect()))
        })
    }
}

/// A history without merges, as most tasks have it. It takes a few reads and no git process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinearHistory {
    /// The best common ancestor of all tips, or the commit that the caller gave.
    pub base: Oid,
    /// The commits above the base, children before their parents.
    pub commits: Vec<Lineage>,
}

/// The longest chain of commits that is read one by one in place of a walk.
const LONGEST_CHAIN: usize = 8;

/// The nearest ancestors of a commit that are read one by one in place of a walk.
const MOST_NEAR: usize = 16;

/// The longest chain of commits that is read without git.
const MOST_STEPS: usize = 64;

/// Finds a best common ancestor of all tips, or `None` if there is none.
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
    /// Reads the history of these tips down to `below`, or to their best common ancestor. `None` if
    /// a tip has a merge or a long chain above it, so that git has to be asked.
    pub fn linear_history(&self, tips: &[Oid], below: Option<Oid>) -> Option<LinearHistory> {
        let (first, others) = tips.split_first()?;
        if !self.shallow_commits().is_empty() || self.has_grafts() {
            return None;
        }
        // Every common ancestor of all tips is an ancestor of the first.
        let (trunk, _) = self.single_parents(*first, |commit| Some(commit) == below)?;
        let place: HashMap<Oid, usize> = trunk.iter().map(|(c, _)| *c).zip(0..).collect();
        let mut commits = Vec::new();
        let mut lowest = 0;
        for tip in others {
            let (mut own, end) = self.single_parents(*tip, |commit| place.contains_key(&commit))?;
            own.truncate(own.len().checked_sub(1)?);
            lowest = lowest.max(*place.get(&end)?);
            commits.extend(own);
        }
        let base = match below {
            Some(below) => place.get(&below).filter(|base| **base >= lowest)?,
            None => &lowest,
        };
        commits.extend_from_slice(&trunk[..*base]);
        Some(LinearHistory {
            base: trunk[*base].0,
            commits: children_first(commits),
        })
    }

    /// Follows single parents to the first commit that `is_end`, a merge, a root or the limit; that
    /// commit is included.
    fn single_parents(
        &self,
        tip: Oid,
        is_end: impl Fn(Oid) -> bool,
    ) -> Option<(Vec<Lineage>, Oid)> {
        let mut chain = Vec::new();
        let mut next = tip;
        loop {
            let parents = self.read_commit(next).ok()?.parents;
            let step = match parents[..] {
                [parent] if !is_end(next) && chain.len() < MOST_STEPS => Some(parent),
                _ => None,
            };
            chain.push((next, parents));
            match step {
                Some(parent) => next = parent,
                None => return Some((chain, next)),
            }
        }
    }

    /// Lists the commits reachable from `tip` and not from `base`, each with its parents.
    ///
    /// # Errors
    /// When history is missing.
    pub fn commits_above(&self, tip: Oid, base: Option<Oid>) -> Result<Vec<Lineage>, StoreError> {
        match base.and_then(|base| self.chain_above(tip, base)) {
            Some(chain) => Ok(chain),
            None => self.searching(|backend| backend.commits_above(tip, base)),
        }
    }

    /// Lists the few commits of a single-parent chain down to `base`; `None` for any other history.
    /// Most tasks have such a history, and reading it costs less than preparing a walk.
    pub(super) fn chain_above(&self, tip: Oid, base: Oid) -> Option<Vec<Lineage>> {
        let mut chain = Vec::new();
        let mut next = tip;
        while next != base {
            let parents = self.read_commit(next).ok()?.parents;
            let [parent] = parents[..] else { return None };
            chain.push((next, parents));
            if chain.len() > LONGEST_CHAIN {
                return None;
            }
            next = parent;
        }
        Some(chain)
    }

    /// Returns `true` if `old` is `new` or among its nearest ancestors. A walk reads the same commits again
    /// each time.
    pub(super) fn is_near_ancestor(&self, old: Oid, new: Oid) -> bool {
        let mut seen = HashSet::from([new]);
        let mut next = VecDeque::from([new]);
        while let Some(commit) = next.pop_front() {
            if commit == old {
                return true;
            }
            if seen.len() >= MOST_NEAR {
                continue;
            }
            let parents = self.read_commit(commit).map(|commit| commit.parents);
            let parents = parents.unwrap_or_default().into_iter();
            next.extend(parents.filter(|parent| seen.insert(*parent)));
        }
        false
    }

    /// Finds a best common ancestor of all tips, or `None` if there is none.
    ///
    /// # Errors
    /// When history is missing.
    pub fn common_ancestor(&self, tips: &[Oid]) -> Result<Option<Oid>, StoreError> {
        self.searching(|backend| backend.common_ancestor(tips))
    }

    /// Lists the commits at which a shallow history ends.
    pub fn shallow_commits(&self) -> Vec<Oid> {
        let file = self.backend.folder().join("shallow");
        if !file.is_file() {
            return Vec::new();
        }
        let text = regular_file::read_text(&file, RECORD_LIMIT).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Returns `true` if a graft file changes commits, which git honours and libgit2 does not.
    pub fn has_grafts(&self) -> bool {
        self.backend.folder().join("info/grafts").exists()
    }
}

/// Removes duplicates from single-parent commits and sorts children before parents.
fn children_first(mut commits: Vec<Lineage>) -> Vec<Lineage> {
    let mut seen = HashSet::new();
    commits.retain(|(commit, _)| seen.insert(*commit));
    let parent: HashMap<Oid, Oid> = commits.iter().map(|(c, p)| (*c, p[0])).collect();
    let depth = |commit: &Oid| {
        let below = std::iter::successors(Some(*commit), |commit| parent.get(commit).copied());
        below.count()
    };
    commits.sort_by_cached_key(|(commit, _)| std::cmp::Reverse(depth(commit)));
    commits
}
