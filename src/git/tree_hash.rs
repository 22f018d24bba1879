//! Hashes changed trees without writing them.
//!
//! A merged tree that is only compared need not become objects: the trees above each changed path
//! are read, edited as bytes, and hashed. Format and order of entries are those of git's `tree.c`
//! (`base_name_compare`): a directory sorts as if its name ended with a slash.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::git::object_hash::hash_tree;
use crate::git::store::{Store, to_git2};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use git2::ObjectType;

const DIRECTORY: u32 = 0o040_000;

/// The most bytes of trees that are kept; the next branch needs most of them again.
const KEPT: usize = 16 << 20;

/// Hashes changed trees, and keeps the trees it read.
pub struct TreeHasher<'a> {
    store: &'a Store,
    read: HashMap<Oid, Rc<[u8]>>,
    bytes: usize,
}

/// The edits of one tree, by the first component of each path.
#[derive(Default)]
struct TreeEdit<'b> {
    /// The new entry; `None` removes it.
    files: BTreeMap<&'b [u8], Option<Entry>>,
    folders: BTreeMap<&'b [u8], TreeEdit<'b>>,
}

/// An entry inside the bytes of a tree.
struct RawEntry<'t> {
    mode: u32,
    name: &'t [u8],
    bytes: &'t [u8],
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
        let mut edit = TreeEdit::default();
        for (path, entry) in entries {
            edit.add(path.as_bytes(), *entry);
        }
        let edited = self.edited(Some(tree), &edit)?;
        Some(edited.unwrap_or_else(|| hash_tree(&[])))
    }

    /// Hashes one edited tree; `Some(None)` if it is left empty.
    fn edited(&mut self, tree: Option<Oid>, edit: &TreeEdit<'_>) -> Option<Option<Oid>> {
        let old = match tree {
            Some(tree) => self.bytes_of(tree)?,
            None => Rc::from(&[][..]),
        };
        let (mut new, mut replaced) = self.new_entries(&old, edit)?;
        let mut bytes = Vec::with_capacity(old.len() + 64 * new.len());
        let (mut rest, mut copied) = (&old[..], 0);
        while let Some((entry, after)) = first_entry(rest) {
            if new.is_empty() && replaced == 0 {
                break;
            }
            let start = old.len() - rest.len();
            while let Some(next) = new.last()
                && order(next.mode, next.name, entry.mode, entry.name) == Ordering::Less
            {
                bytes.extend_from_slice(&old[copied..start]);
                copied = start;
                next.write(&mut bytes);
                new.pop();
            }
            if edit.touches(entry.name) {
                bytes.extend_from_slice(&old[copied..start]);
                copied = start + entry.bytes.len();
                replaced -= 1;
                if let Some(next) = new.pop_if(|next| next.name == entry.name) {
                    next.write(&mut bytes);
                }
            }
            rest = after;
        }
        bytes.extend_from_slice(&old[copied..]);
        while let Some(next) = new.pop() {
            next.write(&mut bytes);
        }
        Some((!bytes.is_empty()).then(|| hash_tree(&bytes)))
    }

    /// Returns the entries at the edited names, last first, and the number of these names that exist
    /// already. `None` if a name changes its kind.
    fn new_entries<'p>(
        &mut self,
        old: &[u8],
        edit: &'p TreeEdit<'_>,
    ) -> Option<(Vec<NewEntry<'p>>, usize)> {
        let mut existing: HashMap<&[u8], (u32, Oid)> = HashMap::new();
        let mut rest = old;
        while let Some((entry, after)) = first_entry(rest) {
            if edit.touches(entry.name) {
                existing.insert(entry.name, (entry.mode, entry.oid()));
            }
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
        let mut new = Vec::new();
        for (name, entry) in &edit.files {
            let old = existing.get(name);
            if old.is_some_and(|(mode, _)| *mode == DIRECTORY) || (old, entry) == (None, &None) {
                return None;
            }
            if let Some(Entry { mode, oid }) = *entry {
                new.push(NewEntry { mode, name, oid });
            }
        }
        for (name, below) in &edit.folders {
            let old = match existing.get(name) {
                Some((DIRECTORY, oid)) => Some(*oid),
                Some(_) => return None,
                None => None,
            };
            if edit.files.contains_key(name) {
                return None;
            }
            if let Some(oid) = self.edited(old, below)? {
                let mode = DIRECTORY;
                new.push(NewEntry { mode, name, oid });
            }
        }
        new.sort_by(|a, b| order(b.mode, b.name, a.mode, a.name));
        Some((new, existing.len()))
    }

    fn bytes_of(&mut self, tree: Oid) -> Option<Rc<[u8]>> {
        if let Some(bytes) = self.read.get(&tree) {
            return Some(Rc::clone(bytes));
        }
        let odb = self.store.inner.odb().ok()?;
        let object = odb.read(to_git2(tree)).ok()?;
        if object.kind() != ObjectType::Tree {
            return None;
        }
        let bytes: Rc<[u8]> = Rc::from(object.data());
        if self.bytes + bytes.len() > KEPT {
            self.read.clear();
            self.bytes = 0;
        }
        self.bytes += bytes.len();
        self.read.insert(tree, Rc::clone(&bytes));
        Some(bytes)
    }
}

impl<'b> TreeEdit<'b> {
    fn add(&mut self, path: &'b [u8], entry: Option<Entry>) {
        match path.iter().position(|byte| *byte == b'/') {
            None => drop(self.files.insert(path, entry)),
            Some(slash) => {
                let below = self.folders.entry(&path[..slash]).or_default();
                below.add(&path[slash + 1..], entry);
            }
        }
    }

    fn touches(&self, name: &[u8]) -> bool {
        self.files.contains_key(name) || self.folders.contains_key(name)
    }
}

/// An entry to write into a tree.
struct NewEntry<'p> {
    mode: u32,
    name: &'p [u8],
    oid: Oid,
}

impl NewEntry<'_> {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("{:o} ", self.mode).as_bytes());
        bytes.extend_from_slice(self.name);
        bytes.push(0);
        bytes.extend_from_slice(self.oid.as_bytes());
    }
}

impl RawEntry<'_> {
    fn oid(&self) -> Oid {
        let mut oid = [0; 20];
        oid.copy_from_slice(&self.bytes[self.bytes.len() - 20..]);
        Oid::from_bytes(oid)
    }
}

/// The modes git writes; a merge normalises the other modes of old trees.
const MODES: [(&[u8], u32); 5] = [
    (b"40000", DIRECTORY),
    (b"100644", 0o100_644),
    (b"100755", 0o100_755),
    (b"120000", 0o120_000),
    (b"160000", 0o160_000),
];

/// Splits off the first entry; `None` at the end, or if it is not written as git writes it.
fn first_entry(bytes: &[u8]) -> Option<(RawEntry<'_>, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let end = space + bytes[space..].iter().position(|byte| *byte == 0)?;
    let (entry, after) = bytes.split_at_checked(end + 21)?;
    let (_, mode) = *MODES.iter().find(|(text, _)| *text == &bytes[..space])?;
    let name = &bytes[space + 1..end];
    let bytes = entry;
    Some((RawEntry { mode, name, bytes }, after))
}

/// Compares two entries as git orders them in a tree.
fn order(mode: u32, name: &[u8], other_mode: u32, other: &[u8]) -> Ordering {
    let slash = |mode: u32| (mode == DIRECTORY).then_some(&b'/');
    let ours = name.iter().chain(slash(mode));
    ours.cmp(other.iter().chain(slash(other_mode)))
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
    fn hashes_equal_the_trees_that_libgit2_writes() {
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
