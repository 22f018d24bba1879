//! Copies the objects of a worker's own git folder into the repository, with git's checks.
//!
//! git packs what the worker left, and unpacks it again: every name is computed again from the content,
//! every object is checked as `git fsck` does, and every object that one of them names must exist. It is
//! unpacked beside the repository, and enters it with a second name: a concurrent `git gc --prune=now`
//! removes what no reference leads to yet.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::regular_file;
use crate::base::removal::remove_own_folder;
use crate::git::command::{Git, GitError};
use crate::git::private_folder::PrivateFolder;
use crate::git::quarantine::alternates_of;
use crate::git::repo::Repo;
use crate::git::store::Store;
use crate::git::temp_dir::LockedTempDir;
use crate::git::worktree::{WorktreeError, at};
use crate::merge::oid::Oid;

/// The number of objects from which they stay in one pack.
const KEPT_PACKED: u32 = 1000;

/// Settings with which git does not believe what the worker wrote about its objects.
const WITHOUT_INDEXES: [&str; 3] = [
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "pack.useBitmaps=false",
];

/// Settings that write objects durably, with one flush for all of them.
const DURABLE: [&str; 2] = [
    "core.fsync=committed,loose-object",
    "core.fsyncMethod=batch",
];

/// The objects of a worker.
pub(super) struct Objects {
    folder: PathBuf,
    loose: HashSet<Oid>,
    has_packs: bool,
}

impl Objects {
    /// Lists the objects in a worker's own git folder, and removes what is said about them there.
    ///
    /// # Errors
    /// When a file in the place of an object is not a regular one.
    pub(super) fn list(repo: &Repo, private: &PrivateFolder) -> Result<Objects, WorktreeError> {
        let mut objects = Objects {
            folder: private.objects(),
            loose: HashSet::new(),
            has_packs: false,
        };
        let listed = objects.read(repo);
        at(&objects.folder, listed)?;
        Ok(objects)
    }

