//! The folders of a repository, and the version of its git.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::base::user_key::UserKey;

use crate::git::command::{Git, GitError};
use crate::git::formats::Formats;
use crate::git::frozen_settings::FrozenSettings;
use crate::git::head_cache::HeadCache;
use crate::git::identity::User;
use crate::git::main_checkout::{self, main_checkout};
use crate::git::object_cache::ObjectCache;
use crate::git::object_copies::ObjectCopies;
use crate::git::object_hash::digest;
use crate::git::pack_folder::PackFolder;
use crate::git::program::Program;
use crate::git::program::session::Sessions;
use crate::git::store_pool::StorePool;
use crate::merge::oid::{ObjectFormat, Oid};

/// A repository that dispatch can work with, as seen from one of its checkouts.
#[derive(Clone, Debug)]
pub struct Repo {
    /// The top folder of the user's current checkout.
    pub top: PathBuf,
    /// The folder that all worktrees share (`.git` of the main one).
    pub common: PathBuf,
    /// The git folder of the user's current checkout.
    pub git_dir: PathBuf,
    /// The version of the `git` program, as (major, minor).
    pub version: (u32, u32),
    /// The folder of the main checkout.
    home: PathBuf,
    /// The user's own folder for facts about this repository.
    user_state: Option<PathBuf>,
    /// The secret key of the user.
    key: Arc<OnceLock<Option<UserKey>>>,
    /// `true` in the worktree of a worker whose `.git` names a folder of its own.
    pub(super) is_of_worker: bool,
    /// The formats of objects and references, and the backend that reads them.
    pub(super) formats: Formats,
    /// Processes of `git` that answer questions.
    pub(super) sessions: Arc<Sessions>,
    /// Opened stores, reused by [`Repo::with_store`].
    pub(super) stores: Arc<StorePool>,
    /// Objects that were read or written.
    pub(super) objects: Arc<ObjectCache>,
    /// The second names of new objects.
    pub(super) copies: Arc<ObjectCopies>,
    /// The branches that linked worktrees have checked out.
    pub(super) heads: Arc<Mutex<HeadCache>>,
    /// The trees that hold no `.gitattributes`, neither themselves nor below, of those checked out so far.
    pub(super) plain_trees: Arc<Mutex<HashSet<Oid>>>,
    /// A pack for checkouts.
    pub(super) pack: Arc<PackFolder>,
    /// The settings that git in worktrees uses.
    pub(super) frozen: Arc<Mutex<Option<Arc<FrozenSettings>>>>,
    /// The author and committer of the commits in the user's name.
    pub(super) user: User,
}

impl Repo {
    /// Describes a repository whose folders are known.
    pub fn new(top: PathBuf, common: PathBuf, git_dir: PathBuf, version: (u32, u32)) -> Repo {
        Repo {
            user: User::at(&top),
            home: main_checkout(&top, &common, &git_dir),
            copies: Arc::new(ObjectCopies::new(&common)),
            user_state: None,
            key: Arc::default(),
            top,
            common,
            git_dir,
            version,
            formats: Formats::default(),
            sessions: Arc::default(),
            stores: Arc::default(),
            objects: Arc::default(),
            heads: Arc::default(),
            plain_trees: Arc::default(),
            pack: Arc::default(),
            frozen: Arc::default(),
            is_of_worker: false,
        }
    }

    /// Returns `true` if references are stored in a reftable, not as files.
    pub fn has_reftable(&self) -> bool {
        self.formats.has_reftable
    }

    /// Returns git at the top of the user's checkout.
    pub fn git(&self) -> Git {
        let git = Git::at(&self.top);
        match self.is_of_worker {
            true => git
                .env("GIT_DIR", self.git_dir.as_os_str())
                .env("GIT_COMMON_DIR", self.common.as_os_str())
                .env("GIT_WORK_TREE", self.top.as_os_str()),
            false => git,
        }
    }

    /// Returns the backend that runs `git` at the folder shared by all worktrees.
    pub(super) fn program(&self, format: ObjectFormat) -> Program {
        Program::new(&self.common, format, &self.sessions)
    }

    /// The folder for everything but history: locks, attempt folders, caches.
    pub fn dispatch_folder(&self) -> PathBuf {
        self.common.join("dispatch")
    }

    /// The folder of one run below [`Repo::dispatch_folder`].
    pub fn run_folder(&self, run: &str) -> PathBuf {
        self.dispatch_folder().join("runs").join(run)
    }

    /// The folder of one attempt: process record, exit record, logs.
    pub fn attempt_folder(&self, run: &str, task: u32, attempt: u32) -> PathBuf {
        self.run_folder(run)
            .join("attempts")
            .join(format!("{task}-{attempt}"))
    }

    /// The folder of the main checkout, or the bare repository itself; worktrees stand beside it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Keeps what must not be forged by a writer of the git folder in a folder of the user, whose state of
    /// all programs is in `folder`. The place is bound to the path of this repository.
    pub fn keep_state_below(&mut self, folder: &Path) {
        let path = digest(self.common.as_os_str().as_encoded_bytes());
        let place = format!("{}-{}", self.name(), Oid::from_bytes(path).short());
        self.user_state = Some(folder.join("dispatch/repositories").join(place));
    }

    /// The user's own folder for facts about this repository; `None` for a user of the library.
    pub fn user_state(&self) -> Option<&Path> {
        self.user_state.as_deref()
    }

    /// The secret key of the user, which is made on first use; `None` for a user of the library, or if
    /// it cannot be read.
    pub fn user_key(&self) -> Option<&UserKey> {
        let file = self.user_state.as_ref()?.ancestors().nth(2)?.join("key");
        self.key.get_or_init(|| UserKey::open(&file).ok()).as_ref()
    }

    /// Computes the code of a record that only this user's dispatch may have written: with the user's key,
    /// or a mark for a user of the library, who has none.
    pub fn code(&self, parts: &[&[u8]]) -> String {
        let key = self.user_key();
        key.map_or_else(|| "-".to_owned(), |key| key.code(parts))
    }

    /// Records where the main checkout is, for later commands in other worktrees.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record_home(&self) -> std::io::Result<()> {
        main_checkout::record(&self.common, &self.home)
    }

    /// Renders a path for the journal, relative to the main checkout if it is beside or below it, so
    /// that it reads the same on every machine.
    pub fn portable_path(&self, path: &Path) -> String {
        if let Ok(below) = path.strip_prefix(self.home()) {
            return below.display().to_string();
        }
        let beside = self.home().parent();
        match beside.and_then(|folder| path.strip_prefix(folder).ok()) {
            Some(near) => Path::new("..").join(near).display().to_string(),
            None => path.display().to_string(),
        }
    }

    /// Resolves a path of [`Repo::portable_path`] on this machine.
    pub fn resolve_portable_path(&self, recorded: &str) -> PathBuf {
        let beside = self.home().parent();
        match (Path::new(recorded).strip_prefix(".."), beside) {
            (Ok(near), Some(folder)) => folder.join(near),
            // An absolute path replaces that of the checkout.
            _ => self.home().join(recorded),
        }
    }

    /// The name of the repository's folder, without a `.git` at its end.
    pub fn name(&self) -> String {
        let name = self
            .home()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        name.strip_suffix(".git").unwrap_or(&name).to_owned()
    }

    /// Reads one configuration value as git resolves it, or `None` if it is not set.
    ///
    /// # Errors
    /// When git cannot be run or the configuration cannot be read.
    pub fn setting(&self, args: &[&str]) -> Result<Option<String>, GitError> {
        self.git().config(args)
    }
}
