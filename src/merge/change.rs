//! Changes between two trees: paths, modes and blobs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;

/// A path inside the repository: bytes, `/` between components, never assumed to be UTF-8.
///
/// In JSON it is a string; bytes that are not UTF-8, and `\` itself, are written as `\xNN`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// Creates a path from git's bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> RepoPath {
        RepoPath(bytes.into())
    }

    /// Returns git's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Yields every proper directory prefix, shortest first: `a/b/c` gives `a`, `a/b`.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let slash = |(i, byte): (usize, &u8)| (*byte == b'/').then_some(i);
        self.0
            .iter()
            .enumerate()
            .filter_map(slash)
            .map(|i| &self.0[..i])
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(&chunk.valid().replace('\\', "\\x5c"))?;
            chunk
                .invalid()
                .iter()
                .try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoPath({self})")
    }
}

impl From<&str> for RepoPath {
    fn from(text: &str) -> RepoPath {
        RepoPath(text.as_bytes().to_vec())
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> String {
        path.to_string()
    }
}

impl From<String> for RepoPath {
    /// Decodes the `\xNN` of [`fmt::Display`]; other text is kept.
    fn from(text: String) -> RepoPath {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            let digits = rest.strip_prefix(b"\\x").and_then(|r| r.get(..2));
            let byte = digits
                .and_then(|d| std::str::from_utf8(d).ok())
                .and_then(|d| u8::from_str_radix(d, 16).ok());
            match byte {
                Some(byte) => (bytes.push(byte), rest = &rest[4..]),
                None => (bytes.push(first), rest = tail),
            };
        }
        RepoPath(bytes)
    }
}

/// One path that differs between two trees, without rename detection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The path.
    pub path: RepoPath,
    /// Mode and blob before; `None` if the path was added.
    pub old: Option<Entry>,
    /// Mode and blob after; `None` if the path was removed.
    pub new: Option<Entry>,
}

/// An entry of a tree that is not a directory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// The file mode as git writes it, such as `0o100644`.
    pub mode: u32,
    /// The blob, or the commit of a submodule.
    pub oid: Oid,
}

impl Entry {
    /// The mode of a submodule, whose object is a commit of another repository.
    pub const SUBMODULE: u32 = 0o160_000;

    /// Returns `true` for a submodule.
    pub fn is_submodule(self) -> bool {
        self.mode == Entry::SUBMODULE
    }
}

/// The changed lines of one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileStat {
    /// The path.
    pub path: RepoPath,
    /// Lines added and removed; `None` for a binary file.
    pub lines: Option<(u64, u64)>,
}

/// The size of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ChangeStat {
    /// Paths that differ.
    pub files: u64,
    /// Lines added, binary files not counted.
    pub added: u64,
    /// Lines removed, binary files not counted.
    pub removed: u64,
}

/// Renders the first path and the number of others: `src/app.ts, +2 more`.
pub(crate) fn paths_in_short(paths: &[RepoPath]) -> String {
    match paths {
        [] => String::new(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first}, +{} more", rest.len()),
    }
}
