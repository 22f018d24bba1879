//! The side that asks.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::control::ControlError;
use crate::control::wire::{Request, Response};

/// The longest path that fits into a socket's address on every Unix (`sun_path` of macOS).
const LONGEST: usize = 100;

/// Asks the process that listens on a socket, and waits for its answer; `None` if nobody listens.
///
/// # Errors
/// When the socket cannot be used, or the other side breaks off.
pub fn ask(path: &Path, request: &Request) -> Result<Option<Response>, ControlError> {
    let failed = |error| ControlError::Socket(path.display().to_string(), error);
    let mut stream = match with_short_path(path, |short| UnixStream::connect(short)) {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = serde_json::to_vec(request).map_err(ControlError::Answer)?;
    text.push(b'\n');
    stream.write_all(&text).map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .map_err(failed)?;
    if line.is_empty() {
        return Err(ControlError::NoAnswer);
    }
    serde_json::from_str(&line)
        .map(Some)
        .map_err(ControlError::Answer)
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// A repository may lie deeper than a socket's address is long; then the socket's folder is
/// reached through a short link, which is gone when this returns.
pub(super) fn with_short_path<T>(
    path: &Path,
    use_path: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    if path.as_os_str().len() <= LONGEST {
        return use_path(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return use_path(path);
    };
    let short = tempfile::tempdir()?;
    let link = short.path().join("r");
    symlink(folder, &link)?;
    use_path(&link.join(name))
}
