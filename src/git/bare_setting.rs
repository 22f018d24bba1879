//! `core.bare` that is set although the repository has a checkout: git then refuses to work in it.
//!
//! Tools and workers set it by accident. A repository that is bare in truth has no index.

use std::path::{Path, PathBuf};

use crate::git::command::{Git, GitError};

/// The file that sets `core.bare`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BareSetting(PathBuf);

impl BareSetting {
    /// Finds the setting for a git folder that git takes for a bare repository; `None` if it has no
    /// checkout.
    pub(super) fn find(common: &Path) -> Option<BareSetting> {
        if !common.join("index").is_file() {
            return None;
        }
        let args = ["config", "--show-origin", "-z", "--get", "core.bare"];
        let printed = Git::at(common).run(&args).unwrap_or_default();
        let origin = String::from_utf8_lossy(printed.split(|byte| *byte == 0).next()?).into_owned();
        let file = common.join(origin.strip_prefix("file:").unwrap_or("config"));
        Some(BareSetting(file))
    }

    /// Returns the file.
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// Sets `core.bare` to false in the file.
    ///
    /// # Errors
    /// When git cannot write the file.
    pub fn repair(&self) -> Result<(), GitError> {
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        let file = self.0.display().to_string();
        Git::at(folder).run(&["config", "--file", &file, "core.bare", "false"])?;
        Ok(())
    }
}
