//! Names of objects that are not written.

use std::io::{self, Read};

use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::merge::oid::{ObjectFormat, Oid};

/// The bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Hashes the content of a blob, given in pieces.
pub fn hash_blob(format: ObjectFormat, pieces: &[&[u8]]) -> Oid {
    hash(format, "blob", pieces)
}

/// Hashes the entries of a tree.
pub(super) fn hash_tree(format: ObjectFormat, entries: &[u8]) -> Oid {
    hash(format, "tree", &[entries])
}

/// Hashes bytes to a short name that no other bytes have.
pub fn digest(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

/// Hashes bytes as the end of an index file does.
pub(super) fn checksum(format: ObjectFormat, bytes: &[u8]) -> Vec<u8> {
    match format {
        ObjectFormat::Sha1 => Sha1::digest(bytes).to_vec(),
        ObjectFormat::Sha256 => Sha256::digest(bytes).to_vec(),
    }
}

/// Hashes an object of a kind, given in pieces.
pub(super) fn hash(format: ObjectFormat, kind: &str, pieces: &[&[u8]]) -> Oid {
    let size: usize = pieces.iter().map(|piece| piece.len()).sum();
    let head = format!("{kind} {size}\0");
    let head = std::iter::once(head.as_bytes());
    let pieces = head.chain(pieces.iter().copied());
    let hash = match format {
        ObjectFormat::Sha1 => hash_with::<Sha1>(pieces),
        ObjectFormat::Sha256 => hash_with::<Sha256>(pieces),
    };
    Oid::from_slice(&hash).unwrap_or(Oid::ZERO)
}

/// Hashes an object as it is stored, with the head that names its kind and size.
///
/// # Errors
/// When it cannot be read.
pub(super) fn hash_stored(format: ObjectFormat, stored: impl Read) -> io::Result<Oid> {
    let hash = match format {
        ObjectFormat::Sha1 => hash_read::<Sha1>(stored),
        ObjectFormat::Sha256 => hash_read::<Sha256>(stored),
    };
    Ok(Oid::from_slice(&hash?).unwrap_or(Oid::ZERO))
}

fn hash_read<D: Digest>(mut stored: impl Read) -> io::Result<Vec<u8>> {
    let (mut hash, mut piece) = (D::new(), vec![0; PIECE]);
    loop {
        match stored.read(&mut piece)? {
            0 => return Ok(hash.finalize().to_vec()),
            read => hash.update(&piece[..read]),
        }
    }
}

fn hash_with<'a, D: Digest>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut hash = D::new();
    pieces.for_each(|piece| hash.update(piece));
    hash.finalize().to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_the_name_that_git_gives_it() {
        // printf 'hello\n' | git hash-object --stdin
        let pieces: [&[u8]; 3] = [b"hel", b"", b"lo\n"];
        let hash = |format| hash_blob(format, &pieces).to_string();
        let expected = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(hash(ObjectFormat::Sha1), expected);
        let expected = "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4";
        assert_eq!(hash(ObjectFormat::Sha256), expected);
    }
}
