//! Copies files, links and folders with the times of everything in them, which build tools compare.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::base::reflink::clone_or_copy;

/// Copies a file, a link, or a folder with every file, link and folder in it. Blocks are shared where the
/// file system can; pipes and sockets are left out.
///
/// # Errors
/// When something cannot be read, or the copy exists or cannot be written.
pub fn copy_with_times(from: &Path, to: &Path) -> io::Result<()> {
    let meta = from.symlink_metadata()?;
    let kind = meta.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return set_time(to, &meta);
    }
    if kind.is_file() {
        return clone_or_copy(from, to).map(drop);
    }
    if !kind.is_dir() {
        return Ok(());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_with_times(&entry.path(), &to.join(entry.file_name()))?;
    }
    // They may forbid to write into the folder, and writing sets its time.
    fs::set_permissions(to, meta.permissions())?;
    set_time(to, &meta)
}

/// Sets the time of modification, of a link itself.
fn set_time(path: &Path, meta: &Metadata) -> io::Result<()> {
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(meta.atime(), meta.atime_nsec()),
        last_modification: time(meta.mtime(), meta.mtime_nsec()),
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::base::process::Program;

    #[test]
    fn a_folder_is_copied_with_links_permissions_and_times() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/file"), "text").unwrap();
        symlink("inner/file", from.join("link")).unwrap();
        symlink("nowhere", from.join("inner/broken")).unwrap();
        Program::new("mkfifo")
            .arg(from.join("pipe"))
            .output()
            .unwrap();
        let long_ago = UNIX_EPOCH + Duration::new(1_000_000_000, 123_000_000);
        for path in ["inner/file", "inner", ""] {
            let path = from.join(path);
            File::open(&path).unwrap().set_modified(long_ago).unwrap();
        }
        let meta = from.join("inner").symlink_metadata().unwrap();
        set_time(&from.join("link"), &meta).unwrap();
        fs::set_permissions(from.join("inner"), fs::Permissions::from_mode(0o555)).unwrap();
        copy_with_times(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("inner/file")).unwrap(), b"text");
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            Path::new("inner/file")
        );
        assert_eq!(
            fs::read_link(to.join("inner/broken")).unwrap(),
            Path::new("nowhere")
        );
        assert!(!to.join("pipe").exists());
        for path in ["inner/file", "inner", "", "link"] {
            let meta = to.join(path).symlink_metadata().unwrap();
            assert_eq!(meta.modified().unwrap(), long_ago, "{path}");
        }
        let mode = to.join("inner").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o555);
        for top in [from, to] {
            fs::set_permissions(top.join("inner"), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
