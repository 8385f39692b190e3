//! The keys under which a commit is filed, so that those that may equal it are found without looking at all.
//!
//! Owns which cheap facts raise a pair: every rung that can hold shares one of these keys between its two commits. Refuses to
//! keep them (`cache`) and to judge what they raise ([`super::judge`]). A key is a hash: what is found under it is looked at
//! again, so that a collision costs time and never an answer.

use super::{signals::Signals, sketch::Sketch, verdict::SignalKind};
use crate::facts::{
    Oid,
    issues::{IssueKind, IssueRef},
    references::References,
};

/// A key; stable between releases as long as [`rules`] are.
pub type Key = u64;

/// Changes whenever other keys are made of the same commit.
const VERSION: i64 = 2;

/// Digits of an id, or of a Change-Id, that make its key; no abbreviation in a message is shorter.
const DIGITS: usize = 7;

#[derive(Clone, Copy)]
enum Kind {
    Named = 1,
    ChangeId,
    AuthorDate,
    Subject,
    Number,
    Issue,
    Listed,
}

/// A number for the rules by which keys are made, of which the keys of Jira projects that are configured are part: keys that
/// were kept under another number are to be made anew.
#[must_use]
pub fn rules(jira_projects: &[String]) -> i64 {
    (hash(Kind::Issue, jira_projects.join("\n").as_bytes()) >> 16).cast_signed() << 8 | VERSION
}

