//! The names of trees that nobody writes.
//!
//! A merged tree that is only to be named need not become objects: the trees on the way to what
//! changed are read, changed as bytes, and hashed. What a tree looks like as bytes, and the order of
//! its entries, is that of git's `tree.c` (`base_name_compare`): a directory sorts as if its name
//! ended with a slash.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use git2::ObjectType;
use sha1::{Digest as _, Sha1};

use crate::git::store::{Store, to_git2};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;

const DIRECTORY: u32 = 0o040_000;

/// Bytes of trees that are kept because the next branch needs them again.
const KEPT: usize = 16 << 20;

/// Names merged trees, and remembers the trees they were made from.
pub struct TreeNames<'a> {
    store: &'a Store,
    read: HashMap<Oid, Rc<[u8]>>,
    bytes: usize,
}

/// What is to become of one tree: by the first part of the path, the file there (`None`: nothing),
/// or what becomes of the tree there.
#[derive(Default)]
struct Plan<'b> {
    files: BTreeMap<&'b [u8], Option<Entry>>,
    folders: BTreeMap<&'b [u8], Plan<'b>>,
}

/// An entry of a tree as it stands in its bytes.
struct Line<'t> {
    mode: u32,
    name: &'t [u8],
    bytes: &'t [u8],
}

impl<'a> TreeNames<'a> {
    /// Names trees of this store.
    pub fn new(store: &'a Store) -> TreeNames<'a> {
        let read = HashMap::new();
        TreeNames {
            store,
            read,
            bytes: 0,
        }
    }

    /// The name of a tree with several files put in, replaced or taken out; `None` where a file
    /// stands in the way of a directory or the other way round, where something to be taken out is not
    /// there, or where a tree cannot be read.
    pub fn overlaid(&mut self, tree: Oid, entries: &[(RepoPath, Option<Entry>)]) -> Option<Oid> {
        let mut plan = Plan::default();
        for (path, entry) in entries {
            plan.add(path.as_bytes(), *entry);
        }
        let made = self.made(Some(tree), &plan)?;
        Some(made.unwrap_or_else(|| name_of(&[])))
    }

    /// The name of what a plan makes of a tree, itself `None` if nothing is left in it.
    fn made(&mut self, tree: Option<Oid>, plan: &Plan<'_>) -> Option<Option<Oid>> {
        let old = match tree {
            Some(tree) => self.bytes_of(tree)?,
            None => Rc::from(&[][..]),
        };
        let (mut fresh, mut replaced) = self.fresh(&old, plan)?;
        let mut bytes = Vec::with_capacity(old.len() + 64 * fresh.len());
        let (mut rest, mut copied) = (&old[..], 0);
        while let Some((line, after)) = first_line(rest) {
            if fresh.is_empty() && replaced == 0 {
                break;
            }
            let start = old.len() - rest.len();
            // What is new and sorts before this line.
            while let Some(next) = fresh.last()
                && order(next.mode, next.name, line.mode, line.name) == Ordering::Less
            {
                bytes.extend_from_slice(&old[copied..start]);
                copied = start;
                next.write(&mut bytes);
                fresh.pop();
            }
            if plan.touches(line.name) {
                bytes.extend_from_slice(&old[copied..start]);
                copied = start + line.bytes.len();
                replaced -= 1;
                if let Some(next) = fresh.pop_if(|next| next.name == line.name) {
                    next.write(&mut bytes);
                }
            }
            rest = after;
        }
        bytes.extend_from_slice(&old[copied..]);
        while let Some(next) = fresh.pop() {
            next.write(&mut bytes);
        }
        Some((!bytes.is_empty()).then(|| name_of(&bytes)))
    }

    /// The entries a plan leaves at the names it touches, last first, and how many of these names are
    /// in the tree already. Every name must keep its kind.
    fn fresh<'p>(&mut self, old: &[u8], plan: &'p Plan<'_>) -> Option<(Vec<Fresh<'p>>, usize)> {
        let mut there: HashMap<&[u8], (u32, Oid)> = HashMap::new();
        let mut rest = old;
        while let Some((line, after)) = first_line(rest) {
            if plan.touches(line.name) {
                there.insert(line.name, (line.mode, line.oid()));
            }
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
        let mut fresh = Vec::new();
        for (name, entry) in &plan.files {
            let old = there.get(name);
            if old.is_some_and(|(mode, _)| *mode == DIRECTORY) || (old, entry) == (None, &None) {
                return None;
            }
            if let Some(Entry { mode, oid }) = *entry {
                fresh.push(Fresh { mode, name, oid });
            }
        }
        for (name, below) in &plan.folders {
            let old = match there.get(name) {
                Some((DIRECTORY, oid)) => Some(*oid),
                Some(_) => return None,
                None => None,
            };
            if plan.files.contains_key(name) {
                return None;
            }
            if let Some(oid) = self.made(old, below)? {
                let mode = DIRECTORY;
                fresh.push(Fresh { mode, name, oid });
            }
        }
        fresh.sort_by(|a, b| order(b.mode, b.name, a.mode, a.name));
        Some((fresh, there.len()))
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

impl<'b> Plan<'b> {
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

/// An entry that a tree gets.
struct Fresh<'p> {
    mode: u32,
    name: &'p [u8],
    oid: Oid,
}

impl Fresh<'_> {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("{:o} ", self.mode).as_bytes());
        bytes.extend_from_slice(self.name);
        bytes.push(0);
        bytes.extend_from_slice(self.oid.as_bytes());
    }
}

impl Line<'_> {
    fn oid(&self) -> Oid {
        let mut oid = [0; 20];
        oid.copy_from_slice(&self.bytes[self.bytes.len() - 20..]);
        Oid::from_bytes(oid)
    }
}

