//! The HEAD of a checkout: a file, or where references are stored as reftable, a reference in there.

use std::io;
use std::path::Path;

use crate::base::regular_file::{self, LINE_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;

/// The HEAD of a worktree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Head {
    /// A branch, without `refs/heads/`.
    Branch(String),
    /// A commit.
    Detached(Oid),
}

/// The file HEAD where git keeps the real one in a reftable.
const STUB: &str = "ref: refs/heads/.invalid";

/// Returns `true` if the references of this git folder are stored as reftable.
pub(super) fn keeps_reftable(git_folder: &Path) -> bool {
    let text = read_head_file(git_folder);
    text.is_ok_and(|text| text.trim_end() == STUB)
}

/// Renders the file HEAD.
pub(super) fn render_head(head: &Head) -> String {
    match head {
        Head::Branch(branch) => format!("ref: {}\n", branch_ref(branch)),
        Head::Detached(oid) => format!("{oid}\n"),
    }
}

/// Reads the HEAD of a git folder; `None` if there is none.
pub(super) fn read_head(git_folder: &Path) -> Option<Head> {
    let text = read_head_file(git_folder).ok()?;
    match text.trim_end() {
        STUB => try_read_head(git_folder).ok().flatten(),
        text => parse_head(text),
    }
}

/// Reads the file HEAD, which in a very old repository is a link.
fn read_head_file(git_folder: &Path) -> io::Result<String> {
    let bytes = regular_file::read_linked(&git_folder.join("HEAD"), LINE_LIMIT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse_head(text: &str) -> Option<Head> {
    match text.strip_prefix("ref: refs/heads/") {
        Some(branch) => Some(Head::Branch(branch.to_owned())),
        None => text.parse().ok().map(Head::Detached),
    }
}

/// Reads the HEAD of a git folder by git, whatever it is stored as; `None` if it names no branch and
/// no commit.
///
/// # Errors
/// When git fails.
pub(super) fn try_read_head(git_folder: &Path) -> Result<Option<Head>, GitError> {
    let git = git_in(git_folder);
    let symbolic = ["symbolic-ref", "--quiet", "HEAD"];
    let finished = git.finish(symbolic)?;
    let name = String::from_utf8_lossy(&finished.stdout);
    match finished.status.code() {
        Some(0) => Ok(parse_head(&format!("ref: {}", name.trim_end()))),
        // It is detached.
        Some(1) => Ok(parse_head(&git.line(&["rev-parse", "--verify", "HEAD"])?)),
        _ => Err(git.failed(&symbolic, &finished)),
    }
}

/// Writes the HEAD of a git folder whose references are stored as reftable.
///
/// # Errors
/// When git cannot write it.
pub(super) fn write_head_by_git(git_folder: &Path, head: &Head) -> Result<(), GitError> {
    let git = git_in(git_folder);
    match head {
        Head::Branch(branch) => git.run(&["symbolic-ref", "HEAD", &branch_ref(branch)])?,
        Head::Detached(oid) => git.run(&["update-ref", "--no-deref", "HEAD", &oid.to_string()])?,
    };
    Ok(())
}

/// Returns `true` if a file or reference such as `MERGE_HEAD` exists in a git folder.
pub(super) fn has_pseudo_reference(git_folder: &Path, name: &str) -> bool {
    let is_reference = || {
        let verify = ["rev-parse", "--quiet", "--verify", name];
        keeps_reftable(git_folder) && git_in(git_folder).run(&verify).is_ok()
    };
    git_folder.join(name).exists()
        || (name.ends_with("_PICK_HEAD") || name == "REVERT_HEAD") && is_reference()
}

/// Returns git for a git folder alone.
pub(super) fn git_in(git_folder: &Path) -> Git {
    Git::at(git_folder).env("GIT_DIR", git_folder.as_os_str())
}
