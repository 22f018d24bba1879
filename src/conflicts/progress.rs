//! The progress of a comparison.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts merges, readable from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) merged: AtomicUsize,
    pub(super) wanted: AtomicUsize,
}

impl Progress {
    /// Returns the finished merges, and those known to be needed.
    pub fn read(&self) -> (usize, usize) {
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (load(&self.merged), load(&self.wanted))
    }
}
