//! Which of the commits that a branch lacks somebody wants there: what their messages ask for, or the labels of the issues that they
//! name, by the branch's line. Pure.

use std::collections::HashMap;

use crate::facts::issues::{IssueKind, IssueRef};
use crate::facts::patterns::Patterns;
use crate::facts::requests::RequestKind;
use crate::lines::{Line, Version};
use crate::locate::study::Notice;

/// The labels of issues that are wishes.
#[derive(Debug, Default)]
pub(super) struct Labels(HashMap<IssueRef, Vec<Wish>>);

/// A label, and where to it wishes that the issue's commits be ported.
#[derive(Debug)]
struct Wish {
    label: String,
    text: String,
}

impl Labels {
    /// Those of `labels` that the configured patterns (`bhfuil.requestPattern`) take for wishes.
    pub(super) fn of(labels: HashMap<IssueRef, Vec<String>>, patterns: &Patterns) -> Self {
        let wishes = |label: &String| -> Vec<Wish> {
            let texts = patterns.requests(label);
            texts.map(|text| Wish { label: label.clone(), text: text.to_owned() }).collect()
        };
        let all = labels.into_iter().map(|(issue, labels)| (issue, labels.iter().flat_map(wishes).collect()));
        Self(all.collect())
    }
}

/// The wish that a commit be ported to the line `target`, in words; any wish where the branch is of no line.
pub(super) fn request(notice: &Notice, labels: &Labels, target: Option<&Line>) -> Option<String> {
    let in_message = notice.requests.iter().find(|(kind, text)| asks_for(*kind, text, target));
    let in_message =
        in_message.map(|(kind, text)| format!("asked for by {} {text}", kind.as_str()).trim_end().to_owned());
    in_message.or_else(|| {
        notice.issues.iter().find_map(|issue| {
            let wishes = labels.0.get(issue)?;
            let wish = wishes.iter().find(|wish| asks_for(RequestKind::Configured, &wish.text, target))?;
            Some(format!("asked for by the label {} of {} {}", wish.label, issue.kind.as_str(), issue.key))
        })
    })
}

/// The identifier, or the fact, that makes a commit one about security.
pub(super) fn security(notice: &Notice) -> Option<String> {
    let identifier = notice.issues.iter().find(|issue| matches!(issue.kind, IssueKind::Cve | IssueKind::Ghsa));
    identifier
        .map(|issue| format!("names {}", issue.key))
        .or_else(|| notice.is_security.then(|| "is marked as being about security (bhfuil.securityPattern)".to_owned()))
}

/// Whether a wish, worded as `text`, means the line `target`.
fn asks_for(kind: RequestKind, text: &str, target: Option<&Line>) -> bool {
    let Some(target) = target else { return true };
    if target.is_mainline() {
        return false;
    }
    let named: Vec<(Line, bool)> = lines_in(text);
    // Where to isn't said, or not in numbers: "all stable branches".
    if named.is_empty() || target.is_unversioned() || target.is_series() {
        return named.is_empty() || named.iter().any(|(line, _)| line == target);
    }
    let is_oldest = kind == RequestKind::BackpatchThrough || means_the_oldest(text);
    let version = Version::parse(target.name().as_bytes());
    // `2.x` means 2.0 and 2.1.
    let means = |line: &Line| line == target || version.as_ref().is_some_and(|version| line.covers(version));
    named.iter().any(|(line, and_newer)| means(line) || ((*and_newer || is_oldest) && line <= target))
}

/// The lines that `text` names, each with whether a `+` behind it says "and newer".
fn lines_in(text: &str) -> Vec<(Line, bool)> {
    let words = text.split(|letter: char| letter.is_whitespace() || [',', ';', '(', ')', '/'].contains(&letter));
    let line = |word: &str| {
        let bare = word.trim_end_matches(['.', ':', '!', '>', '-']);
        let and_newer = bare.ends_with('+');
        let bare = bare.trim_end_matches(['+', '.']);
        let numbers = bare.trim_start_matches(['v', 'V']);
        let is_number = numbers.starts_with(|letter: char| letter.is_ascii_digit()) && numbers.len() < 12;
        is_number.then(|| Line::named(bare.as_bytes())).flatten().map(|line| (line, and_newer))
    };
    words.filter_map(line).collect()
}

/// Whether the line named is the oldest of those that are meant.
fn means_the_oldest(text: &str) -> bool {
    const PHRASES: [&str; 12] = [
        "as far as",
        "down to",
        "back to",
        "up to",
        "until",
        "till",
        "since",
        "and above",
        "and later",
        "and newer",
        "and onward",
        "or later",
    ];
    let text = text.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_for_the_lines_that_it_names_and_newer_ones_where_it_says_so() {
        use RequestKind::{BackpatchThrough, BackportTo, CcStable};
        let line = |name: &str| Line::named(name.as_bytes()).expect("a line");
        for (kind, text, target, expected) in [
            (CcStable, "5.10+", "5.10", true),
            (CcStable, "5.10+", "6.1", true),
            (CcStable, "5.10+", "5.4", false),
            (CcStable, "v5.10+", "5.15", true),
            (CcStable, "5.10.x", "5.10", true),
            (CcStable, "5.10", "5.15", false),
            (CcStable, "", "5.4", true),
            (BackpatchThrough, "14", "16", true),
            (BackpatchThrough, "14", "14", true),
            (BackpatchThrough, "14", "13", false),
            (BackportTo, "to 2.8 and 2.6", "2.6", true),
            (BackportTo, "to 2.8 and 2.6", "2.7", false),
            (BackportTo, "as far as 2.6", "2.8", true),
            (BackportTo, "as far as 2.6.", "2.4", false),
            (BackportTo, "to 2.x", "2.0", true),
            (BackportTo, "to 2.x", "1.0", false),
            (BackportTo, "to all stable branches", "2.4", true),
            (CcStable, "5.10+", "mainline", false),
        ] {
            assert_eq!(asks_for(kind, text, Some(&line(target))), expected, "{text:?} on {target}");
        }
        assert!(asks_for(CcStable, "5.10+", None), "a branch of no line");
    }
}
