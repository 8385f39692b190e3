//! What our own file says, in order of who it is for: of a thousand repositories that are registered each asks for its own, and to look
//! through all entries for each of them takes as long as to open them.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;

use super::keys::repository_stem;
use super::syntax::{Document, Entry};

/// A document, and which of its entries are for which repository.
#[derive(Debug, Default)]
pub(super) struct Registered {
    document: Document,
    /// The entries that are for nobody alone, by their places in the document.
    common: Vec<usize>,
    /// Those for the repository of each name.
    own: HashMap<Vec<u8>, Vec<usize>>,
    /// The first entry that registers each path.
    paths: HashMap<Vec<u8>, usize>,
    /// Under which stems a path is registered.
    stems: HashSet<Vec<u8>>,
}

impl Deref for Registered {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.document
    }
}

impl Registered {
    pub(super) fn new(document: Document) -> Self {
        let prefix = repository_stem("");
        let mut registered = Self::default();
        for (place, entry) in document.entries().enumerate() {
            let Some(rest) = entry.stem.strip_prefix(prefix.as_bytes()) else {
                registered.common.push(place);
                continue;
            };
            // Of `a.b` it isn't known whether that is a name, or a part of the one called `a`.
            let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
            for end in ends.chain([rest.len()]) {
                registered.own.entry(rest[..end].to_vec()).or_default().push(place);
            }
            if entry.key.eq_ignore_ascii_case("path") {
                registered.stems.insert(entry.stem.to_vec());
                if let Some(path) = entry.value() {
                    registered.paths.entry(path.into_owned()).or_insert(place);
                }
            }
        }
        Self { document, ..registered }
    }

    /// The entries for all and for the repository `name`, if any, in order.
    pub(super) fn entries_for(&self, name: Option<&str>) -> impl Iterator<Item = Entry<'_>> {
        let own = name.and_then(|name| self.own.get(name.as_bytes())).map_or(&[][..], Vec::as_slice);
        let mut places = [&self.common, own].concat();
        places.sort_unstable();
        places.into_iter().map(|place| self.document.entry(&self.document.parts[place]))
    }

    /// The name under which one of `paths` is registered: of several the one that is registered first.
    pub(super) fn name_at<'p>(&self, paths: impl Iterator<Item = &'p [u8]>) -> Option<String> {
        let first = paths.filter_map(|path| self.paths.get(path)).min()?;
        let entry = self.document.entry(&self.document.parts[*first]);
        Some(String::from_utf8_lossy(&entry.stem[repository_stem("").len()..]).into_owned())
    }

    /// Whether some path is registered under `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.stems.contains(repository_stem(name).as_bytes())
    }
}
