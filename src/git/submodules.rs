//! Finds the submodules that are checked out in a linked worktree, and the work in them.
//!
//! git keeps their repositories in the worktree's own admin folder, `worktrees/<id>/modules/<name>`,
//! where nothing outlives the worktree. Everything a worker commits in a submodule is there only.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use tempfile::NamedTempFile;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::index_flags::{self, clear_hiding_flags, hides_changes};
use crate::git::module_paths::{folder_of_name, name_of_folder};
use crate::git::module_settings::{folder_of, without_own_filters};
use crate::git::reference_log::tips_in;
use crate::git::repo::Repo;
use crate::git::worktree::Worktree;
use crate::merge::oid::{ObjectFormat, Oid};

/// A submodule in a worktree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submodule {
    /// Its path below the top of the worktree; its name if it is not checked out.
    pub path: PathBuf,
    /// The folder of its files, if it is checked out.
    pub folder: Option<PathBuf>,
    /// Its repository, which goes with the worktree.
    pub git_dir: PathBuf,
    /// Its repository in the module store, which stays. It may not exist yet.
    pub store: PathBuf,
    /// Its name in the configuration of the repository that contains it.
    pub name: String,
}

/// A file with content that is in no commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UncommittedFile {
    /// Its path below the top of its repository.
    pub path: PathBuf,
    /// `true` if git does not track it.
    pub is_untracked: bool,
}

impl Repo {
    /// Lists the submodules of a worktree that have a repository there, nested ones included. A
    /// worktree without submodules costs two looks at its folders.
    ///
    /// # Errors
    /// When git cannot read `.gitmodules`.
    pub fn submodules_in(&self, worktree: &Worktree) -> Result<Vec<Submodule>, GitError> {
        let mut found = Vec::new();
        let stores = self.common.join("modules");
        let modules = worktree.admin.join("modules");
        self.add_absorbed(worktree, &modules, &stores, &mut found)?;
        self.add_unabsorbed(worktree, &mut found)?;
        Ok(found)
    }

    /// Adds the repositories below a folder of modules. A name may have slashes, and a repository
    /// has the modules nested in it below its own folder `modules`.
    fn add_absorbed(
        &self,
        worktree: &Worktree,
        modules: &Path,
        stores: &Path,
        found: &mut Vec<Submodule>,
    ) -> Result<(), GitError> {
        let mut folders = vec![PathBuf::new()];
        while let Some(name) = folders.pop() {
            for entry in subfolders(&modules.join(&name)) {
                let name = name.join(entry);
                let git_dir = modules.join(&name);
                if !is_repository(&git_dir) {
                    folders.push(name);
                    continue;
                }
                let is_top = *stores == self.common.join("modules");
                let own = name_of_folder(&name, self.formats.has_module_paths);
                let store = match is_top {
                    true => self.module_store(&own)?,
                    false => stores.join(&name),
                };
                let submodule = self.absorbed(worktree, git_dir, store, &own);
                let (git_dir, store) = (submodule.git_dir.clone(), submodule.store.clone());
                found.push(submodule);
                let (inner, stores) = (git_dir.join("modules"), store.join("modules"));
                self.add_absorbed(worktree, &inner, &stores, found)?;
            }
        }
        Ok(())
    }

    fn absorbed(
        &self,
        worktree: &Worktree,
        git_dir: PathBuf,
        store: PathBuf,
        name: &Path,
    ) -> Submodule {
        let folder = folder_of(&git_dir).filter(|folder| folder.starts_with(&worktree.path));
        let path = folder
            .as_ref()
            .and_then(|folder| folder.strip_prefix(&worktree.path).ok());
        let path = path.unwrap_or(name).to_owned();
        Submodule {
            store: self.existing_store(store, &path),
            name: name.to_string_lossy().into_owned(),
            path,
            // Files of the repository around it may have taken its place.
            folder: folder.filter(|folder| folder.join(".git").is_file()),
            git_dir,
        }
    }

