//! Caches in the git folder that only this user's dispatch can have written.
//!
//! A worker can write the git folder, and a forged cache could hide that a check failed. The first line
//! of such a file is a code over its path and its content with the user's key.

use std::io;
use std::path::Path;

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::Repo;

/// Replaces a file.
///
/// # Errors
/// When it cannot be written.
pub fn write(repo: &Repo, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut text = code(repo, path, content).into_bytes();
    text.push(b'\n');
    text.extend_from_slice(content);
    files::replace(path, &text)
}

/// Reads a file; `None` if there is none, or if it was not written by [`write()`] for this path.
pub fn read(repo: &Repo, path: &Path) -> Option<Vec<u8>> {
    let mut text = regular_file::read(path, RECORD_LIMIT).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let content = text.split_off(end + 1);
    (text.trim_ascii_end() == code(repo, path, &content).as_bytes()).then_some(content)
}

fn code(repo: &Repo, path: &Path, content: &[u8]) -> String {
    let path = path.strip_prefix(&repo.common).unwrap_or(path);
    let path = path.as_os_str().as_encoded_bytes();
    repo.code(&[path, content])
}
