//! git's merge engine without a working tree: `git merge-tree --write-tree --stdin`.
//!
//! Its answers are those of `git merge`, and assembly uses the same engine, so a prediction and the
//! later merge are the same by construction. Three things are pinned: the language of messages, the
//! `.gitattributes` (those of one commit, whatever is checked out), and the folder in which merge
//! drivers run (an empty one, never the user's checkout).

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::base::parallel::in_batches;
use crate::git::attributes::{ATTR_SOURCE_SINCE, Attributes, parse_attributes};
use crate::git::command::{Git, GitError};
use crate::git::commit::{By, NewCommit};
use crate::git::frozen_settings::FrozenSettings;
use crate::git::git_program::GitProgram;
use crate::git::merge_batch::merge_batch;
use crate::git::merge_error::MergeError;
use crate::git::quarantine::Quarantine;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::temp_dir::LockedTempDir;
use crate::merge::answer::MergeAnswer;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// The most merges of one process, which bounds its output in memory.
const LARGEST_BATCH: usize = 1000;

/// The fewest merges that pay for another process.
const SMALLEST_BATCH: usize = 8;

/// Settings for throwaway objects: compression costs a third of a merge, and no disk is waited for.
const THROWAWAY_OBJECTS: [&str; 3] = [
    "core.compression=0",
    "core.looseCompression=0",
    "core.fsync=none",
];

/// The merge engine of one repository.
#[derive(Debug)]
pub struct MergeEngine {
    repo: Repo,
    git: Git,
    quarantine: Option<Arc<Quarantine>>,
    attributes_from: Oid,
    /// The answer of [`MergeEngine::merges_natively`] once asked, shared with derived engines.
    pub(super) is_native: Arc<OnceLock<bool>>,
    /// The output of `git version` once asked, and the program that printed it.
    pub(super) version: Arc<OnceLock<(GitProgram, Vec<u8>)>>,
    /// The settings of its merges.
    pub(super) settings: Arc<FrozenSettings>,
    _scratch: LockedTempDir,
}

