//! Writes objects as loose files.
//!
//! libgit2 and git write nothing where a pack has the object already. A pack of objects that no
//! reference names is removed by `git repack -a -d` at any moment, so an object that is about to be
//! named is always a file of its own here. libgit2 also reads the folder of packs again at each write.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::base::files;
use crate::git::backend::ObjectKind;
use crate::git::object_hash::hash;
use crate::merge::oid::{ObjectFormat, Oid};

/// The longest time of tries to write into a folder that `git gc` removes as soon as it is empty.
const LIMIT: Duration = Duration::from_secs(1);

/// The mode of an object; the mask of the process is applied to it.
const READ_ONLY: u32 = 0o444;

/// Writes an object into an object folder, and returns its name. A durable one is on the disk with
/// its folder when this returns.
///
/// # Errors
/// When the file or its folder cannot be written.
pub(super) fn write(
    objects: &Path,
    (kind, content): (ObjectKind, &[u8]),
    is_durable: bool,
) -> io::Result<Oid> {
    let oid = hash(ObjectFormat::Sha1, kind.word(), &[content]);
    let name = oid.to_string();
    let folder = objects.join(&name[..2]);
    let file = folder.join(&name[2..]);
    if is_renewed(&file) {
        return Ok(oid);
    }
    let start = Instant::now();
    loop {
        let written = create_folder(&folder)
            .and_then(|()| write_file(&folder, &file, (kind, content), is_durable));
        match written {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && objects.exists()
                    && start.elapsed() < LIMIT => {}
            written => return written.map(|()| oid),
        }
    }
}

/// Gives a file today's time, so that `git prune` keeps it. Returns `false` if there is none, or if
/// it belongs to another user.
fn is_renewed(file: &Path) -> bool {
    files::touch(file).is_ok()
}

fn create_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// Writes a file under a temporary name that `git gc` knows, and renames it.
fn write_file(
    folder: &Path,
    file: &Path,
    (kind, content): (ObjectKind, &[u8]),
    is_durable: bool,
) -> io::Result<()> {
    let temporary = tempfile::Builder::new()
        .prefix("tmp_obj_")
        .permissions(Permissions::from_mode(READ_ONLY))
        .tempfile_in(folder)?;
    let mut encoder = ZlibEncoder::new(temporary, Compression::fast());
    write!(encoder, "{} {}\0", kind.word(), content.len())?;
    encoder.write_all(content)?;
    let temporary = encoder.finish()?;
    if is_durable {
        temporary.as_file().sync_data()?;
    }
    temporary.persist(file).map_err(|error| error.error)?;
    if is_durable {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn git_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init_bare(folder.path()).unwrap();
        let objects = folder.path().join("objects");
        for (kind, content) in [
            (ObjectKind::Blob, &b"hello\n"[..]),
            (ObjectKind::Blob, b""),
            (ObjectKind::Tree, b""),
            (ObjectKind::Blob, &[7; 100_000]),
        ] {
            let oid = write(&objects, (kind, content), true).unwrap();
            let oid = git2::Oid::from_bytes(oid.as_bytes()).unwrap();
            let odb = repository.odb().unwrap();
            let read = odb.read(oid).unwrap();
            assert_eq!(read.data(), content);
            assert_eq!(oid, odb.write(read.kind(), content).unwrap());
        }
    }

    #[test]
    fn an_object_is_written_once_and_renewed_later() {
        let folder = tempfile::tempdir().unwrap();
        let write = || write(folder.path(), (ObjectKind::Blob, b"hello\n"), false).unwrap();
        let name = write().to_string();
        let file = folder.path().join(&name[..2]).join(&name[2..]);
        let before = fs::metadata(&file).unwrap();
        assert_eq!(before.mode() & 0o777, 0o444 & before.mode());
        let old = File::open(&file).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        write();
        let after = fs::metadata(&file).unwrap();
        assert_eq!(before.ino(), after.ino());
        assert!(after.mtime() > 0);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("none");
        let error = write(&nowhere, (ObjectKind::Blob, b""), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
