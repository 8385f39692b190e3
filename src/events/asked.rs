//! The third state of a field: absent, `null`, or a value.
//!
//! Owns how such an `Option<Option<T>>` is read; serde by itself reads `null` as absent. Writing needs nothing but
//! `skip_serializing_if = "Option::is_none"`.

use serde::{Deserialize, Deserializer};

/// Reads a field that is there: `Some(None)` for `null`. With `#[serde(default)]` an absent one stays `None`.
///
/// # Errors
/// Those of reading a `T`.
pub(super) fn asked<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