/// Everything that `sketch`, with the `references` that it was read with, is found by; each once.
#[must_use]
pub fn keys(sketch: &Sketch, references: &References<'_>) -> Vec<Key> {
    let mut keys = direct(sketch, Signals::ALL);
    let origins = references.origins.iter().map(|origin| origin.text);
    let related = [&references.reverts, &references.relands, &references.fixes];
    keys.extend(origins.chain(related.into_iter().flatten().copied()).filter_map(naming));
    keys.extend(references.issues.iter().map(of_issue));
    keys.extend(sketch.listed.iter().map(|subject| hash(Kind::Listed, subject.as_bytes())));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Where commits that may equal `sketch` by one of `signals` are filed; each once. The commits that its own trailers name are
/// not found here: it knows them.
#[must_use]
pub fn sought(sketch: &Sketch, signals: Signals) -> Vec<Key> {
    let mut keys = direct(sketch, signals);
    if signals.has(SignalKind::Trailer) {
        keys.extend(naming(&sketch.id.to_hex()));
    }
    // What may hold it, and what it may hold: see `squash`.
    if signals.has(SignalKind::Subject) {
        keys.push(hash(Kind::Listed, sketch.subject_key.as_bytes()));
        keys.extend(sketch.listed.iter().map(|subject| hash(Kind::Subject, subject.as_bytes())));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Where commits are filed whose message names the commit `id`, whole or abbreviated.
#[must_use]
pub fn naming_commit(id: &Oid) -> Option<Key> {
    naming(&id.to_hex())
}

/// Where commits are filed whose message names the commit with this id, given by seven hexadecimal digits or more.
#[must_use]
pub fn naming(hex: &str) -> Option<Key> {
    Some(hash(Kind::Named, hex.get(..DIGITS)?.to_ascii_lowercase().as_bytes()))
}

/// Where commits with this Change-Id are filed; `I` and seven digits of it are enough.
#[must_use]
pub fn of_change_id(text: &str) -> Option<Key> {
    Some(hash(Kind::ChangeId, text.get(..=DIGITS)?.to_ascii_lowercase().as_bytes()))
}

/// Where commits that refer to this issue are filed.
#[must_use]
pub fn of_issue(issue: &IssueRef) -> Key {
    // A case that a tracker doesn't distinguish is no part of the name.
    let key = match issue.kind {
        IssueKind::Url => issue.key.clone(),
        _ => issue.key.to_ascii_lowercase(),
    };
    hash(Kind::Issue, format!("{} {key}", issue.kind.as_str()).as_bytes())
}

fn direct(sketch: &Sketch, signals: Signals) -> Vec<Key> {
    let mut keys = Vec::new();
    if let Some(id) = sketch.change_id.as_deref().filter(|_| signals.has(SignalKind::ChangeId)) {
        keys.extend(of_change_id(id));
    }
    if let Some(date) = sketch.author_date.filter(|_| signals.has(SignalKind::AuthorDate)) {
        keys.push(hash(Kind::AuthorDate, &date.seconds.to_le_bytes()));
    }
    // The subject raises pairs for the patch-id too, whose rung asks for the subject or the pull request beside it.
    let by_patch = signals.has(SignalKind::PatchId);
    if !sketch.subject_key.is_empty() && (signals.has(SignalKind::Subject) || by_patch) {
        keys.push(hash(Kind::Subject, sketch.subject_key.as_bytes()));
    }
    if signals.has(SignalKind::PullRequest) || by_patch {
        let numbers = sketch.pull_request.iter().chain(&sketch.mentions);
        keys.extend(numbers.map(|number| hash(Kind::Number, &number.to_le_bytes())));
    }
    keys
}

/// FNV-1a over the kind and the bytes (Fowler, Noll, Vo), its bits then mixed as `SplitMix64` ends, since buckets are chosen by
/// the highest ones.
fn hash(kind: Kind, bytes: &[u8]) -> Key {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(kind as u8).chain(bytes.iter().copied()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::{super::evidence::sample, *};
    use crate::facts::origins::{Origin, OriginKind};

    fn meet(a: &Sketch, b: &Sketch, signals: Signals) -> bool {
        let filed = keys(b, &References::default());
        sought(a, signals).iter().any(|key| filed.contains(key))
    }

    #[test]
    fn commits_that_a_rung_may_join_share_a_key() {
        let (mut a, mut b) = (sample(1), sample(2));
        for sketch in [&mut a, &mut b] {
            (sketch.author_date, sketch.subject_key, sketch.change_id) = (None, String::new(), None);
        }
        assert!(!meet(&a, &b, Signals::ALL));
        let only = |kind| Signals::SAME.with(kind);
        a.change_id = Some("I0123456789abcdef0123456789abcdef01234567".into());
        b.change_id = a.change_id.as_ref().map(|id| id.to_uppercase());
        assert!(meet(&a, &b, only(SignalKind::ChangeId)));
        assert!(!meet(&a, &b, only(SignalKind::Subject)));
        (a.subject_key, b.subject_key) = ("fix it".into(), "fix it".into());
        assert!(meet(&a, &b, only(SignalKind::Subject)) && meet(&a, &b, only(SignalKind::PatchId)));
        (a.pull_request, b.mentions) = (Some(12), vec![7, 12]);
        assert!(meet(&a, &b, only(SignalKind::PullRequest)) && meet(&b, &a, only(SignalKind::PullRequest)));
    }

    #[test]
    fn a_commit_that_is_named_finds_those_that_name_it() {
        let (a, b) = (sample(1), sample(2));
        let hex = a.id.to_hex().to_uppercase();
        for text in [&hex[..7], &hex[..12], &hex] {
            let origins = vec![Origin { kind: OriginKind::CherryPick, text }];
            let filed = keys(&b, &References { origins, ..References::default() });
            let key = naming_commit(&a.id).expect("an id is long enough");
            assert!(filed.contains(&key) && sought(&a, Signals::ALL).contains(&key), "{text}");
        }
        assert_eq!(naming("abc123"), None);
    }

    #[test]
    fn an_issue_is_found_by_its_kind_and_key() {
        let issue = |kind, key: &str| of_issue(&IssueRef { kind, key: key.into() });
        assert_eq!(issue(IssueKind::Cve, "CVE-2024-1234"), issue(IssueKind::Cve, "cve-2024-1234"));
        assert_ne!(issue(IssueKind::Number, "12"), issue(IssueKind::Bug, "12"));
        assert_ne!(issue(IssueKind::Number, "12"), issue(IssueKind::Number, "13"));
    }
}
