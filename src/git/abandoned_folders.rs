//! Finds temporary folders whose owner was killed.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::git::repo::Repo;
use crate::git::temp_dir::{MAKING, is_left_behind, is_older};

impl Repo {
    /// Lists temporary folders whose owner was killed.
    pub fn abandoned_folders(&self) -> Vec<PathBuf> {
        let now = SystemTime::now();
        let below = |name: &str| fs::read_dir(self.dispatch_folder().join(name));
        let folders = |name| {
            below(name)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path())
        };
        let scratch = folders("tmp").filter(|path| is_left_behind(path, now));
        // These have no lock, but they live no longer than a rename.
        let staged = folders("stage").filter(|path| is_older(path, now, MAKING));
        scratch.chain(staged).collect()
    }
}
