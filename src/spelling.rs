//! What someone may have meant who mistyped a word: a command, an option, a setting, the name of a repository.
//!
//! Owns how near two words are. Refuses to know the words.

/// The word of `known` that is nearest to `typed`, unless none is near: a third of the letters may differ, at least one.
/// Of equally near ones the first.
#[must_use]
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (typed.trim_start_matches('-').chars().count() / 3).max(1);
    known
        .map(|word| (distance(typed, word), word))
        .filter(|&(far, _)| far <= most)
        .min_by_key(|&(far, _)| far)
        .map(|(_, word)| word)
}

/// What to add to a message about a mistyped word, `; did you mean 'scan'?`; nothing if none is near.
#[must_use]
pub fn did_you_mean(word: Option<&str>) -> String {
    word.map(|word| format!("; did you mean '{word}'?")).unwrap_or_default()
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours, each counting 1.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, &a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in right.iter().enumerate() {
            let substituted = above[j] + usize::from(a != b);
            let mut least = substituted.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                let swapped: &Vec<usize> = &before;
                least = least.min(swapped[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits_and_swaps() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("scan", "scan", 0),
            ("sacn", "scan", 1),
            ("scna", "scan", 1),
            ("scn", "scan", 1),
            ("scaan", "scan", 1),
            ("scam", "scan", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["scan", "schema"];
        for (typed, expected) in [("sacn", Some("scan")), ("shcema", Some("schema")), ("log", None), ("x", None)] {
            assert_eq!(nearest(typed, known.into_iter()), expected, "{typed}");
        }
    }
}
