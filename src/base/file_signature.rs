//! Signatures of files and folders: equal as long as nothing was written.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was written less than this ago may change again with an equal signature: file systems
/// count time in steps of up to a second.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Metadata that differs after a file was written, or after a folder got or lost an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSignature {
    inode: u64,
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileSignature {
    /// Reads the signature of a file or folder; `None` if it is absent.
    pub fn of(path: &Path) -> Option<FileSignature> {
        let meta = path.metadata().ok()?;
        Some(FileSignature {
            inode: meta.ino(),
            size: meta.size(),
            mode: meta.mode(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Returns `true` if an equal signature, read later, proves that nothing was written.
    pub fn is_settled(&self) -> bool {
        let (seconds, nanos) = self.changed.max(self.modified);
        let since_epoch = Duration::new(seconds.max(0) as u64, nanos.clamp(0, 999_999_999) as u32);
        let written = SystemTime::UNIX_EPOCH + since_epoch;
        let passed = SystemTime::now().duration_since(written);
        passed.is_ok_and(|passed| passed >= SETTLED_AFTER)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_write_a_rename_and_a_new_entry_change_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        assert_eq!(FileSignature::of(&file), None);
        let empty = FileSignature::of(folder.path());
        fs::write(&file, "1").unwrap();
        let first = FileSignature::of(&file);
        assert_eq!(first, FileSignature::of(&file));
        fs::write(&file, "12").unwrap();
        assert_ne!(first, FileSignature::of(&file));
        let second = FileSignature::of(&file);
        fs::write(folder.path().join("b"), "12").unwrap();
        fs::rename(folder.path().join("b"), &file).unwrap();
        assert_ne!(second, FileSignature::of(&file));
        let old = fs::File::open(folder.path()).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_ne!(empty, FileSignature::of(folder.path()));
    }

    #[test]
    fn a_young_file_is_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let mut signature = FileSignature::of(folder.path()).unwrap();
        assert!(!signature.is_settled());
        signature.changed.0 -= 2;
        signature.modified.0 -= 2;
        assert!(signature.is_settled());
    }
}
