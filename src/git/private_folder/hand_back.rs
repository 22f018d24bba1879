//! Moves what belongs to a worktree from its worker's own git folder to the worktree's entry.

use std::fs;
use std::io;
use std::path::Path;

use crate::base::fault;
use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::removal::{OwnFolder, remove_own_folder};
use crate::git::head::{keeps_reftable, read_head};
use crate::git::private_folder::PrivateFolder;
use crate::git::repo::Repo;
use crate::git::worktree::{Head, Worktree, WorktreeError, at};
use crate::merge::oid::Oid;

/// Entries that stay: links, what is copied in another way, and what names objects that may be missing.
const NOT_MOVED: [&str; 11] = [
    "HEAD",
    "FETCH_HEAD",
    "commondir",
    "gitdir",
    "locked",
    "modules",
    "refs",
    "logs",
    "info",
    "git-crypt",
    "git-agecrypt",
];

/// Moves index, settings and the state of an unfinished operation, and sets HEAD. An entry
/// of the same name is replaced, so that another process can repeat it. The index stays if the repository
/// may not have all that it names.
pub(super) fn hand_back(
    repo: &Repo,
    private: &PrivateFolder,
    worktree: &Worktree,
    head: Option<&Head>,
    has_index: bool,
) -> Result<(), WorktreeError> {
    let admin = &worktree.admin;
    let opened = at(&private.folder, private.open_entry())?;
    // Without one, the worktree keeps what it had.
    let entry = opened.as_ref().map(OwnFolder::path);
    let entries = entry.map(fs::read_dir).into_iter().flatten();
    for found in entries.flatten().flatten() {
        let name = found.file_name();
        let text = name.to_string_lossy();
        let is_own = text.starts_with("dispatch-") || text.ends_with(".lock");
        // A pipe or a device would stop the user's git.
        let kind = found.file_type();
        let is_plain = kind.is_ok_and(|kind| kind.is_file() || kind.is_dir());
        let is_kept = !has_index && (text == "index" || text.starts_with("sharedindex."));
        if is_plain && !is_own && !is_kept && !NOT_MOVED.iter().any(|not| name == *not) {
            at(admin, replace(&found.path(), &admin.join(&name)))?;
        }
    }
    if let Some(entry) = entry {
        at(admin, copy(entry, admin, "info/sparse-checkout"))?;
        if !keeps_reftable(admin) {
            at(admin, copy(entry, admin, "logs/HEAD"))?;
        }
    }
    fault::point("private folder", "with its index handed back");
    if let Some(head) = head {
        worktree.set_head(head)?;
    }
    for nested in nested_worktrees(private) {
        adopt(repo, private, &nested)?;
    }
    Ok(())
}

impl Repo {
    /// Lets the index of a worktree show a commit; files stay, and so do the times of those that it had.
    pub(super) fn show_in_index(
        &self,
        worktree: &Worktree,
        commit: Oid,
    ) -> Result<(), WorktreeError> {
        let git = self.git_in(worktree)?;
        git.run(&["read-tree", "--reset", &commit.to_string()])?;
        Ok(())
    }
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        remove_own_folder(to, 2)?;
    }
    fs::rename(from, to)
}

fn copy(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    let content = match regular_file::read(&from.join(name), RECORD_LIMIT) {
        Ok(content) => content,
        // Without it, or with something else in its place, the worktree keeps its own.
        Err(_) => return Ok(()),
    };
    let to = to.join(name);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    files::replace(&to, &content)
}

/// Lists the worktrees that the worker added, and that are linked to its own git folder.
pub(super) fn nested_worktrees(private: &PrivateFolder) -> Vec<Worktree> {
    let own = private.entry();
    let entries = fs::read_dir(private.folder.join("worktrees"));
    let entries = entries.into_iter().flatten().flatten();
    let worktree = |admin: std::path::PathBuf| {
        let link = regular_file::read_line(&admin.join("gitdir")).ok()?;
        let link = Path::new(link.trim_end()).to_owned();
        let named = regular_file::read_line(&link).ok()?;
        let is_linked = named.trim_end() == format!("gitdir: {}", admin.display());
        is_linked.then(|| Worktree {
            path: link.parent().unwrap_or(Path::new("/")).to_owned(),
            admin,
        })
    };
    // A link leads to what is not the worker's.
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let others = folders
        .map(|entry| entry.path())
        .filter(|path| *path != own);
    others.filter_map(worktree).collect()
}

/// Makes a worktree that the worker added one of the repository, at the commit it shows.
fn adopt(repo: &Repo, private: &PrivateFolder, nested: &Worktree) -> Result<(), WorktreeError> {
    let head = match read_head(&nested.admin) {
        Some(Head::Branch(branch)) => {
            let left = at(&private.folder, private.left())?;
            left.branches.get(&branch).copied().map(Head::Detached)
        }
        head => head,
    };
    let Some(head) = head else { return Ok(()) };
    repo.adopt_worktree(nested, &head)
}
