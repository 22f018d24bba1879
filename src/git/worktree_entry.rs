//! Creates and removes linked worktrees without disturbing concurrent git commands.
//!
//! `git worktree add` fills its admin folder in place, and any git command that runs meanwhile in the
//! repository can fail on the incomplete entry (git's `get_common_dir_noenv`). So the admin folder,
//! whose layout gitrepository-layout(5) documents, is built elsewhere and renamed into `worktrees/`.
//! With per-worktree configuration (sparse checkouts) or reftable, which that layout does not cover,
//! `git worktree add` itself is used, under the same lock.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::fault;
use crate::base::files::FileLock;
use crate::base::parallel::cores;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::removal::remove_own_folder;
use crate::git::checkout_pack::ALTERNATES;
use crate::git::command::GitError;
use crate::git::object_hash::hash_tree;
use crate::git::private_folder::PrivateFolder;
use crate::git::racy_index::postdate_index;
use crate::git::refs::branch_ref;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::worktree::{Head, Worktree, WorktreeError, at, render_head};
use crate::git::worktree_config;
use crate::merge::oid::Oid;

/// Folders in the git folder with the keys of filters.
const KEY_FOLDERS: [&str; 2] = ["git-crypt", "git-agecrypt"];

/// References of a module store that keep commits of removed worktrees.
const REMOVED: &str = "refs/dispatch/removed";

/// The checkouts under way in this process.
static FILLING: AtomicUsize = AtomicUsize::new(0);

/// A checkout under way.
struct Filling {
    /// The number of those under way, with this one.
    count: usize,
}

impl Filling {
    fn begin() -> Filling {
        let count = FILLING.fetch_add(1, Ordering::Relaxed) + 1;
        Filling { count }
    }

