//! Reads references that are files, without git: a worker could have put anything in their place.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::base::regular_file;
use crate::merge::oid::Oid;

/// The most entries of the folders of references that are read.
const MOST_ENTRIES: usize = 100_000;

/// The folders of references of which each worktree has its own (gitrepository-layout(5)).
pub(super) const OF_WORKTREE: [&str; 3] = ["refs/bisect", "refs/rewritten", "refs/worktree"];

/// Reads the references in a git folder that belong to its worktree alone.
///
/// # Errors
/// When one of the files is not a regular one, or cannot be read.
pub(super) fn loose_references_of_worktree(git_folder: &Path) -> io::Result<BTreeMap<String, Oid>> {
    let mut found = BTreeMap::new();
    if git_folder.join("refs").is_dir() {
        for folder in OF_WORKTREE {
            add_loose_references(git_folder, folder, &mut found)?;
        }
    }
    Ok(found)
}

/// Adds the references whose files are below a folder, such as `refs/tags`.
///
/// # Errors
/// When one of the files is not a regular one, or cannot be read.
pub(super) fn add_loose_references(
    git_folder: &Path,
    top: &str,
    references: &mut BTreeMap<String, Oid>,
) -> io::Result<()> {
    let mut folders = vec![top.to_owned()];
    let mut left = MOST_ENTRIES;
    while let Some(below) = folders.pop() {
        let entries = fs::read_dir(git_folder.join(&below));
        for entry in entries.into_iter().flatten().flatten().take(left) {
            left -= 1;
            let Some(name) = entry
                .file_name()
                .to_str()
                .map(|name| format!("{below}/{name}"))
            else {
                continue;
            };
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(name);
            } else if let Some(Ok(object)) = line(&entry.path())?.map(|text| text.parse()) {
                references.insert(name, object);
            }
        }
    }
    Ok(())
}

/// Reads a file of one line without its end; `None` if there is none.
pub(super) fn line(file: &Path) -> io::Result<Option<String>> {
    let text = content(file, regular_file::LINE_LIMIT)?;
    Ok(text.map(|text| text.trim_end().to_owned()))
}

/// Reads a file of at most `limit` bytes; `None` if there is none.
pub(super) fn content(file: &Path, limit: u64) -> io::Result<Option<String>> {
    match regular_file::read(file, limit) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_absent(error.kind()) => Ok(None),
        Err(error) => {
            let message = format!("{}: {error}", file.display());
            Err(io::Error::new(error.kind(), message))
        }
    }
}

fn is_absent(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(kind, NotFound | NotADirectory | IsADirectory)
}
