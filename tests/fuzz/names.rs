//! Names of refs, versions and release lines.

use std::cmp::Ordering;

use git_bhfuil::git::refs::glob_matches;
use git_bhfuil::lines::{Line, LineSettings, Lines, TagName, Version, line_of_tag};
use proptest::prelude::*;

use super::mutations::{config, mutated};

/// Of an order: that it turns with its sides, that it goes on over a third, and that equal is what compares as equal.
fn is_an_order<T: Ord + std::fmt::Debug>(one: &T, two: &T, three: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.cmp(two), two.cmp(one).reverse(), "{:?} {:?}", one, two);
    prop_assert_eq!(one == two, one.cmp(two) == Ordering::Equal, "{:?} {:?}", one, two);
    for (a, b, c) in [(one, two, three), (two, one, three), (one, three, two)] {
        prop_assert!(!(a <= b && b <= c) || a <= c, "{a:?} {b:?} {c:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn versions_tags_and_lines_have_an_order(one in mutated("names"), two in mutated("names"), three in mutated("names")) {
        let names = [&one, &two, &three];
        if let [Some(a), Some(b), Some(c)] = names.map(|name| Version::parse(name)) {
            is_an_order(&a, &b, &c)?;
        }
        if let [Some(a), Some(b), Some(c)] = names.map(|name| TagName::parse(name)) {
            is_an_order(&a, &b, &c)?;
        }
        if let [Some(a), Some(b), Some(c)] = names.map(|name| Line::named(name)) {
            is_an_order(&a, &b, &c)?;
        }
    }

    #[test]
    fn a_line_is_found_again_by_its_name(name in mutated("names")) {
        let lines = Lines::new(&LineSettings::default());
        let full: Vec<Vec<u8>> = [&b"refs/heads/"[..], b"refs/remotes/origin/", b"refs/tags/", b""]
            .iter().map(|prefix| [*prefix, &name].concat()).collect();
        let all = lines.all(full.iter().map(Vec::as_slice));
        prop_assert!(all.is_sorted());
        for line in &all {
            prop_assert_eq!(&Line::of_name(line.name()), line, "{}", name.escape_ascii());
            prop_assert!(!line.name().is_empty());
        }
        if let Some(tag) = TagName::parse(&name) {
            let mut asked = Vec::new();
            let found = line_of_tag(&tag, &all, |line| { asked.push(line.clone()); false });
            prop_assert!(found.is_none_or(|line| all.contains(line)));
            prop_assert!(asked.is_sorted());
        }
    }

    #[test]
    fn a_glob_that_is_a_name_matches_it_alone(glob in mutated("names"), name in mutated("names")) {
        let is_plain = !glob.iter().any(|byte| b"*?[\\".contains(byte));
        prop_assert!(!is_plain || glob_matches(&glob, &name) == (glob == name), "{}", glob.escape_ascii());
        prop_assert!(!is_plain || glob_matches(&[&glob[..], b"*"].concat(), &glob));
        let _ = glob_matches(&name, &glob);
    }
}