    /// Adds the submodules whose repository is a `.git` folder in their own folder, as after a
    /// `git clone`.
    fn add_unabsorbed(
        &self,
        worktree: &Worktree,
        found: &mut Vec<Submodule>,
    ) -> Result<(), GitError> {
        for (name, path) in declared_submodules(&worktree.path)? {
            let folder = worktree.path.join(&path);
            let git_dir = folder.join(".git");
            if !is_real_folder(&git_dir) || !is_repository(&git_dir) {
                continue;
            }
            let store = self.existing_store(self.module_store(&name)?, &path);
            let (inner, inner_stores) = (git_dir.join("modules"), store.join("modules"));
            found.push(Submodule {
                name: name.to_string_lossy().into_owned(),
                folder: Some(folder),
                path,
                git_dir,
                store,
            });
            self.add_absorbed(worktree, &inner, &inner_stores, found)?;
        }
        Ok(())
    }

    /// Describes a declared submodule that has no repository in the worktree.
    ///
    /// # Errors
    /// When git cannot read the setting that names its store.
    pub fn submodule_without_files(
        &self,
        worktree: &Worktree,
        name: &Path,
        path: &Path,
    ) -> Result<Submodule, GitError> {
        Ok(Submodule {
            path: path.to_owned(),
            folder: None,
            git_dir: worktree
                .admin
                .join("modules")
                .join(folder_of_name(name, self.formats.has_module_paths)),
            store: self.existing_store(self.module_store(name)?, path),
            name: name.to_string_lossy().into_owned(),
        })
    }

    /// Returns the store of a submodule: the `.git` folder in the main checkout if git has not
    /// moved that into the module store.
    fn existing_store(&self, store: PathBuf, path: &Path) -> PathBuf {
        let in_checkout = self.home().join(path).join(".git");
        match !store.exists() && is_real_folder(&in_checkout) {
            true => in_checkout,
            false => store,
        }
    }
}

impl Submodule {
    /// Returns git for its repository in the worktree. Its configuration is the worker's.
    pub(super) fn git(&self) -> Git {
        without_files(&self.git_dir)
    }

    /// Returns git for its files, without the filters that its configuration names.
    ///
    /// # Errors
    /// When git cannot read its configuration.
    pub fn checkout_git(&self) -> Result<Git, GitError> {
        let folder = self.folder.as_ref().unwrap_or(&self.git_dir);
        let git = Git::at(folder)
            .env("GIT_DIR", self.git_dir.as_os_str())
            .env("GIT_WORK_TREE", folder.as_os_str());
        without_own_filters(git)
    }