    /// Returns the share of the processors that this checkout may use.
    fn processors(&self) -> usize {
        cores() / self.count
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        FILLING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Repo {
    /// Creates a worktree at `path` with `head` checked out, locked against `git worktree prune`
    /// with `reason`. The branch must exist; nothing is fetched, tracked or hooked.
    ///
    /// # Errors
    /// When the folder exists, cannot be written, or git cannot fill it. Everything created until
    /// then is removed again.
    pub fn add_worktree(
        &self,
        path: &Path,
        head: &Head,
        reason: &str,
    ) -> Result<Worktree, WorktreeError> {
        self.add_worktree_with(path, head, reason, |worktree| {
            Ok(self.check_out(worktree, head)?)
        })
    }

    /// Creates a worktree as [`Repo::add_worktree`] does, and fills it by `fill`: files and index.
    ///
    /// # Errors
    /// As [`Repo::add_worktree`], and those of `fill`.
    pub(super) fn add_worktree_with(
        &self,
        path: &Path,
        head: &Head,
        reason: &str,
        fill: impl FnOnce(&Worktree) -> Result<(), WorktreeError>,
    ) -> Result<Worktree, WorktreeError> {
        if path.symlink_metadata().is_ok() {
            self.remove_incomplete(path)?;
        }
        if let Some(parent) = path.parent() {
            at(parent, fs::create_dir_all(parent))?;
        }
        let worktree = if self.formats.has_reftable || self.has_worktree_config() {
            self.add_by_git(path, head, reason)?
        } else {
            self.add_by_rename(path, head, reason)?
        };
        self.link_keys(&worktree)?;
        fault::point("worktree", "before it is filled");
        // Filling runs filters and takes the longest. It needs no lock, the entry is complete.
        let filled = at(path, fault::full("worktree files")).and_then(|()| {
            fill(&worktree)?;
            at(
                &worktree.admin,
                postdate_index(&worktree.admin.join("index")),
            )
        });
        if let Err(error) = filled {
            let _ = self.remove_unrecorded(&worktree);
            return Err(error);
        }
        fault::point("worktree", "filled");
        Ok(worktree)
    }

    /// Moves a worktree to another HEAD, and writes the files that differ from those in `index`, a copy
    /// of its index from before anything else wrote to it; without such a copy, every file. What was
    /// changed since goes. The caller has made sure that nothing in it can be lost.
    ///
    /// # Errors
    /// When files cannot be written, or git fails.
    pub fn move_worktree(
        &self,
        worktree: &Worktree,
        head: &Head,
        index: Option<&Path>,
    ) -> Result<(), WorktreeError> {
        let own = self.restore_index(worktree, index)?;
        worktree.set_head(head)?;
        at(&worktree.path, fault::full("worktree files"))?;
        self.check_out(worktree, head)?;
        at(&worktree.admin, postdate_index(&own))
    }

    /// Replaces the index of a worktree by a copy, or removes it, with the locks that a killed program has
    /// left. Returns its path.
    ///
    /// # Errors
    /// When a file cannot be removed or written.
    pub fn restore_index(
        &self,
        worktree: &Worktree,
        copy: Option<&Path>,
    ) -> Result<PathBuf, WorktreeError> {
        let own = worktree.admin.join("index");
        for name in ["index", "index.lock", "HEAD.lock"] {
            match fs::remove_file(worktree.admin.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => at(&own, Err(error))?,
                _ => {}
            }
        }
        if let Some(copy) = copy {
            at(&own, regular_file::copy_with_time(copy, &own))?;
        }
        Ok(own)
    }

    /// Fills a new worktree with the files of its HEAD.
    fn check_out(&self, worktree: &Worktree, head: &Head) -> Result<(), GitError> {
        let tree = self.tree_at(head);
        let git = self.git_in(worktree)?;
        // git looks for attributes in every folder that it fills; in a tree without any they can be
        // read from the empty tree. git before 2.41 ignores that.
        let git = match tree.and_then(|tree| self.without_attributes(tree)) {
            Some(empty) => git.env("GIT_ATTR_SOURCE", empty.to_string()),
            None => git,
        };
        // What a worker did to a file shows in these, whatever the user has set.
        let git = git.setting("core.trustctime=true");
        let git = git.setting("core.checkStat=default");
        let packed = tree.and_then(|tree| self.pack_for_checkout(tree));
        let git = match packed {
            Some(folder) => git.env(ALTERNATES, folder.into_os_string()),
            None => git,
        };
        let filling = Filling::begin();
        let git = match filling.processors() {
            several @ 2.. if !self.has_checkout_workers() => {
                git.setting(&format!("checkout.workers={several}"))
            }
            _ => git,
        };
        // By its tree, git need not look up the branch among all references.
        let tree = tree.map_or_else(|| "HEAD".to_owned(), |tree| tree.to_string());
        git.run(&["read-tree", "--reset", "-u", &tree]).map(drop)
    }

    /// Returns `true` if the user decides how many processes of git write files.
    fn has_checkout_workers(&self) -> bool {
        let is_set = |store: &Store| Ok(store.is_set("checkout.workers"));
        self.with_store::<bool, StoreError>(is_set).unwrap_or(true)
    }

    /// Returns the empty tree if `tree` holds no attributes anywhere.
    fn without_attributes(&self, tree: Oid) -> Option<Oid> {
        let known = self.plain_trees.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let is_plain = self.with_store(|store| store.is_plain(tree, &mut known));
        is_plain
            .unwrap_or(false)
            .then(|| hash_tree(self.formats.objects, b""))
    }

    /// Links the folders with the keys of filters that look for them in the git folder of a worktree.
    fn link_keys(&self, worktree: &Worktree) -> Result<(), WorktreeError> {
        for name in KEY_FOLDERS {
            let link = worktree.admin.join(name);
            if self.common.join(name).is_dir() && link.symlink_metadata().is_err() {
                at(&link, symlink(Path::new("../..").join(name), &link))?;
            }
        }
        Ok(())
    }

    /// Returns the tree of a HEAD; `None` where libgit2 cannot read it.
    fn tree_at(&self, head: &Head) -> Option<Oid> {
        let tree = self.with_store::<_, StoreError>(|store| {
            let commit = match head {
                Head::Branch(branch) => store.reference(&branch_ref(branch))?,
                Head::Detached(commit) => Some(*commit),
            };
            commit.map(|commit| store.tree_of(commit)).transpose()
        });
        tree.unwrap_or(None)
    }

    /// Removes the folder of an interrupted creation, which holds nothing but possibly a link to an
    /// entry that does not exist. Any other folder stays.
    fn remove_incomplete(&self, path: &Path) -> Result<(), WorktreeError> {
        let exists = || WorktreeError::Exists(path.to_owned());
        let entries = fs::read_dir(path).map_err(|_| exists())?;
        let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        let link = path.join(".git");
        let dangling = || {
            let text = regular_file::read_line(&link).unwrap_or_default();
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

    /// Removes a folder whose worktree entry is gone, after an interrupted removal. Any other folder
    /// stays. The caller has made sure that nothing in it can be lost.
    ///
    /// # Errors
    /// When files cannot be removed.
    pub fn remove_orphan(&self, path: &Path) -> Result<(), WorktreeError> {
        let text = regular_file::read_line(&path.join(".git")).unwrap_or_default();
        let admin = Path::new(text.trim_end().trim_start_matches("gitdir: "));
        let is_orphan = admin.starts_with(self.common.join("worktrees")) && !admin.exists();
        match is_orphan {
            true => at(path, remove_own_folder(path, 1)),
            false => Ok(()),
        }
    }

    /// Returns `true` if worktrees have settings of their own, as those of a sparse checkout.
    pub fn has_worktree_config(&self) -> bool {
        let is_set = |store: &Store| Ok(store.is_set("extensions.worktreeConfig"));
        self.with_store::<bool, StoreError>(is_set).unwrap_or(false)
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
        // The mask of the user decides who may read it, as for any folder of git.
        let ordinary = fs::Permissions::from_mode(0o777);
        let staged = tempfile::Builder::new()
            .permissions(ordinary)
            .tempdir_in(&stage_root);
        let staged = at(&stage_root, staged)?;
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
                // The folder has moved; the guard has nothing to remove.
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
        // Its links are verified as absolute ones.
        let git = self.git().setting("worktree.useRelativePaths=false");
        git.run(&args)?;
        let link = path.join(".git");
        let text = at(&link, regular_file::read_line(&link))?;
        let admin = PathBuf::from(text.trim_end().trim_start_matches("gitdir: "));
        let worktree = Worktree {
            path: path.to_owned(),
            admin,
        };
        at(&worktree.admin, worktree_config::record(&worktree.admin))?;
        Ok(worktree)
    }

    /// Gives a worktree that a worker added to its own git folder an entry of this repository, at the
    /// commit that it shows.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(super) fn adopt_worktree(
        &self,
        worktree: &Worktree,
        head: &Head,
    ) -> Result<(), WorktreeError> {
        let stage_root = self.dispatch_folder().join("stage");
        at(&stage_root, fs::create_dir_all(&stage_root))?;
        let staged = at(&stage_root, tempfile::tempdir_in(&stage_root))?;
        if self.formats.has_reftable {
            let made = self.add_by_git(&staged.path().join("worktree"), head, "dispatch")?;
            made.unlock();
            let _ = regular_file::copy_with_time(
                &worktree.admin.join("index"),
                &made.admin.join("index"),
            );
            return Worktree {
                path: worktree.path.clone(),
                ..made
            }
            .relink();
        }
        let write = |name: &str, text: String| {
            let file = staged.path().join(name);
            at(&file, fs::write(&file, text))
        };
        write("HEAD", render_head(head))?;
        write("commondir", "../..\n".to_owned())?;
        write(
            "gitdir",
            format!("{}\n", worktree.path.join(".git").display()),
        )?;
        // Only files are taken, and only those whose content git checks.
        let index = staged.path().join("index");
        let _ = regular_file::copy_with_time(&worktree.admin.join("index"), &index);
        let log = regular_file::read(&worktree.admin.join("logs/HEAD"), RECORD_LIMIT);
        if let Ok(log) = log {
            let folder = staged.path().join("logs");
            at(&folder, fs::create_dir(&folder))?;
            at(&folder, fs::write(folder.join("HEAD"), log))?;
        }
        let _lock = self.lock_worktrees()?;
        let root = self.common.join("worktrees");
        let admin = free_name(&root, &worktree.path);
        at(&admin, fs::rename(staged.path(), &admin))?;
        let _ = staged.keep();
        Worktree {
            path: worktree.path.clone(),
            admin,
        }
        .relink()
    }

    /// Serialises creation and removal of worktrees among all dispatch processes.
    fn lock_worktrees(&self) -> Result<FileLock, WorktreeError> {
        let path = self.dispatch_folder().join("worktrees.lock");
        at(&path, FileLock::wait(&path))
    }

    /// Removes a worktree, folder and entry. The caller has made sure that nothing in its files can
    /// be lost; the commits of its submodules are kept here.
    ///
    /// # Errors
    /// When files cannot be removed, or a commit of a submodule cannot be kept.
    pub fn remove_worktree(&self, worktree: &Worktree) -> Result<(), WorktreeError> {
        self.remove_unrecorded(worktree)?;
        if let Some(entry) = self.in_pool(&worktree.path) {
            at(&entry.record, self.remove_from_pool(&entry))?;
        }
        fault::point("worktree", "gone");
        Ok(())
    }

    /// Removes a worktree as [`Repo::remove_worktree`] does. If it is one of the pool, its record stays.
    ///
    /// # Errors
    /// As [`Repo::remove_worktree`].
    pub fn remove_unrecorded(&self, worktree: &Worktree) -> Result<(), WorktreeError> {
        fault::point("worktree", "before it goes");
        let kept = self.carry_all(worktree, REMOVED);
        kept.map_err(|error| WorktreeError::Submodules(worktree.path.clone(), Box::new(error)))?;
        // A link to a folder of the user could have taken the place of a folder above it.
        let is_linked = worktree.is_linked_back();
        let own_parts = if is_linked { 1 } else { 2 };
        // The entry goes first, in one step; the slow removal comes after the lock is released.
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
            // The next worktree of this name replaces one that stays.
            let _ = worktree_config::forget(&worktree.admin);
        }
        fault::point("worktree", "out of sight");
        let private = PrivateFolder::of(self, worktree);
        at(&worktree.path, private.remove())?;
        at(&worktree.path, remove_own_folder(&worktree.path, own_parts))
    }
}

/// Finds an unused name below `worktrees/`, after the worktree's folder as git does.
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
