//! Git attributes of one commit, independent of the checkout.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use git2::ObjectType;

use crate::git::store::{Store, StoreError, from_git2, to_git2};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;

/// The first git that reads attributes from `GIT_ATTR_SOURCE`; older ones ignore it silently.
pub const ATTR_SOURCE_SINCE: (u32, u32) = (2, 41);

impl Store {
    /// Returns `true` if a tree holds no `.gitattributes` anywhere. Reads only trees that `known` lacks,
    /// and adds those without one to it.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub(super) fn is_plain(&self, tree: Oid, known: &mut HashSet<Oid>) -> Result<bool, StoreError> {
        if known.contains(&tree) {
            return Ok(true);
        }
        for entry in &self.inner.find_tree(to_git2(tree))? {
            let is_plain = match entry.kind() {
                Some(ObjectType::Tree) => self.is_plain(from_git2(entry.id()), known)?,
                _ => entry.name_bytes() != b".gitattributes",
            };
            if !is_plain {
                return Ok(false);
            }
        }
        known.insert(tree);
        Ok(true)
    }

    /// Lists every `.gitattributes` file of a tree.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn attribute_files(&self, tree: Oid) -> Result<Vec<(RepoPath, Oid)>, StoreError> {
        // libgit2's own walk gives up at the first folder whose name is not UTF-8.
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), to_git2(tree))];
        while let Some((folder, tree)) = open.pop() {
            for entry in &self.inner.find_tree(tree)? {
                let path = [&folder, entry.name_bytes()].concat();
                match entry.kind() {
                    Some(ObjectType::Tree) => open.push(([&path, &b"/"[..]].concat(), entry.id())),
                    Some(ObjectType::Blob)
                        if entry.name_bytes() == b".gitattributes"
                            && entry.filemode() != 0o120_000 =>
                    {
                        found.push((RepoPath::new(path), from_git2(entry.id())));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// Writes files of a tree below a folder that replaces a working tree.
    ///
    /// # Errors
    /// When a blob is missing or the folder cannot be written.
    pub fn write_files(&self, files: &[(RepoPath, Oid)], folder: &Path) -> Result<(), StoreError> {
        for (path, blob) in files {
            let file = folder.join(OsStr::from_bytes(path.as_bytes()));
            let content = self.blob(*blob)?;
            let parent = file.parent().unwrap_or(folder);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&file, content))
                .map_err(|error| StoreError::Folder(folder.display().to_string(), error))?;
        }
        Ok(())
    }

    /// Reads a tree's entry at a path; `None` for nothing or a directory.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn entry_at(&self, tree: Oid, path: &RepoPath) -> Result<Option<Entry>, StoreError> {
        let tree = self.inner.find_tree(to_git2(tree))?;
        let path = Path::new(OsStr::from_bytes(path.as_bytes()));
        match tree.get_path(path) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => Ok(None),
            Ok(entry) => Ok(Some(Entry {
                mode: entry.filemode() as u32,
                oid: from_git2(entry.id()),
            })),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Attribute values by path and name.
pub type Attributes = HashMap<RepoPath, HashMap<String, String>>;

/// Parses `git check-attr -z`: path, attribute and value, each ended by NUL.
pub fn parse_attributes(output: &[u8]) -> Attributes {
    let mut found = Attributes::new();
    let tokens: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    for triple in tokens.chunks_exact(3) {
        let value = String::from_utf8_lossy(triple[2]).into_owned();
        if value != "unspecified" {
            let name = String::from_utf8_lossy(triple[1]).into_owned();
            let path = RepoPath::new(triple[0]);
            found.entry(path).or_default().insert(name, value);
        }
    }
    found
}
