//! The branches of one comparison, with their trees and merge bases.

use std::sync::Arc;

use crate::conflicts::error::DetectError;
use crate::conflicts::merge_bases::{Base, MergeBases};
use crate::conflicts::options::Settings;
use crate::git::ancestry::{History, LinearHistory, common_ancestor};
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;

/// The branches of one comparison.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) store: Store,
    pub(super) engine: MergeEngine,
    /// The commits to merge: the tips, or throwaway commits on a given base.
    pub(super) commits: Vec<Oid>,
    pub(super) trees: Vec<Oid>,
    pub(super) bases: Arc<MergeBases>,
    pub(super) base: Option<Oid>,
    /// The throwaway commit that stands for a given base.
    given_base: Option<Oid>,
    /// `true` if merges may be skipped.
    pub(super) prune: bool,
}

/// The merge bases of the last comparison, by its tips and common base.
#[derive(Debug, Default)]
pub(super) struct LastBases(Option<(Vec<Oid>, Option<Oid>, Arc<MergeBases>)>);

impl Comparison {
    /// Reads trees and merge bases of these commits.
    pub(super) fn new(
        settings: &Settings,
        last: &mut LastBases,
        tips: Vec<Oid>,
    ) -> Result<Comparison, DetectError> {
        let store = settings.store()?;
        let trees = tips.iter().map(|tip| store.tree_of(*tip));
        let trees = trees.collect::<Result<Vec<Oid>, StoreError>>()?;
        let prune = settings.options.prune && !store.has_grafts();
        if let Some(base) = settings.options.base {
            return Comparison::on_given_base(settings, &store, base, trees, prune);
        }
        let linear = prune
            .then(|| store.linear_history(&tips, settings.common_base))
            .flatten();
        let common = || match &linear {
            Some(linear) => Some(linear.base),
            None => common_ancestor(&settings.git(), &tips).ok().flatten(),
        };
        let base = settings.common_base.or_else(common);
        let bases = match linear {
            Some(linear) => Arc::new(linear_bases(linear, &tips)),
            None => last.find(settings, base, &tips),
        };
        // A branch that shares nothing with the others, such as one for web pages, must not keep
        // the rest from having a base.
        let base = base.or(bases.most_common());
        let engine = settings.engine(base.unwrap_or(tips[0]))?;
        Ok(Comparison {
            store: engine.store()?,
            engine,
            bases,
            commits: tips,
            trees,
            base,
            given_base: None,
            prune,
        })
    }

    fn on_given_base(
        settings: &Settings,
        store: &Store,
        base: Oid,
        trees: Vec<Oid>,
        prune: bool,
    ) -> Result<Comparison, DetectError> {
        let engine = settings.engine(base)?;
        let root = engine.commit_tree(store.tree_of(base)?, &[])?;
        let commits = trees.iter().map(|tree| engine.commit_tree(*tree, &[root]));
        let commits = commits.collect::<Result<Vec<Oid>, MergeError>>()?;
        Ok(Comparison {
            store: engine.store()?,
            engine,
            bases: Arc::new(MergeBases::all(root, commits.len())),
            commits,
            trees,
            base: Some(base),
            given_base: Some(root),
            prune,
        })
    }

    /// Returns the common base as it stands below the commits to merge.
    pub(super) fn root(&self) -> Option<Oid> {
        self.given_base.or(self.base)
    }

    /// Returns `true` if `base` is the single merge base of every two of these branches.
    pub(super) fn is_only_base(&self, base: Oid, branches: &[usize]) -> bool {
        branches.iter().enumerate().all(|(place, b)| {
            let mut earlier = branches[..place].iter();
            earlier.all(|a| self.bases.of(*a, *b) == Base::One(base))
        })
    }
}

impl LastBases {
    /// Reads the merge bases of all pairs. `base` is below most of them, so that not all of history
    /// has to be read.
    fn find(&mut self, settings: &Settings, base: Option<Oid>, tips: &[Oid]) -> Arc<MergeBases> {
        if let LastBases(Some((known_tips, known_base, bases))) = self
            && known_tips == tips
            && *known_base == base
        {
            return Arc::clone(bases);
        }
        let mut bases = bases_above(settings, base, tips);
        if base.is_some() && !bases.are_known() {
            let whole = bases_above(settings, None, tips);
            if whole.are_known() {
                bases = whole;
            }
        }
        let bases = Arc::new(bases);
        self.0 = Some((tips.to_vec(), base, Arc::clone(&bases)));
        bases
    }
}

fn linear_bases(linear: LinearHistory, tips: &[Oid]) -> MergeBases {
    let known: Vec<Option<Oid>> = tips.iter().copied().map(Some).collect();
    MergeBases::new(&known, Some(linear.base), linear.commits)
}

fn bases_above(settings: &Settings, base: Option<Oid>, tips: &[Oid]) -> MergeBases {
    let git = settings.git();
    let known: Vec<Option<Oid>> = tips.iter().copied().map(Some).collect();
    if let Ok(history) = History::above(&git, tips, base) {
        return MergeBases::new(&known, base, history.commits());
    }
    // One branch with missing history must not keep the others from having merge bases.
    let is_complete = |tip: &Oid| History::above(&git, &[*tip], base).is_ok();
    let known: Vec<Option<Oid>> = known.iter().map(|tip| tip.filter(is_complete)).collect();
    let complete: Vec<Oid> = known.iter().copied().flatten().collect();
    match History::above(&git, &complete, base) {
        Ok(history) => MergeBases::new(&known, base, history.commits()),
        Err(_) => MergeBases::new(&vec![None; tips.len()], None, []),
    }
}
