//! Remembers the HEADs of linked worktrees, so that looking for a branch reads only what changed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::file_signature::FileSignature;

/// The place where the worktrees of a repository keep their HEADs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeadStore {
    /// A file.
    File,
    /// A reftable, which only git reads.
    Reftable,
}

impl HeadStore {
    /// Returns the file of an admin folder that changes with its HEAD.
    fn file(self, admin: &Path) -> PathBuf {
        admin.join(match self {
            HeadStore::File => "HEAD",
            HeadStore::Reftable => "reftable/tables.list",
        })
    }
}

/// HEADs by admin folder, each with the signature of its file.
#[derive(Debug, Default)]
pub(super) struct HeadCache {
    known: HashMap<OsString, (FileSignature, String)>,
}

impl HeadCache {
    /// Lists the admin folders below `root` whose HEADs are not known, with their signatures.
    pub(super) fn unknown(&self, root: &Path, store: HeadStore) -> Vec<(PathBuf, FileSignature)> {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        let unknown = entries.filter(|entry| !self.known.contains_key(&entry.file_name()));
        let signed = unknown.filter_map(|entry| {
            let admin = entry.path();
            Some((admin.clone(), FileSignature::of(&store.file(&admin))?))
        });
        signed.collect()
    }

    /// Remembers a HEAD, as its file would read, that was read after the signature.
    pub(super) fn remember(&mut self, admin: &Path, signature: FileSignature, head: String) {
        if let Some(name) = admin.file_name().filter(|_| signature.is_settled()) {
            self.known.insert(name.to_owned(), (signature, head));
        }
    }

    /// Lists the admin folders below `root` that have this branch checked out. `read` reads a HEAD as its
    /// file would read.
    pub(super) fn admins_on(
        &mut self,
        root: &Path,
        branch: &str,
        store: HeadStore,
        read: impl Fn(&Path) -> String,
    ) -> Vec<PathBuf> {
        let mut kept = HashMap::with_capacity(self.known.len());
        let mut found = Vec::new();
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let (name, admin) = (entry.file_name(), entry.path());
            let Some(signature) = FileSignature::of(&store.file(&admin)) else {
                continue;
            };
            let known = self.known.remove(&name);
            let head = match known {
                Some((seen, head)) if seen == signature => head,
                _ => read(&admin),
            };
            if head.trim_end().strip_prefix("ref: refs/heads/") == Some(branch) {
                found.push(admin);
            }
            if signature.is_settled() {
                kept.insert(name, (signature, head));
            }
        }
        self.known = kept;
        found.sort();
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read_file(admin: &Path) -> String {
        fs::read_to_string(admin.join("HEAD")).unwrap_or_default()
    }

    fn write(root: &Path, name: &str, head: &str) {
        fs::create_dir_all(root.join(name)).unwrap();
        fs::write(root.join(name).join("HEAD"), head).unwrap();
    }

    /// Makes all HEADs look as if they were written long ago.
    fn let_time_pass(root: &Path) {
        for entry in fs::read_dir(root).unwrap() {
            let head = fs::File::open(entry.unwrap().path().join("HEAD")).unwrap();
            head.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    }

    #[test]
    fn it_follows_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut cache = HeadCache::default();
        let names = |cache: &mut HeadCache, branch: &str| {
            let admins = cache
                .admins_on(root, branch, HeadStore::File, read_file)
                .into_iter();
            let names = admins.map(|admin| admin.file_name().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&mut cache, "main"), [""; 0]);
        write(root, "a", "ref: refs/heads/main\n");
        write(root, "b", "ref: refs/heads/feature/x\n");
        write(root, "c", "0123456789012345678901234567890123456789\n");
        let_time_pass(root);
        assert_eq!(names(&mut cache, "main"), ["a"]);
        assert_eq!(names(&mut cache, "feature/x"), ["b"]);
        write(root, "b", "ref: refs/heads/main\n");
        assert_eq!(names(&mut cache, "main"), ["a", "b"]);
        fs::remove_dir_all(root.join("a")).unwrap();
        assert_eq!(names(&mut cache, "main"), ["b"]);
        assert_eq!(names(&mut cache, "feature/x"), [""; 0]);
    }

    #[test]
    fn a_head_that_did_not_change_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "a", "ref: refs/heads/main\n");
        let signature = FileSignature::of(&root.join("a/HEAD")).unwrap();
        let mut cache = HeadCache::default();
        let other = "ref: refs/heads/other\n".to_owned();
        cache.known.insert("a".into(), (signature, other));
        let found = cache.admins_on(root, "other", HeadStore::File, read_file);
        assert_eq!(found, [root.join("a")]);
    }
}
