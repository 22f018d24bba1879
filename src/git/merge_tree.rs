//! git's own merge engine, asked without a working tree: `git merge-tree --write-tree --stdin`.
//!
//! What it says is what `git merge` does, and assembly uses the same engine, so a prediction and
//! what happens later are the same by construction. Three things are held still: the language of
//! messages, the `.gitattributes` (those of one commit, whatever is checked out), and the folder
//! merge drivers run in (an empty one of our own, never the user's checkout).

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::base::batches::in_batches;
use crate::base::files::says_no_space;
use crate::base::process::{Finished, was_killed};
use crate::base::text::one_line;
use crate::git::attributes::{ATTR_SOURCE_SINCE, Attributes, parse_attributes};
use crate::git::command::{Git, GitError};
use crate::git::commit::{By, NewCommit};
use crate::git::merge_env::ProgramFile;
use crate::git::merge_tree_parser::{AnswerCount, parse_answers};
use crate::git::quarantine::Quarantine;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::temp_dir::Scratch;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use jiff::Timestamp;

pub use crate::merge::answer::{MergeAnswer, MergeResult, Message, Stage};

/// Merges one process is given at most, so that its output stays small in memory.
const LARGEST_BATCH: usize = 1000;
/// How often a process may be killed from outside before the batch is given up.
const MOST_KILLS: u32 = 3;
/// What the engine is asked with.
const MERGE: [&str; 5] = ["merge-tree", "--write-tree", "--stdin", "-z", "--messages"];
/// Below this many merges a process more costs more than it saves.
const SMALLEST_BATCH: usize = 8;

/// Objects that nobody is to keep are not worth compressing, which costs a third of a merge, nor
/// waiting for a disk.
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
    /// Whether no program runs for every merged file, once that was looked up: so it is taken to be
    /// for this engine and all that are made from it.
    pub(super) merges_itself: Arc<OnceLock<bool>>,
    /// What git said of its version, once that was asked, and for which file.
    pub(super) version: Arc<OnceLock<(ProgramFile, Vec<u8>)>>,
    _scratch: Scratch,
}

