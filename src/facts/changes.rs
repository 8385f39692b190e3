//! What a commit did to its tree, path by path: the data alone, in git's own terms.
//!
//! Owns the vocabulary of changed paths (`git diff-tree -r --raw --no-renames`, described in
//! git-diff-tree(1) under "Raw output format"). Refuses to read objects: `git::diff` fills these
//! in, and `patch_id` only looks at them.

use crate::facts::oid::Oid;

/// The mode of a tree entry, already reduced to one of those that git writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// `100644`: a file that can't be executed.
    File,
    /// `100755`: a file that can be executed.
    Executable,
    /// `120000`: a symbolic link; its blob holds the target.
    Symlink,
    /// `160000`: the commit of a submodule, an object that this repository need not have.
    Submodule,
}

impl Mode {
    /// All of them, in their order.
    const ALL: [Self; 4] = [Self::File, Self::Executable, Self::Symlink, Self::Submodule];

    /// The six octal digits that git prints.
    #[must_use]
    pub const fn octal(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
            Self::Submodule => "160000",
        }
    }

    /// The mode behind the raw bits of a tree entry; `None` for a directory. Old trees hold modes
    /// such as `100664`, which git reads as `100644`; whatever has no known type is a submodule.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        match bits & 0o170_000 {
            0o040_000 => None,
            0o100_000 if bits & 0o100 != 0 => Some(Self::Executable),
            0o100_000 => Some(Self::File),
            0o120_000 => Some(Self::Symlink),
            _ => Some(Self::Submodule),
        }
    }

    /// Whether git shows a change from this mode to `other` as a deletion and an addition.
    #[must_use]
    pub const fn is_other_type_than(self, other: Self) -> bool {
        self.kind() != other.kind()
    }

    const fn kind(self) -> u8 {
        match self {
            Self::File | Self::Executable => 0,
            Self::Symlink => 1,
            Self::Submodule => 2,
        }
    }
}

/// What a path holds on one side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The mode of the entry.
    pub mode: Mode,
    /// The id of its blob, or of its commit for a submodule.
    pub oid: Oid,
}

/// The kind of a change, as the status letter of git's raw output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// `A`: the path is new.
    Added,
    /// `D`: the path is gone.
    Deleted,
    /// `M`: other content, or another executable bit.
    Modified,
    /// `T`: another type, for instance a symbolic link in place of a file.
    TypeChanged,
}

impl Status {
    /// The letter that git prints.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Deleted => 'D',
            Self::Modified => 'M',
            Self::TypeChanged => 'T',
        }
    }
}

/// One changed path. At least one side is there, and the two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The kind of the change; follows from `old` and `new`.
    pub status: Status,
    /// The path from the root of the tree: bytes in no certain encoding, separated by `/`.
    pub path: Vec<u8>,
    /// What was there; `None` for an added path.
    pub old: Option<Entry>,
    /// What is there now; `None` for a deleted path.
    pub new: Option<Entry>,
}

impl Change {
    /// The change of `path` from `old` to `new`; `None` if neither side is there.
    #[must_use]
    pub fn new(path: Vec<u8>, old: Option<Entry>, new: Option<Entry>) -> Option<Self> {
        let status = match (old, new) {
            (None, None) => return None,
            (None, Some(_)) => Status::Added,
            (Some(_), None) => Status::Deleted,
            (Some(old), Some(new)) if old.mode.is_other_type_than(new.mode) => Status::TypeChanged,
            (Some(_), Some(_)) => Status::Modified,
        };
        Some(Self { status, path, old, new })
    }
}

/// Appends `changes` as bytes: for each the modes of both sides in one, the path and a NUL (which git has in no path), and the ids that
/// there are.
pub fn encode(changes: &[Change], into: &mut Vec<u8>) {
    for Change { path, old, new, .. } in changes {
        let mode = |side: &Option<Entry>| side.map_or(0, |entry| 1 + entry.mode as u8);
        into.push(mode(old) | mode(new) << 4);
        into.extend_from_slice(path);
        into.push(0);
        for entry in [old, new].into_iter().flatten() {
            into.extend_from_slice(entry.oid.as_bytes());
        }
    }
}

/// The changes of which `bytes` are made, with ids of `hash_len` bytes; `None` if they are of none.
#[must_use]
pub fn decode(mut bytes: &[u8], hash_len: usize) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some((&modes, rest)) = bytes.split_first() {
        let (path, rest) = rest.split_at_checked(memchr::memchr(0, rest)?)?;
        bytes = &rest[1..];
        let mut side = |mode: u8| {
            let Some(index) = mode.checked_sub(1) else { return Some(None) };
            let mode = *Mode::ALL.get(usize::from(index))?;
            let (oid, rest) = bytes.split_at_checked(hash_len)?;
            bytes = rest;
            Some(Some(Entry { mode, oid: Oid::from_bytes(oid)? }))
        };
        let (old, new) = (side(modes & 0xf)?, side(modes >> 4)?);
        changes.push(Change::new(path.to_vec(), old, new)?);
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &[u8], old: Option<(Mode, u8)>, new: Option<(Mode, u8)>) -> Change {
        let entry = |(mode, fill)| Entry { mode, oid: Oid::from_bytes(&[fill; 20]).expect("20 bytes") };
        Change::new(path.to_vec(), old.map(entry), new.map(entry)).expect("a side")
    }

    #[test]
    fn changes_come_out_as_they_went_in_and_what_is_cut_does_not() {
        let changes = [
            change(b"added", None, Some((Mode::File, 1))),
            change(&[b'x'; 300], Some((Mode::Executable, 2)), None),
            change(b"a \xff\n", Some((Mode::Symlink, 3)), Some((Mode::Submodule, 0))),
            change(b"", Some((Mode::File, 4)), Some((Mode::File, 5))),
        ];
        let mut bytes = Vec::new();
        encode(&changes, &mut bytes);
        assert_eq!(decode(&bytes, 20).as_deref(), Some(&changes[..]));
        assert_eq!(decode(b"", 20), Some(Vec::new()));
        let mut ends = vec![0];
        for count in 1..=changes.len() {
            let mut some = Vec::new();
            encode(&changes[..count], &mut some);
            ends.push(some.len());
        }
        for at in (0..bytes.len()).filter(|at| !ends.contains(at)) {
            assert_eq!(decode(&bytes[..at], 20), None, "cut at {at}");
        }
        for damage in [&b"\x00a\0"[..], b"\x05a\0aaaaaaaaaaaaaaaaaaaa", b"\x11a\0aaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(decode(damage, 20), None, "{damage:?}");
        }
    }

    #[test]
    fn modes_are_reduced_as_git_reduces_them() {
        for (bits, mode) in [
            (0o100_644, Some("100644")),
            (0o100_664, Some("100644")),
            (0o100_600, Some("100644")),
            (0o100_755, Some("100755")),
            (0o100_775, Some("100755")),
            (0o120_000, Some("120000")),
            (0o160_000, Some("160000")),
            (0o040_000, None),
        ] {
            assert_eq!(Mode::from_bits(bits).map(Mode::octal), mode, "{bits:o}");
        }
    }
}
