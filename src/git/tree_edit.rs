//! Edits trees as bytes: files are added, replaced or removed at any depth.
//!
//! Only the trees above changed paths are read, and every new tree goes to the caller, who writes or
//! only hashes it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::git::store_error::StoreError;
use crate::git::tree::{DIRECTORY, TreeEntry, first_entry, order, write_entry};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::{ObjectFormat, Oid};

/// The most folders above an edited path. Each costs a part of the stack, and a longer path has no place on
/// a disk.
const DEEPEST: usize = 1500;

/// Reads old trees and takes new ones.
pub(super) trait Trees {
    fn format(&self) -> ObjectFormat;

    fn read(&mut self, tree: Oid) -> Result<Rc<[u8]>, StoreError>;

    /// Takes a new tree and returns its id.
    fn take(&mut self, tree: &[u8]) -> Result<Oid, StoreError>;
}

/// Edits a tree and returns the new one. `None` if a file and a directory want one name, if a file to
/// remove does not exist, if a tree is not written as git writes it, or if a path is too deep.
pub(super) fn edit_tree(
    trees: &mut impl Trees,
    tree: Oid,
    entries: &[(RepoPath, Option<Entry>)],
) -> Result<Option<Oid>, StoreError> {
    let mut edit = TreeEdit::default();
    for (path, entry) in entries {
        let folders = path.as_bytes().iter().filter(|byte| **byte == b'/');
        if folders.count() > DEEPEST {
            return Ok(None);
        }
        edit.add(path.as_bytes(), *entry);
    }
    match edited(trees, Some(tree), &edit)? {
        Some(Some(edited)) => Ok(Some(edited)),
        Some(None) => trees.take(&[]).map(Some),
        None => Ok(None),
    }
}

/// The edits of one tree, by the first component of each path.
#[derive(Default)]
struct TreeEdit<'b> {
    /// The new entry; `None` removes it.
    files: BTreeMap<&'b [u8], Option<Entry>>,
    folders: BTreeMap<&'b [u8], TreeEdit<'b>>,
}

/// Edits one tree; `Some(None)` if it is left empty.
fn edited(
    trees: &mut impl Trees,
    tree: Option<Oid>,
    edit: &TreeEdit<'_>,
) -> Result<Option<Option<Oid>>, StoreError> {
    let old = match tree {
        Some(tree) => trees.read(tree)?,
        None => Rc::from(&[][..]),
    };
    let Some((mut new, mut replaced)) = new_entries(trees, &old, edit)? else {
        return Ok(None);
    };
    let format = trees.format();
    let mut bytes = Vec::with_capacity(old.len() + 64 * new.len());
    let (mut rest, mut copied) = (&old[..], 0);
    while let Some((entry, after)) = next_entry(rest, format) {
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
    if bytes.is_empty() {
        return Ok(Some(None));
    }
    trees.take(&bytes).map(|tree| Some(Some(tree)))
}

/// Returns the entries at the edited names, last first, and the number of these names that exist
/// already. `None` if a name changes its kind.
fn new_entries<'p>(
    trees: &mut impl Trees,
    old: &[u8],
    edit: &'p TreeEdit<'_>,
) -> Result<Option<(Vec<NewEntry<'p>>, usize)>, StoreError> {
    let mut existing: HashMap<&[u8], (u32, Oid)> = HashMap::new();
    let mut rest = old;
    while let Some((entry, after)) = next_entry(rest, trees.format()) {
        if edit.touches(entry.name) {
            existing.insert(entry.name, (entry.mode, entry.oid));
        }
        rest = after;
    }
    if !rest.is_empty() {
        return Ok(None);
    }
    let mut new = Vec::new();
    for (name, entry) in &edit.files {
        let old = existing.get(name);
        if old.is_some_and(|(mode, _)| *mode == DIRECTORY) || (old, entry) == (None, &None) {
            return Ok(None);
        }
        if let Some(Entry { mode, oid }) = *entry {
            new.push(NewEntry { mode, name, oid });
        }
    }
    for (name, below) in &edit.folders {
        let old = match existing.get(name) {
            Some((DIRECTORY, oid)) => Some(*oid),
            Some(_) => return Ok(None),
            None => None,
        };
        if edit.files.contains_key(name) {
            return Ok(None);
        }
        let Some(below) = edited(trees, old, below)? else {
            return Ok(None);
        };
        if let Some(oid) = below {
            let mode = DIRECTORY;
            new.push(NewEntry { mode, name, oid });
        }
    }
    new.sort_by(|a, b| order(b.mode, b.name, a.mode, a.name));
    Ok(Some((new, existing.len())))
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
        write_entry(bytes, self.mode, self.name, self.oid);
    }
}

/// The modes git writes; a merge normalises the other modes of old trees.
const MODES: [&[u8]; 5] = [b"40000", b"100644", b"100755", b"120000", b"160000"];

/// Splits off the first entry; `None` at the end, or if it is not written as git writes it.
fn next_entry(bytes: &[u8], format: ObjectFormat) -> Option<(TreeEntry<'_>, &[u8])> {
    first_entry(bytes, format).filter(|(entry, _)| MODES.contains(&entry.mode_text))
}