    fn read(&mut self, repo: &Repo) -> io::Result<()> {
        match self.folder.symlink_metadata() {
            Ok(folder) if !folder.is_dir() => {
                return Err(irregular(&self.folder, "a folder"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        for folder in fs::read_dir(&self.folder)?.flatten() {
            let name = folder.file_name().to_string_lossy().into_owned();
            if name == "pack" {
                for pack in entries(&folder)? {
                    let name = pack.file_name();
                    let is_pack = Path::new(&name).extension().is_some_and(|it| it == "pack");
                    self.has_packs |= is_pack;
                    only_regular(&pack)?;
                }
            } else if name.len() == 2 {
                for file in entries(&folder)? {
                    let rest = file.file_name().to_string_lossy().into_owned();
                    if let Ok(oid) = format!("{name}{rest}").parse() {
                        only_regular(&file)?;
                        self.loose.insert(oid);
                    }
                }
            }
        }
        match self.is_empty() {
            // Nothing reads them.
            true => Ok(()),
            false => self.replace_info(repo),
        }
    }

    /// Removes what the worker wrote about its objects, and lets git find those of the repository.
    fn replace_info(&self, repo: &Repo) -> io::Result<()> {
        let info = self.folder.join("info");
        if info.symlink_metadata().is_ok_and(|info| !info.is_dir()) {
            fs::remove_file(&info)?;
        }
        remove_own_folder(&info, 4)?;
        fs::create_dir(&info)?;
        let alternates = alternates_of(&repo.common.join("objects"))?;
        fs::write(info.join("alternates"), alternates)
    }

    /// Returns `true` if the worker wrote none.
    pub(super) fn is_empty(&self) -> bool {
        self.loose.is_empty() && !self.has_packs
    }

    /// Returns `true` if the worker's git packed some.
    pub(super) fn has_packs(&self) -> bool {
        self.has_packs
    }

    /// Copies everything into the repository, or if git refuses one of these objects, what the tips are
    /// made of. Returns `true` if that is everything that the worker's index can name.
    ///
    /// # Errors
    /// When git refuses an object, or an object that one of them names is missing.
    pub(super) fn copy(
        &self,
        store: &Store,
        mut tips: Vec<Oid>,
        start: Oid,
    ) -> Result<bool, WorktreeError> {
        tips.sort_unstable();
        tips.dedup();
        let tips = self.existing(store, tips)?;
        let all: HashSet<Oid> = tips.iter().chain(&self.loose).copied().collect();
        if self.transfer(store, all.into_iter(), start).is_ok() {
            return Ok(!self.has_packs);
        }
        // Something that nothing names, such as what a killed git left, must not hold up the rest.
        self.transfer(store, tips.into_iter(), start)?;
        Ok(false)
    }

    /// Packs what the tips are made of, and unpacks it in the repository.
    fn transfer(
        &self,
        store: &Store,
        tips: impl Iterator<Item = Oid>,
        start: Oid,
    ) -> Result<(), WorktreeError> {
        let repo = store.repo();
        let scratch = LockedTempDir::new(&repo.dispatch_folder(), "taken-");
        let scratch = at(&repo.dispatch_folder(), scratch)?;
        let Some(pack) = self.pack(repo, tips, start, scratch.path())? else {
            return Ok(());
        };
        let checked = at(scratch.path(), make_folder(repo, scratch.path()))?;
        unpack(store, &pack, &checked)?;
        at(&checked, store.adopt_objects(&checked))
    }

    /// Returns git that reads these objects and those of the repository.
    fn git(&self, repo: &Repo) -> Git {
        let git = at_common(repo)
            .env("GIT_OBJECT_DIRECTORY", self.folder.as_os_str())
            .without_fetches();
        WITHOUT_INDEXES
            .iter()
            .fold(git, |git, setting| git.setting(setting))
    }

    /// Returns those of the objects that exist, here or in the repository.
    fn existing(&self, store: &Store, oids: Vec<Oid>) -> Result<Vec<Oid>, GitError> {
        let (mut found, unknown): (Vec<Oid>, Vec<Oid>) = oids
            .into_iter()
            .partition(|oid| self.loose.contains(oid) || store.has(*oid));
        if self.has_packs && !unknown.is_empty() {
            let args = ["cat-file", "--batch-check=%(objectname)"];
            let git = self.git(store.repo());
            let finished = git
                .program()
                .args(args)
                .stdin(lines(unknown.into_iter()))
                .output()?;
            let listed = String::from_utf8_lossy(&finished.stdout);
            // A missing one is followed by a word.
            found.extend(listed.lines().filter_map(|line| line.parse::<Oid>().ok()));
        }
        Ok(found)
    }

    /// Packs what the tips are made of and is only here; `None` if that is nothing.
    fn pack(
        &self,
        repo: &Repo,
        tips: impl Iterator<Item = Oid>,
        start: Oid,
        scratch: &Path,
    ) -> Result<Option<PathBuf>, GitError> {
        let base = scratch.join("pack");
        let base = base.to_string_lossy();
        let args = [
            "pack-objects",
            "-q",
            "--revs",
            "--local",
            "--non-empty",
            "--missing=allow-promisor",
            &base,
        ];
        let mut input = lines(tips);
        input.push_str(&format!("^{start}\n"));
        let git = self.git(repo);
        let finished = git.program().args(args).stdin(input).output()?;
        if !finished.status.success() {
            return Err(git.failed(&args, &finished));
        }
        let name = String::from_utf8_lossy(&finished.stdout);
        let name = name.trim_end();
        Ok((!name.is_empty()).then(|| scratch.join(format!("pack-{name}.pack"))))
    }
}

/// Makes a folder for objects that also reads those of the repository.
fn make_folder(repo: &Repo, scratch: &Path) -> io::Result<PathBuf> {
    let folder = scratch.join("objects");
    fs::create_dir_all(folder.join("info"))?;
    let alternates = alternates_of(&repo.common.join("objects"))?;
    fs::write(folder.join("info/alternates"), alternates)?;
    Ok(folder)
}

/// Checks the objects of a pack and writes them into a folder.
fn unpack(store: &Store, pack: &Path, folder: &Path) -> Result<(), GitError> {
    let failed = |error| GitError::Settings(pack.to_owned(), error);
    let count = count_in(pack).map_err(failed)?;
    let mut args = match count < KEPT_PACKED {
        true => vec!["unpack-objects", "-q"],
        false => vec!["index-pack", "--stdin", "--fix-thin"],
    };
    // A partial clone has no objects that its remote promised.
    if !is_partial(store) {
        args.push("--strict");
    }
    let file = regular_file::open(pack).map_err(failed)?;
    let git = at_common(store.repo())
        .env("GIT_OBJECT_DIRECTORY", folder.as_os_str())
        .holding(Arc::new(file));
    let git = DURABLE.iter().fold(git, |git, set| git.setting(set));
    git.run(&args).map(drop)
}

fn at_common(repo: &Repo) -> Git {
    Git::at(&repo.common).env("GIT_DIR", repo.common.as_os_str())
}

fn is_partial(store: &Store) -> bool {
    let found = store.settings(r"^(remote\..*\.promisor|extensions\.partialclone)$");
    found.is_ok_and(|found| !found.is_empty())
}

/// Reads the number of objects in a pack.
fn count_in(pack: &Path) -> io::Result<u32> {
    let mut header = [0; 12];
    regular_file::open(pack)?.read_exact(&mut header)?;
    let [.., a, b, c, d] = header;
    Ok(u32::from_be_bytes([a, b, c, d]))
}

fn lines(oids: impl Iterator<Item = Oid>) -> String {
    oids.map(|oid| format!("{oid}\n")).collect()
}

/// Lists the entries of a folder; a link to one is an error.
fn entries(folder: &DirEntry) -> io::Result<Vec<DirEntry>> {
    match folder.file_type()?.is_dir() {
        true => Ok(fs::read_dir(folder.path())?.flatten().collect()),
        false => Err(irregular(&folder.path(), "a folder")),
    }
}

fn only_regular(file: &DirEntry) -> io::Result<()> {
    match file.file_type()?.is_file() {
        true => Ok(()),
        false => Err(irregular(&file.path(), "a regular file")),
    }
}

fn irregular(path: &Path, expected: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{} is not {expected}", path.display()),
    )
}
