//! The secret of a control socket: a file beside it that only the user can read.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::files;

/// Draws a new secret for a socket and records it.
pub(super) fn record_secret(socket: &Path) -> io::Result<String> {
    let secret = files::draw_secret()?;
    files::replace_private(&secret_file(socket), secret.as_bytes())?;
    Ok(secret)
}

/// Reads the secret of a socket.
pub(super) fn load_secret(socket: &Path) -> io::Result<String> {
    crate::base::regular_file::read_line(&secret_file(socket))
}

fn secret_file(socket: &Path) -> PathBuf {
    socket.with_extension("secret")
}
