//! Removes folders that hold read-only folders, as a module cache leaves them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
}
