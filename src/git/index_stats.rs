//! Reads the entries of an index file, and gives them the times and inodes of other files with the same
//! content, so that git need not read these.
//!
//! Only the fixed part of an entry is written (gitformat-index(5)); everything else stays as it is.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::git::object_hash::checksum;
use crate::merge::change::Entry;
use crate::merge::oid::ObjectFormat;

/// The bytes before the first entry.
const HEAD: usize = 12;

/// The bytes of an entry before the name of its object.
const STATS: usize = 40;

/// The number of the device in them.
const DEVICE: Range<usize> = 16..20;

/// Extensions that hold for one worktree only, or without which an index is incomplete.
const FOREIGN: [&[u8]; 3] = [b"FSMN", b"link", b"sdir"];

/// A flag: two more bytes of flags follow.
const IS_EXTENDED: u16 = 0x4000;

/// Flags: assume-valid, and a stage of a conflict.
const NOT_PLAIN: u16 = 0x8000 | 0x3000;

/// A file time in seconds and nanoseconds.
pub(super) type FileTime = (i64, i64);

/// An index file.
pub(super) struct IndexFile {
    bytes: Vec<u8>,
    format: ObjectFormat,
    /// Its entries.
    pub(super) entries: Vec<IndexedFile>,
}

/// An entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IndexedFile {
    /// The path from the top of the worktree.
    pub(super) path: PathBuf,
    /// The mode as git has it.
    pub(super) mode: u32,
    at: usize,
}

impl IndexFile {
    /// Parses an index; `None` for one with entries that are not plain, such as those of a conflict or a
    /// sparse checkout, or of another form.
    pub(super) fn parse(bytes: Vec<u8>, format: ObjectFormat) -> Option<IndexFile> {
        let end = bytes.len().checked_sub(format.bytes())?;
        let body = &bytes[..end];
        let version = number(body, 4)?;
        if body.get(..4) != Some(b"DIRC") || !(2..=4).contains(&version) {
            return None;
        }
        let mut entries = Vec::new();
        let (mut at, mut path) = (HEAD, Vec::new());
        for _ in 0..number(body, 8)? {
            let flags_at = at + STATS + format.bytes();
            let flags = u16::from_be_bytes(body.get(flags_at..flags_at + 2)?.try_into().ok()?);
            if flags & (NOT_PLAIN | IS_EXTENDED) != 0 {
                return None;
            }
            let mut from = flags_at + 2;
            if version == 4 {
                let (strip, read) = varint(body.get(from..)?)?;
                path.truncate(path.len().checked_sub(strip)?);
                from += read;
            } else {
                path.clear();
            }
            let length = body.get(from..)?.iter().position(|byte| *byte == 0)?;
            path.extend_from_slice(&body[from..from + length]);
            entries.push(IndexedFile {
                path: PathBuf::from(OsStr::from_bytes(&path)),
                mode: number(body, at + 24)?,
                at,
            });
            let next = from + length + 1;
            at = match version {
                4 => next,
                // One to eight zeros follow the path.
                _ => at + (next - at).next_multiple_of(8),
            };
        }
        while at < end {
            let name = body.get(at..at + 4)?;
            if FOREIGN.contains(&name) {
                return None;
            }
            at += 8 + number(body, at + 4)? as usize;
        }
        Some(IndexFile {
            bytes,
            format,
            entries,
        })
    }

    /// Returns `true` if the file of an entry is as it was when the entry was written: no later write can
    /// have left these times and this inode.
    pub(super) fn describes(&self, entry: &IndexedFile, file: &Metadata) -> bool {
        let (own, found) = (self.stats(entry), stats(file, entry.mode));
        // As for git, the number of the device is another one after the next mount.
        own[..DEVICE.start] == found[..DEVICE.start] && own[DEVICE.end..] == found[DEVICE.end..]
    }

    /// Returns `true` if a write at the time of the index cannot have been missed.
    pub(super) fn is_older(&self, entry: &IndexedFile, index: FileTime) -> bool {
        let time = |at: usize| {
            let part = |at| i64::from(number(&self.bytes, entry.at + at).unwrap_or(u32::MAX));
            (part(at), part(at + 4))
        };
        time(0) < index && time(8) < index
    }

    /// Gives an entry the times and the inode of another file.
    pub(super) fn set(&mut self, entry: &IndexedFile, file: &Metadata) {
        self.bytes[entry.at..entry.at + STATS].copy_from_slice(&stats(file, entry.mode));
    }

