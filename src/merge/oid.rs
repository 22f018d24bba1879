//! Git object ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A git object id (SHA-1, 20 bytes), shown as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid([u8; 20]);

impl Oid {
    /// The all-zero id that git uses for "no object".
    pub const ZERO: Oid = Oid([0; 20]);

    /// From the raw bytes of the id.
    pub fn from_bytes(bytes: [u8; 20]) -> Oid {
        Oid(bytes)
    }

    /// The raw bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The first seven digits, as people read them.
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }

    /// Whether this is [`Oid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Oid::ZERO
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

/// A text that is no object id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a 40-digit hexadecimal object id")]
pub struct BadOid(String);

impl FromStr for Oid {
    type Err = BadOid;

    fn from_str(text: &str) -> Result<Oid, BadOid> {
        let bad = || BadOid(text.to_owned());
        if text.len() != 40 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 20];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Oid(bytes))
    }
}

impl TryFrom<String> for Oid {
    type Error = BadOid;

    fn try_from(text: String) -> Result<Oid, BadOid> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> String {
        oid.to_string()
    }
}
