//! Options of a comparison.

use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::conflicts::error::DetectError;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::quarantine::Quarantine;
use crate::git::{Git, Repo, Store, StoreError};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// Options of a comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The commit to use as merge base of every pair; by default history decides.
    pub base: Option<Oid>,
    /// Skip merges whose result is certain without them.
    pub prune: bool,
    /// Globs of generated files, as `[conflicts] generated`.
    pub generated: Vec<String>,
    /// Keep verdicts in the git folder for later comparisons.
    pub cache: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            base: None,
            prune: true,
            generated: Vec::new(),
            cache: false,
        }
    }
}

/// The repository of a detector with its options.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) repo: Repo,
    pub(super) options: Options,
    pub(super) generated: GeneratedFiles,
    /// The commit that all branches stand on and that attributes come from, if given.
    pub(super) common_base: Option<Oid>,
    /// A quarantine that holds some of the branches.
    pub(super) quarantine: Option<Arc<Quarantine>>,
}

impl Settings {
    /// Creates an engine for throwaway merges, with the attributes of a commit.
    pub(super) fn engine(&self, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        match &self.quarantine {
            Some(shared) => {
                MergeEngine::in_quarantine(&self.repo, Arc::clone(shared), attributes_from)
            }
            None => MergeEngine::quarantined(&self.repo, attributes_from),
        }
    }

    /// Opens the store that has all branches.
    pub(super) fn store(&self) -> Result<Store, StoreError> {
        match &self.quarantine {
            Some(quarantine) => quarantine.store(),
            None => Store::open(&self.repo),
        }
    }

    /// Returns a git that sees all branches.
    pub(super) fn git(&self) -> Git {
        let git = self.repo.git();
        match &self.quarantine {
            Some(quarantine) => git.env("GIT_OBJECT_DIRECTORY", quarantine.objects()),
            None => git,
        }
    }
}

/// The globs of generated files.
#[derive(Debug)]
pub(super) struct GeneratedFiles(GlobSet);

impl GeneratedFiles {
    /// Parses globs. One without a slash matches a file name in any folder, as in `.gitignore`.
    pub(super) fn new(globs: &[String]) -> Result<GeneratedFiles, DetectError> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let invalid = |error| DetectError::Glob(glob.clone(), error);
            set.add(Glob::new(glob).map_err(invalid)?);
            if !glob.contains('/') {
                set.add(Glob::new(&format!("**/{glob}")).map_err(invalid)?);
            }
        }
        let invalid = |error| DetectError::Glob(globs.join(", "), error);
        Ok(GeneratedFiles(set.build().map_err(invalid)?))
    }

    /// Returns `true` if a glob matches the path.
    pub(super) fn has(&self, path: &RepoPath) -> bool {
        self.0.is_match(path.to_string())
    }
}
