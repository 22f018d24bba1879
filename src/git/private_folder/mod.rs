//! The git folder of its own that a worker uses while it runs.
//!
//! The worktree's `.git` names an entry in that folder instead of the repository's. It holds a copy of the
//! repository's configuration and of its references, and borrows the repository's objects; new objects,
//! references, the index, the stash and worktrees of the worker are its own. So the repository itself can
//! stay closed to it, and no command of git in the worktree changes anything of others.
//!
//! The order of effects, each of which a later process can repeat: the folder is made, the worktree is
//! marked (`PrivateMark`), its link is moved, the worker runs. Afterwards (`take_over`) the objects are
//! checked and copied, the branch moves, the index and what else belongs to the worktree return, the link
//! is moved back, the mark is removed. The folder stays until the attempt is judged, because it names
//! what is on other branches and in the stash (`left`).

mod hand_back;
pub mod left;
mod objects;
pub mod take_over;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::base::files::{self, is_own_folder};
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::removal::{OwnFolder, remove_own_folder};
use crate::git::frozen_settings::{COPIED, FrozenSettings};
use crate::git::private_mark::PrivateMark;
use crate::git::quarantine::alternates_of;
use crate::git::refs::branch_ref;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::worktree::{Head, Worktree, WorktreeError, at, render_head};
use crate::merge::oid::Oid;

/// The folder below dispatch's own that holds these folders.
const ROOT: &str = "private";

/// Entries of the repository that are read in place: hooks, large files, keys of filters.
const LINKED: [&str; 4] = ["hooks", "lfs", "git-crypt", "git-agecrypt"];

/// Those with keys, which filters look for in the git folder of a worktree.
const KEYS: [&str; 2] = ["git-crypt", "git-agecrypt"];

/// Entries of a worktree that stay in the repository: links, locks, and what is copied in another way.
const NOT_COPIED: [&str; 4] = ["HEAD", "commondir", "gitdir", "locked"];

/// The last parts of the path of an entry that the worker can replace, and the folder of all workers.
const ENTRY_DEPTH: usize = 4;

/// The folder of the worker's objects.
const OBJECTS: &str = "objects";

/// The folder of the git folders of submodules, which have a path in each submodule.
const MODULES: &str = "modules";

/// The git folder of a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrivateFolder {
    folder: PathBuf,
    /// The name of the worktree's entry, the same as in the repository.
    name: std::ffi::OsString,
}

impl PrivateFolder {
    /// The folder of the worker in a worktree, whether it exists or not.
    pub fn of(repo: &Repo, worktree: &Worktree) -> PrivateFolder {
        let name = worktree.admin.file_name().unwrap_or_default().to_owned();
        let folder = repo.dispatch_folder().join(ROOT).join(&name);
        PrivateFolder { folder, name }
    }

    /// Returns `true` if it exists with more than its objects.
    pub fn exists(&self) -> bool {
        let entries = || fs::read_dir(&self.folder).into_iter().flatten().flatten();
        is_own_folder(&self.folder) && entries().any(|entry| entry.file_name() != OBJECTS)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders that the worker writes to besides its worktree.
    pub fn writable(&self, worktree: &Worktree) -> Vec<PathBuf> {
        vec![self.folder.clone(), worktree.admin.join(MODULES)]
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        remove_own_folder(&self.folder, 3)
    }

    /// Removes its objects, which have been taken over. The way to those of the repository stays: a clone
    /// that the worker made with `git clone --shared` reads objects through this folder.
    ///
    /// # Errors
    /// When one of them cannot be removed.
    pub fn remove_objects(&self, repo: &Repo) -> io::Result<()> {
        let objects = self.objects();
        if !is_own_folder(&objects) {
            return remove_own_folder(&objects, 4);
        }
        let info = objects.join("info");
        fs::create_dir_all(&info)?;
        let alternates = alternates_of(&repo.common.join("objects"))?;
        files::replace(&info.join("alternates"), &alternates)?;
        for entry in fs::read_dir(&objects)?.flatten() {
            if entry.file_name() != "info" {
                remove_entry(&entry, 5)?;
            }
        }
        Ok(())
    }

    /// Removes everything but the way to the objects of the repository, if it exists.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove_all_but_way_to_objects(&self, repo: &Repo) -> io::Result<()> {
        if !is_own_folder(&self.folder) {
            return self.remove();
        }
        self.remove_objects(repo)?;
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if entry.file_name() != OBJECTS {
                remove_entry(&entry, 4)?;
            }
        }
        Ok(())
    }

    /// The worktree's entry.
    fn entry(&self) -> PathBuf {
        self.folder.join("worktrees").join(&self.name)
    }

    /// Opens the worktree's entry; `None` if the worker removed it.
    ///
    /// # Errors
    /// When it, or a folder on the way to it, is a link or no folder of this user: the worker could have
    /// put a link to anything in its place.
    fn open_entry(&self) -> io::Result<Option<OwnFolder>> {
        OwnFolder::open(&self.entry(), ENTRY_DEPTH)
    }

    fn objects(&self) -> PathBuf {
        self.folder.join(OBJECTS)
    }

    fn mark(&self, start: Oid) -> PrivateMark {
        PrivateMark {
            entry: self.entry(),
            start,
        }
    }
}

