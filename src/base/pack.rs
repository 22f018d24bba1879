//! Values as bytes, for caches that only the same build of the program reads back.
//!
//! There are no names and no versions in these bytes: who reads them must know which build wrote
//! them. What does not fit is `None`, never a panic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that can be written as bytes and read back.
pub trait Pack: Sized {
    /// Appends the value.
    fn pack(&self, bytes: &mut Vec<u8>);

    /// Takes the value from the beginning of `bytes`.
    fn unpack(bytes: &mut &[u8]) -> Option<Self>;
}

/// Implements [`Pack`] for a struct by its fields.
macro_rules! pack_struct {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::base::pack::Pack for $type {
            fn pack(&self, bytes: &mut Vec<u8>) {
                let $type { $($field),+ } = self;
                $($crate::base::pack::Pack::pack($field, bytes);)+
            }

            fn unpack(bytes: &mut &[u8]) -> Option<$type> {
                $(let $field = $crate::base::pack::Pack::unpack(bytes)?;)+
                Some($type { $($field),+ })
            }
        }
    };
}

/// Implements [`Pack`] for types by their JSON, which is slower: for what is rare.
macro_rules! pack_as_json {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::base::pack::Pack for $type {
            fn pack(&self, bytes: &mut Vec<u8>) {
                $crate::base::pack::pack_json(self, bytes);
            }

            fn unpack(bytes: &mut &[u8]) -> Option<$type> {
                $crate::base::pack::unpack_json(bytes)
            }
        })+
    };
}

pub(crate) use {pack_as_json, pack_struct};

/// Appends a value as JSON with its length.
pub fn pack_json(value: &impl Serialize, bytes: &mut Vec<u8>) {
    // What does not serialise is empty, which cannot be read back.
    pack_bytes(&serde_json::to_vec(value).unwrap_or_default(), bytes);
}

/// Takes a value that [`pack_json`] appended.
pub fn unpack_json<T: DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
    serde_json::from_slice(unpack_bytes(bytes)?).ok()
}

fn pack_bytes(content: &[u8], bytes: &mut Vec<u8>) {
    content.len().pack(bytes);
    bytes.extend_from_slice(content);
}

fn unpack_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::unpack(bytes)?;
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(content)
}

macro_rules! pack_number {
    ($($type:ty),+) => {
        $(impl Pack for $type {
            fn pack(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn unpack(bytes: &mut &[u8]) -> Option<$type> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(<$type>::from_le_bytes(*number))
            }
        })+
    };
}

pack_number!(u8, u32, i32, u64, i64, f64);

impl Pack for usize {
    fn pack(&self, bytes: &mut Vec<u8>) {
        (*self as u64).pack(bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<usize> {
        u64::unpack(bytes)?.try_into().ok()
    }
}

impl Pack for bool {
    fn pack(&self, bytes: &mut Vec<u8>) {
        u8::from(*self).pack(bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<bool> {
        match u8::unpack(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Pack for String {
    fn pack(&self, bytes: &mut Vec<u8>) {
        pack_bytes(self.as_bytes(), bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<String> {
        std::str::from_utf8(unpack_bytes(bytes)?)
            .ok()
            .map(str::to_owned)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.is_some().pack(bytes);
        self.iter().for_each(|value| value.pack(bytes));
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Option<T>> {
        match bool::unpack(bytes)? {
            true => T::unpack(bytes).map(Some),
            false => Some(None),
        }
    }
}

impl<T: Pack> Pack for Arc<T> {
    fn pack(&self, bytes: &mut Vec<u8>) {
        T::pack(self, bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Arc<T>> {
        T::unpack(bytes).map(Arc::new)
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.len().pack(bytes);
        self.iter().for_each(|value| value.pack(bytes));
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Vec<T>> {
        let length = usize::unpack(bytes)?;
        // A damaged length must not ask for more memory than the bytes could fill.
        let mut values = Vec::with_capacity(length.min(bytes.len()));
        for _ in 0..length {
            values.push(T::unpack(bytes)?);
        }
        Some(values)
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, bytes: &mut Vec<u8>) {
        T::pack(self, bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Box<T>> {
        T::unpack(bytes).map(Box::new)
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.0.pack(bytes);
        self.1.pack(bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<(A, B)> {
        Some((A::unpack(bytes)?, B::unpack(bytes)?))
    }
}

impl<K: Pack + Ord, V: Pack> Pack for BTreeMap<K, V> {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.len().pack(bytes);
        for (key, value) in self {
            key.pack(bytes);
            value.pack(bytes);
        }
    }

    fn unpack(bytes: &mut &[u8]) -> Option<BTreeMap<K, V>> {
        let length = usize::unpack(bytes)?;
        let mut values = BTreeMap::new();
        for _ in 0..length {
            values.insert(K::unpack(bytes)?, V::unpack(bytes)?);
        }
        Some(values)
    }
}

impl Pack for Duration {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.as_secs().pack(bytes);
        self.subsec_nanos().pack(bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Duration> {
        let (seconds, nanos) = (u64::unpack(bytes)?, u32::unpack(bytes)?);
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }
}

impl Pack for Timestamp {
    fn pack(&self, bytes: &mut Vec<u8>) {
        self.as_second().pack(bytes);
        self.subsec_nanosecond().pack(bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Timestamp> {
        Timestamp::new(i64::unpack(bytes)?, i32::unpack(bytes)?).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Debug)]
    struct Sample {
        name: String,
        count: Option<u64>,
        share: f64,
        since: Timestamp,
        parts: BTreeMap<String, Vec<(u32, bool)>>,
        rest: Box<Duration>,
    }

    pack_struct!(Sample {
        name,
        count,
        share,
        since,
        parts,
        rest
    });

    fn sample() -> Sample {
        Sample {
            name: "é\"\n".to_owned(),
            count: Some(u64::MAX),
            share: 0.1 + 0.2,
            since: "-000044-03-15T12:00:00.000000001Z".parse().unwrap(),
            parts: BTreeMap::from([("a".to_owned(), vec![(1, true), (2, false)])]),
            rest: Box::new(Duration::new(3, 999_999_999)),
        }
    }

    fn packed() -> Vec<u8> {
        let mut bytes = Vec::new();
        sample().pack(&mut bytes);
        bytes
    }

    #[test]
    fn a_value_is_read_back_as_it_was() {
        let bytes = packed();
        let mut rest = &bytes[..];
        assert_eq!(Sample::unpack(&mut rest), Some(sample()));
        assert!(rest.is_empty());
    }

    #[test]
    fn bytes_that_are_cut_off_give_nothing() {
        let bytes = packed();
        for end in 0..bytes.len() {
            assert_eq!(Sample::unpack(&mut &bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let bytes = packed();
        for place in 0..bytes.len() {
            for value in [0, 1, 2, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] = value;
                let _ = Sample::unpack(&mut &damaged[..]);
            }
        }
    }
}
