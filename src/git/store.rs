//! Objects through libgit2: blobs, trees, commits, ancestry. Runs no program the repository names.

use std::io::Write as _;
use std::path::Path;
use std::sync::Once;

use git2::{
    ConfigLevel, ErrorCode, Index, ObjectType, Repository, RepositoryOpenFlags, TreeWalkMode,
};

use crate::base::fault;
use crate::git::identity::User;
use crate::git::repo::Repo;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;

/// The object and reference store of a repository. Cheap to open; not shared between threads.
pub struct Store {
    pub(crate) inner: Repository,
    pub(super) user: User,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.inner.path().display())
    }
}

/// A store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// libgit2 reported an error.
    #[error("git store: {}", .0.message())]
    Git(#[from] git2::Error),
    /// A reference is not at the expected commit.
    #[error("{name} was expected at {expected} and is at {found}")]
    Moved {
        /// The full name.
        name: String,
        /// The expected commit; zeros for "absent".
        expected: Oid,
        /// The actual commit; zeros for "absent".
        found: Oid,
    },
    /// A commit was to name an object that is missing.
    #[error("git store: object {0} is missing")]
    Missing(Oid),
    /// A reference name that git rejects.
    #[error("invalid reference name {0:?}")]
    BadName(String),
    /// A file of dispatch's own could not be written.
    #[error("could not write below {0}")]
    Folder(String, #[source] std::io::Error),
}

/// A fault point at which a test simulates a full disk.
pub(super) fn full(effect: &str) -> Result<(), StoreError> {
    fault::full(effect).map_err(|error| StoreError::Folder("the repository".to_owned(), error))
}

pub(crate) fn to_git2(oid: Oid) -> git2::Oid {
    git2::Oid::from_bytes(oid.as_bytes()).unwrap_or(git2::Oid::ZERO_SHA1)
}

pub(crate) fn from_git2(oid: git2::Oid) -> Oid {
    Oid::from_slice(oid.as_bytes()).unwrap_or(Oid::ZERO)
}

impl Repo {
    /// Runs `work` with a store that may have been used before.
    ///
    /// # Errors
    /// When the store cannot be opened, and the errors of `work`.
    pub fn with_store<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, E>,
    ) -> Result<T, E> {
        let (store, uses) = match self.stores.take() {
            Some((inner, uses)) => (Store::of(inner, self), uses),
            None => (Store::open(self)?, 0),
        };
        let result = work(&store);
        self.stores.put_back(store.inner, uses + 1);
        result
    }
}

impl Store {
    /// Opens the store shared by all worktrees.
    ///
    /// # Errors
    /// When libgit2 cannot open the repository.
    pub fn open(repo: &Repo) -> Result<Store, StoreError> {
        disable_strict_checks();
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let nowhere: [&Path; 0] = [];
        let inner = Repository::open_ext(&repo.common, flags, nowhere)?;
        // Differences look for attributes in the index, whose format libgit2 may not read.
        inner.set_index(&mut Index::new()?)?;
        Ok(Store::of(inner, repo))
    }

    fn of(inner: Repository, repo: &Repo) -> Store {
        let user = repo.user.clone();
        Store { inner, user }
    }

    /// Stops libgit2 from keeping the trees and commits it reads, in this process. A run reads most
    /// of them once, and kept 20 KiB a task; what is compared again and again has caches of its own.
    pub fn keep_no_objects() {
        git2::opts::enable_caching(false);
    }

    /// Opens the store with durable writes: objects, their folders and references are fsynced
    /// before a call returns.
    ///
    /// libgit2 takes this from `core.fsyncObjectFiles`. The setting is layered over this handle's
    /// configuration from a file of dispatch's own, so the user's configuration is not written.
    ///
    /// # Errors
    /// When the repository cannot be opened or that file cannot be written.
    pub fn open_durable(repo: &Repo) -> Result<Store, StoreError> {
        let file = durable_config(repo).map_err(|error| {
            StoreError::Folder(repo.dispatch_folder().display().to_string(), error)
        })?;
        let store = Store::open(repo)?;
        store
            .inner
            .config()?
            .add_file(&file, ConfigLevel::App, true)?;
        Ok(store)
    }