/// Removes a file, a link or a folder, following no link in the last `depth` parts of its path.
fn remove_entry(entry: &fs::DirEntry, depth: usize) -> io::Result<()> {
    match entry.file_type()?.is_dir() {
        true => remove_own_folder(&entry.path(), depth),
        false => fs::remove_file(entry.path()),
    }
}

/// The references that a worker sees.
#[derive(Clone, Copy, Debug)]
pub struct SeenReferences<'a> {
    /// Those of the user, by name, as their files read.
    pub of_user: &'a BTreeMap<String, String>,
    /// Branches of the run, without `refs/heads/`.
    pub of_run: &'a [(String, Oid)],
}

impl Repo {
    /// Makes the git folder of the worker that starts in a worktree now, and lets the worktree use it.
    ///
    /// # Errors
    /// When HEAD of the worktree names no commit, or a file cannot be read or written.
    pub fn give_private_folder(
        &self,
        worktree: &Worktree,
        seen: SeenReferences<'_>,
    ) -> Result<PrivateFolder, WorktreeError> {
        let private = PrivateFolder::of(self, worktree);
        let head = worktree.head().unwrap_or(Head::Detached(Oid::ZERO));
        let start = self.with_store(|store| commit_of(store, &head));
        let start = at(&worktree.admin, start.map_err(io::Error::other))?;
        at(&private.folder, private.remove())?;
        fault::point("private folder", "before it is made");
        let settings = self.frozen_settings()?;
        let made = make((self, &settings), &private, worktree, (&head, seen));
        at(&private.folder, made)?;
        if self.user.has_conditions() {
            self.settle_conditions(worktree, &private.folder, &private.entry())?;
        }
        fault::point("private folder", "made");
        let marked = private.mark(start).write(&worktree.admin);
        at(&worktree.admin, marked)?;
        fault::point("private folder", "marked");
        let link = worktree.path.join(".git");
        let text = format!("gitdir: {}\n", private.entry().display());
        at(&link, files::replace(&link, text.as_bytes()))?;
        fault::point("private folder", "in use");
        Ok(private)
    }
}

fn commit_of(store: &Store, head: &Head) -> Result<Oid, StoreError> {
    let found = match head {
        Head::Detached(oid) => Some(*oid).filter(|oid| !oid.is_zero()),
        Head::Branch(branch) => store.reference(&branch_ref(branch))?,
    };
    found.ok_or(StoreError::Missing(Oid::ZERO))
}

/// Returns the configuration of a private folder, whose references are always files.
fn config_of(settings: &[u8], has_worktree_config: bool) -> Vec<u8> {
    let mut config = settings.to_vec();
    if String::from_utf8_lossy(settings).contains("refstorage") {
        config.extend_from_slice(b"[extensions]\n\trefstorage = files\n");
    }
    if has_worktree_config {
        config.extend_from_slice(b"[extensions]\n\tworktreeConfig = true\n");
    }
    config
}

