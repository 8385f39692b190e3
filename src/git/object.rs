//! What an object is, and why one could not be read.

use std::fmt;
use std::io::ErrorKind;

use crate::error::Kind;
use crate::facts::Oid;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
    /// An annotated tag.
    Tag,
}

impl From<gix::objs::Kind> for ObjectKind {
    fn from(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// It isn't there.
    Missing(Oid),
    /// It is there, but not what it should be; the reason follows.
    Corrupt(Oid, String),
    /// The system doesn't let it be read, or what it may lie in: what it is, or whether it is there at all, isn't known. The reason follows.
    Unreadable(Oid, String),
    /// It is such that this program fails at it, which is a fault of its own. What it failed with follows.
    Defeating(Oid, String),
}

impl ObjectError {
    /// The object that could not be read.
    #[must_use]
    pub fn id(&self) -> Oid {
        match self {
            Self::Missing(id) | Self::Corrupt(id, _) | Self::Unreadable(id, _) | Self::Defeating(id, _) => *id,
        }
    }

    /// The kind of failure, for the wire.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) => Kind::MissingObject,
            Self::Corrupt(..) => Kind::CorruptObject,
            Self::Unreadable(..) => Kind::Io,
            Self::Defeating(..) => Kind::Internal,
        }
    }
}

impl ObjectError {
    /// What `cause`, which came of reading `id`, says of it.
    pub(super) fn of(id: Oid, cause: &gix::Error) -> Self {
        let refused =
            cause.iter_errors().filter_map(|one| one.downcast_ref::<std::io::Error>()).find(|one| is_refusal(one));
        match refused {
            Some(refused) => Self::Unreadable(id, format!("{cause}: {refused}")),
            None => Self::Corrupt(id, cause.to_string()),
        }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "object {id} is missing"),
            Self::Corrupt(id, reason) | Self::Unreadable(id, reason) => {
                write!(f, "object {id} can't be read: {reason}")
            }
            Self::Defeating(id, reason) => write!(f, "object {id} is left out: {reason}; please report it"),
        }
    }
}

impl std::error::Error for ObjectError {}

/// Whether it is the system that says no: too few descriptors, no permission, a broken disk. Not that there is nothing.
pub(super) fn is_refusal(cause: &std::io::Error) -> bool {
    cause.raw_os_error().is_some() && !matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