    /// Returns `true` if a boolean setting is on. Reads in process: a `git config` for every worktree
    /// costs more than the rest of creating its entry.
    pub fn is_set(&self, key: &str) -> bool {
        // A snapshot is read again when a file has changed.
        let config = self.inner.config().and_then(|mut config| config.snapshot());
        config
            .and_then(|config| config.get_bool(key))
            .unwrap_or(false)
    }

    /// Lists the settings whose keys match a regular expression, with their values; `true` for one
    /// without a value.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub(super) fn settings(&self, keys: &str) -> Result<Vec<(String, String)>, StoreError> {
        let config = self.inner.config()?;
        let mut entries = config.entries(Some(keys))?;
        let mut found = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = match entry.has_value() {
                true => text(entry.value_bytes()),
                false => "true".to_owned(),
            };
            found.push((text(entry.name_bytes()), value));
        }
        Ok(found)
    }

    /// Resolves a revision to a commit, or `None` if it names none.
    ///
    /// # Errors
    /// When the name is malformed or the store cannot be read.
    pub fn resolve(&self, revision: &str) -> Result<Option<Oid>, StoreError> {
        let found = self.inner.revparse_single(revision);
        match found.and_then(|object| object.peel_to_commit()) {
            Ok(commit) => Ok(Some(from_git2(commit.id()))),
            Err(error) => match error.code() {
                ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Peel => Ok(None),
                ErrorCode::Ambiguous => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Returns `true` if a revision names any object.
    pub fn is_object(&self, revision: &str) -> bool {
        self.inner.revparse_single(revision).is_ok()
    }

    /// Reads the tree of a commit.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn tree_of(&self, commit: Oid) -> Result<Oid, StoreError> {
        Ok(from_git2(
            self.inner.find_commit(to_git2(commit))?.tree_id(),
        ))
    }

    /// Reads the content of a blob.
    ///
    /// # Errors
    /// When there is no such blob.
    pub fn blob(&self, oid: Oid) -> Result<Vec<u8>, StoreError> {
        Ok(self.inner.find_blob(to_git2(oid))?.content().to_vec())
    }

    /// Reads the size of a blob in bytes, without its content.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn blob_size(&self, oid: Oid) -> Result<u64, StoreError> {
        Ok(self.inner.odb()?.read_header(to_git2(oid))?.0 as u64)
    }

    /// Lists the sizes of all blobs of a tree, in bytes.
    ///
    /// # Errors
    /// When the tree or the size of a blob cannot be read.
    pub fn file_sizes(&self, tree: Oid) -> Result<Vec<u64>, StoreError> {
        let tree = self.inner.find_tree(to_git2(tree))?;
        let odb = self.inner.odb()?;
        let mut blobs = Vec::new();
        tree.walk(TreeWalkMode::PreOrder, |_, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                blobs.push(entry.id());
            }
            git2::TreeWalkResult::Ok
        })?;
        let size = |id: &git2::Oid| Ok(odb.read_header(*id)?.0 as u64);
        blobs.iter().map(size).collect()
    }

    /// Writes a blob.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn write_blob(&self, content: &[u8]) -> Result<Oid, StoreError> {
        full("blob")?;
        Ok(from_git2(self.inner.blob(content)?))
    }

    /// Returns `true` if an object exists.
    pub fn has(&self, oid: Oid) -> bool {
        self.inner.odb().is_ok_and(|odb| odb.exists(to_git2(oid)))
    }

    /// Reads a tree's entry at a path; `None` for nothing or a directory.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn entry(&self, tree: Oid, path: &str) -> Result<Option<Entry>, StoreError> {
        let tree = self.inner.find_tree(to_git2(tree))?;
        match tree.get_path(Path::new(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => Ok(None),
            Ok(entry) => Ok(Some(Entry {
                mode: entry.filemode() as u32,
                oid: from_git2(entry.id()),
            })),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a tree with one file added, replaced or (`None`) removed.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn tree_with(
        &self,
        tree: Oid,
        path: &str,
        entry: Option<Entry>,
    ) -> Result<Oid, StoreError> {
        self.tree_overlaid(tree, &[(RepoPath::from(path), entry)])
    }

    /// Writes a tree with files added, replaced or (`None`) removed.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn tree_overlaid(
        &self,
        tree: Oid,
        entries: &[(RepoPath, Option<Entry>)],
    ) -> Result<Oid, StoreError> {
        full("tree")?;
        let base = self.inner.find_tree(to_git2(tree))?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, entry) in entries {
            match entry {
                Some(entry) => {
                    let mode = file_mode(entry.mode);
                    update.upsert(path.as_bytes(), to_git2(entry.oid), mode)
                }
                None => update.remove(path.as_bytes()),
            };
        }
        Ok(from_git2(update.create_updated(&self.inner, &base)?))
    }

    /// Writes the empty tree.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn empty_tree(&self) -> Result<Oid, StoreError> {
        Ok(from_git2(self.inner.treebuilder(None)?.write()?))
    }

    /// Writes a flat tree of the given files.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn write_tree(&self, files: &[(&str, Oid)]) -> Result<Oid, StoreError> {
        let mut builder = self.inner.treebuilder(None)?;
        for (name, blob) in files {
            builder.insert(name, to_git2(*blob), 0o100_644)?;
        }
        Ok(from_git2(builder.write()?))
    }

    /// Lists the submodules of a tree.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn submodules(&self, tree: Oid) -> Result<Vec<RepoPath>, StoreError> {
        let mut found = Vec::new();
        let tree = self.inner.find_tree(to_git2(tree))?;
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(ObjectType::Commit) {
                let mut path = folder.as_bytes().to_vec();
                path.extend_from_slice(entry.name_bytes());
                found.push(RepoPath::new(path));
            }
            git2::TreeWalkResult::Ok
        })?;
        Ok(found)
    }

    /// Returns `true` if `old` is `new` or one of its ancestors.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn is_ancestor(&self, old: Oid, new: Oid) -> Result<bool, StoreError> {
        Ok(old == new || self.inner.graph_descendant_of(to_git2(new), to_git2(old))?)
    }

    /// Lists the best common ancestors of two commits.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn merge_bases(&self, a: Oid, b: Oid) -> Result<Vec<Oid>, StoreError> {
        match self.inner.merge_bases(to_git2(a), to_git2(b)) {
            Ok(bases) => Ok(bases.iter().map(|oid| from_git2(*oid)).collect()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Turns off libgit2's hashing of every object it reads, which is half of the cost of reading, and its
/// search for each object that a new tree or reference names, which costs a read of the pack folder and
/// fails in a partial clone. git leaves both to `git fsck`, too; truncated and overwritten objects are
/// detected by the checksum of the compressed data.
pub(super) fn disable_strict_checks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        git2::opts::strict_hash_verification(false);
        git2::opts::strict_object_creation(false);
    });
}

fn file_mode(mode: u32) -> git2::FileMode {
    match mode {
        0o100_755 => git2::FileMode::BlobExecutable,
        0o120_000 => git2::FileMode::Link,
        Entry::SUBMODULE => git2::FileMode::Commit,
        _ => git2::FileMode::Blob,
    }
}

fn durable_config(repo: &Repo) -> std::io::Result<std::path::PathBuf> {
    let folder = repo.dispatch_folder();
    let file = folder.join("durable.gitconfig");
    let content = b"[core]\n\tfsyncObjectFiles = true\n";
    if std::fs::read(&file).is_ok_and(|found| found == content) {
        return Ok(file);
    }
    std::fs::create_dir_all(&folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(&folder)?;
    temporary.write_all(content)?;
    temporary.persist(&file).map_err(|error| error.error)?;
    Ok(file)
}
