//! What bends a repository's history besides its objects: shallow boundaries, replaced objects and grafts. Their fingerprint
//! tells the cache whether the parents that it remembers still hold.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::handle::Handle;
use super::refs::RefStore;
use super::repository::Repository;
use crate::facts::Oid;

/// How history differs from what the commit objects say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Commits whose parents are other than written: none at a shallow boundary, or those of a graft.
    pub parents: HashMap<Oid, Vec<Oid>>,
    /// Whether a shallow boundary cuts history off.
    pub shallow: bool,
    /// The objects that are replaced, with their replacements (`refs/replace/`), sorted.
    pub replaced: Vec<(Oid, Oid)>,
}

impl Overlay {
    /// Reads the overlay of `repository`. Replaced objects are exchanged by the object database itself.
    ///
    /// # Errors
    /// If a file that is there can't be read.
    pub fn read(repository: &Repository, handle: &Handle, refs: &RefStore) -> anyhow::Result<Self> {
        let replaced =
            if handle.ignores_replacements() { Vec::new() } else { refs.replacements(&handle.replace_ref_base()) };
        let mut overlay = Self { replaced, ..Self::default() };
        for (commit, parents) in grafts(repository) {
            // Of two lines for one commit git takes the first.
            overlay.parents.entry(commit).or_insert(parents);
        }
        for commit in handle.shallow_commits()? {
            overlay.shallow = true;
            overlay.parents.insert(commit, Vec::new());
        }
        Ok(overlay)
    }

    /// Whether commits have the parents and contents that their objects say.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.parents.is_empty() && self.replaced.is_empty()
    }

    /// A number that changes when the overlay does; 0 for plain history. Not meant to resist forgery.
    #[must_use]
    pub fn fingerprint(&self) -> i64 {
        if self.is_plain() {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        let mut entries: Vec<_> = self.parents.iter().collect();
        entries.sort_unstable();
        entries.hash(&mut hasher);
        self.replaced.hash(&mut hasher);
        hasher.finish().cast_signed() | 1
    }
}

/// Reads `info/grafts` (gitglossary(7), "grafts"): lines `<commit> <parent>…`; gix knows none of it.
fn grafts(repository: &Repository) -> Vec<(Oid, Vec<Oid>)> {
    let file = std::env::var_os("GIT_GRAFT_FILE")
        .map_or_else(|| repository.common_dir.join("info/grafts"), std::path::PathBuf::from);
    let Ok(text) = std::fs::read(file) else { return Vec::new() };
    text.split(|&byte| byte == b'\n').filter_map(graft).collect()
}

fn graft(line: &[u8]) -> Option<(Oid, Vec<Oid>)> {
    if line.starts_with(b"#") {
        return None;
    }
    let mut ids = line.trim_ascii().split(u8::is_ascii_whitespace).filter(|id| !id.is_empty()).map(Oid::from_hex);
    let commit = ids.next()??;
    Some((commit, ids.collect::<Option<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graft_line_names_a_commit_and_its_new_parents() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let id = |hex: &str| hex.parse::<Oid>().expect("an id");
        assert_eq!(graft(format!("{a} {b}").as_bytes()), Some((id(&a), vec![id(&b)])));
        assert_eq!(graft(a.as_bytes()), Some((id(&a), vec![])));
        assert_eq!(graft(format!("{a}\t{b}  {b}").as_bytes()), Some((id(&a), vec![id(&b), id(&b)])));
        assert_eq!(graft(b"# comment"), None);
        assert_eq!(graft(b"junk"), None);
    }
}