fn make(
    (repo, settings): (&Repo, &FrozenSettings),
    private: &PrivateFolder,
    worktree: &Worktree,
    (head, seen): (&Head, SeenReferences<'_>),
) -> io::Result<()> {
    let config = settings.of_repository().map_err(io::Error::other)?;
    let config = config_of(config, repo.has_worktree_config());
    let (common, top) = (&repo.common, &private.folder);
    for folder in ["info", "objects/info", "refs/heads", "refs/tags"] {
        fs::create_dir_all(top.join(folder))?;
    }
    fs::write(top.join("config"), config)?;
    fs::write(top.join("HEAD"), head_of_main(repo))?;
    let alternates = alternates_of(&common.join("objects"))?;
    fs::write(top.join("objects/info/alternates"), alternates)?;
    copy_if_exists(&common.join("shallow"), &top.join("shallow"))?;
    // Git in the worktree reads these, too, as they were.
    for name in COPIED {
        if let Some(content) = settings.content(name) {
            fs::write(top.join(name), content)?;
        }
    }
    for name in LINKED {
        // Without the link git-lfs would make a folder of its own, whose files would be lost.
        if name == "lfs" || common.join(name).exists() {
            symlink(common.join(name), top.join(name))?;
        }
    }
    write_references(top, seen)?;
    let entry = private.entry();
    fill_entry(&entry, worktree, head)?;
    for name in KEYS.iter().filter(|name| top.join(name).exists()) {
        symlink(Path::new("../..").join(name), entry.join(name))?;
    }
    Ok(())
}

/// Returns HEAD of the main checkout, so that git refuses to check out its branch as everywhere else.
fn head_of_main(repo: &Repo) -> String {
    let head = crate::git::worktree::read_head(&repo.common);
    render_head(&head.unwrap_or(Head::Branch("main".to_owned())))
}

/// Writes the references of the user as one file, and those that are symbolic or belong to the run as
/// files of their own.
fn write_references(top: &Path, seen: SeenReferences<'_>) -> io::Result<()> {
    let mut packed = String::from("# pack-refs with: sorted \n");
    for (name, text) in seen.of_user {
        if text.parse::<Oid>().is_ok() {
            packed.push_str(text);
            packed.push(' ');
            packed.push_str(name);
            packed.push('\n');
        } else if text.starts_with("ref: refs/") {
            write_loose(top, name, text)?;
        }
    }
    fs::write(top.join("packed-refs"), packed)?;
    for (branch, commit) in seen.of_run {
        write_loose(top, &branch_ref(branch), &commit.to_string())?;
    }
    Ok(())
}

fn write_loose(top: &Path, name: &str, text: &str) -> io::Result<()> {
    let file = top.join(name);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, format!("{text}\n"))
}

/// Fills the worktree's entry with what git keeps for a worktree: index, settings, the log of HEAD.
fn fill_entry(entry: &Path, worktree: &Worktree, head: &Head) -> io::Result<()> {
    let admin = &worktree.admin;
    fs::create_dir_all(entry.join("info"))?;
    fs::create_dir_all(entry.join("logs"))?;
    fs::create_dir_all(admin.join(MODULES))?;
    for found in fs::read_dir(admin)?.flatten() {
        let name = found.file_name();
        let text = name.to_string_lossy();
        let is_own = text.starts_with("dispatch-") || text.ends_with(".lock");
        let is_file = found.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && !is_own && !NOT_COPIED.iter().any(|not| name == *not) {
            regular_file::copy_with_time(&found.path(), &entry.join(&name))?;
        }
    }
    for name in ["info/sparse-checkout", "logs/HEAD"] {
        copy_if_exists(&admin.join(name), &entry.join(name))?;
    }
    for (name, object) in worktree.own_references().map_err(io::Error::other)? {
        write_loose(entry, &name, &object.to_string())?;
    }
    symlink(admin.join(MODULES), entry.join(MODULES))?;
    fs::write(entry.join("HEAD"), render_head(head))?;
    fs::write(entry.join("commondir"), "../..\n")?;
    let link = worktree.path.join(".git");
    fs::write(entry.join("gitdir"), format!("{}\n", link.display()))
}

fn copy_if_exists(from: &Path, to: &Path) -> io::Result<()> {
    match regular_file::read_linked(from, RECORD_LIMIT) {
        Ok(content) => fs::write(to, content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
