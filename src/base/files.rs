//! Files: atomic replacement, locks, bounded reads, free space.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::base::regular_file::{self, RECORD_LIMIT};

/// The mode of a folder that only its owner may enter.
const PRIVATE_FOLDER: u32 = 0o700;

/// Replaces a file atomically: a reader sees the old or the new content, also after a power loss.
/// A temporary file beside it is written, synced and renamed, and the folder is synced.
///
/// # Errors
/// When the folder cannot be written; then the old file is untouched.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    let mut file = temporary_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Replaces a file like [`replace`], without syncing it. A link in its place is replaced, not followed.
///
/// # Errors
/// When the folder cannot be written.
pub fn replace_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = temporary_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Waits until the entries of a folder are on the disk.
///
/// # Errors
/// When it is missing or cannot be synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a temporary file that is to get another name. The user's umask decides who may read it, as
/// for any new file.
///
/// # Errors
/// When the folder cannot be written.
pub fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let ordinary = fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .permissions(ordinary)
        .tempfile_in(folder)
}

/// Sets the times of a file to the current time of its file system, which is coarser than the clock.
///
/// # Errors
/// When the file is absent or belongs to another user.
pub fn touch(path: &Path) -> io::Result<()> {
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    let flags = rustix::fs::AtFlags::empty();
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags)?)
}

/// Returns `true` if this process could change or create a file.
pub fn is_changeable(path: &Path) -> bool {
    let exists = path.symlink_metadata().is_ok();
    let place = if exists { Some(path) } else { path.parent() };
    place.is_some_and(|place| rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_ok())
}

/// Creates a folder that only its owner may enter, whatever the user's umask, and closes an existing one.
///
/// # Errors
/// When it cannot be created, belongs to another user, or is not a folder.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created,
    }
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_FOLDER))?;
    }
    Ok(())
}

/// Replaces a file like [`replace`], without syncing it, by one that only its owner may read or write.
///
/// # Errors
/// When the folder cannot be written.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    // A temporary file is its owner's alone until it gets other permissions.
    let mut file = tempfile::Builder::new().tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Draws a secret: 64 hexadecimal digits from the system's random numbers.
