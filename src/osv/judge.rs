//! Whether what some commit holds is affected by what a range says: the evaluation of the schema, over a graph instead of a line of
//! versions. Pure: what contains what is told.

/// What a ref has of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether it has each introducer.
    pub(super) introduced: Vec<bool>,
    /// Whether it has each fix, or lies behind each last affected commit.
    pub(super) ended: Vec<bool>,
    /// Whether it lies before a limit, or there is none.
    pub(super) is_within: bool,
}

/// Whether that is affected. `from_start` is that it was introduced with the first commit; `is_later` tells of an introducer and an end
/// whether the end came before it, and so doesn't end what it began.
pub(super) fn is_affected(seen: &Seen, from_start: bool, is_later: impl Fn(usize, usize) -> bool) -> bool {
    let ends = || (0..seen.ended.len()).filter(|&end| seen.ended[end]);
    let from_there = |introducer: usize| seen.introduced[introducer] && ends().all(|end| is_later(introducer, end));
    seen.is_within && ((from_start && ends().next().is_none()) || (0..seen.introduced.len()).any(from_there))
}

/// A tag's name and a version's brought to one form: without folders, and without the `v` before a number.
pub(super) fn version_of(name: &str) -> &str {
    let base = name.rsplit('/').next().unwrap_or(name);
    match base.strip_prefix(['v', 'V']) {
        Some(number) if number.starts_with(|letter: char| letter.is_ascii_digit()) => number,
        _ => base,
    }
}

/// How the `versions` of a record differ from the tags, each of which is affected or not, or can't be known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Listed, and not affected.
    pub(super) too_many: Vec<String>,
    /// Affected, and not listed.
    pub(super) lacking: Vec<String>,
    /// Listed, and no tag is called so.
    pub(super) tagless: Vec<String>,
    /// Listed and a tag.
    pub(super) known: usize,
}

/// Compares `versions` with `tags`.
pub(super) fn compare(versions: &[String], tags: &[(String, Option<bool>)]) -> Difference {
    let mut difference = Difference::default();
    for version in versions {
        // A tag of that very name says more than one of that number.
        let exact: Vec<_> = tags.iter().filter(|(tag, _)| tag == version).collect();
        let named: Vec<_> = tags.iter().filter(|(tag, _)| version_of(tag) == version_of(version)).collect();
        let meant = if exact.is_empty() { named } else { exact };
        if meant.is_empty() {
            difference.tagless.push(version.clone());
            continue;
        }
        difference.known += 1;
        if meant.iter().all(|(_, affected)| *affected == Some(false)) {
            difference.too_many.push(version.clone());
        }
    }
    let is_listed = |tag: &str| versions.iter().any(|version| version_of(version) == version_of(tag));
    let lacking = tags.iter().filter(|(tag, affected)| *affected == Some(true) && !is_listed(tag));
    difference.lacking = lacking.map(|(tag, _)| tag.clone()).collect();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(introduced: &[bool], ended: &[bool]) -> Seen {
        Seen { introduced: introduced.to_vec(), ended: ended.to_vec(), is_within: true }
    }

    #[test]
    fn affected_is_what_has_an_introducer_and_no_end_of_it() {
        let never = |_, _| false;
        assert!(is_affected(&seen(&[true], &[false]), false, never));
        assert!(!is_affected(&seen(&[true], &[false, true]), false, never));
        assert!(!is_affected(&seen(&[false], &[false]), false, never));
        assert!(is_affected(&seen(&[false], &[false]), true, never));
        assert!(!is_affected(&seen(&[], &[true]), true, never));
        // Introduced anew after the first fix, and fixed again by the second.
        let anew = |introducer, end| introducer == 1 && end == 0;
        assert!(is_affected(&seen(&[true, true], &[true, false]), false, anew));
        assert!(!is_affected(&seen(&[true, true], &[true, true]), false, anew));
        assert!(!is_affected(&Seen { is_within: false, ..seen(&[true], &[]) }, true, never));
    }

    #[test]
    fn versions_are_compared_with_tags_by_name_or_number() {
        let tags = [("v1.0", Some(true)), ("rel/v1.1", Some(true)), ("v1.2", Some(false)), ("v1.3", None)];
        let tags: Vec<(String, Option<bool>)> = tags.map(|(tag, affected)| (tag.to_owned(), affected)).to_vec();
        let versions = ["1.0", "v1.2", "1.3", "2.0"].map(str::to_owned);
        let found = compare(&versions, &tags);
        assert_eq!(
            (found.too_many, found.lacking, found.tagless),
            (vec!["v1.2".to_owned()], vec!["rel/v1.1".to_owned()], vec!["2.0".to_owned()])
        );
        assert_eq!((found.known, version_of("vmware-1"), version_of("V1")), (3, "vmware-1", "1"));
    }
}
