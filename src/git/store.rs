//! The store of a repository: blobs, trees, settings, ancestry. Runs no program the repository names.
//!
//! A backend (`git/backend.rs`) reads and writes: libgit2 where it reads the format of the
//! repository, else the `git` program.

use std::sync::Arc;

use crate::base::fault;
use crate::git::backend::{Backend, ObjectKind};
use crate::git::formats::{Formats, Way};
use crate::git::libgit2::Libgit2;
use crate::git::object_cache::Object;
use crate::git::object_copies::ObjectCopies;
use crate::git::repo::Repo;
use crate::git::transient::retried;
use crate::git::tree::{TreeEntry, entries, order, write_entry};
use crate::git::tree_edit::{Trees, edit_tree};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::{ObjectFormat, Oid};

pub use crate::git::store_error::StoreError;

/// The object and reference store of a repository. Cheap to open; not shared between threads.
pub struct Store {
    pub(super) backend: Box<dyn Backend>,
    pub(super) repo: Repo,
    /// The second names of new objects; `None` where objects are thrown away.
    pub(super) copies: Option<Arc<ObjectCopies>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.backend.folder().display())
    }
}

/// A fault point at which a test simulates a full disk.
pub(super) fn full(effect: &str) -> Result<(), StoreError> {
    fault::full(effect).map_err(|error| StoreError::Folder("the repository".to_owned(), error))
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
            Some((backend, uses)) => (Store::of(backend, self), uses),
            None => (Store::open(self)?, 0),
        };
        let result = work(&store);
        self.stores.put_back(store.backend, uses + 1);
        result
    }
}

impl Store {
    /// Opens the store shared by all worktrees.
    ///
    /// # Errors
    /// When libgit2 cannot open the repository.
    pub fn open(repo: &Repo) -> Result<Store, StoreError> {
        Store::open_as(repo, repo.formats)
    }

    /// Opens the store with the backend that these formats name.
    pub(super) fn open_as(repo: &Repo, formats: Formats) -> Result<Store, StoreError> {
        let backend: Box<dyn Backend> = match formats.way {
            Way::Libgit2 => Box::new(Libgit2::open(&repo.common)?),
            Way::Program => Box::new(repo.program(formats.objects)),
        };
        Ok(Store::of(backend, repo))
    }

    pub(super) fn of(backend: Box<dyn Backend>, repo: &Repo) -> Store {
        Store {
            backend,
            repo: repo.clone(),
            copies: Some(Arc::clone(&repo.copies)),
        }
    }

    /// Uses the backend of a quarantine, whose objects are thrown away.
    pub(super) fn of_quarantine(backend: Box<dyn Backend>, repo: &Repo) -> Store {
        Store {
            copies: None,
            ..Store::of(backend, repo)
        }
    }

    /// Stops libgit2 from keeping the trees and commits it reads, in this process. A run reads most
    /// of them once, and kept 20 KiB a task; what is compared again and again has caches of its own.
    pub fn keep_no_objects() {
        Libgit2::keep_no_objects();
    }

    /// Opens the store with durable writes: objects, their folders and references are fsynced
    /// before a call returns.
    ///
    /// # Errors
    /// When the repository cannot be opened, or a file of dispatch's own cannot be written.
    pub fn open_durable(repo: &Repo) -> Result<Store, StoreError> {
        let backend: Box<dyn Backend> = match repo.formats.way {
            Way::Libgit2 => {
                let mut opened = Libgit2::open(&repo.common)?;
                opened.be_durable(&repo.dispatch_folder())?;
                Box::new(opened)
            }
            Way::Program => Box::new(repo.program(repo.formats.objects).durable()),
        };
        Ok(Store::of(backend, repo))
    }

    /// The repository of this store.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The format of object ids.
    pub fn format(&self) -> ObjectFormat {
        self.backend.format()
    }

    /// Returns `true` if a boolean setting is on. libgit2 reads in process: a `git config` for every
    /// worktree costs more than the rest of creating its entry.
    pub fn is_set(&self, key: &str) -> bool {
        self.backend.is_set(key)
    }

