//! References by `update-ref` and `for-each-ref`.

use crate::git::command::GitError;
use crate::git::program::Program;
use crate::git::store_error::StoreError;
use crate::merge::oid::Oid;

impl Program {
    pub(super) fn read_reference(&self, name: &str) -> Result<Option<Oid>, StoreError> {
        let is_pseudo = name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if is_expression(name) || !(name.starts_with("refs/") || is_pseudo) {
            return Err(StoreError::BadName(name.to_owned()));
        }
        if let Some((oid, _)) = self.look_up(name)? {
            return Ok(Some(oid));
        }
        // Its object may be missing; only this command tells.
        let listed = self.list(name)?;
        Ok(listed
            .into_iter()
            .find_map(|(found, oid, _)| (found == name).then_some(oid)))
    }

    pub(super) fn move_from(
        &self,
        name: &str,
        old: Oid,
        new: Oid,
        why: &str,
    ) -> Result<(), StoreError> {
        let Err(error) = self.update(name, new, why, Some(old)) else {
            return Ok(());
        };
        if is_bad_name(&error) {
            return Err(StoreError::BadName(name.to_owned()));
        }
        let found = self.read_reference(name)?.unwrap_or(Oid::ZERO);
        if found == old {
            return Err(error.into());
        }
        Err(StoreError::Moved {
            name: name.to_owned(),
            expected: old,
            found,
        })
    }

    pub(super) fn move_from_anywhere(
        &self,
        name: &str,
        new: Oid,
        why: &str,
    ) -> Result<(), StoreError> {
        Ok(self.update(name, new, why, None)?)
    }

    fn update(&self, name: &str, new: Oid, why: &str, old: Option<Oid>) -> Result<(), GitError> {
        let mut args = vec!["update-ref".to_owned()];
        if !why.is_empty() {
            args.extend(["-m".to_owned(), why.to_owned()]);
        }
        args.extend([name.to_owned(), new.to_string()]);
        args.extend(old.map(|old| self.zeros_or(old)));
        self.writer().run(&args)?;
        Ok(())
    }

    /// Renders an id, and zeros as long as the ids of this repository.
    fn zeros_or(&self, oid: Oid) -> String {
        match oid.is_zero() {
            true => "0".repeat(2 * self.format.bytes()),
            false => oid.to_string(),
        }
    }

    pub(super) fn delete_at(&self, name: &str, old: Oid) -> Result<(), StoreError> {
        let moved = |found| StoreError::Moved {
            name: name.to_owned(),
            expected: old,
            found,
        };
        let found = self.read_reference(name)?.unwrap_or(Oid::ZERO);
        if found != old || old.is_zero() {
            return Err(moved(found));
        }
        let delete = ["update-ref", "--no-deref", "-d", name, &old.to_string()];
        let Err(error) = self.writer().run(&delete) else {
            return Ok(());
        };
        match self.read_reference(name)?.unwrap_or(Oid::ZERO) {
            found if found == old => Err(error.into()),
            found => Err(moved(found)),
        }
    }

    pub(super) fn list_references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError> {
        // git matches whole components of names.
        let folder = prefix.rfind('/').map_or("refs/", |slash| &prefix[..=slash]);
        let listed = self.list(folder)?.into_iter();
        let direct =
            listed.filter(|(name, _, is_symbolic)| !is_symbolic && name.starts_with(prefix));
        Ok(direct.map(|(name, oid, _)| (name, oid)).collect())
    }

    /// Lists a reference, or those in a folder: name, target, and `true` for a symbolic one.
    fn list(&self, name: &str) -> Result<Vec<(String, Oid, bool)>, StoreError> {
        let format = "--format=%(refname) %(objectname) %(symref)";
        let listed = self.git.run(&["for-each-ref", format, "--", name])?;
        let lines = listed.split(|byte| *byte == b'\n');
        let references = lines.filter_map(|line| {
            let mut words = std::str::from_utf8(line).ok()?.split(' ');
            let (name, target) = (words.next()?, words.next()?.parse().ok()?);
            let is_symbolic = words.next().is_some_and(|word| !word.is_empty());
            Some((name.to_owned(), target, is_symbolic))
        });
        Ok(references.collect())
    }
}

/// Returns `true` if git would read more than a name in this text.
fn is_expression(name: &str) -> bool {
    let special = |c: char| c.is_ascii_control() || " ^~:?*[\\".contains(c);
    name.contains(special) || name.contains("@{") || name.contains("..")
}

/// Returns `true` if git rejected the name of a reference.
fn is_bad_name(error: &GitError) -> bool {
    let said = error.to_string();
    said.contains("bad name") || said.contains("invalid ref format")
}
