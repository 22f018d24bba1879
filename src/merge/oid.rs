//! Git object ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The hash function of a repository's object ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectFormat {
    /// 20 bytes, 40 hexadecimal digits.
    Sha1,
    /// 32 bytes, 64 hexadecimal digits.
    Sha256,
}

impl ObjectFormat {
    /// The bytes of an id.
    pub fn bytes(self) -> usize {
        match self {
            ObjectFormat::Sha1 => 20,
            ObjectFormat::Sha256 => 32,
        }
    }
}

/// A git object id, SHA-1 or SHA-256, shown in hexadecimal digits.
///
/// It takes 33 bytes in both formats, so that it stays a plain value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid {
    /// The bytes of the id, filled up with zeros.
    bytes: [u8; 32],
    is_sha256: bool,
}

impl Oid {
    /// The all-zero id that git uses for "no object". Equal to the zeros of either format.
    pub const ZERO: Oid = Oid {
        bytes: [0; 32],
        is_sha256: false,
    };

    /// Creates a SHA-1 id from its bytes.
    pub fn from_bytes(id: [u8; 20]) -> Oid {
        let mut bytes = [0; 32];
        bytes[..20].copy_from_slice(&id);
        Oid {
            bytes,
            is_sha256: false,
        }
    }

    /// Creates an id from 20 or 32 bytes; `None` for any other number.
    pub fn from_slice(id: &[u8]) -> Option<Oid> {
        let mut bytes = [0; 32];
        match id.len() {
            20 | 32 => bytes[..id.len()].copy_from_slice(id),
            _ => return None,
        }
        // Zeros mean "no object" in both formats.
        let is_sha256 = id.len() == 32 && bytes != [0; 32];
        Some(Oid { bytes, is_sha256 })
    }

    /// Returns the bytes of the id.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.format().bytes()]
    }

    /// The format of the id; SHA-1 for [`Oid::ZERO`].
    pub fn format(&self) -> ObjectFormat {
        match self.is_sha256 {
            true => ObjectFormat::Sha256,
            false => ObjectFormat::Sha1,
        }
    }

    /// Renders the first seven digits.
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }

    /// Returns `true` for [`Oid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Oid::ZERO
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.as_bytes().iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

/// A text that is not an object id.
#[derive(Debug, thiserror::Error)]
#[error("invalid object id {0:?}: not 40 or 64 hexadecimal digits")]
pub struct InvalidOid(String);

impl FromStr for Oid {
    type Err = InvalidOid;

    fn from_str(text: &str) -> Result<Oid, InvalidOid> {
        let bad = || InvalidOid(text.to_owned());
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        let length = digits.len() / 2;
        if !matches!(digits.len(), 40 | 64) {
            return Err(bad());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else {
                return Err(bad());
            };
            *byte = (high << 4 | low) as u8;
        }
        Oid::from_slice(&bytes[..length]).ok_or_else(bad)
    }
}

impl TryFrom<String> for Oid {
    type Error = InvalidOid;

    fn try_from(text: String) -> Result<Oid, InvalidOid> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> String {
        oid.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_formats_are_read_and_shown() {
        for digits in [40, 64] {
            let text = "0123456789abcdef".repeat(4)[..digits].to_owned();
            let oid: Oid = text.parse().unwrap();
            assert_eq!(oid.to_string(), text);
            assert_eq!(oid.as_bytes().len(), digits / 2);
            assert_eq!(Oid::from_slice(oid.as_bytes()), Some(oid));
            assert_eq!(oid.short(), "0123456");
            assert_eq!("0".repeat(digits).parse::<Oid>().unwrap(), Oid::ZERO);
        }
        assert_eq!(size_of::<Option<Oid>>(), 33);
    }

    #[test]
    fn other_texts_are_refused() {
        let long = "0123456789abcdef".repeat(4);
        for text in [
            "",
            "abc",
            &long[..41],
            &long[..63],
            &long[1..].replace('5', "g"),
        ] {
            assert!(text.parse::<Oid>().is_err(), "{text}");
        }
        assert!(format!("+{}", &long[..39]).parse::<Oid>().is_err());
        assert!("ä".repeat(20).parse::<Oid>().is_err());
        assert_eq!(Oid::from_slice(&[1; 21]), None);
    }

    #[test]
    fn ids_are_ordered_as_their_digits() {
        let [one, two] = ["1f", "20"].map(|digits| digits.repeat(20).parse::<Oid>().unwrap());
        let long: Oid = "1f".repeat(32).parse().unwrap();
        assert!(one < two && one < long && long < two);
    }
}
