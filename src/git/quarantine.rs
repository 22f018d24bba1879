//! A place for objects that nobody is to keep: a temporary object folder with the repository's
//! own as alternate. What git or we write there is gone when it is dropped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryOpenFlags};

use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError, read_as_git_reads};
use crate::git::temp_dir::Scratch;

/// The temporary folder. It is a bare repository without references, so that libgit2 opens it.
#[derive(Debug)]
pub struct Quarantine {
    folder: Scratch,
}

impl Quarantine {
    /// Makes it below dispatch's own folder, on the same disk as the repository.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(repo: &Repo) -> io::Result<Quarantine> {
        Quarantine::over(repo, &repo.common.join("objects"))
    }

    /// Makes another one that also reads what is in this one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn above(&self, repo: &Repo) -> io::Result<Quarantine> {
        Quarantine::over(repo, &self.objects())
    }

    fn over(repo: &Repo, below: &Path) -> io::Result<Quarantine> {
        let folder = Scratch::new(repo, "quarantine-")?;
        fs::create_dir_all(folder.path().join("objects/info"))?;
        fs::create_dir_all(folder.path().join("refs"))?;
        fs::write(folder.path().join("HEAD"), "ref: refs/heads/nothing\n")?;
        let alternates = alternates_of(below)?;
        fs::write(folder.path().join("objects/info/alternates"), alternates)?;
        Ok(Quarantine { folder })
    }

    /// Removes everything in here, but not the folders: ext4 takes milliseconds to make one, and git
    /// wants 256. What cannot be removed now goes with the quarantine.
    pub(super) fn clear(&self) {
        let folders = fs::read_dir(self.objects());
        for folder in folders.into_iter().flatten().flatten() {
            if folder.file_name().len() == 2 {
                let files = fs::read_dir(folder.path()).into_iter().flatten().flatten();
                files.for_each(|file| drop(fs::remove_file(file.path())));
            }
        }
    }

    /// Where new objects go.
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// Reads the repository's objects and the ones in here; writes in here.
    ///
    /// # Errors
    /// When libgit2 cannot open it.
    pub fn store(&self) -> Result<Store, StoreError> {
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let nowhere: [&Path; 0] = [];
        read_as_git_reads();
        let inner = Repository::open_ext(self.folder.path(), flags, nowhere)?;
        Ok(Store { inner })
    }
}

/// The content of the file `info/alternates`: unlike the environment variable it needs no quotes
/// around a path with a colon. Alternates that the repository names relative to itself are listed
/// too, because libgit2 follows those of the first repository only; and so are ours.
fn alternates_of(objects: &Path) -> io::Result<Vec<u8>> {
    let mut lines = quoted(objects);
    let own = objects.join("info/alternates");
    let own = crate::base::files::read_if_exists(&own)?.unwrap_or_default();
    for line in own.split(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            lines.extend(quoted(&objects.join(bytes_path(line))));
        }
    }
    Ok(lines)
}

fn quoted(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = path.as_os_str().as_bytes();
    let mut line = Vec::with_capacity(bytes.len() + 1);
    if bytes.contains(&b'\n') {
        line.push(b'"');
        for byte in bytes {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
                byte => line.push(*byte),
            }
        }
        line.push(b'"');
    } else {
        line.extend_from_slice(bytes);
    }
    line.push(b'\n');
    line
}

fn bytes_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
