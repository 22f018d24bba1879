//! The client of the control socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::control::ControlError;
use crate::control::secret::load_secret;
use crate::control::wire::{Envelope, Request, Response};

/// The longest path of a socket that every Unix accepts (`sun_path` of macOS).
const LONGEST: usize = 100;

/// Sends a request to a socket and waits for the response; `None` if no process listens.
///
/// # Errors
/// When the socket cannot be used, or the connection breaks.
pub fn ask(path: &Path, request: &Request) -> Result<Option<Response>, ControlError> {
    let failed = |error| ControlError::Socket(path.display().to_string(), error);
    let mut stream = match with_short_path(path, |short| UnixStream::connect(short)) {
        Ok(stream) => stream,
        Err(error) if is_unattended(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let envelope = Envelope {
        secret: load_secret(path).map_err(failed)?,
        request: request.clone(),
    };
    let mut text = serde_json::to_vec(&envelope).map_err(ControlError::Answer)?;
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

fn is_unattended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Runs `use_path` with a path short enough for a socket: a long one goes through a temporary link.
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
