//! References, read and moved only by compare-and-swap.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::fault;
use crate::git::irregular_file;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError, full};
use crate::git::transient::retried;
use crate::merge::oid::Oid;

/// Writes of a commit that is pruned before a reference names it.
const MOST_WRITES: u32 = 10;

impl Store {
    /// Reads the target of a reference by its full name, or `None` if it does not exist.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn reference(&self, name: &str) -> Result<Option<Oid>, StoreError> {
        self.refuse_irregular(name)?;
        self.backend.reference(name)
    }

    /// Moves a reference to `new` if it is at `old`; [`Oid::ZERO`] as `old` requires that it does
    /// not exist.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when it is elsewhere; nothing is changed.
    pub fn move_reference(
        &self,
        name: &str,
        old: Oid,
        new: Oid,
        why: &str,
    ) -> Result<(), StoreError> {
        fault::point(kind(name), "before its reference moves");
        full(kind(name))?;
        self.refuse_irregular(name)?;
        let moved =
            retried(|| self.naming(new, || self.backend.move_reference(name, old, new, why)));
        fault::point(kind(name), "after its reference has moved");
        match moved {
            // A git that failed on a full disk may have moved it before.
            Err(StoreError::Moved { .. }) if self.reference(name)? == Some(new) => Ok(()),
            moved => moved,
        }
    }

    /// Writes a commit and moves a reference to it. A concurrent `git gc --prune=now` may remove the
    /// commit, or what it is made of, before a reference names it; then it is written again.
    ///
    /// # Errors
    /// As [`Store::move_reference`], and the errors of writing.
    pub fn write_and_move(
        &self,
        name: &str,
        old: Oid,
        why: &str,
        write: impl Fn() -> Result<Oid, StoreError>,
    ) -> Result<Oid, StoreError> {
        for _ in 0..MOST_WRITES {
            let new = match write() {
                Err(error) if error.says_pruned() => {
                    self.restore_objects();
                    continue;
                }
                written => written?,
            };
            match self.move_reference(name, old, new, why) {
                Err(_) if !self.has(new) => continue,
                moved => moved?,
            }
            // A prune that starts now sees the reference, one that had listed references before
            // does not.
            return match self.has(new) {
                true => Ok(new),
                false => write(),
            };
        }
        let new = write()?;
        self.move_reference(name, old, new, why)?;
        Ok(new)
    }

    /// Moves a reference from anywhere, for one whose target is not readable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn force_reference(&self, name: &str, new: Oid, why: &str) -> Result<(), StoreError> {
        retried(|| self.naming(new, || self.backend.force_reference(name, new, why)))
    }

    /// Puts a commit back before a reference that could not name it is moved again.
    fn naming(
        &self,
        new: Oid,
        moves: impl Fn() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let moved = moves();
        if moved.as_ref().is_err_and(StoreError::says_pruned) {
            self.restore(new);
        }
        moved
    }

    /// Deletes a reference if it is at `old`.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when it is elsewhere or gone.
    pub fn delete_reference(&self, name: &str, old: Oid) -> Result<(), StoreError> {
        fault::point(kind(name), "before its reference goes");
        retried(|| self.backend.delete_reference(name, old))
    }

    /// Lists references whose full name starts with `prefix`, sorted by name.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError> {
        self.refuse_irregular("HEAD")?;
        if let Some(path) = irregular_file::find_below(&self.repo.common, prefix) {
            return Err(StoreError::Irregular(path));
        }
        let mut found = self.backend.references(prefix)?;
        found.sort();
        Ok(found)
    }
}

impl Store {
    /// Fails if a file that is read for this reference is a pipe, a device or a folder.
    fn refuse_irregular(&self, name: &str) -> Result<(), StoreError> {
        match irregular_file::find(&self.repo.common, &[name]) {
            Some(path) => Err(StoreError::Irregular(path)),
            None => Ok(()),
        }
    }
}

/// Names the purpose of a reference in a fault point.
fn kind(name: &str) -> &'static str {
    let kinds = [
        ("refs/dispatch/runs/", "journal"),
        ("refs/dispatch/attempts/", "kept attempt"),
        ("refs/dispatch/backups/", "backup"),
        ("refs/dispatch/chains/", "chain"),
        ("refs/dispatch/resolutions", "resolutions"),
        ("refs/heads/dispatch/", "branch"),
    ];
    let found = kinds
        .into_iter()
        .find(|(prefix, _)| name.starts_with(prefix));
    match found {
        Some(("refs/heads/dispatch/", _)) if name.ends_with("/integration") => "integration",
        Some((_, kind)) => kind,
        None => "target",
    }
}

/// Returns the full name of a branch.
pub fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// The time after which a reference lock is stale: git holds one while it writes one line.
const STALE_AFTER: Duration = Duration::from_secs(2);

impl Repo {
    /// Lists the currently locked references among or below these.
    pub fn reference_locks(&self, names: &[String]) -> Vec<String> {
        let locks = names
            .iter()
            .flat_map(|name| lock_files(&self.common.join(name)));
        let held = locks.filter(|lock| lock.exists());
        held.map(|lock| self.name_of(&lock)).collect()
    }

    fn name_of(&self, lock: &Path) -> String {
        let name = lock.with_extension("");
        let name = name.strip_prefix(&self.common).unwrap_or(&name);
        name.display().to_string()
    }

    /// Removes stale locks of references and returns the names of those. A lock file that stays the
    /// same for two seconds is stale. `names` are references, or folders of references, that only
    /// the caller writes.
    ///
    /// # Errors
    /// When a lock file cannot be removed.
    pub fn free_references(&self, names: &[String]) -> io::Result<Vec<String>> {
        let start = Instant::now();
        let mut locks: Vec<(PathBuf, LockStamp)> = names
            .iter()
            .flat_map(|name| lock_files(&self.common.join(name)))
            .filter_map(|lock| Some((lock.clone(), lock_stamp(&lock)?)))
            .collect();
        while !locks.is_empty() && start.elapsed() < STALE_AFTER {
            std::thread::sleep(Duration::from_millis(20));
            locks.retain(|(lock, first)| lock_stamp(lock).as_ref() == Some(first));
        }
        let mut freed = Vec::new();
        for (lock, _) in locks {
            match fs::remove_file(&lock) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            freed.push(self.name_of(&lock));
        }
        freed.sort();
        Ok(freed)
    }
}

/// Tells a lock file from a later one of the same name: inode, time and length.
type LockStamp = (u64, i64, i64, u64);

fn lock_stamp(lock: &Path) -> Option<LockStamp> {
    let meta = fs::metadata(lock).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

/// Lists the lock of a reference, and the existing locks below it.
fn lock_files(reference: &Path) -> Vec<PathBuf> {
    let mut lock = reference.as_os_str().to_owned();
    lock.push(".lock");
    let mut found = vec![PathBuf::from(lock)];
    let entries = fs::read_dir(reference).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        match path.extension() {
            Some(extension) if extension == "lock" => found.push(path),
            _ if path.is_dir() => found.extend(lock_files(&path)),
            _ => {}
        }
    }
    found
}
