//! Finds objects that a concurrent `git gc --prune=now` has removed, and writes them again.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::git::Repo;
use crate::git::backend::{Backend, ObjectKind};
use crate::git::store::{Store, StoreError};
use crate::git::tree::entries;
use crate::merge::oid::Oid;

/// The writes of an object that is removed before it has a copy.
const MOST_WRITES: u32 = 3;

/// The most objects of one commit that are taken out of packs.
const MOST_UNPACKED: u32 = 200;

/// The readings of an object that is removed again and again.
const MOST_READINGS: u32 = 10;

/// The option of `git cat-file` that looks objects up, and its answer for a missing one.
const LOOK_UP: &str = "--batch-check=%(objectname)";
const MISSING: &str = " missing";

/// The pause between two looks at the end of a process.
const LOOK: Duration = Duration::from_millis(50);

/// The looks without a loss after which a collection is over.
const QUIET: u32 = 4;

/// The most looks at the end of a process.
const MOST_LOOKS: u32 = 40;

impl Repo {
    /// Puts back every new object that was removed. Returns `true` if there was one.
    pub fn restore_objects(&self) -> bool {
        let restored = self.with_store(|store| Ok::<_, StoreError>(store.restore_objects()));
        restored.unwrap_or(false)
    }

    /// Returns `true` if a collection is under way that removes new objects, or was noticed before.
    pub fn is_collected(&self) -> bool {
        self.copies.are_in_danger()
    }
}

impl Store {
    /// Writes an object with a copy, through `write`.
    pub(super) fn write_with_copy(
        &self,
        write: impl Fn() -> Result<Oid, StoreError>,
    ) -> Result<Oid, StoreError> {
        let mut oid = write()?;
        let Some(copies) = &self.copies else {
            return Ok(oid);
        };
        for _ in 1..MOST_WRITES {
            let added = copies.add(oid);
            if added.map_err(no_copy)? {
                break;
            }
            oid = write()?;
        }
        Ok(oid)
    }

