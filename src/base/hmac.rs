//! Authentication codes: HMAC-SHA256 (RFC 2104).

use sha2::{Digest as _, Sha256};

/// The block length of SHA-256 in bytes.
const BLOCK: usize = 64;

/// Computes the code of the parts, one after the other, as 64 hexadecimal digits.
pub fn hmac_sha256<'a>(key: &[u8], parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let hashed = Sha256::digest(key);
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    let mut padded = [[0x36_u8; BLOCK], [0x5c; BLOCK]];
    for pad in &mut padded {
        for (byte, key) in pad.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    let mut inner = Sha256::new();
    inner.update(padded[0]);
    parts.into_iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new();
    outer.update(padded[1]);
    outer.update(inner.finalize());
    let code = outer.finalize();
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second and the sixth test case of RFC 4231.
    #[test]
    fn codes_are_those_of_the_standard() {
        let text: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert_eq!(
            hmac_sha256(b"Jefe", text),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hmac_sha256(&[0xaa; 131], [long]),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
