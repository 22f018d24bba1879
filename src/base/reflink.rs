//! Copies files, sharing their blocks where the file system can (btrfs, XFS, bcachefs, APFS).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::base::files::open_nonblocking;

/// Copies a file with its permissions and modification time, which build tools compare. Returns
/// `true` if the blocks are shared.
///
/// # Errors
/// When the source cannot be read, or the copy exists or cannot be written.
pub fn clone_or_copy(from: &Path, to: &Path) -> io::Result<bool> {
    // Apple's system call clones into a new file only, with permissions and times.
    if cfg!(target_vendor = "apple") && reflink_copy::reflink(from, to).is_ok() {
        return Ok(true);
    }
    copy_with(from, to, reflink_copy::reflink_file)
}

/// Returns `true` if files in a folder can share their blocks. Tries it with files that no program sees.
pub fn can_share_blocks(folder: &Path) -> bool {
    let named = || tempfile::Builder::new().prefix(".").tempfile_in(folder);
    if cfg!(target_vendor = "apple") {
        let tried = named().and_then(|from| {
            let to = from.path().with_extension("copy");
            let cloned = reflink_copy::reflink(from.path(), &to);
            let _ = std::fs::remove_file(&to);
            cloned
        });
        return tried.is_ok();
    }
    let tried = tempfile::tempfile_in(folder).and_then(|mut from| {
        io::Write::write_all(&mut from, &[1; 4096])?;
        reflink_copy::reflink_file(&from, &tempfile::tempfile_in(folder)?)
    });
    tried.is_ok()
}

fn copy_with(
    from: &Path,
    to: &Path,
    clone: impl FnOnce(&File, &File) -> io::Result<()>,
) -> io::Result<bool> {
    let mut source = open_nonblocking(from)?;
    let meta = source.metadata()?;
    let mut options = OpenOptions::new();
    // A copy of a secret must not be readable by others before its permissions are set.
    let mut copy = options.write(true).create_new(true).mode(0o600).open(to)?;
    // Another file system, or one without this feature: any other failure fails the copy below as
    // well.
    let is_shared = clone(&source, &copy).is_ok();
    if !is_shared {
        io::copy(&mut source, &mut copy)?;
    }
    copy.set_permissions(meta.permissions())?;
    copy.set_modified(meta.modified()?)?;
    Ok(is_shared)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn an_ordinary_copy_keeps_content_permissions_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let content = vec![7; 3 * 1024 * 1024 + 1];
        fs::write(&from, &content).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o751)).unwrap();
        let long_ago = UNIX_EPOCH + Duration::new(1_000_000_000, 123_000_000);
        File::open(&from).unwrap().set_modified(long_ago).unwrap();
        let refuse = |_: &File, _: &File| Err(io::ErrorKind::Unsupported.into());
        assert!(!copy_with(&from, &to, refuse).unwrap());
        assert!(fs::read(&to).unwrap() == content);
        let meta = fs::metadata(&to).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o751);
        assert_eq!(meta.modified().unwrap(), long_ago);
    }

    #[test]
    fn a_cloned_file_is_not_copied_again() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "original").unwrap();
        let pretend = |_: &File, copy: &File| io::Write::write_all(&mut &*copy, b"cloned");
        assert!(copy_with(&from, &to, pretend).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"cloned");
    }

    #[test]
    fn a_file_system_that_shares_blocks_does_so_for_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, vec![7; 4096]).unwrap();
        let is_shared = clone_or_copy(&from, &to).unwrap();
        assert_eq!(can_share_blocks(folder.path()), is_shared);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(!can_share_blocks(&folder.path().join("absent")));
    }

    #[test]
    fn an_existing_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "mine").unwrap();
        let refused = clone_or_copy(&from, &to).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"mine");
    }
}
