//! A secret key of the user, with which a program tells what it wrote itself.
//!
//! A file in a repository can be written by anyone with access to it. What this key authenticates was
//! written by a process of the same user that could read the user's own folder.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::base::files;
use crate::base::hmac::hmac_sha256;
use crate::base::regular_file;

/// The length of a key in bytes.
const LENGTH: usize = 32;

/// A secret key.
#[derive(Clone)]
pub struct UserKey([u8; LENGTH]);

impl std::fmt::Debug for UserKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserKey")
    }
}

impl UserKey {
    /// Reads the key in a file; makes one if there is no file.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn open(file: &Path) -> io::Result<UserKey> {
        match read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(file),
            read => read,
        }
    }

    /// Computes the code of some parts, HMAC-SHA256 as 64 hexadecimal digits. The parts are told apart by
    /// their lengths.
    pub fn code(&self, parts: &[&[u8]]) -> String {
        let lengths: Vec<[u8; 8]> = parts
            .iter()
            .map(|part| (part.len() as u64).to_be_bytes())
            .collect();
        let framed = lengths.iter().zip(parts);
        hmac_sha256(
            &self.0,
            framed.flat_map(|(length, part)| [&length[..], part]),
        )
    }

    /// Returns `true` if a code is that of these parts. Takes as long for any wrong code.
    pub fn fits(&self, code: &str, parts: &[&[u8]]) -> bool {
        let expected = self.code(parts);
        let differences = expected.bytes().zip(code.bytes());
        let difference = differences.fold(0, |sum, (a, b)| sum | (a ^ b));
        difference == 0 && code.len() == expected.len()
    }
}

fn read(file: &Path) -> io::Result<UserKey> {
    let bytes = regular_file::read(file, LENGTH as u64)?;
    let key = bytes.try_into().map(UserKey);
    key.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a key"))
}

/// Makes a key. Of two processes that do so at once, both use the one that is there first.
fn make(file: &Path) -> io::Result<UserKey> {
    let key = files::random_bytes()?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new().tempfile_in(folder)?;
    new.write_all(&key)?;
    new.as_file().sync_all()?;
    match new.persist_noclobber(file) {
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => read(file),
        Err(failed) => Err(failed.error),
        Ok(_) => Ok(UserKey(key)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_belongs_to_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/key");
        let first = UserKey::open(&file).unwrap();
        let again = UserKey::open(&file).unwrap();
        assert_eq!(first.0, again.0);
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&file, "short").unwrap();
        assert!(UserKey::open(&file).is_err());
    }

    #[test]
    fn only_the_same_parts_under_the_same_key_have_the_code() {
        let (one, two) = (UserKey([1; LENGTH]), UserKey([2; LENGTH]));
        let code = one.code(&[b"ab", b"c"]);
        assert_eq!(code.len(), 64);
        assert!(one.fits(&code, &[b"ab", b"c"]));
        assert!(!one.fits(&code, &[b"a", b"bc"]));
        assert!(!one.fits(&code[..63], &[b"ab", b"c"]));
        assert!(!one.fits("", &[b"ab", b"c"]));
        assert!(!two.fits(&code, &[b"ab", b"c"]));
    }
}