///
/// # Errors
/// When the system has none.
pub fn draw_secret() -> io::Result<String> {
    let bytes = random_bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Draws the 32 bytes of a key from the system's random numbers.
///
/// # Errors
/// When the system has none.
pub fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A file mode mask (`umask`).
pub type FileMask = rustix::fs::RawMode;

/// Returns the file mode mask of this process.
pub fn file_mask() -> FileMask {
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

/// Sets the file mode mask of this process.
pub fn set_file_mask(mask: FileMask) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
}

/// A lock on a file (`flock`), held until it is dropped or the process exits.
#[derive(Debug)]
pub struct FileLock {
    file: Arc<File>,
}

impl FileLock {
    /// Waits for the lock.
    ///
    /// # Errors
    /// When the file cannot be created or locked.
    pub fn wait(path: &Path) -> io::Result<FileLock> {
        let file = open_lock(path)?;
        file.lock()?;
        Ok(FileLock {
            file: Arc::new(file),
        })
    }

    /// Takes the lock if it is free; `None` if another process holds it.
    ///
    /// # Errors
    /// When the file cannot be created or locked.
    pub fn try_take(path: &Path) -> io::Result<Option<FileLock>> {
        let file = open_lock(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock {
                file: Arc::new(file),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns `true` if a process holds the lock. The file is not created.
    pub fn is_held(path: &Path) -> bool {
        path.exists() && matches!(FileLock::try_take(path), Ok(None))
    }

    /// Takes the lock together with others that share it, unless a process has it alone; `None` then.
    ///
    /// # Errors
    /// When the file cannot be created or locked.
    pub fn try_share(path: &Path) -> io::Result<Option<FileLock>> {
        let file = open_lock(path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(FileLock {
                file: Arc::new(file),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the file. A program that has it open holds the lock, too ([`Program::holding`]).
    ///
    /// [`Program::holding`]: crate::base::process::Program::holding
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
}

/// Opens a file for reading without blocking, even if it is a pipe.
///
/// # Errors
/// When it cannot be opened.
pub fn open_nonblocking(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::NONBLOCK)
}

/// Opens a file like [`open_nonblocking`], but follows no symbolic link.
///
/// # Errors
/// When it cannot be opened, or is a symbolic link.
pub fn open_nonblocking_nofollow(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Reads the last `limit` bytes of a file, or all of a shorter one.
///
/// # Errors
/// When it cannot be read.
pub fn read_tail(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = regular_file::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file of at most [`RECORD_LIMIT`] bytes, also through links; `None` if it does not exist.
///
/// # Errors
/// When it exists and cannot be read, or is not a regular file.
pub fn read_if_exists(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match regular_file::read_linked(path, RECORD_LIMIT) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // It stands for an empty file in settings.
        Err(_)
            if path
                .canonicalize()
                .is_ok_and(|path| path == Path::new("/dev/null")) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Checks that a folder is writable by creating a file and removing it.
///
/// # Errors
/// The error of the system when it is not.
pub fn probe_writable(folder: &Path) -> io::Result<()> {
    let probed = tempfile::NamedTempFile::new_in(folder).and_then(|file| file.close());
    // The error holds the random name of the probe, which would mislead.
    probed.map_err(|error| error.kind().into())
}

/// Returns the bytes that an ordinary user can still write on the file system of a path.
///
/// # Errors
/// When the system does not report it.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Returns the number of files that can still be created on the file system of a path; `u64::MAX`
/// if the file system has no such limit.
///
/// # Errors
/// When the system does not report it.
pub fn free_inodes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(match stat.f_files {
        0 => u64::MAX,
        _ => stat.f_favail,
    })
}

/// Returns the mount point of a path.
pub fn mount_point(path: &Path) -> std::path::PathBuf {
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let of_path = device(path);
    let inside = path
        .ancestors()
        .take_while(|place| device(place) == of_path);
    inside.last().unwrap_or(path).to_owned()
}

/// Returns `true` if an error of the system says that a disk or a quota of it is full.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Returns `true` if the output of a program says that a disk or a quota of it is full. Errors of
/// this program have a kind: [`is_disk_full`].
pub fn says_no_space(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "no space left on device",
        "out of diskspace",
        "disk quota exceeded",
        // git says no more about a reftable that it cannot write.
        "reftable: transaction failure: i/o error",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// Returns `true` if this is a folder, not a link, of the user of this process. In the folder of
/// temporary files other users can create folders and links under any name.
pub fn is_own_folder(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let about = fs::symlink_metadata(path);
    about.is_ok_and(|about| about.is_dir() && about.uid() == rustix::process::geteuid().as_raw())
}

/// Returns the nearest existing ancestor, which may be a file.
pub fn existing_ancestor(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|place| place.exists());
    found.unwrap_or(Path::new("/")).to_owned()
}

/// Returns the path without links, as far as it exists.
pub fn real_path(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|place| {
        let real = place.canonicalize().ok()?;
        let rest = path.strip_prefix(place).ok()?;
        Some(match rest.as_os_str().is_empty() {
            true => real,
            false => real.join(rest),
        })
    });
    existing.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_the_permissions_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        fs::write(&plain, "old").unwrap();
        replace(&ours, b"one").unwrap();
        replace(&ours, b"two").unwrap();
        assert_eq!(fs::read(&ours).unwrap(), b"two");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_full_disk_is_an_error_of_its_kind_in_any_language() {
        use rustix::io::Errno;
        let is_full = |errno: Errno| is_disk_full(&errno.into());
        assert!(is_full(Errno::NOSPC) && is_full(Errno::DQUOT));
        assert!(!is_full(Errno::ACCESS));
        let said = io::Error::other("no space left on device, says a parser");
        assert!(!is_disk_full(&said));
        assert!(says_no_space("error: No space left on device"));
        assert!(says_no_space("fatal: Disk quota exceeded"));
        let of_reftable =
            "fatal: update_ref failed for ref 'refs/x': reftable: transaction failure: I/O error";
        assert!(says_no_space(of_reftable));
        assert!(!says_no_space("no space before the comma"));
    }

    #[test]
    fn a_held_lock_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/lock");
        assert!(!FileLock::is_held(&path) && !path.exists());
        let held = FileLock::wait(&path).unwrap();
        assert!(FileLock::is_held(&path));
        assert!(FileLock::try_take(&path).unwrap().is_none());
        assert!(FileLock::try_share(&path).unwrap().is_none());
        drop(held);
        assert!(!FileLock::is_held(&path));
        assert!(FileLock::try_take(&path).unwrap().is_some());
        let shared = FileLock::try_share(&path).unwrap();
        assert!(shared.is_some() && FileLock::try_share(&path).unwrap().is_some());
        assert!(FileLock::try_take(&path).unwrap().is_none());
    }
}
