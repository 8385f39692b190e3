//! What is wrong with a configuration, and how it is said.

use super::cascade::{Level, Origin};
use super::keys::{SECTION, meant};
use crate::error::Kind;

/// Something that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What, without where.
    pub message: String,
    /// What may have been meant, to follow what and where.
    pub guess: String,
    /// What can be done.
    pub hint: Option<String>,
}

impl Problem {
    /// What and where. A variable is named in the message itself.
    #[must_use]
    pub fn told(&self) -> String {
        match (self.origin.level, &self.origin.place) {
            (Level::Environment, _) | (_, None) => format!("{}{}", self.message, self.guess),
            _ => format!("{} in {}{}", self.message, self.origin, self.guess),
        }
    }

    /// It as an error.
    #[must_use]
    pub fn into_error(self) -> anyhow::Error {
        let told = self.told();
        match self.hint {
            Some(hint) => Kind::BadValue.hinted(told, hint),
            None => Kind::BadValue.error(told),
        }
    }
}

/// A key that is no setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    /// `section` or `section.subsection`; empty before the first header.
    pub(super) stem: Vec<u8>,
    pub(super) key: String,
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) origin: Origin,
}

impl Unknown {
    pub(super) fn problem(&self) -> Problem {
        let stem = String::from_utf8_lossy(&self.stem);
        let name = if stem.is_empty() { self.key.clone() } else { format!("{stem}.{}", self.key) };
        let own = name.split_once('.').filter(|(section, _)| *section == SECTION);
        let guess = own.map_or_else(String::new, |(_, rest)| meant(rest));
        let (message, hint) = match own {
            Some(_) => (format!("'{name}' is not a setting"), "git bhfuil config list shows those that there are"),
            _ if stem == "include" || stem.starts_with("includeif") => (
                format!("'{name}' is not followed"),
                "only git's own files include others: git config --global include.path <file>",
            ),
            _ => (
                format!("'{name}' is not a setting"),
                "this file holds nothing but bhfuil.*; git's settings belong into git's own files",
            ),
        };
        Problem { origin: self.origin.clone(), message, guess, hint: Some(hint.into()) }
    }
}
