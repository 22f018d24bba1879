//! Hashes changed trees without writing them.
//!
//! A merged tree that is only compared need not become objects: the trees above each changed path
//! are read, edited as bytes, and hashed.

use std::collections::HashMap;
use std::rc::Rc;

use crate::git::object_hash::hash_tree;
use crate::git::store::Store;
use crate::git::store_error::StoreError;
use crate::git::tree_edit::{Trees, edit_tree};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::{ObjectFormat, Oid};

/// The most bytes of trees that are kept; the next branch needs most of them again.
const KEPT: usize = 16 << 20;

/// Hashes changed trees, and keeps the trees it read.
pub struct TreeHasher<'a> {
    store: &'a Store,
    read: HashMap<Oid, Rc<[u8]>>,
    bytes: usize,
}

impl<'a> TreeHasher<'a> {
    /// Creates a hasher for trees of this store.
    pub fn new(store: &'a Store) -> TreeHasher<'a> {
        let read = HashMap::new();
        TreeHasher {
            store,
            read,
            bytes: 0,
        }
    }

    /// Hashes a tree with files added, replaced or removed. `None` if a file and a directory want
    /// one name, if a file to remove does not exist, or if a tree cannot be read.
    pub fn hash_with(&mut self, tree: Oid, entries: &[(RepoPath, Option<Entry>)]) -> Option<Oid> {
        edit_tree(self, tree, entries).ok()?
    }
}

impl Trees for TreeHasher<'_> {
    fn format(&self) -> ObjectFormat {
        self.store.format()
    }

    fn read(&mut self, tree: Oid) -> Result<Rc<[u8]>, StoreError> {
        if let Some(bytes) = self.read.get(&tree) {
            return Ok(Rc::clone(bytes));
        }
        let bytes: Rc<[u8]> = Rc::from(self.store.read_tree(tree)?);
        if self.bytes + bytes.len() > KEPT {
            self.read.clear();
            self.bytes = 0;
        }
        self.bytes += bytes.len();
        self.read.insert(tree, Rc::clone(&bytes));
        Ok(bytes)
    }

    fn take(&mut self, tree: &[u8]) -> Result<Oid, StoreError> {
        Ok(hash_tree(self.format(), tree))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::{Git, Repo};

    const NAMES: [&str; 14] = [
        "a", "a-b", "a.b", "a/x", "a/y", "a0", "b/c/d", "b/c/e", "b/f", "c", "d/e", "d-e", "d0/x",
        "z",
    ];

    #[test]
    fn hashes_equal_the_trees_that_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().to_owned();
        Git::at(&top).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(&top).unwrap();
        let store = Store::open(&repo).unwrap();
        let empty = store.empty_tree().unwrap();
        let mut rng = fastrand::Rng::with_seed(3);
        let mut hasher = TreeHasher::new(&store);
        let (mut same, mut declined) = (0, 0);
        for _ in 0..120 {
            let some = |rng: &mut fastrand::Rng, removes: bool| {
                let mut chosen: Vec<(RepoPath, Option<Entry>)> = Vec::new();
                for _ in 0..rng.usize(1..6) {
                    let name = NAMES[rng.usize(..NAMES.len())];
                    let oid = store.write_blob(&[rng.u8(..)]).unwrap();
                    let mode = [0o100_644, 0o100_755, 0o120_000][rng.usize(..3)];
                    let entry = (!removes || rng.u8(..3) > 0).then_some(Entry { mode, oid });
                    chosen.push((name.into(), entry));
                }
                chosen.sort_by(|a, b| a.0.cmp(&b.0));
                chosen.dedup_by(|a, b| a.0 == b.0);
                chosen
            };
            let Ok(old) = store.tree_overlaid(empty, &some(&mut rng, false)) else {
                continue;
            };
            let changes = some(&mut rng, true);
            match hasher.hash_with(old, &changes) {
                Some(hash) => {
                    assert_eq!(hash, store.tree_overlaid(old, &changes).unwrap());
                    same += 1;
                }
                None => declined += 1,
            }
        }
        assert!(same > 30 && declined > 15, "{same} and {declined}");
    }
}
