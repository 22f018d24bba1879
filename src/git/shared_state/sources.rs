//! The files and folders that a reading came from.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::file_signature::FileSignature;
use crate::base::regular_file::{self, RECORD_LIMIT};

/// Files and folders with their signatures, each taken before the content was read.
#[derive(Debug, Default)]
pub(super) struct Sources {
    seen: Vec<(PathBuf, Option<FileSignature>)>,
    /// `true` if one of them is so young that its signature proves nothing yet.
    pub(super) unsettled: bool,
    /// Names of those that are neither a regular file nor absent.
    pub(super) irregular: BTreeSet<String>,
}

impl Sources {
    /// Adds a file or a folder, before it is read.
    pub(super) fn add(&mut self, path: &Path) {
        let signature = FileSignature::of(path);
        self.unsettled |= signature.as_ref().is_some_and(|found| !found.is_settled());
        self.seen.push((path.to_owned(), signature));
    }

    /// Returns `true` if reading again would find the same.
    pub(super) fn are_unchanged(&self) -> bool {
        !self.unsettled
            && !self.seen.is_empty()
            && self
                .seen
                .iter()
                .all(|(path, signature)| FileSignature::of(path) == *signature)
    }

    /// Adds a file and reads it. A pipe or a device in its place is noted; a file that is too large is
    /// left out, as git does not wait for it.
    pub(super) fn read(&mut self, common: &Path, name: &str) -> Option<Vec<u8>> {
        let path = common.join(name);
        self.add(&path);
        match regular_file::read_linked(&path, RECORD_LIMIT) {
            Ok(content) => Some(content),
            Err(error) => {
                self.note_irregular(&path, name.to_owned(), &error);
                None
            }
        }
    }

    /// Notes a file that could not be read if it is not a regular file.
    pub(super) fn note_irregular(&mut self, path: &Path, name: String, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData && !path.is_file() {
            self.irregular.insert(name);
        }
    }
}

/// Lists the entries of a folder that can be read.
pub(super) fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}
