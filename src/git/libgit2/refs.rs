//! References through libgit2.

use git2::ErrorCode;

use crate::git::libgit2::{Libgit2, found, from_git2, to_git2};
use crate::git::store_error::StoreError;
use crate::merge::oid::Oid;

impl Libgit2 {
    pub(super) fn move_from(
        &self,
        name: &str,
        old: Oid,
        new: Oid,
        why: &str,
    ) -> Result<(), StoreError> {
        let repository = &self.repository;
        let moved = if old.is_zero() {
            repository.reference(name, to_git2(new), false, why)
        } else {
            repository.reference_matching(name, to_git2(new), true, to_git2(old), why)
        };
        let Err(error) = moved else {
            return Ok(());
        };
        match error.code() {
            ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound => {
                let name = name.to_owned();
                let found = found(repository.refname_to_id(&name))?.map_or(Oid::ZERO, from_git2);
                if found == old {
                    return Err(error.into());
                }
                Err(StoreError::Moved {
                    name,
                    expected: old,
                    found,
                })
            }
            ErrorCode::InvalidSpec => Err(StoreError::BadName(name.to_owned())),
            _ => Err(error.into()),
        }
    }

    pub(super) fn delete_at(&self, name: &str, old: Oid) -> Result<(), StoreError> {
        let moved = |found| StoreError::Moved {
            name: name.to_owned(),
            expected: old,
            found,
        };
        let Some(mut reference) = found(self.repository.find_reference(name))? else {
            return Err(moved(Oid::ZERO));
        };
        let target = reference.target().map_or(Oid::ZERO, from_git2);
        if target != old {
            return Err(moved(target));
        }
        // libgit2 takes the lock and then compares with the value that was read.
        match reference.delete() {
            Err(error) if error.code() == ErrorCode::Modified => {
                let now = found(self.repository.refname_to_id(name))?;
                Err(moved(now.map_or(Oid::ZERO, from_git2)))
            }
            other => Ok(other?),
        }
    }

    pub(super) fn list_references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError> {
        let mut listed = Vec::new();
        for reference in self.repository.references_glob(&format!("{prefix}*"))? {
            let reference = reference?;
            if let (Ok(name), Some(target)) = (reference.name(), reference.target()) {
                listed.push((name.to_owned(), from_git2(target)));
            }
        }
        Ok(listed)
    }
}