    /// Returns the bytes of the file.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        let end = bytes.len() - self.format.bytes();
        // With `index.skipHash` there is none.
        if bytes[end..].iter().any(|byte| *byte != 0) {
            let sum = checksum(self.format, &bytes[..end]);
            bytes[end..].copy_from_slice(&sum);
        }
        bytes
    }

    fn stats(&self, entry: &IndexedFile) -> &[u8] {
        &self.bytes[entry.at..entry.at + STATS]
    }
}

/// Returns the fixed part of an entry: of each number, the lower 32 bits.
fn stats(file: &Metadata, mode: u32) -> [u8; STATS] {
    let numbers = [
        file.ctime() as u32,
        file.ctime_nsec() as u32,
        file.mtime() as u32,
        file.mtime_nsec() as u32,
        file.dev() as u32,
        file.ino() as u32,
        mode,
        file.uid(),
        file.gid(),
        file.len() as u32,
    ];
    let mut bytes = [0; STATS];
    for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

/// Returns `true` for the mode of a submodule.
pub(super) fn is_submodule(entry: &IndexedFile) -> bool {
    entry.mode & 0o170_000 == Entry::SUBMODULE
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Reads a number of variable length, as in the offsets of packs; returns it with its length.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value = (value << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
        value += 1;
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::git::Git;

    fn git(top: &std::path::Path, version: u32, format: &str) -> Git {
        let git = Git::at(top);
        git.run(&["init", "--quiet", &format!("--object-format={format}")])
            .unwrap();
        fs::create_dir(top.join("sub")).unwrap();
        for name in ["a", "sub/bcd", "sub/bcde", "sub/z", "with-a-longer-name"] {
            fs::write(top.join(name), name).unwrap();
        }
        git.run(&["add", "--all"]).unwrap();
        git.run(&["update-index", &format!("--index-version={version}")])
            .unwrap();
        git
    }

    #[test]
    fn entries_of_every_version_get_the_times_of_other_files() {
        for (version, format) in [(2, "sha1"), (4, "sha1"), (2, "sha256"), (4, "sha256")] {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path();
            let git = git(top, version, format);
            let hash = match format {
                "sha1" => ObjectFormat::Sha1,
                _ => ObjectFormat::Sha256,
            };
            let path = top.join(".git/index");
            let mut index = IndexFile::parse(fs::read(&path).unwrap(), hash).unwrap();
            let listed: Vec<_> = index
                .entries
                .iter()
                .map(|entry| entry.path.clone())
                .collect();
            let names = git.run(&["ls-files"]).unwrap();
            let names = String::from_utf8(names).unwrap();
            assert_eq!(listed, names.lines().map(PathBuf::from).collect::<Vec<_>>());
            for entry in index.entries.clone() {
                let place = top.join(&entry.path);
                assert!(index.describes(&entry, &place.symlink_metadata().unwrap()));
                // The same content in another file.
                let text = fs::read(&place).unwrap();
                fs::rename(&place, top.join("old")).unwrap();
                fs::write(&place, text).unwrap();
                let file = place.symlink_metadata().unwrap();
                assert!(!index.describes(&entry, &file));
                index.set(&entry, &file);
                assert!(index.describes(&entry, &file));
                assert!(!index.is_older(&entry, (0, 0)) && index.is_older(&entry, (i64::MAX, 0)));
            }
            fs::remove_file(top.join("old")).unwrap();
            fs::write(&path, index.into_bytes()).unwrap();
            // Files that git reads again get new entries, so that a refresh would change the file.
            git.run(&["fsck"]).unwrap();
            let raw = git.run(&["diff-files", "--name-only"]).unwrap();
            assert_eq!(raw, b"", "version {version}, {format}");
        }
    }

    #[test]
    fn an_index_with_a_conflict_or_a_hidden_file_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        let git = git(top, 2, "sha1");
        let parse = || {
            IndexFile::parse(
                fs::read(top.join(".git/index")).unwrap(),
                ObjectFormat::Sha1,
            )
        };
        assert!(parse().is_some());
        for flag in ["assume-unchanged", "skip-worktree"] {
            git.run(&["update-index", &format!("--{flag}"), "a"])
                .unwrap();
            assert!(parse().is_none(), "{flag}");
            git.run(&["update-index", &format!("--no-{flag}"), "a"])
                .unwrap();
        }
        assert!(parse().is_some());
        git.run(&["update-index", "--split-index"]).unwrap();
        assert!(parse().is_none(), "split");
        assert!(IndexFile::parse(b"DIRC".to_vec(), ObjectFormat::Sha1).is_none());
    }
}