    /// Lists the changed and untracked files that are in no commit. Submodules nested in it are
    /// listed on their own.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn uncommitted(&self) -> Result<Vec<UncommittedFile>, GitError> {
        let Some(folder) = self.folder.as_ref().filter(|folder| folder.is_dir()) else {
            return Ok(Vec::new());
        };
        let git = self.checkout_git()?;
        let hidden = self.copy_of_hiding_index(&git, folder)?;
        let git = match &hidden {
            Some(copy) => git.env("GIT_INDEX_FILE", copy.path()),
            None => git,
        };
        let status = [
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=normal",
            "--ignore-submodules=dirty",
        ];
        let listed = git.run(&status)?;
        let entries = listed.split(|byte| *byte == 0);
        let file = |entry: &[u8]| {
            Some(UncommittedFile {
                path: path_of(entry.get(3..)?),
                is_untracked: entry.starts_with(b"??"),
            })
        };
        Ok(entries.filter_map(file).collect())
    }

    /// Copies the index without the flags that hide changes of files below `top`; `None` if it has none.
    fn copy_of_hiding_index(
        &self,
        git: &Git,
        top: &Path,
    ) -> Result<Option<NamedTempFile>, GitError> {
        let index = self.git_dir.join("index");
        if !hides_changes(git, &index, self.format())? {
            return Ok(None);
        }
        let failed = |error| GitError::Settings(index.clone(), error);
        let copy = NamedTempFile::new_in(&self.git_dir).map_err(failed)?;
        regular_file::copy_with_time(&index, copy.path()).map_err(failed)?;
        let git = git.clone().env("GIT_INDEX_FILE", copy.path());
        let opened = index_flags::open(copy.path(), self.format());
        clear_hiding_flags(&git, opened.as_ref(), top)?;
        Ok(Some(copy))
    }

    /// Returns the format of its objects, which its configuration names unless it is SHA-1.
    fn format(&self) -> ObjectFormat {
        let config = regular_file::read(&self.git_dir.join("config"), RECORD_LIMIT);
        let config = config.unwrap_or_default().to_ascii_lowercase();
        match String::from_utf8_lossy(&config).contains("objectformat") {
            true => ObjectFormat::Sha256,
            false => ObjectFormat::Sha1,
        }
    }

    /// Lists the tips of all commits here that no remote-tracking branch has: those of branches, of
    /// stash entries, and those that only a log remembers. The annotated tags made here come last.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn own_tips(&self) -> Result<Vec<Oid>, GitError> {
        let walk = [
            "rev-list",
            "--topo-order",
            "--parents",
            "--all",
            "--reflog",
            "--not",
            "--remotes",
        ];
        let listed = self.git().run(&walk)?;
        let listed = String::from_utf8_lossy(&listed);
        let mut tips = tips_in(&listed);
        let ids = |line: &str| line.split(' ').next().and_then(|id| id.parse().ok());
        let own: HashSet<Oid> = listed.lines().filter_map(ids).collect();
        tips.extend(self.own_tags(&own)?);
        Ok(tips)
    }

    /// Lists the annotated tags on commits of its own, and those made since the repository was.
    fn own_tags(&self, own: &HashSet<Oid>) -> Result<Vec<Oid>, GitError> {
        let format = "--format=%(objecttype) %(objectname) %(*objectname) %(taggerdate:unix)";
        let listed = self.git().run(&["for-each-ref", format, "refs/tags"])?;
        let listed = String::from_utf8_lossy(&listed);
        let made = made_at(&self.git_dir);
        let tag = |line: &str| {
            let mut words = line.strip_prefix("tag ")?.split(' ');
            let tag: Oid = words.next()?.parse().ok()?;
            let of = words.next().and_then(|of| of.parse().ok());
            let time: Option<u64> = words.next().and_then(|time| time.parse().ok());
            let is_new = time.is_some_and(|time| made.is_some_and(|made| time >= made));
            (is_new || of.is_some_and(|of| own.contains(&of))).then_some(tag)
        };
        Ok(listed.lines().filter_map(tag).collect())
    }

    /// Returns `true` if its configuration names a remote repository.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn has_remote(&self) -> Result<bool, GitError> {
        let found = self
            .git()
            .finish(["config", "--get-regexp", r"^remote\..*\.url$"])?;
        Ok(found.status.success())
    }

    /// Lists its branches, its stash and its tags, each with the object it names.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn named_commits(&self) -> Result<Vec<(String, Oid)>, GitError> {
        let format = "--format=%(objectname) %(refname)";
        let listed = self.git().run(&[
            "for-each-ref",
            format,
            "refs/heads",
            "refs/stash",
            "refs/tags",
        ])?;
        let listed = String::from_utf8_lossy(&listed);
        let named = listed.lines().filter_map(|line| {
            let (commit, name) = line.split_once(' ')?;
            Some((name.to_owned(), commit.parse().ok()?))
        });
        Ok(named.collect())
    }

    /// Returns the commit that is checked out; `None` before the first one.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn head(&self) -> Result<Option<Oid>, GitError> {
        let found = self
            .git()
            .finish(["rev-parse", "--verify", "--quiet", "HEAD"])?;
        Ok(String::from_utf8_lossy(&found.stdout)
            .trim_end()
            .parse()
            .ok())
    }

    /// Returns the commit that is checked out if no reference of the repository contains it.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn unnamed_head(&self) -> Result<Option<Oid>, GitError> {
        let Some(head) = self.head()? else {
            return Ok(None);
        };
        let head_name = head.to_string();
        let walk = ["rev-list", "--max-count=1", &head_name, "--not", "--glob=*"];
        let listed = self.git().run(&walk)?;
        Ok((!listed.is_empty()).then_some(head))
    }

    /// Returns its path for a message.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// Returns git for a repository without its files: their folder may be gone, and git refuses to start