impl MergeEngine {
    /// Creates an engine that leaves nothing behind: its objects are removed when it is dropped.
    /// Attributes are those of the commit `attributes_from`.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn quarantined(repo: &Repo, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        let quarantine = Quarantine::new(repo).map_err(|error| folder_error(repo, error))?;
        MergeEngine::with(repo, Some(Arc::new(quarantine)), attributes_from)
    }

    /// Creates an engine in an existing quarantine, whose commits it can merge.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn in_quarantine(
        repo: &Repo,
        quarantine: Arc<Quarantine>,
        attributes_from: Oid,
    ) -> Result<MergeEngine, MergeError> {
        MergeEngine::with(repo, Some(quarantine), attributes_from)
    }

    /// Creates an engine that writes merged trees into the repository, for assembly.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn writing(repo: &Repo, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        MergeEngine::with(repo, None, attributes_from)
    }

    /// Derives an engine with the attributes of another commit; objects go to the same place.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn with_attributes_of(&self, commit: Oid) -> Result<MergeEngine, MergeError> {
        self.derive(self.quarantine.clone(), commit)
    }

    /// Derives an engine that reads the same objects and writes into a quarantine of its own.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn nested(&self) -> Result<MergeEngine, MergeError> {
        let quarantine = match &self.quarantine {
            Some(below) => below.nested(&self.repo),
            None => Quarantine::new(&self.repo),
        };
        let quarantine = quarantine.map_err(|error| folder_error(&self.repo, error))?;
        self.derive(Some(Arc::new(quarantine)), self.attributes_from)
    }

    /// Derives an engine without any attribute of the repository's trees or of the user.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn without_attributes(&self) -> Result<MergeEngine, MergeError> {
        let tree = self.store()?.empty_tree()?;
        let commit = self.commit_tree(tree, &[])?;
        let mut engine = self.with_attributes_of(commit)?;
        engine.git = engine
            .git
            .setting("core.attributesFile=/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1");
        Ok(engine)
    }

    fn derive(
        &self,
        quarantine: Option<Arc<Quarantine>>,
        attributes_from: Oid,
    ) -> Result<MergeEngine, MergeError> {
        let mut engine = MergeEngine::with(&self.repo, quarantine, attributes_from)?;
        engine.is_native = Arc::clone(&self.is_native);
        engine.version = Arc::clone(&self.version);
        Ok(engine)
    }

    fn with(
        repo: &Repo,
        quarantine: Option<Arc<Quarantine>>,
        attributes_from: Oid,
    ) -> Result<MergeEngine, MergeError> {
        let scratch = LockedTempDir::new(&repo.dispatch_folder(), "merge-")
            .map_err(|error| folder_error(repo, error))?;
        let settings = repo.frozen_settings()?;
        settings.verify()?;
        let mut git = settings.with_settings(
            Git::at(scratch.path())
                .env("GIT_DIR", repo.git_dir.as_os_str())
                .env("GIT_WORK_TREE", scratch.path().as_os_str()),
        );
        if let Some(quarantine) = &quarantine {
            git = git.env("GIT_OBJECT_DIRECTORY", quarantine.objects());
            for setting in THROWAWAY_OBJECTS {
                git = git.setting(setting);
            }
        }
        if repo.version >= ATTR_SOURCE_SINCE {
            git = git.env("GIT_ATTR_SOURCE", attributes_from.to_string());
        }
        let engine = MergeEngine {
            repo: repo.clone(),
            git,
            quarantine,
            attributes_from,
            is_native: Arc::default(),
            version: Arc::default(),
            settings,
            _scratch: scratch,
        };
        engine.fill_scratch(attributes_from)?;
        Ok(engine)
    }

    /// Writes the files that git reads from a working tree during a merge: `.gitmodules`, and the
    /// attributes before git 2.41.
    fn fill_scratch(&self, commit: Oid) -> Result<(), MergeError> {
        let store = self.store()?;
        let tree = store.tree_of(commit)?;
        let mut files = Vec::new();
        let modules = RepoPath::from(".gitmodules");
        if let Some(entry) = store.entry_at(tree, &modules)? {
            files.push((modules, entry.oid));
        }
        if self.repo.version < ATTR_SOURCE_SINCE {
            files.extend(store.attribute_files(tree)?);
        }
        Ok(store.write_files(&files, self.git.folder())?)
    }

    pub(super) fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The empty folder that stands in for a checkout.
    pub(super) fn folder(&self) -> &Path {
        self.git.folder()
    }

    /// The commit whose attributes apply.
    pub fn attributes_from(&self) -> Oid {
        self.attributes_from
    }

    /// Opens the objects that the engine sees, its own included.
    ///
    /// # Errors
    /// When libgit2 cannot open them.
    pub fn store(&self) -> Result<Store, StoreError> {
        match &self.quarantine {
            Some(quarantine) => quarantine.store(),
            None => Store::open(&self.repo),
        }
    }

    /// Removes all objects of the engine's quarantine, those of other users included.
    pub fn clear_quarantine(&self) {
        if let Some(quarantine) = &self.quarantine {
            quarantine.clear();
        }
    }

    /// Merges one pair of commits.
    ///
    /// # Errors
    /// When git cannot be run; a pair that git cannot merge is an answer.
    pub fn merge(&self, ours: Oid, theirs: Oid) -> Result<MergeAnswer, MergeError> {
        let answers = merge_batch(&self.git, &[(ours, theirs)], &mut |_| {})?;
        let nothing = || MergeAnswer::Failed("git gave no answer".to_owned());
        Ok(answers.into_iter().next().unwrap_or_else(nothing))
    }

    /// Merges many pairs of commits, on as many processes as there are cores. Answers come in the
    /// order of the pairs.
    ///
    /// # Errors
    /// When git cannot be run; a pair that git cannot merge is an answer.
    pub fn merge_all(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<MergeAnswer>, MergeError> {
        self.merge_all_counted(pairs, &AtomicUsize::new(0))
    }

    /// Merges many pairs and adds to `merged` as answers arrive.
    ///
    /// # Errors
    /// As [`MergeEngine::merge_all`].
    pub fn merge_all_counted(
        &self,
        pairs: &[(Oid, Oid)],
        merged: &AtomicUsize,
    ) -> Result<Vec<MergeAnswer>, MergeError> {
        self.merge_in_batches(pairs, SMALLEST_BATCH, merged)
    }

    /// Merges few pairs of much work each, one per process if there are cores for it.
    ///
    /// # Errors
    /// As [`MergeEngine::merge_all`].
    pub(super) fn merge_large(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<MergeAnswer>, MergeError> {
        self.merge_in_batches(pairs, 1, &AtomicUsize::new(0))
    }

    fn merge_in_batches(
        &self,
        pairs: &[(Oid, Oid)],
        smallest: usize,
        merged: &AtomicUsize,
    ) -> Result<Vec<MergeAnswer>, MergeError> {
        in_batches(pairs, (smallest, LARGEST_BATCH), |batch| {
            // Merges that are repeated after a crash must not count twice.
            let mut left = batch.len();
            let mut count = |more: usize| {
                let more = more.min(left);
                left -= more;
                merged.fetch_add(more, Ordering::Relaxed);
            };
            let answers = merge_batch(&self.git, batch, &mut count);
            count(batch.len());
            answers
        })
    }

    /// Writes a throwaway commit; the same tree and parents give the same commit.
    ///
    /// # Errors
    /// When the tree or a parent is missing.
    pub fn commit_tree(&self, tree: Oid, parents: &[Oid]) -> Result<Oid, MergeError> {
        Ok(self.store()?.write_commit(&NewCommit {
            tree,
            parents,
            message: "throwaway\n",
            time: Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        })?)
    }

    /// Returns the given attributes of paths, as the pinned commit sets them.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn attributes(
        &self,
        names: &[&str],
        paths: &[&RepoPath],
    ) -> Result<Attributes, MergeError> {
        if paths.is_empty() {
            return Ok(Attributes::new());
        }
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let args = [&["check-attr", "-z", "--stdin"], names].concat();
        Ok(parse_attributes(&self.run(&args, input)?))
    }

    /// Runs a git command in the engine's environment with this standard input.
    ///
    /// # Errors
    /// When git cannot be run or exits with an error.
    pub(super) fn run(&self, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, MergeError> {
        let program = self.git.program().args(args).stdin(input);
        let finished = program.output().map_err(GitError::from)?;
        if !finished.status.success() {
            return Err(self.git.failed(args, &finished).into());
        }
        Ok(finished.stdout)
    }
}

fn folder_error(repo: &Repo, error: io::Error) -> MergeError {
    MergeError::Folder(repo.dispatch_folder().display().to_string(), error)
}
