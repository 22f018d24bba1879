//! Linked worktrees: made, checked, unlocked and removed so that nobody else notices.
//!
//! `git worktree add` fills its admin folder in place, and every git command that runs meanwhile in
//! the repository can die on the half-made entry (git's `get_common_dir_noenv`). So the admin
//! folder, whose layout gitrepository-layout(5) documents, is built out of sight and renamed into
//! `worktrees/`. Where the repository keeps per-worktree configuration (sparse checkouts), which
//! that layout does not cover, `git worktree add` itself is used, under the same lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::base::files::{self, FileLock};
use crate::git::command::{Git, GitError};
use crate::git::refs::branch_ref;
use crate::git::repo::Repo;
use crate::git::store::Store;
use crate::merge::oid::Oid;

/// A worktree with the admin folder that belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worktree {
    /// Its folder.
    pub path: PathBuf,
    /// Its admin folder, `<common>/worktrees/<id>`.
    pub admin: PathBuf,
}

/// What HEAD of a worktree is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Head {
    /// A branch, without `refs/heads/`.
    Branch(String),
    /// A commit.
    Detached(Oid),
}

/// What could not be done with a worktree.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// Its folder is there already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The links between the worktree and its admin folder are not what dispatch wrote.
    #[error("{} is no longer linked to {}: {what}", path.display(), admin.display())]
    Tampered {
        /// The worktree.
        path: PathBuf,
        /// Its admin folder.
        admin: PathBuf,
        /// Which link, and what it holds.
        what: String,
    },
    /// A file or folder could not be written.
    #[error("could not write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// git could not fill it.
    #[error(transparent)]
    Git(#[from] GitError),
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, WorktreeError> {
    result.map_err(|error| WorktreeError::Io(path.to_owned(), error))
}

impl Repo {
    /// Makes a worktree at `path` with `head` checked out, locked against `git worktree prune`
    /// with `reason`. The branch must exist; nothing is fetched, tracked or hooked.
    ///
    /// # Errors
    /// When the folder exists, cannot be written, or git cannot fill it. What was made until then
    /// is taken away again.
    pub fn add_worktree(
        &self,
        path: &Path,
        head: &Head,
        reason: &str,
    ) -> Result<Worktree, WorktreeError> {
        if path.symlink_metadata().is_ok() {
            self.discard_half_made(path)?;
        }
        if let Some(parent) = path.parent() {
            at(parent, fs::create_dir_all(parent))?;
        }
        let worktree = if self.has_worktree_config() {
            self.add_by_git(path, head, reason)?
        } else {
            self.add_by_rename(path, head, reason)?
        };
        fault::point("worktree", "before it is filled");
        // Filling runs filters and takes the longest; it needs no lock, the entry is whole.
        let filled = at(path, fault::full("worktree files")).and_then(|()| {
            let args = ["read-tree", "--reset", "-u", "HEAD"];
            Ok(Git::at(path).run(&args)?)
        });
        if let Err(error) = filled {
            let _ = self.remove_worktree(&worktree);
            return Err(error);
        }
        fault::point("worktree", "filled");
        Ok(worktree)
    }

    /// What a process that was killed while it made a worktree left at its place: a folder with
    /// nothing in it but at most the link to an entry that never came. Anything else stays.
    fn discard_half_made(&self, path: &Path) -> Result<(), WorktreeError> {
        let exists = || WorktreeError::Exists(path.to_owned());
        let entries = fs::read_dir(path).map_err(|_| exists())?;
        let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        let link = path.join(".git");
        let dangling = || {
            let text = fs::read_to_string(&link).unwrap_or_default();
            let admin = Path::new(text.trim_end().trim_start_matches("gitdir: "));
            admin.starts_with(self.common.join("worktrees")) && !admin.exists()
        };
        match names.as_slice() {
            [] => {}
            [name] if name == ".git" && dangling() => at(&link, fs::remove_file(&link))?,
            _ => return Err(exists()),
        }
        at(path, fs::remove_dir(path))
    }

    /// Takes away a folder whose worktree entry is gone: a process was killed while it removed it.
    /// The caller has made sure that nothing in it can be lost. Any other folder stays.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub fn remove_orphan(&self, path: &Path) -> Result<(), WorktreeError> {
        let text = fs::read_to_string(path.join(".git")).unwrap_or_default();
        let admin = Path::new(text.trim_end().trim_start_matches("gitdir: "));
        let is_orphan = admin.starts_with(self.common.join("worktrees")) && !admin.exists();
        match is_orphan {
            true => at(path, fs::remove_dir_all(path)),
            false => Ok(()),
        }
    }

    fn has_worktree_config(&self) -> bool {
        Store::open(self).is_ok_and(|store| store.is_set("extensions.worktreeConfig"))
    }

    fn add_by_rename(
        &self,
        path: &Path,
        head: &Head,
        reason: &str,
    ) -> Result<Worktree, WorktreeError> {
        let stage_root = self.dispatch_folder().join("stage");
        at(&stage_root, fs::create_dir_all(&stage_root))?;
        at(&stage_root, fault::full("worktree entry"))?;
        let staged = at(&stage_root, tempfile::tempdir_in(&stage_root))?;
        let write = |name: &str, text: String| {
            let file = staged.path().join(name);
            at(&file, fs::write(&file, text))
        };
        write("HEAD", render_head(head))?;
        write("commondir", "../..\n".to_owned())?;
        write("gitdir", format!("{}\n", path.join(".git").display()))?;
        write("locked", format!("{reason}\n"))?;
        fault::point("worktree", "staged");
        at(path, fs::create_dir(path))?;
        fault::point("worktree", "with its folder");
        let result = self.rename_in(path, staged.path());
        match result {
            Ok(worktree) => {
                // The folder has moved; there is nothing left for the guard to remove.
                let _ = staged.keep();
                Ok(worktree)
            }
            Err(error) => {
                let _ = fs::remove_dir_all(path);
                Err(error)
            }
        }
    }

    fn rename_in(&self, path: &Path, staged: &Path) -> Result<Worktree, WorktreeError> {
        let _lock = self.lock_worktrees()?;
        let root = self.common.join("worktrees");
        at(&root, fs::create_dir_all(&root))?;
        let admin = free_name(&root, path);
        let link = path.join(".git");
        at(
            &link,
            fs::write(&link, format!("gitdir: {}\n", admin.display())),
        )?;
        fault::point("worktree", "linked");
        at(&admin, fs::rename(staged, &admin))?;
        fault::point("worktree", "renamed in");
        Ok(Worktree {
            path: path.to_owned(),
            admin,
        })
    }

    fn add_by_git(
        &self,
        path: &Path,
        head: &Head,
        reason: &str,
    ) -> Result<Worktree, WorktreeError> {
        let _lock = self.lock_worktrees()?;
        let commit = match head {
            Head::Branch(branch) => branch.clone(),
            Head::Detached(oid) => oid.to_string(),
        };
        let folder = path.to_string_lossy();
        let mut args = vec![
            "worktree",
            "add",
            "--quiet",
            "--no-checkout",
            "--lock",
            "--reason",
        ];
        args.push(reason);
        if matches!(head, Head::Detached(_)) {
            args.push("--detach");
        }
        args.extend(["--", &folder, &commit]);
        self.git().run(&args)?;
        let link = path.join(".git");
        let text = at(&link, fs::read_to_string(&link))?;
        let admin = PathBuf::from(text.trim_end().trim_start_matches("gitdir: "));
        Ok(Worktree {
            path: path.to_owned(),
            admin,
        })
    }

    /// Serialises making and removing worktrees among all dispatch processes of the repository.
    fn lock_worktrees(&self) -> Result<FileLock, WorktreeError> {
        let path = self.dispatch_folder().join("worktrees.lock");
        at(&path, FileLock::wait(&path))
    }

    /// The worktree at this folder, if git knows one there.
    pub fn find_worktree(&self, path: &Path) -> Option<Worktree> {
        self.worktrees()
            .into_iter()
            .find(|worktree| worktree.path == path)
    }

    /// Every linked worktree, read from the admin folders; half-made entries are passed over.
    pub fn worktrees(&self) -> Vec<Worktree> {
        let Ok(entries) = fs::read_dir(self.common.join("worktrees")) else {
            return Vec::new();
        };
        let mut found: Vec<Worktree> = entries
            .flatten()
            .filter_map(|entry| {
                let admin = entry.path();
                let gitdir = fs::read_to_string(admin.join("gitdir")).ok()?;
                let link = admin.join(gitdir.trim_end());
                Some(Worktree {
                    path: link.parent()?.to_owned(),
                    admin,
                })
            })
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Where a branch is checked out: the main checkout or linked worktrees.
    pub fn checkouts_of(&self, branch: &str) -> Vec<PathBuf> {
        let found = self.checkouts().into_iter();
        found
            .filter(|(checked_out, _)| checked_out == branch)
            .map(|(_, place)| place)
            .collect()
    }

    /// Where a branch is being rebased or bisected, and the word for it. HEAD is detached there, and
    /// the end of either writes the branch, so git itself refuses to move it meanwhile.
    pub fn being_rewritten(&self, branch: &str) -> Option<(PathBuf, &'static str)> {
        let main = (self.common.clone(), self.home().to_owned());
        let linked = self.worktrees().into_iter();
        let mut places = linked.map(|worktree| (worktree.admin, worktree.path));
        let mut all = std::iter::once(main).chain(&mut places);
        all.find_map(|(admin, place)| {
            let holds = |file: &str, name: &str| {
                let text = fs::read_to_string(admin.join(file)).unwrap_or_default();
                text.lines().any(|line| line.trim() == name)
            };
            let full = format!("refs/heads/{branch}");
            let rebase = [
                "rebase-merge/head-name",
                "rebase-apply/head-name",
                "rebase-merge/update-refs",
            ];
            if rebase.iter().any(|file| holds(file, &full)) {
                return Some((place, "rebase"));
            }
            holds("BISECT_START", branch).then_some((place, "bisect"))
        })
    }

    /// Every branch that is checked out, without `refs/heads/`, and where.
    pub fn checkouts(&self) -> Vec<(String, PathBuf)> {
        let mut heads = Vec::new();
        if self.common.join("index").exists() {
            heads.push((read_head(&self.common), self.home().to_owned()));
        }
        let linked = self.worktrees().into_iter();
        heads.extend(linked.map(|worktree| (worktree.head(), worktree.path)));
        heads
            .into_iter()
            .filter_map(|(head, place)| match head {
                Some(Head::Branch(branch)) => Some((branch, place)),
                _ => None,
            })
            .collect()
    }

    /// Takes a worktree away, folder and entry, whatever is in it. The caller has made sure that
    /// nothing in it can be lost.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub fn remove_worktree(&self, worktree: &Worktree) -> Result<(), WorktreeError> {
        fault::point("worktree", "before it goes");
        // First out of git's sight, in one step; what takes long comes after the lock is free.
        let stage_root = self.dispatch_folder().join("stage");
        at(&stage_root, fs::create_dir_all(&stage_root))?;
        let away = at(&stage_root, tempfile::tempdir_in(&stage_root))?;
        {
            let _lock = self.lock_worktrees()?;
            if worktree.admin.exists() {
                at(
                    &worktree.admin,
                    fs::rename(&worktree.admin, away.path().join("admin")),
                )?;
            }
        }
        fault::point("worktree", "out of sight");
        match fs::remove_dir_all(&worktree.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(WorktreeError::Io(worktree.path.clone(), error));
            }
            _ => {}
        }
        fault::point("worktree", "gone");
        Ok(())
    }
}