/// Why no merge could be asked for.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// git could not be run.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own temporary folder could not be written.
    #[error("could not make a temporary folder below {0}")]
    Folder(String, #[source] io::Error),
    /// git printed something else than it documents.
    #[error("`git {0}` printed what cannot be read")]
    Grammar(&'static str),
}

impl MergeEngine {
    /// An engine that leaves nothing behind: trees and blobs it writes are gone when it is
    /// dropped. Attributes are those of the commit `attributes_from`.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn quarantined(repo: &Repo, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        let quarantine = Quarantine::new(repo).map_err(|error| folder_error(repo, error))?;
        MergeEngine::with(repo, Some(Arc::new(quarantine)), attributes_from)
    }

    /// The same, with a quarantine that others use, too: what is in there can be merged.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn within(
        repo: &Repo,
        quarantine: Arc<Quarantine>,
        attributes_from: Oid,
    ) -> Result<MergeEngine, MergeError> {
        MergeEngine::with(repo, Some(quarantine), attributes_from)
    }

    /// An engine that writes merged trees into the repository, for assembly.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn writing(repo: &Repo, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        MergeEngine::with(repo, None, attributes_from)
    }

    /// The same engine, writing to the same place, with the attributes of another commit.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or the commit is missing.
    pub fn pinned_to(&self, attributes_from: Oid) -> Result<MergeEngine, MergeError> {
        self.like_this(self.quarantine.clone(), attributes_from)
    }

    /// The same engine, but what it writes from now on goes with it.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn aside(&self) -> Result<MergeEngine, MergeError> {
        let quarantine = match &self.quarantine {
            Some(below) => below.above(&self.repo),
            None => Quarantine::new(&self.repo),
        };
        let quarantine = quarantine.map_err(|error| folder_error(&self.repo, error))?;
        self.like_this(Some(Arc::new(quarantine)), self.attributes_from)
    }

    fn like_this(
        &self,
        quarantine: Option<Arc<Quarantine>>,
        attributes_from: Oid,
    ) -> Result<MergeEngine, MergeError> {
        let mut engine = MergeEngine::with(&self.repo, quarantine, attributes_from)?;
        engine.merges_itself = Arc::clone(&self.merges_itself);
        engine.version = Arc::clone(&self.version);
        Ok(engine)
    }

    /// Removes what it wrote aside or into a quarantine of its own, and what others wrote there.
    pub fn forget(&self) {
        if let Some(quarantine) = &self.quarantine {
            quarantine.clear();
        }
    }

    /// The same engine without any attribute of the repository's trees or of the user.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn without_attributes(&self) -> Result<MergeEngine, MergeError> {
        let store = self.store()?;
        let tree = store.empty_tree()?;
        let commit = self.commit_tree(tree, &[])?;
        let mut engine = self.pinned_to(commit)?;
        engine.git = engine
            .git
            .setting("core.attributesFile=/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1");
        Ok(engine)
    }

    fn with(
        repo: &Repo,
        quarantine: Option<Arc<Quarantine>>,
        attributes_from: Oid,
    ) -> Result<MergeEngine, MergeError> {
        let scratch = Scratch::new(repo, "merge-").map_err(|error| folder_error(repo, error))?;
        let mut git = Git::at(scratch.path())
            .env("GIT_DIR", repo.git_dir.as_os_str())
            .env("GIT_WORK_TREE", scratch.path().as_os_str());
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
            merges_itself: Arc::default(),
            version: Arc::default(),
            _scratch: scratch,
        };
        engine.fill_scratch(attributes_from)?;
        Ok(engine)
    }

    /// What git reads from a working tree while it merges: `.gitmodules`, to find submodules, and
    /// before git 2.41 the attributes.
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

    /// The commit whose attributes hold.
    pub fn attributes_from(&self) -> Oid {
        self.attributes_from
    }

    /// Objects as the engine sees them, those it wrote included.
    ///
    /// # Errors
    /// When libgit2 cannot open them.
    pub fn store(&self) -> Result<Store, StoreError> {
        match &self.quarantine {
            Some(quarantine) => quarantine.store(),
            None => Store::open(&self.repo),
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

    /// Merges many pairs of commits, on as many processes as there are cores; the answers stand in
    /// the order of the pairs.
    ///
    /// # Errors
    /// When git cannot be run; a pair that git cannot merge is an answer.
    pub fn merge_all(&self, pairs: &[(Oid, Oid)]) -> Result<Vec<MergeAnswer>, MergeError> {
        self.merge_all_counted(pairs, &AtomicUsize::new(0))
    }

    /// The same, adding to `merged` as answers come in.
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

    /// The same for few pairs of which each is much work: not one is too few for a process.
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
            // What is merged again after git died must not count twice.
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

    /// Writes a throwaway commit, always the same for the same tree and parents.
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

    /// The attributes of these names that the given paths have, seen from the pinned commit.
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
        Ok(parse_attributes(&self.run_with(&args, input)?))
    }

    /// Runs a git command that must succeed where the engine works, with this on standard input.
    ///
    /// # Errors
    /// When git cannot be run or ends with an error.
    pub(super) fn run_with(&self, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, MergeError> {
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

/// A line that git cannot take, or a merge it crashes on, kills the process and with it the rest of
/// the batch. So answers are counted, and after a shortfall the batch goes on in small steps until
/// the guilty pair stands alone: what was merged but not yet written out is merged again. Answers do
/// not say which pair they are about, so what a git that did not die says about fewer or more pairs
/// than it was asked about says nothing.
fn merge_batch(
    git: &Git,
    pairs: &[(Oid, Oid)],
    count: &mut dyn FnMut(usize),
) -> Result<Vec<MergeAnswer>, MergeError> {
    let mut answers = Vec::with_capacity(pairs.len());
    let mut step = pairs.len();
    let mut kills = 0;
    while answers.len() < pairs.len() {
        let rest = &pairs[answers.len()..];
        let asked = &rest[..step.min(rest.len())];
        let (found, finished) = ask(git, asked, count)?;
        if found.len() == asked.len() {
            answers.extend(found.into_iter().map(MergeAnswer::Done));
            step = asked.len() * 2;
            continue;
        }
        if asked.len() == 1 && is_no_answer(&finished) {
            // Nothing was learned about the pair: it is asked about again, but not for ever.
            kills += 1;
            if kills > MOST_KILLS {
                return Err(git.failed(&MERGE, &finished).into());
            }
        } else if asked.len() == 1 {
            answers.push(MergeAnswer::Failed(why(&finished)));
        } else if !finished.status.success() && found.len() < asked.len() {
            answers.extend(found.into_iter().map(MergeAnswer::Done));
        }
        step = 1;
    }
    Ok(answers)
}

/// Merges these and tells how many more answers there are as they come.
fn ask(
    git: &Git,
    pairs: &[(Oid, Oid)],
    count: &mut dyn FnMut(usize),
) -> Result<(Vec<MergeResult>, Finished), MergeError> {
    let input: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let program = git.program().args(MERGE).stdin(input);
    // Before git 2.49 nothing is written until standard input ends, so all of it is given at once.
    let mut answers = AnswerCount::default();
    let finished = program
        .output_heard(&mut |piece| count(answers.add(piece)))
        .map_err(GitError::from)?;
    Ok((parse_answers(&finished.stdout), finished))
}

/// Whether git said nothing about the merge: somebody killed it, or there was no room to write.
fn is_no_answer(finished: &Finished) -> bool {
    was_killed(finished.status) || says_no_space(&String::from_utf8_lossy(&finished.stderr))
}

fn why(finished: &Finished) -> String {
    let said = one_line(&String::from_utf8_lossy(&finished.stderr));
    match said.trim_start_matches("fatal: ") {
        "" => format!("git ended with {}", finished.status),
        said => said.to_owned(),
    }
}
