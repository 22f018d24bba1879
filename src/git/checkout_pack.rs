//! Packs the loose objects of a tree that is checked out again and again.
//!
//! git opens each loose object twice or more for a checkout, and a pack once. A repository that was never
//! collected, as a young one, has loose objects only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::git::command::{Git, GitError};
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::temp_dir::LockedTempDir;
use crate::merge::oid::Oid;

/// The fewest loose objects that pay for a pack.
const FEWEST: usize = 16;

/// The largest size of the loose objects that are packed, in bytes.
const LARGEST: u64 = 64 << 20;

/// The variable with folders of objects that git also reads.
pub(super) const ALTERNATES: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES";

/// Options of `git pack-objects`: time matters, and the pack lives as long as this process.
const QUICK: [&str; 3] = [
    "pack.compression=1",
    "pack.writeReverseIndex=false",
    "core.fsync=none",
];

impl Repo {
    /// Returns a folder of objects for the checkout of a tree, where there is one.
    pub(super) fn pack_for_checkout(&self, tree: Oid) -> Option<PathBuf> {
        // A checkout without it takes longer, and that is all.
        let folder = self.pack.get_or_make(|| make(self, tree).ok().flatten());
        folder.filter(|path| is_plain(path))
    }
}

/// Returns `true` for a path that git reads as one path.
fn is_plain(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    !path.iter().any(|byte| matches!(byte, b':' | b'"' | b'\n'))
}

/// Packs the loose objects of a tree; `None` if they are few or large.
fn make(repo: &Repo, tree: Oid) -> Result<Option<LockedTempDir>, GitError> {
    let loose = repo.with_store(|store| loose_objects(store, &repo.common.join("objects"), tree));
    let Some(loose) = loose.unwrap_or_default() else {
        return Ok(None);
    };
    let failed = |error: io::Error| GitError::Settings(repo.dispatch_folder(), error);
    let folder = LockedTempDir::new(&repo.dispatch_folder(), "objects-").map_err(failed)?;
    let pack = folder.path().join("pack");
    fs::create_dir(&pack).map_err(failed)?;
    let git = Git::at(&repo.common)
        .env("GIT_DIR", repo.common.as_os_str())
        .without_fetches();
    let git = QUICK.iter().fold(git, |git, setting| git.setting(setting));
    let base = pack.join("pack");
    let base = base.to_string_lossy();
    let args = ["pack-objects", "-q", "--window=0", &*base];
    let input: String = loose.iter().map(|oid| format!("{oid}\n")).collect();
    let finished = git.program().args(args).stdin(input).output()?;
    match finished.status.success() {
        true => Ok(Some(folder)),
        false => Err(git.failed(&args, &finished)),
    }
}

/// Lists the loose objects of a tree; `None` if they are few or large.
fn loose_objects(store: &Store, objects: &Path, tree: Oid) -> Result<Option<Vec<Oid>>, StoreError> {
    let mut all = vec![tree];
    store.walk(tree, &mut |_, entry| {
        if entry.is_directory() || entry.is_blob() {
            all.push(entry.oid);
        }
    })?;
    all.sort_unstable();
    all.dedup();
    let mut size = 0;
    all.retain(|oid| {
        let name = oid.to_string();
        let file = objects.join(&name[..2]).join(&name[2..]);
        let found = file.symlink_metadata().ok();
        size += found.as_ref().map_or(0, fs::Metadata::len);
        found.is_some()
    });
    Ok((all.len() >= FEWEST && size <= LARGEST).then_some(all))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A repository with one commit of this many files.
    fn repo(folder: &tempfile::TempDir, files: usize) -> (Repo, Oid) {
        let git = Git::at(folder.path());
        git.run(&["init", "--quiet"]).unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        for n in 0..files {
            fs::write(folder.path().join(format!("d/{n}")), format!("{n}\n")).unwrap();
        }
        git.run(&["add", "--all"]).unwrap();
        let tree = git.line(&["write-tree"]).unwrap().parse().unwrap();
        (Repo::discover(folder.path()).unwrap(), tree)
    }

    /// Lists the objects that git reads from a folder.
    fn packed(folder: &Path) -> usize {
        let packs = fs::read_dir(folder.join("pack")).unwrap().flatten();
        let index = packs
            .map(|file| file.path())
            .find(|path| path.extension().is_some_and(|it| it == "idx"))
            .unwrap();
        let index = index.display().to_string();
        let listed = Git::at(folder)
            .line(&["verify-pack", "-v", &index])
            .unwrap();
        let is_object = |line: &&str| line.contains(" blob ") || line.contains(" tree ");
        listed.lines().filter(is_object).count()
    }

    #[test]
    fn the_second_checkout_makes_a_pack_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (repo, tree) = repo(&folder, 20);
        assert_eq!(repo.pack_for_checkout(tree), None);
        let made = repo.pack_for_checkout(tree).unwrap();
        // Two trees and twenty files.
        assert_eq!(packed(&made), 22);
        assert_eq!(repo.pack_for_checkout(Oid::ZERO), Some(made.clone()));
        drop(repo);
        assert!(!made.exists());
    }

    #[test]
    fn few_loose_objects_and_packed_ones_need_no_pack() {
        for (files, is_packed) in [(3, false), (20, true)] {
            let folder = tempfile::tempdir().unwrap();
            let (repo, tree) = repo(&folder, files);
            if is_packed {
                let git = repo.git();
                let name = ["update-ref", "refs/tags/tree", &tree.to_string()];
                git.run(&name).unwrap();
                git.run(&["repack", "-adq"]).unwrap();
            }
            for _ in 0..3 {
                assert_eq!(repo.pack_for_checkout(tree), None);
            }
        }
    }

    #[test]
    fn a_tree_that_is_missing_needs_no_pack() {
        let folder = tempfile::tempdir().unwrap();
        let (repo, _) = repo(&folder, 20);
        for _ in 0..3 {
            assert_eq!(repo.pack_for_checkout(Oid::ZERO), None);
        }
    }
}