/// Files that say git is in the middle of something (what `git status` looks at).
const UNFINISHED: [(&str, &str); 6] = [
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_START", "bisect"),
];

impl Worktree {
    /// Makes sure that the worktree still is linked as it was made. A worker can rewrite `.git` or
    /// the admin folder so that the next git command here runs programs of its choice, so this
    /// comes before any such command.
    ///
    /// # Errors
    /// [`WorktreeError::Tampered`] names the link that differs.
    pub fn verify(&self) -> Result<(), WorktreeError> {
        let link = self.path.join(".git");
        let is_file = link.symlink_metadata().is_ok_and(|meta| meta.is_file());
        if !is_file {
            return Err(self.tampered(format!("{} is no regular file", link.display())));
        }
        self.expect(&link, &format!("gitdir: {}", self.admin.display()))?;
        self.expect(&self.admin.join("commondir"), "../..")?;
        self.expect(&self.admin.join("gitdir"), &link.display().to_string())?;
        if self.admin.join("config.worktree").exists() && !self.worktree_config_is_expected() {
            return Err(self.tampered("a config.worktree has appeared".to_owned()));
        }
        Ok(())
    }

    /// A sparse checkout that `git worktree add` copied keeps only `core.sparseCheckout*` there.
    fn worktree_config_is_expected(&self) -> bool {
        let text = fs::read_to_string(self.admin.join("config.worktree")).unwrap_or_default();
        let sparse = |line: &str| {
            let line = line.trim().to_lowercase();
            line.is_empty()
                || line == "[core]"
                || line == "[index]"
                || line.starts_with("sparse")
                || line.starts_with("bare")
        };
        text.lines().all(sparse)
    }

