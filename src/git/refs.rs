//! References: read, and moved only by compare-and-swap.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::ErrorCode;

use crate::base::fault;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError, from_git2, full, to_git2};
use crate::merge::oid::Oid;

/// How often a commit is written again that was taken away before a reference named it.
const MOST_WRITES: u32 = 3;

impl Store {
    /// Where a reference points, or `None` if there is none of that full name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn reference(&self, name: &str) -> Result<Option<Oid>, StoreError> {
        match self.inner.refname_to_id(name) {
            Ok(oid) => Ok(Some(from_git2(oid))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a reference from `old` to `new` if it still is at `old`; [`Oid::ZERO`] as `old` means
    /// that it must not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when it is elsewhere; nothing has changed then.
    pub fn move_reference(
        &self,
        name: &str,
        old: Oid,
        new: Oid,
        why: &str,
    ) -> Result<(), StoreError> {
        fault::point(kind(name), "before its reference moves");
        full(kind(name))?;
        let moved = if old.is_zero() {
            self.inner.reference(name, to_git2(new), false, why)
        } else {
            self.inner
                .reference_matching(name, to_git2(new), true, to_git2(old), why)
        };
        fault::point(kind(name), "after its reference has moved");
        match moved {
            Ok(_) => Ok(()),
            Err(error) => match error.code() {
                ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound => {
                    let found = self.reference(name)?.unwrap_or(Oid::ZERO);
                    if found == old {
                        Err(error.into())
                    } else {
                        Err(StoreError::Moved {
                            name: name.to_owned(),
                            expected: old,
                            found,
                        })
                    }
                }
                ErrorCode::InvalidSpec => Err(StoreError::BadName(name.to_owned())),
                _ => Err(error.into()),
            },
        }
    }

    /// Writes a commit and moves a reference to it. A `git gc --prune=now` beside this one takes away
    /// what no reference names yet, at any moment in between; then it is written once more.
    ///
    /// # Errors
    /// As [`Store::move_reference`], and whatever writing gives.
    pub fn write_and_move<E: From<StoreError>>(
        &self,
        name: &str,
        old: Oid,
        why: &str,
        write: impl Fn() -> Result<Oid, E>,
    ) -> Result<Oid, E> {
        for _ in 0..MOST_WRITES {
            let new = write()?;
            match self.move_reference(name, old, new, why) {
                Err(_) if !self.has(new) => continue,
                moved => moved?,
            }
            // The reference is seen by every prune that begins from now on, but not by one that had
            // looked at all references before.
            return match self.has(new) {
                true => Ok(new),
                false => write(),
            };
        }
        let new = write()?;
        self.move_reference(name, old, new, why)?;
        Ok(new)
    }

    /// Moves a reference wherever it is, for one that names nothing readable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn force_reference(&self, name: &str, new: Oid, why: &str) -> Result<(), StoreError> {
        self.inner.reference(name, to_git2(new), true, why)?;
        Ok(())
    }

    /// Deletes a reference if it still is at `old`.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when it is elsewhere or gone.
    pub fn delete_reference(&self, name: &str, old: Oid) -> Result<(), StoreError> {
        let moved = |found| StoreError::Moved {
            name: name.to_owned(),
            expected: old,
            found,
        };
        let mut reference = match self.inner.find_reference(name) {
            Ok(reference) => reference,
            Err(error) if error.code() == ErrorCode::NotFound => return Err(moved(Oid::ZERO)),
            Err(error) => return Err(error.into()),
        };
        let found = reference.target().map_or(Oid::ZERO, from_git2);
        if found != old {
            return Err(moved(found));
        }
        // libgit2 compares with the value that was read when it takes the lock.
        fault::point(kind(name), "before its reference goes");
        match reference.delete() {
            Err(error) if error.code() == ErrorCode::Modified => {
                Err(moved(self.reference(name)?.unwrap_or(Oid::ZERO)))
            }
            other => Ok(other?),
        }
    }

    /// Every reference whose full name starts with `prefix`, sorted by name.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError> {
        let mut found = Vec::new();
        for reference in self.inner.references_glob(&format!("{prefix}*"))? {
            let reference = reference?;
            if let (Ok(name), Some(target)) = (reference.name(), reference.target()) {
                found.push((name.to_owned(), from_git2(target)));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// What a reference is for, in the name of a fault point.
fn kind(name: &str) -> &'static str {
    let kinds = [
        ("refs/dispatch/runs/", "journal"),
        ("refs/dispatch/attempts/", "kept attempt"),
        ("refs/dispatch/backups/", "backup"),
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

/// The full name of a branch.
pub fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// How long a lock on a reference may be held by somebody who is alive: git holds it for the
/// moment in which it writes one line.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

impl Repo {
    /// The references among these, or below them, that are locked right now.
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

    /// Frees references that a process died on, and names them: a lock file that stays the same for two seconds
    /// has nobody behind it. `names` are references, or folders of references, that only the
    /// caller writes.
    ///
    /// # Errors
    /// When a lock file cannot be removed.
    pub fn free_references(&self, names: &[String]) -> io::Result<Vec<String>> {
        let start = Instant::now();
        let mut locks: Vec<(PathBuf, Seen)> = names
            .iter()
            .flat_map(|name| lock_files(&self.common.join(name)))
            .filter_map(|lock| Some((lock.clone(), seen(&lock)?)))
            .collect();
        while !locks.is_empty() && start.elapsed() < LOCK_PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            locks.retain(|(lock, first)| seen(lock).as_ref() == Some(first));
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

/// By what a lock file can be told from a later one of the same name.
type Seen = (u64, i64, i64, u64);

fn seen(lock: &Path) -> Option<Seen> {
    let meta = fs::metadata(lock).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

/// The lock of a reference, and the locks of all below it.
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