    /// Moves the objects of a folder into the repository, each with a copy.
    ///
    /// # Errors
    /// When one of them cannot be moved.
    pub(super) fn adopt_objects(&self, folder: &Path) -> io::Result<()> {
        let copies = &self.repo.copies;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            for file in fs::read_dir(entry.path())? {
                let file = file?.path();
                let rest = file.file_name().unwrap_or_default().to_string_lossy();
                let oid = format!("{name}{rest}").parse();
                match (name == "pack", oid) {
                    (true, _) if file.extension().is_some_and(|it| it == "pack") => {
                        copies.adopt_pack(&file)?;
                    }
                    (false, Ok(oid)) => copies.adopt(&file, oid)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Puts back every object with a copy that was removed. Returns `true` if there was one.
    pub fn restore_objects(&self) -> bool {
        let Some(copies) = &self.copies else {
            return false;
        };
        let start = Instant::now();
        let lost = self.missing_now(copies.without_file());
        let restored = lost.into_iter().filter(|oid| self.restore(*oid)).count();
        copies.searched(start);
        restored > 0
    }

    /// Returns those of the objects that are missing. This process may still read them from a pack that
    /// was removed, so another one looks.
    fn missing_now(&self, oids: Vec<Oid>) -> Vec<Oid> {
        if oids.is_empty() {
            return oids;
        }
        let input: String = oids.iter().map(|oid| format!("{oid}\n")).collect();
        let git = self.repo.git().without_fetches();
        let looked = git.program().args(["cat-file", LOOK_UP]).stdin(input);
        let Ok(found) = looked.output() else {
            return Vec::new();
        };
        let lines = String::from_utf8_lossy(&found.stdout).into_owned();
        let missing = lines.lines().filter_map(|line| line.strip_suffix(MISSING));
        missing.filter_map(|oid| oid.parse().ok()).collect()
    }

    /// Does the same at the end of a process: beside a collection that was noticed, until nothing more
    /// is removed.
    pub fn settle_objects(&self) {
        self.restore_objects();
        let mut quiet = 0;
        for _ in 0..MOST_LOOKS {
            let copies = self.copies.as_ref();
            if quiet == QUIET || !copies.is_some_and(|copies| copies.are_in_danger()) {
                return;
            }
            sleep(LOOK);
            quiet = if self.restore_objects() { 0 } else { quiet + 1 };
        }
    }

    /// Does the same from time to time only: each search reads the list of all copies.
    pub fn restore_objects_if_due(&self) {
        if self
            .copies
            .as_ref()
            .is_some_and(|copies| copies.is_search_due())
        {
            self.restore_objects();
        }
    }

    /// Puts back one object. Returns `false` if there is no copy of it.
    pub(super) fn restore(&self, oid: Oid) -> bool {
        let restored = self.copies.as_ref().map(|copies| copies.restore(oid));
        // One that cannot be written is missing, which its reader reports.
        matches!(restored, Some(Ok(true)))
    }

    /// Reads several objects, and again while one of them was removed meanwhile.
    pub(super) fn searching<T>(
        &self,
        read: impl Fn(&dyn Backend) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 1..MOST_READINGS {
            match read(&*self.backend) {
                // Another thread may have put it back since then.
                Err(error) if self.restore_objects() || self.may_be_back(&error) => {}
                result => return result,
            }
        }
        read(&*self.backend)
    }

    /// Returns `true` for a missing object that another thread may have put back by now.
    fn may_be_back(&self, error: &StoreError) -> bool {
        error.says_pruned() && self.copies.is_some() && !self.is_partial()
    }

    /// Finds the first object that is missing and has no copy.
    pub(super) fn missing(&self, oids: &[Oid]) -> Result<Option<Oid>, StoreError> {
        let mut rest = oids;
        while let Some(oid) = self.backend.missing(rest)? {
            if !self.restore(oid) {
                return Ok(Some(oid));
            }
            // It may be removed once more before this returns, but it has a copy.
            let place = rest.iter().position(|found| *found == oid);
            rest = &rest[place.map_or(rest.len(), |place| place + 1)..];
        }
        Ok(None)
    }

    /// Copies the objects of a history from `base` to `tip`, which other processes wrote.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when one of them is missing.
    pub fn keep_history(&self, base: Oid, tip: Oid) -> Result<(), StoreError> {
        if self.copies.is_none() || self.is_partial() {
            return Ok(());
        }
        let mut left = MOST_UNPACKED;
        for (commit, parents) in self.commits_above(tip, Some(base))? {
            // A history that was fetched and merged came in a pack.
            if self.keep_object(commit, &mut left)? {
                let tree = self.tree_of(commit)?;
                self.keep_tree(parents.first().copied(), tree)?;
            }
        }
        Ok(())
    }

    /// Copies a commit that git wrote, with the objects of its tree that its first parent does not have.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when one of them is missing.
    pub fn keep_commit(&self, commit: Oid) -> Result<(), StoreError> {
        if self.copies.is_none() || self.is_partial() {
            return Ok(());
        }
        self.keep_object(commit, &mut 1)?;
        let found = self.read_commit(commit)?;
        self.keep_tree(found.parents.first().copied(), found.tree)
    }

    /// Copies the objects of a tree that are not in the tree of the commit `parent`.
    pub(super) fn keep_tree(&self, parent: Option<Oid>, tree: Oid) -> Result<(), StoreError> {
        if self.copies.is_none() || self.is_partial() {
            return Ok(());
        }
        let before = parent.map(|parent| self.tree_of(parent)).transpose()?;
        let mut left = MOST_UNPACKED;
        let mut open = vec![(before, tree)];
        while let Some((old, new)) = open.pop() {
            if old == Some(new) {
                continue;
            }
            self.keep_object(new, &mut left)?;
            let old = old.map(|old| self.read_tree(old)).transpose()?;
            let old = old.unwrap_or_default();
            // A file or a submodule may have been where a folder is now, and the reverse.
            let known: HashMap<&[u8], (bool, Oid)> = entries(&old, self.format())
                .map(|entry| (entry.name, (entry.is_directory(), entry.oid)))
                .collect();
            for entry in entries(&self.read_tree(new)?, self.format()) {
                let before = known.get(entry.name).copied();
                if entry.is_directory() {
                    let folder = before.filter(|(is_directory, _)| *is_directory);
                    open.push((folder.map(|(_, oid)| oid), entry.oid));
                } else if entry.is_blob() && before.map(|(_, oid)| oid) != Some(entry.oid) {
                    self.keep_object(entry.oid, &mut left)?;
                }
            }
        }
        Ok(())
    }

    /// Copies an object. One in a pack becomes a file again, because nothing may lead to it yet, and then
    /// `git repack -ad` removes it with its pack; `left` counts how many. Returns `false` for one that
    /// has no copy.
    fn keep_object(&self, oid: Oid, left: &mut u32) -> Result<bool, StoreError> {
        let Some(copies) = &self.copies else {
            return Ok(false);
        };
        let added = copies.add(oid);
        if added.map_err(no_copy)? {
            return Ok(true);
        }
        if *left == 0 {
            return match self.missing(&[oid])? {
                Some(oid) => Err(StoreError::Missing(oid)),
                None => Ok(false),
            };
        }
        *left -= 1;
        let Some((kind, content)) = self.find_object(oid)? else {
            return Err(StoreError::Missing(oid));
        };
        self.write_object(kind, &content).map(|_| true)
    }

    /// Reads an object of any kind; `None` if it is missing and has no copy.
    pub(super) fn find_object(
        &self,
        oid: Oid,
    ) -> Result<Option<(ObjectKind, Vec<u8>)>, StoreError> {
        if let Some((kind, content)) = self.kept(oid)? {
            return Ok(Some((kind, content.to_vec())));
        }
        let mut found = self.backend.read(oid)?;
        for _ in 1..MOST_READINGS {
            if found.is_some() || !self.restore(oid) {
                break;
            }
            found = self.backend.read(oid)?;
        }
        if let Some((kind, content)) = &found {
            self.keep(oid, *kind, content);
        }
        Ok(found)
    }

    /// Returns `true` in a partial clone, where git fetches missing objects.
    fn is_partial(&self) -> bool {
        self.repo.formats.is_partial
    }
}

fn no_copy(error: io::Error) -> StoreError {
    StoreError::Folder("the copies of objects".to_owned(), error)
}