    fn expect(&self, file: &Path, expected: &str) -> Result<(), WorktreeError> {
        let found = fs::read(file).unwrap_or_default();
        let found = String::from_utf8_lossy(&found);
        if found.trim_end_matches('\n') == expected {
            return Ok(());
        }
        Err(self.tampered(format!("{} holds {:?}", file.display(), found.trim_end())))
    }

    fn tampered(&self, what: String) -> WorktreeError {
        WorktreeError::Tampered {
            path: self.path.clone(),
            admin: self.admin.clone(),
            what,
        }
    }

    /// Whether its folder is still there; the entry alone may have outlived it.
    pub fn is_there(&self) -> bool {
        self.path.join(".git").exists()
    }

    /// What is checked out.
    pub fn head(&self) -> Option<Head> {
        read_head(&self.admin)
    }

    /// Makes HEAD something else, without touching files or index.
    ///
    /// # Errors
    /// When the admin folder cannot be written.
    pub fn set_head(&self, head: &Head) -> Result<(), WorktreeError> {
        if self.head().as_ref() == Some(head) {
            return Ok(());
        }
        let file = self.admin.join("HEAD");
        at(&file, files::replace(&file, render_head(head).as_bytes()))
    }

    /// Protects it against `git worktree prune` and `remove`, with a reason.
    ///
    /// # Errors
    /// When the admin folder cannot be written.
    pub fn lock(&self, reason: &str) -> Result<(), WorktreeError> {
        let file = self.admin.join("locked");
        at(&file, fs::write(&file, format!("{reason}\n")))
    }

