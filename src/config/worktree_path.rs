//! The folder of a task's worktree.

use std::path::{Path, PathBuf};

use crate::config::path_template;
use crate::config::settings::WorktreeSettings;

impl WorktreeSettings {
    /// Returns the folder of a task's worktree.
    pub fn folder(&self, repo_top: &Path, run: &str, task: &str) -> PathBuf {
        path_template::fill(&self.path, repo_top, run, task)
    }
}
