//! Creates a worktree as a copy of another one, whose files share their blocks where the file system can.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::base::regular_file;
use crate::base::same_copy::copy_with_times;
use crate::git::index_stats::{IndexFile, is_submodule};
use crate::git::repo::Repo;
use crate::git::worktree::{Head, Worktree, WorktreeError, at};

/// The largest index that is read, in bytes.
const INDEX_LIMIT: u64 = 1 << 30;

/// A worktree of which a copy is made.
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// Its folder.
    pub path: &'a Path,
    /// A copy of its index from after its files were written, with the time of that index.
    pub index: &'a Path,
    /// Further paths below its top that are copied, neither of tracked files nor inside of each other.
    pub others: &'a [PathBuf],
}

impl Repo {
    /// Creates a worktree at `path` as [`Repo::add_worktree`] does, with the files of another one that has
    /// the commit of `head` checked out. Its index describes the copies, so that git need not read them.
    ///
    /// # Errors
    /// As [`Repo::add_worktree`], when a tracked file of the original was changed, and when its index has
    /// entries that hold for one worktree only.
    pub fn copy_worktree(
        &self,
        original: Original<'_>,
        path: &Path,
        head: &Head,
        reason: &str,
    ) -> Result<Worktree, WorktreeError> {
        self.add_worktree_with(path, head, reason, |worktree| {
            at(path, self.copy_files(original, worktree))
        })
    }

    fn copy_files(&self, original: Original<'_>, copy: &Worktree) -> io::Result<()> {
        let written = original.index.symlink_metadata()?;
        let written = (written.mtime(), written.mtime_nsec());
        let bytes = regular_file::read(original.index, INDEX_LIMIT)?;
        let unreadable = || io::Error::other("the index cannot be copied");
        let mut index = IndexFile::parse(bytes, self.formats.objects).ok_or_else(unreadable)?;
        let mut folder = PathBuf::new();
        for entry in std::mem::take(&mut index.entries) {
            let (from, to) = (original.path.join(&entry.path), copy.path.join(&entry.path));
            if is_submodule(&entry) {
                fs::create_dir_all(&to)?;
                continue;
            }
            let parent = to.parent().unwrap_or(&copy.path);
            if parent != folder {
                fs::create_dir_all(parent)?;
                parent.clone_into(&mut folder);
            }
            copy_with_times(&from, &to)?;
            // A change before or during the copying shows afterwards.
            if !index.describes(&entry, &from.symlink_metadata()?) {
                let text = format!("{} was changed", from.display());
                return Err(io::Error::other(text));
            }
            // git reads any other again.
            if index.is_older(&entry, written) {
                index.set(&entry, &to.symlink_metadata()?);
            }
        }
        for path in original.others {
            let (from, to) = (original.path.join(path), copy.path.join(path));
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            copy_with_times(&from, &to)?;
        }
        fs::write(copy.admin.join("index"), index.into_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::git::Git;
    use crate::merge::oid::Oid;

    /// A repository with a worktree, and a copy of its index.
    struct Scene {
        folder: tempfile::TempDir,
        repo: Repo,
        head: Head,
        worktree: Worktree,
    }

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path().canonicalize().unwrap().join("shop");
            fs::create_dir_all(top.join("sub")).unwrap();
            let git = Git::at(&top);
            git.run(&["init", "--quiet"]).unwrap();
            fs::write(top.join("sub/a"), "a\n").unwrap();
            fs::write(top.join("b"), "b\n").unwrap();
            symlink("sub/a", top.join("link")).unwrap();
            fs::write(top.join(".gitignore"), "kept/\n").unwrap();
            git.run(&["add", "--all"]).unwrap();
            let git = git.setting("user.name=a").setting("user.email=a@a");
            git.run(&["commit", "--quiet", "-m", "first"]).unwrap();
            let commit: Oid = git.line(&["rev-parse", "HEAD"]).unwrap().parse().unwrap();
            let repo = Repo::discover(&top).unwrap();
            let head = Head::Detached(commit);
            let place = top.parent().unwrap().join("one");
            let worktree = repo.add_worktree(&place, &head, "dispatch pool").unwrap();
            let index = folder.path().join("index");
            regular_file::copy_with_time(&worktree.admin.join("index"), &index).unwrap();
            fs::create_dir_all(place.join("kept/inner")).unwrap();
            fs::write(place.join("kept/inner/x"), "x").unwrap();
            fs::write(place.join("untracked"), "mine").unwrap();
            Scene {
                folder,
                repo,
                head,
                worktree,
            }
        }

        fn copy(&self, others: &[PathBuf]) -> Result<Worktree, WorktreeError> {
            let index = self.folder.path().join("index");
            let original = Original {
                path: &self.worktree.path,
                index: &index,
                others,
            };
            let place = self.worktree.path.with_file_name("two");
            self.repo
                .copy_worktree(original, &place, &self.head, "dispatch pool")
        }
    }

    #[test]
    fn git_knows_the_files_of_a_copy_without_reading_them() {
        let scene = Scene::new();
        let copy = scene.copy(&["kept".into()]).unwrap();
        assert_eq!(fs::read(copy.path.join("kept/inner/x")).unwrap(), b"x");
        assert_eq!(fs::read(copy.path.join("link")).unwrap(), b"a\n");
        assert!(!copy.path.join("untracked").exists());
        let git = copy.git();
        // `diff-files` names a file whose entry is not that of the file, before it is read.
        let raw = git.run(&["diff-files", "--name-only"]).unwrap();
        assert_eq!(raw, b"");
        let index = fs::read(copy.admin.join("index")).unwrap();
        git.run(&["update-index", "--refresh"]).unwrap();
        assert_eq!(git.run(&["status", "--porcelain"]).unwrap(), b"");
        assert!(
            fs::read(copy.admin.join("index")).unwrap() == index,
            "nothing was refreshed"
        );
        fs::write(copy.path.join("b"), "c\n").unwrap();
        assert_eq!(git.run(&["diff-files", "--name-only"]).unwrap(), b"b\n");
    }

    #[test]
    fn nothing_is_left_of_a_copy_of_a_changed_worktree() {
        let scene = Scene::new();
        let file = scene.worktree.path.join("b");
        let time = file.symlink_metadata().unwrap().modified().unwrap();
        fs::write(&file, "B\n").unwrap();
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(time)
            .unwrap();
        let refused = scene.copy(&[]).unwrap_err();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.ends_with("one/b was changed"), "{why}");
        assert_eq!(scene.repo.worktrees().len(), 1);
        assert!(!scene.worktree.path.with_file_name("two").exists());
    }

    #[test]
    fn a_file_as_young_as_the_index_is_left_to_git() {
        let scene = Scene::new();
        let file = scene.worktree.path.join("b").symlink_metadata().unwrap();
        let index = fs::File::options()
            .write(true)
            .open(scene.folder.path().join("index"));
        index
            .unwrap()
            .set_modified(file.modified().unwrap())
            .unwrap();
        let copy = scene.copy(&[]).unwrap();
        let found = copy.git().run(&["diff-files", "--name-only"]).unwrap();
        assert!(
            String::from_utf8_lossy(&found)
                .lines()
                .any(|line| line == "b")
        );
        assert_eq!(copy.git().run(&["status", "--porcelain"]).unwrap(), b"");
    }
}