    /// Lists the settings whose keys match a regular expression, with their values; `true` for one
    /// without a value.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub(super) fn settings(&self, keys: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.backend.settings(keys)
    }

    /// Resolves a revision to a commit, or `None` if it names none.
    ///
    /// # Errors
    /// When the name is malformed or the store cannot be read.
    pub fn resolve(&self, revision: &str) -> Result<Option<Oid>, StoreError> {
        self.backend.resolve(revision)
    }

    /// Returns `true` if a revision names any object.
    pub fn is_object(&self, revision: &str) -> bool {
        self.backend.is_object(revision)
    }

    /// Reads the tree of a commit.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn tree_of(&self, commit: Oid) -> Result<Oid, StoreError> {
        Ok(self.read_commit(commit)?.tree)
    }

    /// Reads the content of a blob.
    ///
    /// # Errors
    /// When there is no such blob.
    pub fn blob(&self, oid: Oid) -> Result<Vec<u8>, StoreError> {
        self.read(ObjectKind::Blob, oid)
    }

    /// Reads the entries of a tree as git stores them.
    pub(super) fn read_tree(&self, oid: Oid) -> Result<Vec<u8>, StoreError> {
        self.read(ObjectKind::Tree, oid)
    }

    /// Reads an object of this kind.
    pub(super) fn read(&self, kind: ObjectKind, oid: Oid) -> Result<Vec<u8>, StoreError> {
        match self.find_object(oid)? {
            Some((found, content)) if found == kind => Ok(content),
            Some(_) => Err(StoreError::Invalid(oid, kind.word())),
            None => Err(StoreError::Missing(oid)),
        }
    }

    /// Reads the size of a blob in bytes, without its content.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn blob_size(&self, oid: Oid) -> Result<u64, StoreError> {
        if let Some((_, content)) = self.kept(oid)? {
            return Ok(content.len() as u64);
        }
        let sizes = self.sizes(&[oid])?;
        sizes.first().copied().ok_or(StoreError::Missing(oid))
    }

    fn sizes(&self, blobs: &[Oid]) -> Result<Vec<u64>, StoreError> {
        self.searching(|backend| {
            let headers = backend.headers(blobs)?;
            let size = |(oid, header): (&Oid, Option<(_, u64)>)| match header {
                Some((_, size)) => Ok(size),
                None => Err(StoreError::Missing(*oid)),
            };
            blobs.iter().zip(headers).map(size).collect()
        })
    }

    /// Lists the blobs of a tree, in its order.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn files(&self, tree: Oid) -> Result<Vec<Oid>, StoreError> {
        let mut blobs = Vec::new();
        self.walk(tree, &mut |_, entry| {
            if entry.is_blob() {
                blobs.push(entry.oid);
            }
        })?;
        Ok(blobs)
    }

    /// Lists the sizes of all blobs of a tree, in bytes.
    ///
    /// # Errors
    /// When the tree or the size of a blob cannot be read.
    pub fn file_sizes(&self, tree: Oid) -> Result<Vec<u64>, StoreError> {
        self.sizes(&self.files(tree)?)
    }

    /// Visits every entry of a tree, directories before what is in them, with their paths.
    pub(super) fn walk(
        &self,
        tree: Oid,
        visit: &mut dyn FnMut(&[u8], &TreeEntry<'_>),
    ) -> Result<(), StoreError> {
        let mut open = vec![(Vec::new(), tree)];
        while let Some((folder, tree)) = open.pop() {
            let bytes = self.read_tree(tree)?;
            let mut folders = Vec::new();
            for entry in entries(&bytes, self.format()) {
                let path = [&folder, entry.name].concat();
                visit(&path, &entry);
                if entry.is_directory() {
                    folders.push(([&path, &b"/"[..]].concat(), entry.oid));
                }
            }
            open.extend(folders.into_iter().rev());
        }
        Ok(())
    }

    /// Writes an object.
    pub(super) fn write_object(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, StoreError> {
        let oid = self.write_with_copy(|| retried(|| self.backend.write(kind, content)))?;
        self.keep(oid, kind, content);
        Ok(oid)
    }

    /// Returns an object that was read or written before, if it still exists.
    pub(super) fn kept(&self, oid: Oid) -> Result<Option<Object>, StoreError> {
        if self.copies.is_none() {
            return Ok(None);
        }
        match self.repo.objects.get(oid) {
            Some(object) if self.backend.missing(&[oid])?.is_none() => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    /// Keeps an object for later reads. Those of a quarantine are thrown away.
    pub(super) fn keep(&self, oid: Oid, kind: ObjectKind, content: &[u8]) {
        if self.copies.is_some() {
            self.repo.objects.insert(oid, kind, content);
        }
    }

    /// Writes a blob.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn write_blob(&self, content: &[u8]) -> Result<Oid, StoreError> {
        full("blob")?;
        self.write_object(ObjectKind::Blob, content)
    }

    /// Returns `true` if an object exists.
    pub fn has(&self, oid: Oid) -> bool {
        matches!(self.missing(&[oid]), Ok(None))
    }

    /// Reads a tree's entry at a path; `None` for nothing or a directory.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn entry(&self, tree: Oid, path: &str) -> Result<Option<Entry>, StoreError> {
        self.entry_at(tree, &RepoPath::from(path))
    }

    /// Reads a tree's entry at a path; `None` for nothing or a directory.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn entry_at(&self, tree: Oid, path: &RepoPath) -> Result<Option<Entry>, StoreError> {
        let found = self.find(tree, path.as_bytes())?;
        Ok(found.and_then(|(_, entry)| entry))
    }

    /// Finds the object at a path, with its entry unless it is a directory.
    pub(super) fn find(
        &self,
        tree: Oid,
        path: &[u8],
    ) -> Result<Option<(Oid, Option<Entry>)>, StoreError> {
        let mut found = None;
        let mut below = Some(tree);
        for name in path.split(|byte| *byte == b'/') {
            let Some(folder) = below else {
                return Ok(None);
            };
            let bytes = self.read_tree(folder)?;
            let mut all = entries(&bytes, self.format());
            let Some(entry) = all.find(|entry| entry.name == name) else {
                return Ok(None);
            };
            below = entry.is_directory().then_some(entry.oid);
            found = Some((entry.oid, entry.entry()));
        }
        Ok(found)
    }

    /// Writes a tree with one file added, replaced or (`None`) removed.
    ///
    /// # Errors
    /// As [`Store::tree_overlaid`].
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
    /// When the store cannot be read or written, a file and a directory want one name, or a file to
    /// remove does not exist.
    pub fn tree_overlaid(
        &self,
        tree: Oid,
        entries: &[(RepoPath, Option<Entry>)],
    ) -> Result<Oid, StoreError> {
        full("tree")?;
        let edited = edit_tree(&mut WrittenTrees(self), tree, entries)?;
        edited.ok_or(StoreError::Overlay(tree))
    }

    /// Writes the empty tree.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn empty_tree(&self) -> Result<Oid, StoreError> {
        self.write_object(ObjectKind::Tree, &[])
    }

    /// Writes a flat tree of the given files.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn write_tree(&self, files: &[(&str, Oid)]) -> Result<Oid, StoreError> {
        const MODE: u32 = 0o100_644;
        let mut files: Vec<_> = files.to_vec();
        files.sort_by(|(a, _), (b, _)| order(MODE, a.as_bytes(), MODE, b.as_bytes()));
        let mut tree = Vec::new();
        for (name, blob) in files {
            write_entry(&mut tree, MODE, name.as_bytes(), blob);
        }
        self.write_object(ObjectKind::Tree, &tree)
    }

    /// Lists the submodules of a tree.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn submodules(&self, tree: Oid) -> Result<Vec<RepoPath>, StoreError> {
        let mut found = Vec::new();
        self.walk(tree, &mut |path, entry| {
            if entry.entry().is_some_and(Entry::is_submodule) {
                found.push(RepoPath::new(path));
            }
        })?;
        found.sort();
        Ok(found)
    }

    /// Returns `true` if `old` is `new` or one of its ancestors.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn is_ancestor(&self, old: Oid, new: Oid) -> Result<bool, StoreError> {
        Ok(self.is_near_ancestor(old, new)
            || self.searching(|backend| backend.is_ancestor(old, new))?)
    }

    /// Lists the best common ancestors of two commits.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn merge_bases(&self, a: Oid, b: Oid) -> Result<Vec<Oid>, StoreError> {
        self.searching(|backend| backend.merge_bases(a, b))
    }
}

/// Writes the trees that an edit makes.
struct WrittenTrees<'a>(&'a Store);

impl Trees for WrittenTrees<'_> {
    fn format(&self) -> ObjectFormat {
        self.0.format()
    }

    fn read(&mut self, tree: Oid) -> Result<std::rc::Rc<[u8]>, StoreError> {
        Ok(self.0.read_tree(tree)?.into())
    }

    fn take(&mut self, tree: &[u8]) -> Result<Oid, StoreError> {
        self.0.write_object(ObjectKind::Tree, tree)
    }
}
