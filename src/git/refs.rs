//! References: read, and moved only by compare-and-swap.

use git2::ErrorCode;

use crate::git::store::{Store, StoreError, from_git2, to_git2};
use crate::model::ids::Oid;

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
        let moved = if old.is_zero() {
            self.inner.reference(name, to_git2(new), false, why)
        } else {
            self.inner
                .reference_matching(name, to_git2(new), true, to_git2(old), why)
        };
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

/// The full name of a branch.
pub fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
