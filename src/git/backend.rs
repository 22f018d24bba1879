//! The interface between a store and what reads the repository: libgit2, or the `git` program.
//!
//! libgit2 is faster and reads fewer formats. Both give the same answers: `tests/it` runs with either,
//! and `git/store_tests.rs` compares them call by call.

use std::path::Path;

use crate::git::store_error::StoreError;
use crate::merge::answer::Lineage;
use crate::merge::change::FileStat;
use crate::merge::oid::{ObjectFormat, Oid};

/// The kind of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ObjectKind {
    Blob,
    Tree,
    Commit,
    Tag,
}

impl ObjectKind {
    /// The word that git uses.
    pub(super) fn word(self) -> &'static str {
        match self {
            ObjectKind::Blob => "blob",
            ObjectKind::Tree => "tree",
            ObjectKind::Commit => "commit",
            ObjectKind::Tag => "tag",
        }
    }

    /// Parses the word that git uses.
    pub(super) fn parse(word: &str) -> Option<ObjectKind> {
        let mut all = [
            ObjectKind::Blob,
            ObjectKind::Tree,
            ObjectKind::Commit,
            ObjectKind::Tag,
        ]
        .into_iter();
        all.find(|kind| kind.word() == word)
    }
}

/// Kind and size in bytes of an object.
pub(super) type Header = (ObjectKind, u64);

/// Reads and writes one repository.
pub(super) trait Backend: Send {
    /// The format of object ids.
    fn format(&self) -> ObjectFormat;

    /// The folder with the files of the repository: configuration, `shallow`, grafts.
    fn folder(&self) -> &Path;

    /// Reads an object; `None` if it is missing.
    fn read(&self, oid: Oid) -> Result<Option<(ObjectKind, Vec<u8>)>, StoreError>;

    /// Reads kind and size of objects, in their order; `None` for a missing one.
    fn headers(&self, oids: &[Oid]) -> Result<Vec<Option<Header>>, StoreError>;

    /// Finds the first object that is missing.
    fn missing(&self, oids: &[Oid]) -> Result<Option<Oid>, StoreError> {
        let headers = self.headers(oids)?;
        let mut missing = oids.iter().zip(headers);
        Ok(missing.find_map(|(oid, header)| header.is_none().then_some(*oid)))
    }

    /// Writes an object.
    fn write(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, StoreError>;

    /// Resolves a revision to a commit; `None` if it names none.
    fn resolve(&self, revision: &str) -> Result<Option<Oid>, StoreError>;

    /// Returns `true` if a revision names any object.
    fn is_object(&self, revision: &str) -> bool;

    /// Reads the target of a reference by its full name; `None` if it does not exist.
    fn reference(&self, name: &str) -> Result<Option<Oid>, StoreError>;

    /// Moves a reference to `new` if it is at `old`, zeros for "absent".
    fn move_reference(&self, name: &str, old: Oid, new: Oid, why: &str) -> Result<(), StoreError>;

    /// Moves a reference from anywhere.
    fn force_reference(&self, name: &str, new: Oid, why: &str) -> Result<(), StoreError>;

    /// Deletes a reference if it is at `old`.
    fn delete_reference(&self, name: &str, old: Oid) -> Result<(), StoreError>;

    /// Lists references whose full name starts with `prefix`, without symbolic ones; in any order.
    fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError>;

    /// Returns `true` if a boolean setting is on.
    fn is_set(&self, key: &str) -> bool;

    /// Lists the settings whose keys match a regular expression; `true` for one without a value.
    fn settings(&self, keys: &str) -> Result<Vec<(String, String)>, StoreError>;

    /// Returns `true` if `old` is an ancestor of `new`, which is another commit.
    fn is_ancestor(&self, old: Oid, new: Oid) -> Result<bool, StoreError>;

    /// Lists the best common ancestors of two commits.
    fn merge_bases(&self, a: Oid, b: Oid) -> Result<Vec<Oid>, StoreError>;

    /// Finds a best common ancestor of all tips.
    fn common_ancestor(&self, tips: &[Oid]) -> Result<Option<Oid>, StoreError>;

    /// Lists the commits reachable from `tip` and not from `base`, children before their parents.
    fn commits_above(&self, tip: Oid, base: Option<Oid>) -> Result<Vec<Lineage>, StoreError>;

    /// Counts the changed lines of each path; in any order.
    fn file_stats(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError>;

    /// Writes the tree of an index file; `None` if this backend does not read it.
    fn index_tree(&self, index: &Path) -> Option<Oid>;
}
