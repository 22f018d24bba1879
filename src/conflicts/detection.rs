//! The result of a comparison.

use crate::conflicts::branch::Branch;
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;

/// The verdicts on a list of branches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detection {
    /// The common base: the given one, or the common ancestor of all branches.
    pub base: Option<Oid>,
    /// The branches as given; a [`PairVerdict`] names them by index.
    pub branches: Vec<Branch>,
    /// Every pair that is not independent, sorted.
    pub pairs: Vec<PairVerdict>,
    /// The number of all pairs.
    pub pairs_total: usize,
    /// The number of pairs that are independent of each other.
    pub pairs_independent: usize,
    /// The number of merges that git ran for this result, those of several branches included.
    pub merges_run: usize,
}

impl Detection {
    /// Yields the pairs that conflict.
    pub fn conflicts(&self) -> impl Iterator<Item = &PairVerdict> {
        self.pairs.iter().filter(|pair| pair.is_conflict())
    }
}
