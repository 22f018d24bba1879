//! The bytes of trees. Format and order of entries are those of git's `tree.c`
//! (`base_name_compare`): a directory sorts as if its name ended with a slash.

use std::cmp::Ordering;

use crate::merge::change::Entry;
use crate::merge::oid::{ObjectFormat, Oid};

/// The mode of a directory.
pub(super) const DIRECTORY: u32 = 0o040_000;

/// The bits of a mode that tell the kind of an entry.
const KIND: u32 = 0o170_000;

/// An entry inside the bytes of a tree.
#[derive(Clone, Copy)]
pub(super) struct TreeEntry<'t> {
    /// The mode as it is written.
    pub(super) mode_text: &'t [u8],
    pub(super) mode: u32,
    pub(super) name: &'t [u8],
    pub(super) oid: Oid,
    /// The whole entry.
    pub(super) bytes: &'t [u8],
}

impl TreeEntry<'_> {
    pub(super) fn is_directory(&self) -> bool {
        self.mode & KIND == DIRECTORY
    }

    /// Returns `true` for a file or a symbolic link.
    pub(super) fn is_blob(&self) -> bool {
        !self.is_directory() && self.mode & KIND != Entry::SUBMODULE
    }

    /// Returns the entry with one of the modes that git writes today; `None` for a directory.
    pub(super) fn entry(&self) -> Option<Entry> {
        let mode = match self.mode & KIND {
            DIRECTORY => return None,
            link_or_commit @ (0o120_000 | Entry::SUBMODULE) => link_or_commit,
            _ if self.mode & 0o100 != 0 => 0o100_755,
            _ => 0o100_644,
        };
        let oid = self.oid;
        Some(Entry { mode, oid })
    }
}

/// Yields the entries of a tree. Ends early where the bytes are not a tree.
pub(super) fn entries(
    tree: &[u8],
    format: ObjectFormat,
) -> impl Iterator<Item = TreeEntry<'_>> + '_ {
    let mut rest = tree;
    std::iter::from_fn(move || {
        let (entry, after) = first_entry(rest, format)?;
        rest = after;
        Some(entry)
    })
}

/// Splits off the first entry; `None` at the end, or where the bytes are not a tree.
pub(super) fn first_entry(bytes: &[u8], format: ObjectFormat) -> Option<(TreeEntry<'_>, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let end = space + bytes[space..].iter().position(|byte| *byte == 0)?;
    let (bytes, after) = bytes.split_at_checked(end + 1 + format.bytes())?;
    let mode_text = &bytes[..space];
    let mode = u32::from_str_radix(std::str::from_utf8(mode_text).ok()?, 8).ok()?;
    let name = &bytes[space + 1..end];
    let oid = Oid::from_slice(&bytes[end + 1..])?;
    let entry = TreeEntry {
        mode_text,
        mode,
        name,
        oid,
        bytes,
    };
    Some((entry, after))
}

/// Appends an entry.
pub(super) fn write_entry(tree: &mut Vec<u8>, mode: u32, name: &[u8], oid: Oid) {
    tree.extend_from_slice(format!("{mode:o} ").as_bytes());
    tree.extend_from_slice(name);
    tree.push(0);
    tree.extend_from_slice(oid.as_bytes());
}

/// Compares two entries as git orders them in a tree.
pub(super) fn order(mode: u32, name: &[u8], other_mode: u32, other: &[u8]) -> Ordering {
    let slash = |mode: u32| (mode == DIRECTORY).then_some(&b'/');
    let ours = name.iter().chain(slash(mode));
    ours.cmp(other.iter().chain(slash(other_mode)))
}
