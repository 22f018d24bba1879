//! The mark of a worktree whose worker uses a git folder of its own.
//!
//! It is in the worktree's entry of the repository, which such a worker cannot write, and stays until
//! everything the worker committed has been taken over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::regular_file;
use crate::merge::oid::Oid;

/// The file in the worktree's entry.
const FILE: &str = "dispatch-private";

/// The mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PrivateMark {
    /// The entry in the worker's own git folder, which the worktree's `.git` names.
    pub(super) entry: PathBuf,
    /// The commit that was checked out when the worker started.
    pub(super) start: Oid,
}

/// Returns the folders of the repository, shared and of the worktree, for the entry of a worktree in its
/// worker's own git folder (`<shared>/dispatch/private/<name>/worktrees/<name>`).
pub(super) fn repository_of(entry: &Path) -> Option<(PathBuf, PathBuf)> {
    let common = entry.ancestors().nth(5)?;
    let admin = common.join("worktrees").join(entry.file_name()?);
    let mark = PrivateMark::read(&admin)?;
    (mark.entry == entry).then(|| (common.to_owned(), admin))
}

/// Returns the entry of a worktree in its worker's own git folder, for its entry in the repository.
fn entry_of(admin: &Path) -> Option<PathBuf> {
    let (common, name) = (admin.parent()?.parent()?, admin.file_name()?);
    let folder = common.join("dispatch/private").join(name);
    Some(folder.join("worktrees").join(name))
}

impl PrivateMark {
    /// Reads the mark of a worktree with this entry.
    pub(super) fn read(admin: &Path) -> Option<PrivateMark> {
        let text = regular_file::read_line(&admin.join(FILE)).ok()?;
        Some(PrivateMark {
            start: text.strip_suffix('\n')?.parse().ok()?,
            // Not recorded: the repository may have been moved since.
            entry: entry_of(admin)?,
        })
    }

    /// Writes it.
    pub(super) fn write(&self, admin: &Path) -> io::Result<()> {
        let text = format!("{}\n", self.start);
        files::replace(&admin.join(FILE), text.as_bytes())
    }

    /// Removes the mark of a worktree with this entry.
    pub(super) fn remove(admin: &Path) -> io::Result<()> {
        match fs::remove_file(admin.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
