//! A temporary object folder with the repository's own as alternate, for throwaway objects.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::git::backend::Backend;
use crate::git::formats::Way;
use crate::git::libgit2::Libgit2;
use crate::git::program::Program;
use crate::git::program::session::Sessions;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::temp_dir::LockedTempDir;

/// A temporary object folder, removed with everything in it when dropped. It is a bare repository
/// without references, so that libgit2 opens it.
#[derive(Debug)]
pub struct Quarantine {
    folder: LockedTempDir,
    repo: Repo,
    /// Processes of `git` that see these objects.
    sessions: Arc<Sessions>,
}

impl Quarantine {
    /// Creates a quarantine below dispatch's own folder, on the same disk as the repository.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(repo: &Repo) -> io::Result<Quarantine> {
        Quarantine::over(repo, &repo.common.join("objects"))
    }

    /// Creates another quarantine that also reads the objects of this one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn nested(&self, repo: &Repo) -> io::Result<Quarantine> {
        Quarantine::over(repo, &self.objects())
    }

    fn over(repo: &Repo, below: &Path) -> io::Result<Quarantine> {
        let folder = LockedTempDir::new(&repo.dispatch_folder(), "quarantine-")?;
        fs::create_dir_all(folder.path().join("objects/info"))?;
        fs::create_dir_all(folder.path().join("refs"))?;
        fs::write(folder.path().join("HEAD"), "ref: refs/heads/nothing\n")?;
        let alternates = alternates_of(below)?;
        fs::write(folder.path().join("objects/info/alternates"), alternates)?;
        Ok(Quarantine {
            folder,
            repo: repo.clone(),
            sessions: Arc::default(),
        })
    }

    /// Removes every object, but not the folders: ext4 takes milliseconds to create one, and git
    /// needs 256. Files that cannot be removed now go with the quarantine.
    pub(super) fn clear(&self) {
        let folders = fs::read_dir(self.objects());
        for folder in folders.into_iter().flatten().flatten() {
            if folder.file_name().len() == 2 {
                let files = fs::read_dir(folder.path()).into_iter().flatten().flatten();
                files.for_each(|file| drop(fs::remove_file(file.path())));
            }
        }
    }

    /// The folder that takes new objects.
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join("objects")
    }

    /// Opens a store that reads the repository's objects and these, and writes only here.
    ///
    /// # Errors
    /// When libgit2 cannot open it.
    pub fn store(&self) -> Result<Store, StoreError> {
        let formats = self.repo.formats;
        let backend: Box<dyn Backend> = match formats.way {
            Way::Libgit2 => Box::new(Libgit2::open(self.folder.path())?),
            Way::Program => {
                let program = Program::new(&self.repo.common, formats.objects, &self.sessions);
                Box::new(program.in_quarantine(&self.objects()))
            }
        };
        Ok(Store::of_quarantine(backend, &self.repo))
    }
}

/// Renders the file `info/alternates`, which unlike the environment variable needs no quotes around
/// a path with a colon. Relative alternates of the repository, and of an outer quarantine, are
/// listed too, because libgit2 follows those of the first repository only.
pub(super) fn alternates_of(objects: &Path) -> io::Result<Vec<u8>> {
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
