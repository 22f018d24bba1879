//! The tree that grows while candidates are merged one after the other.
//!
//! Most candidates of a run have nothing to do with each other, and a process of git's engine for
//! each costs more than all the rest of assembling. So a candidate that provably merges as an
//! overlay ([`crate::conflict::territory`]) is laid over in process, and git is asked about the
//! others. The rule needs a single merge base: the base of the run is one exactly if the candidate
//! stands on it and shares no commit above it with what is merged already.

use std::collections::HashSet;

use crate::conflict::footprint::Footprint;
use crate::conflict::territory::Territory;
use crate::engine::EngineError;
use crate::git::merge_tree::{MergeAnswer, MergeEngine};
use crate::git::{Store, StoreError};
use crate::model::change::Change;
use crate::model::ids::Oid;

/// What has been merged so far, always onto the base of one run.
pub struct MergedTree<'a> {
    store: &'a Store,
    engine: &'a MergeEngine,
    base: Oid,
    base_tree: Oid,
    tree: Oid,
    /// The commits above the base; `None` once a history could not be followed.
    commits: Option<HashSet<Oid>>,
    territory: Territory,
    /// Whether the rule may be used at all.
    overlays: bool,
    merges_run: usize,
}

/// What a candidate brings, if its history says that the rule can be used on it.
struct Newcomer {
    tree: Oid,
    changes: Vec<Change>,
    footprint: Footprint,
}

impl<'a> MergedTree<'a> {
    /// The base, with nothing merged yet.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub fn new(
        store: &'a Store,
        engine: &'a MergeEngine,
        base: Oid,
    ) -> Result<MergedTree<'a>, StoreError> {
        let base_tree = store.tree_of(base)?;
        Ok(MergedTree {
            store,
            engine,
            base,
            base_tree,
            tree: base_tree,
            commits: Some(HashSet::new()),
            territory: Territory::default(),
            overlays: !store.has_replacements()?,
            merges_run: 0,
        })
    }

    /// Merges a candidate into `tip`, whose tree this is, and gives the new tree; `None` if the two
    /// do not merge, and then nothing has changed.
    ///
    /// # Errors
    /// When the store cannot be used or git cannot be run.
    pub fn merge(&mut self, tip: Oid, candidate: Oid) -> Result<Option<Oid>, EngineError> {
        let above = self.store.commits_above(candidate, Some(self.base)).ok();
        let above = above.filter(|commits| {
            candidate == self.base || commits.iter().any(|(_, p)| p.contains(&self.base))
        });
        let above: Option<Vec<Oid>> =
            above.map(|commits| commits.into_iter().map(|(commit, _)| commit).collect());
        let newcomer = match self.stands_alone(above.as_deref()) {
            true => self.newcomer(candidate)?,
            false => None,
        };
        let overlaid = newcomer.and_then(|newcomer| self.overlay(&newcomer));
        let tree = match overlaid {
            Some(tree) => tree,
            None => match self.ask(tip, candidate)? {
                Some(tree) => tree,
                None => return Ok(None),
            },
        };
        self.tree = tree;
        self.commits = match (self.commits.take(), above) {
            (Some(mut commits), Some(above)) => {
                commits.extend(above);
                Some(commits)
            }
            _ => None,
        };
        Ok(Some(tree))
    }

    /// How often git was asked.
    pub fn merges_run(&self) -> usize {
        self.merges_run
    }

    fn stands_alone(&self, above: Option<&[Oid]>) -> bool {
        match (&self.commits, above) {
            (Some(merged), Some(above)) => {
                self.overlays && !above.iter().any(|commit| merged.contains(commit))
            }
            _ => false,
        }
    }

    fn newcomer(&self, candidate: Oid) -> Result<Option<Newcomer>, StoreError> {
        let tree = self.store.tree_of(candidate)?;
        let changes = self.store.changes(self.base_tree, tree)?;
        let removed = self.store.removed_directories(tree, &changes)?;
        let footprint = Footprint::new(&changes, removed);
        let newcomer = Newcomer {
            tree,
            changes,
            footprint,
        };
        Ok(Some(newcomer).filter(|new| self.territory.is_independent_of(&new.footprint)))
    }

    /// `None` where libgit2 does not lay one tree over the other, as where a file becomes a
    /// directory: git is asked then.
    fn overlay(&mut self, new: &Newcomer) -> Option<Oid> {
        let tree = if self.tree == self.base_tree {
            new.tree
        } else {
            let entries: Vec<_> = new
                .changes
                .iter()
                .map(|c| (c.path.clone(), c.new))
                .collect();
            self.store.tree_overlaid(self.tree, &entries).ok()?
        };
        let vanished = self.store.removed_directories(tree, &new.changes).ok()?;
        self.territory.add(&new.footprint);
        self.territory.vanish(vanished);
        Some(tree)
    }

    fn ask(&mut self, tip: Oid, candidate: Oid) -> Result<Option<Oid>, EngineError> {
        self.merges_run += 1;
        let tree = match self.engine.merge(tip, candidate)? {
            MergeAnswer::Done(result) if result.clean => result.tree,
            _ => return Ok(None),
        };
        let changes = self.store.changes(self.base_tree, tree)?;
        let removed = self.store.removed_directories(tree, &changes)?;
        self.territory = Territory::default();
        self.territory.add(&Footprint::new(&changes, removed));
        Ok(Some(tree))
    }
}
