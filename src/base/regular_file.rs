//! Reads files that another program may have replaced by a pipe, a device, a link or a huge file.
//!
//! A plain read of a pipe waits forever, and one of `/dev/zero` fills the memory. These functions open
//! without waiting, accept regular files only, and stop at a limit. Every file that a worker or a
//! stranger could have made is read through them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The limit of a file that holds one line, in bytes: a link, a reference, HEAD.
pub const LINE_LIMIT: u64 = 64 * 1024;

/// The limit of a file with settings or a record, in bytes.
pub const RECORD_LIMIT: u64 = 64 * 1024 * 1024;

/// Opens a regular file for reading; a symbolic link is an error.
///
/// # Errors
/// When it cannot be opened, or is anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let opened = open_with(path, OFlags::NONBLOCK | OFlags::NOFOLLOW);
    only_regular(opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => invalid("a symbolic link"),
        _ => error,
    })?)
}

/// Opens a regular file for reading, also through symbolic links.
///
/// # Errors
/// When it cannot be opened, or is anything but a regular file.
pub fn open_linked(path: &Path) -> io::Result<File> {
    only_regular(open_with(path, OFlags::NONBLOCK)?)
}

/// Reads a regular file of at most `limit` bytes; a symbolic link is an error.
///
/// # Errors
/// As [`open`], and when it is larger.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_all(open(path)?, limit)
}

/// Reads a regular file of at most `limit` bytes, also through symbolic links.
///
/// # Errors
/// As [`open_linked`], and when it is larger.
pub fn read_linked(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_all(open_linked(path)?, limit)
}

/// Reads a regular file of at most [`LINE_LIMIT`] bytes as text; a symbolic link is an error.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_line(path: &Path) -> io::Result<String> {
    text(read(path, LINE_LIMIT)?)
}

/// Reads a regular file of at most `limit` bytes as text; a symbolic link is an error.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text(read(path, limit)?)
}

/// Copies a regular file with its time of change, in place of what is at `to`. A symbolic link is an
/// error, and one at `to` is replaced.
///
/// # Errors
/// As [`open`], and when the copy cannot be written.
pub fn copy_with_time(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = open(from)?;
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut copy = File::create_new(to)?;
    io::copy(&mut from, &mut copy)?;
    copy.set_modified(from.metadata()?.modified()?)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn only_regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(invalid("not a regular file")),
    }
}

fn read_all(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(limit)).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(invalid(&format!("larger than {limit} bytes"))),
        false => Ok(bytes),
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base::process::Program;

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "12345").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        Program::new("mkfifo").arg(at("pipe")).output().unwrap();
        let said = |found: io::Result<Vec<u8>>| match found {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => error.kind().to_string(),
        };
        let names = ["file", "folder", "link", "zero", "pipe", "absent"];
        let all = names.map(|name| {
            let strict = said(read(&at(name), 5));
            let linked = said(read_linked(&at(name), 5));
            format!("{name}: {strict} | {linked}")
        });
        insta::assert_snapshot!(all.join("\n"), @r"
        file: 12345 | 12345
        folder: invalid data | invalid data
        link: invalid data | 12345
        zero: invalid data | invalid data
        pipe: invalid data | invalid data
        absent: entity not found | entity not found
        ");
        let small = read(&at("file"), 4).unwrap_err();
        assert_eq!(small.to_string(), "larger than 4 bytes");
    }
}
