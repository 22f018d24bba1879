//! A copy of a file that shares its blocks with the original where the file system can (btrfs, XFS,
//! bcachefs, APFS), so that it costs neither time nor room; an ordinary copy anywhere else.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::base::files::open_without_waiting;

/// Copies a file to a place where nothing is, with its permissions and its time of change: tools
/// that build by time stamps see no difference. Returns whether the blocks are shared.
///
/// # Errors
/// When the one cannot be read or the other not be written, or is there already.
pub fn clone_or_copy(from: &Path, to: &Path) -> io::Result<bool> {
    copy_with(from, to, clone)
}

fn copy_with(
    from: &Path,
    to: &Path,
    clone: impl FnOnce(&File, &File) -> io::Result<()>,
) -> io::Result<bool> {
    let mut source = open_without_waiting(from)?;
    let meta = source.metadata()?;
    let mut options = OpenOptions::new();
    // Who may read it is said at the end; until then nobody else may.
    let mut copy = options.write(true).create_new(true).mode(0o600).open(to)?;
    let is_shared = clone(&source, &copy).is_ok();
    if !is_shared {
        io::copy(&mut source, &mut copy)?;
    }
    copy.set_permissions(meta.permissions())?;
    copy.set_modified(meta.modified()?)?;
    Ok(is_shared)
}

/// Whatever keeps the system from it (another file system, one that cannot, a file that is in use)
/// is no reason not to copy; what would keep it from that as well is met again there.
#[cfg(target_os = "linux")]
fn clone(source: &File, copy: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(copy, source)?)
}

#[cfg(not(target_os = "linux"))]
fn clone(_: &File, _: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn without_shared_blocks_content_permissions_and_time_are_the_same_too() {
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
    fn what_the_system_has_cloned_is_not_copied_again() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "original").unwrap();
        let pretend = |_: &File, copy: &File| io::Write::write_all(&mut &*copy, b"cloned");
        assert!(copy_with(&from, &to, pretend).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"cloned");
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "mine").unwrap();
        let refused = clone_or_copy(&from, &to).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"mine");
    }
}
