//! Names of objects that are not written.

use sha1::{Digest as _, Sha1};

use crate::merge::oid::Oid;

/// Hashes the content of a blob, given in pieces.
pub fn hash_blob(pieces: &[&[u8]]) -> Oid {
    hash("blob", pieces)
}

/// Hashes the entries of a tree.
pub(super) fn hash_tree(entries: &[u8]) -> Oid {
    hash("tree", &[entries])
}

/// Hashes bytes to a short name that no other bytes have.
pub fn digest(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

fn hash(kind: &str, pieces: &[&[u8]]) -> Oid {
    let size: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {size}\0"));
    pieces.iter().for_each(|piece| hash.update(piece));
    Oid::from_bytes(hash.finalize().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_the_name_that_git_gives_it() {
        // printf 'hello\n' | git hash-object --stdin
        let expected = "ce013625030ba8dba906f756967f9e9ca394464a".parse().unwrap();
        assert_eq!(hash_blob(&[b"hel", b"", b"lo\n"]), expected);
    }
}
