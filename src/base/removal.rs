//! Removes folders: read-only ones, as a module cache leaves them, and none that a link leads to.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use rustix::fs::ResolveFlags;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The permission of its owner to list a folder and to change what is in it.
const OWNER: u32 = 0o700;

/// Removes a folder with everything in it, also where folders in it are read-only. An absent one
/// counts as removed.
///
/// # Errors
/// When something in it belongs to another user, or is still being written.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            gone(fs::remove_dir_all(path))
        }
        removed => gone(removed),
    }
}

/// Removes a folder like [`remove_folder`], but follows no link in the last `depth` parts of its path:
/// another process could have put one there that leads to a folder of the user.
///
/// # Errors
/// When one of these parts is a link or belongs to another user, and those of [`remove_folder`].
pub fn remove_own_folder(path: &Path, depth: usize) -> io::Result<()> {
    if path
        .symlink_metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        return Ok(());
    }
    let mut below: Vec<&std::ffi::OsStr> = path.iter().rev().take(depth).collect();
    below.reverse();
    let root = path.ancestors().nth(depth).unwrap_or(Path::new("/"));
    let Some((name, folders)) = below.split_last() else {
        return remove_folder(path);
    };
    let Some(parent) = gone_as_none(open_below(root, folders))? else {
        return Ok(());
    };
    match rustix::fs::statat(&parent, *name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => {
            let found = found?;
            let is_folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
            let is_own = found.st_uid == rustix::process::geteuid().as_raw();
            if !is_folder || !is_own {
                return Err(not_own(path));
            }
        }
    }
    // The opened folder stays the same, whatever its path leads to by now.
    let opened = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd()));
    match opened.is_dir() {
        true => remove_folder(&opened.join(name)),
        false => remove_folder(path),
    }
}

/// A folder that was opened without following a link in the last parts of its path. It stays the same
/// folder, whatever its path leads to by now.
#[derive(Debug)]
pub struct OwnFolder {
    path: PathBuf,
    _opened: OwnedFd,
}

impl OwnFolder {
    /// Opens a folder of this user, following no link in the last `depth` parts of its path. Returns `None`
    /// if there is none.
    ///
    /// # Errors
    /// When one of these parts is anything but a folder, or the folder belongs to another user.
    pub fn open(path: &Path, depth: usize) -> io::Result<Option<OwnFolder>> {
        let mut below: Vec<&std::ffi::OsStr> = path.iter().rev().take(depth).collect();
        below.reverse();
        let root = path.ancestors().nth(depth).unwrap_or(Path::new("/"));
        let Some(opened) = gone_as_none(open_below(root, &below))? else {
            return Ok(None);
        };
        if rustix::fs::fstat(&opened)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(not_own(path));
        }
        let by_number = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        let path = match by_number.is_dir() {
            true => by_number,
            false => path.to_owned(),
        };
        Ok(Some(OwnFolder {
            path,
            _opened: opened,
        }))
    }

    /// The path by which this process reaches it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a folder below `root` without following a link on the way.
fn open_below(root: &Path, folders: &[&std::ffi::OsStr]) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let mut opened = rustix::fs::open(root, flags, Mode::empty())?;
    #[cfg(target_os = "linux")]
    if folders.len() > 1 {
        let path: PathBuf = folders.iter().collect();
        let links = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        // An old kernel does not know the call, and the steps below name the part that is a link.
        if let Ok(opened) = rustix::fs::openat2(&opened, path, flags, Mode::empty(), links) {
            return Ok(opened);
        }
    }
    for folder in folders {
        opened = match rustix::fs::openat(&opened, *folder, flags | OFlags::NOFOLLOW, Mode::empty())
        {
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(not_own(&root.join(folder))),
            opened => opened?,
        };
    }
    Ok(opened)
}

fn gone_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn not_own(path: &Path) -> io::Error {
    let message = format!(
        "{} is not a folder of this user, so nothing below it is used or removed",
        path.display()
    );
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Lets the owner change every folder below `path`, and `path` itself. Symbolic links are not
/// followed. A folder that cannot be changed is left to its removal, whose error names the cause.
///
/// # Errors
/// When a folder cannot be listed.
pub fn make_writable(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let meta = folder.symlink_metadata()?;
        let mode = meta.permissions().mode();
        if mode & OWNER != OWNER {
            let _ = fs::set_permissions(&folder, Permissions::from_mode(mode | OWNER));
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_become_writable_and_what_links_point_at_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let (tree, outside) = (place.path().join("tree"), place.path().join("outside"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        for folder in [&tree.join("a/b"), &tree.join("a"), &outside] {
            fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
        }
        make_writable(&tree).unwrap();
        assert_eq!([mode(&tree.join("a")), mode(&tree.join("a/b"))], [0o755; 2]);
        assert_eq!(mode(&outside), 0o555);
        remove_folder(&tree).unwrap();
        assert!(!tree.exists() && outside.exists());
        remove_folder(&tree).unwrap();
    }

    #[test]
    fn a_link_on_the_way_or_at_the_end_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("victim/tmp/x")).unwrap();
        fs::create_dir_all(at("own/tmp/x/y")).unwrap();
        symlink(at("victim"), at("linked")).unwrap();
        symlink(at("victim/tmp/x"), at("own/tmp/link")).unwrap();
        for (path, depth) in [("linked/tmp/x", 3), ("own/tmp/link", 1), ("linked", 1)] {
            let error = remove_own_folder(&at(path), depth).unwrap_err();
            assert!(
                error.to_string().contains("is not a folder of this user"),
                "{path}: {error}"
            );
        }
        assert!(at("victim/tmp/x").exists());
        remove_own_folder(&at("own/tmp/x"), 2).unwrap();
        remove_own_folder(&at("own/tmp/x"), 2).unwrap();
        remove_own_folder(&at("own/absent/x"), 2).unwrap();
        assert!(!at("own/tmp/x").exists());
    }
}
