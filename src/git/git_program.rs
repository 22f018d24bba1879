//! The `git` program as a file on this machine.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::process::find_program;

/// Identifies one build of the `git` program by path, size and time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct GitProgram {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl GitProgram {
    /// Finds `git` on PATH, links resolved.
    pub(super) fn find() -> Option<GitProgram> {
        let path = find_program("git")?.canonicalize().ok()?;
        let metadata = std::fs::metadata(&path).ok()?;
        Some(GitProgram {
            path,
            size: metadata.len(),
            modified: metadata.modified().ok()?,
        })
    }

    /// The folder that git was installed into, such as `/usr`.
    pub(super) fn prefix(&self) -> Option<&Path> {
        self.path.parent().and_then(Path::parent)
    }
}