/// The modes git writes. Old trees have others, which a merge makes one of these.
const MODES: [(&[u8], u32); 5] = [
    (b"40000", DIRECTORY),
    (b"100644", 0o100_644),
    (b"100755", 0o100_755),
    (b"120000", 0o120_000),
    (b"160000", 0o160_000),
];

/// The first entry and what follows it; `None` at the end, or where there is no entry as git writes it.
fn first_line(bytes: &[u8]) -> Option<(Line<'_>, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let end = space + bytes[space..].iter().position(|byte| *byte == 0)?;
    let (line, after) = bytes.split_at_checked(end + 21)?;
    let (_, mode) = *MODES.iter().find(|(text, _)| *text == &bytes[..space])?;
    let name = &bytes[space + 1..end];
    let bytes = line;
    Some((Line { mode, name, bytes }, after))
}

/// The order of two entries in a tree.
fn order(mode: u32, name: &[u8], other_mode: u32, other: &[u8]) -> Ordering {
    let slash = |mode: u32| (mode == DIRECTORY).then_some(&b'/');
    let ours = name.iter().chain(slash(mode));
    ours.cmp(other.iter().chain(slash(other_mode)))
}

fn name_of(tree: &[u8]) -> Oid {
    let mut hash = Sha1::new();
    hash.update(format!("tree {}\0", tree.len()));
    hash.update(tree);
    Oid::from_bytes(hash.finalize().into())
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
    fn names_are_those_of_the_trees_that_libgit2_writes() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().to_owned();
        Git::at(&top).run(&["init", "--quiet"]).unwrap();
        let repo = Repo {
            common: top.join(".git"),
            git_dir: top.join(".git"),
            top,
            version: (2, 39),
        };
        let store = Store::open(&repo).unwrap();
        let empty = store.empty_tree().unwrap();
        let mut rng = fastrand::Rng::with_seed(3);
        let mut names = TreeNames::new(&store);
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
            match names.overlaid(old, &changes) {
                Some(name) => {
                    assert_eq!(name, store.tree_overlaid(old, &changes).unwrap());
                    same += 1;
                }
                None => declined += 1,
            }
        }
        assert!(same > 30 && declined > 15, "{same} and {declined}");
    }
}
