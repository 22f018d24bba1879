//! Git attributes of one commit, independent of the checkout.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::git::store::{Store, StoreError};
use crate::git::tree::entries;
use crate::merge::change::RepoPath;
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
        let bytes = self.read_tree(tree)?;
        for entry in entries(&bytes, self.format()) {
            let is_plain = match entry.is_directory() {
                true => self.is_plain(entry.oid, known)?,
                false => entry.name != b".gitattributes",
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
        let mut found = Vec::new();
        self.walk(tree, &mut |path, entry| {
            let is_link = entry.entry().is_some_and(|entry| entry.mode == 0o120_000);
            if entry.name == b".gitattributes" && entry.is_blob() && !is_link {
                found.push((RepoPath::new(path), entry.oid));
            }
        })?;
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
