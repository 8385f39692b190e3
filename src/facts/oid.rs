//! Object ids, the vocabulary of every room: 20 bytes (SHA-1) or 32 (SHA-256), never a string.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::{fmt, str::FromStr};

/// The length in bytes of a SHA-1 object id.
pub const SHA1_LEN: usize = 20;
/// The length in bytes of a SHA-256 object id.
pub const SHA256_LEN: usize = 32;

/// A full object id; `Display` is lowercase hexadecimal, as git prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oid {
    // The unused tail of a SHA-1 id is zero, so that the derived comparisons hold.
    bytes: [u8; SHA256_LEN],
    len: u8,
}

// An id is the output of a hash function: its first eight bytes tell ids apart as well as all do, for a fifth of the work.
impl std::hash::Hash for Oid {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let mut first = [0; 8];
        first.copy_from_slice(&self.bytes[..8]);
        state.write_u64(u64::from_le_bytes(first));
    }
}

/// Takes an id's first bytes for its hash as they are: hashing what a hash function made gains nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        // Only for keys that are more than an id.
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, first: u64) {
        self.0 = first;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map from ids.
pub type OidMap<Value> = HashMap<Oid, Value, BuildHasherDefault<FirstBytes>>;
/// A set of ids.
pub type OidSet = HashSet<Oid, BuildHasherDefault<FirstBytes>>;

impl Oid {
    /// The id whose binary form is `bytes`; `None` unless there are 20 or 32 of them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != SHA1_LEN && bytes.len() != SHA256_LEN {
            return None;
        }
        let mut buffer = [0; SHA256_LEN];
        buffer[..bytes.len()].copy_from_slice(bytes);
        Some(Self { bytes: buffer, len: if bytes.len() == SHA1_LEN { 20 } else { 32 } })
    }

    /// The id whose full hexadecimal form is `hex` (40 or 64 digits, either case).
    #[must_use]
    pub fn from_hex(hex: &[u8]) -> Option<Self> {
        if hex.len() != 2 * SHA1_LEN && hex.len() != 2 * SHA256_LEN {
            return None;
        }
        let mut id = Self { bytes: [0; SHA256_LEN], len: if hex.len() == 2 * SHA1_LEN { 20 } else { 32 } };
        const_hex::decode_to_slice(hex, &mut id.bytes[..hex.len() / 2]).ok()?;
        Some(id)
    }

    /// The binary form: 20 or 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether every byte is zero, as in the null id that git writes for "none".
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_bytes().iter().all(|&byte| byte == 0)
    }

    /// Appends the lowercase hexadecimal form to `out`, without going through `fmt`.
    pub fn push_hex(&self, out: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for &byte in self.as_bytes() {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }

    /// The lowercase hexadecimal form.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let mut hex = String::with_capacity(2 * usize::from(self.len));
        self.push_hex(&mut hex);
        hex
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Oid {
    type Err = NotAnOid;

    fn from_str(hex: &str) -> Result<Self, NotAnOid> {
        Self::from_hex(hex.as_bytes()).ok_or(NotAnOid)
    }
}

/// The first bytes of an id as a number that orders as ids do.
pub(crate) fn leading(id: &[u8]) -> u64 {
    id.first_chunk().map_or(0, |&bytes| u64::from_be_bytes(bytes))
}

/// What was given as an object id isn't 40 or 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnOid;

impl fmt::Display for NotAnOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object id has 40 or 64 hexadecimal digits")
    }
}

impl std::error::Error for NotAnOid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_bytes_agree_for_both_lengths() {
        for hex in ["0123456789abcdef0123456789abcdef01234567".to_owned(), "ab".repeat(32)] {
            let oid: Oid = hex.parse().expect("a full id");
            assert_eq!(oid.to_string(), hex);
            assert_eq!(Oid::from_bytes(oid.as_bytes()), Some(oid));
        }
        for bad in ["", "0123", &"g".repeat(40), &"a".repeat(41)] {
            assert_eq!(bad.parse::<Oid>(), Err(NotAnOid), "{bad}");
        }
    }
}