    /// What git is in the middle of in it, if anything: `merge`, `rebase`, ….
    pub fn unfinished(&self) -> Option<&'static str> {
        let mut known = UNFINISHED.iter();
        known
            .find(|(file, _)| self.admin.join(file).exists())
            .map(|(_, word)| *word)
    }

    /// Lets `git worktree prune` and `remove` see it as any other.
    pub fn unlock(&self) {
        // An absent file is an unlocked worktree; nothing else can fail that would matter.
        let _ = fs::remove_file(self.admin.join("locked"));
    }

    /// Why it is locked; `None` if it is not.
    pub fn lock_reason(&self) -> Option<String> {
        let text = fs::read_to_string(self.admin.join("locked")).ok()?;
        Some(text.trim().to_owned())
    }

    /// Writes both links between the folder and its entry anew, for where they are now.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn relink(&self) -> Result<(), WorktreeError> {
        let (link, gitdir) = (self.path.join(".git"), self.admin.join("gitdir"));
        let to_admin = format!("gitdir: {}\n", self.admin.display());
        let to_folder = format!("{}\n", link.display());
        fault::point("worktree", "before it is linked again");
        at(&link, files::replace(&link, to_admin.as_bytes()))?;
        fault::point("worktree", "half linked again");
        at(&gitdir, files::replace(&gitdir, to_folder.as_bytes()))
    }

    /// git, run inside it.
    pub fn git(&self) -> Git {
        Git::at(&self.path)
    }
}

/// The first unused name below `worktrees/`, after the worktree's folder as git does it.
fn free_name(root: &Path, path: &Path) -> PathBuf {
    let base = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let parent = path
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let first = root.join(format!("{parent}-{base}"));
    let numbered = (1..).map(|n| root.join(format!("{parent}-{base}{n}")));
    std::iter::once(first)
        .chain(numbered)
        .find(|candidate| candidate.symlink_metadata().is_err())
        .unwrap_or_else(|| root.join(base))
}

fn render_head(head: &Head) -> String {
    match head {
        Head::Branch(branch) => format!("ref: {}\n", branch_ref(branch)),
        Head::Detached(oid) => format!("{oid}\n"),
    }
}

fn read_head(git_dir: &Path) -> Option<Head> {
    let text = fs::read_to_string(git_dir.join("HEAD")).ok()?;
    let text = text.trim_end();
    match text.strip_prefix("ref: refs/heads/") {
        Some(branch) => Some(Head::Branch(branch.to_owned())),
        None => text.parse().ok().map(Head::Detached),
    }
}