/// where `core.worktree` names no folder.
pub(super) fn without_files(git_dir: &Path) -> Git {
    Git::at(git_dir)
        .env("GIT_DIR", git_dir.as_os_str())
        .env("GIT_WORK_TREE", git_dir.as_os_str())
        // A fetch would start programs that its configuration names.
        .without_fetches()
}

/// Returns the time at which a folder was made, in seconds since the epoch, if the system knows it.
fn made_at(folder: &Path) -> Option<u64> {
    let made = folder.metadata().and_then(|meta| meta.created()).ok()?;
    let made = made.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(made.as_secs())
}

/// Objects that a repository has.
#[derive(Default)]
pub(super) struct Known {
    /// The commits.
    pub(super) commits: HashSet<Oid>,
    /// The annotated tags.
    pub(super) tags: HashSet<Oid>,
}

impl Known {
    /// Returns `true` if the repository has this commit or tag.
    pub(super) fn contains(&self, object: &Oid) -> bool {
        self.commits.contains(object) || self.tags.contains(object)
    }
}

/// Returns those of some commits and tags that a repository has.
///
/// # Errors
/// When git cannot read it.
pub(super) fn known_commits(git: &Git, commits: &[Oid]) -> Result<Known, GitError> {
    let args = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
    let asked: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
    let finished = git.program().args(args).stdin(asked).output()?;
    if !finished.status.success() {
        return Err(git.failed(&args, &finished));
    }
    let listed = String::from_utf8_lossy(&finished.stdout);
    let of_kind = |kind: &str| -> HashSet<Oid> {
        let ids = listed.lines().filter_map(|line| line.strip_suffix(kind));
        ids.filter_map(|id| id.parse().ok()).collect()
    };
    Ok(Known {
        commits: of_kind(" commit"),
        tags: of_kind(" tag"),
    })
}

/// Lists the submodules that the file `.gitmodules` in a folder declares, each with its name and its
/// path. Names and paths that lead elsewhere are left out, as git leaves them out.
///
/// # Errors
/// When git cannot read the file.
pub fn declared_submodules(top: &Path) -> Result<Vec<(PathBuf, PathBuf)>, GitError> {
    let file = top.join(".gitmodules");
    if !file.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(Vec::new());
    }
    let mut args: Vec<OsString> = ["config", "-z", "--file"].map(OsString::from).to_vec();
    args.push(file.into_os_string());
    args.extend(["--get-regexp", r"^submodule\..*\.path$"].map(OsString::from));
    let git = Git::at(top);
    let finished = git.finish(&args)?;
    match finished.status.code() {
        Some(0) => Ok(parse_declared(&finished.stdout)),
        // It declares nothing.
        Some(1) => Ok(Vec::new()),
        _ => Err(git.failed(&args, &finished)),
    }
}

fn parse_declared(listed: &[u8]) -> Vec<(PathBuf, PathBuf)> {
    let entries = listed.split(|byte| *byte == 0);
    let parse = |entry: &[u8]| {
        let end = entry.iter().position(|byte| *byte == b'\n')?;
        let (key, path) = (&entry[..end], &entry[end + 1..]);
        let name = key.strip_prefix(b"submodule.")?.strip_suffix(b".path")?;
        let (name, path) = (path_of(name), path_of(path));
        (stays_below(&name) && stays_below(&path)).then_some((name, path))
    };
    entries.filter_map(parse).collect()
}

/// Returns `true` for a relative path without `..` in it.
fn stays_below(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// Lists the names of the folders in a folder, sorted; links are left out.
fn subfolders(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<OsString> = folders.map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// Returns `true` for a folder that git takes for a repository.
pub fn is_repository(folder: &Path) -> bool {
    folder.join("HEAD").symlink_metadata().is_ok() && folder.join("objects").is_dir()
}
