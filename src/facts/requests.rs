//! Wishes in a message that the commit be taken to other branches.
//!
//! Owns `Cc: stable@…` (Linux, `Documentation/process/stable-kernel-rules.rst`), `Backpatch-through:` (`PostgreSQL`),
//! `Backport:` trailers, prose such as "should be backported to 2.8" (`HAProxy`) and the user's own patterns. Refuses: which
//! branches a wish means, and whether it was granted.
//!
//! Counted beside `stable@|back-?port`, which finds picks and talk of them too: haproxy 6,032 / 7,824 (1,500 say that no
//! backport is needed, some 150 are scripts and release notes, some 100 wish in other words: "eligible for backporting",
//! "shoud be"), nova 31 / 646, ansible 8 / 890, redis 2 / 91, git 1 / 91, systemd-stable 0 / 101.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::{
    once::{Once, end_of, start_of},
    patterns::Patterns,
    trailers::Trailer,
};

/// Bytes around a wish that are looked at: more than its sentence has.
const REACH: usize = 1024;

// Built once: most messages hold neither, and building costs more than the search.
static STABLE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("stable@"));
static BACKPORT: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("ackport"));

/// How the wish is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// `Cc: stable@vger.kernel.org # 5.10+`.
    CcStable,
    /// `Backpatch-through: 14`.
    BackpatchThrough,
    /// "must be backported to 2.8", `Backport: 2.8`.
    BackportTo,
    /// One of the user's patterns.
    Configured,
}

impl RequestKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CcStable => "cc-stable",
            Self::BackpatchThrough => "backpatch-through",
            Self::BackportTo => "backport-to",
            Self::Configured => "configured",
        }
    }
}

/// A wish for a backport.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Request<'a> {
    /// How it is worded.
    pub kind: RequestKind,
    /// Where to, as written ("5.10+", "14", "as far as 2.6"), trimmed, on one line; empty if it isn't said.
    pub text: Cow<'a, str>,
}

/// The wishes of `message`, kind by kind, each once.
pub(super) fn requests<'a>(message: &'a str, trailers: &[Trailer<'a>], patterns: &Patterns) -> Vec<Request<'a>> {
    let mut found = Once::new();
    let mut push = |kind, text: Cow<'a, str>| found.push(Request { kind, text });
    for at in STABLE.find_iter(message.as_bytes()) {
        if let Some(text) = cc_stable(message, at) {
            push(RequestKind::CcStable, text.into());
        }
    }
    for trailer in trailers {
        let kind = match () {
            () if trailer.key.eq_ignore_ascii_case("backpatch-through") => RequestKind::BackpatchThrough,
            () if ["backport", "backport-to"].iter().any(|key| trailer.key.eq_ignore_ascii_case(key)) => {
                RequestKind::BackportTo
            }
            () => continue,
        };
        // `Backport: <id>` names a source, and `Backport: no` wishes nothing.
        let is_id = trailer.value.len() >= 7 && trailer.value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let denied = ["no", "none", "never", "n/a", "-"].iter().any(|no| trailer.value.eq_ignore_ascii_case(no));
        let names_commit = trailer.value.starts_with("commit ") || trailer.value.contains("://");
        if !is_id && !denied && !names_commit {
            push(kind, trailer.value.clone());
        }
    }
    let subject_end = message.find('\n').unwrap_or(message.len());
    for at in BACKPORT.find_iter(message.as_bytes()) {
        if let Some(text) = backport(message, at, at > subject_end) {
            push(RequestKind::BackportTo, text);
        }
    }
    for text in patterns.requests(message) {
        push(RequestKind::Configured, text.trim().into());
    }
    found.into_vec()
}

/// What follows `#` in the `Cc:` line around the `stable@` at `at`.
fn cc_stable(message: &str, at: usize) -> Option<&str> {
    let (head, tail) = (end_of(&message[..at], REACH), start_of(&message[at..], REACH));
    let start = at - head.len() + head.rfind('\n').map_or(0, |newline| newline + 1);
    let end = at + tail.find('\n').unwrap_or(tail.len());
    let key = message[start..at].trim_start().get(..3)?;
    if !key.eq_ignore_ascii_case("cc:") || message[start..at].contains('#') {
        return None;
    }
    let text = message[at..end].split_once('#').map_or("", |(_, text)| text.trim());
    let host = message[at + "stable@".len()..end].split(['>', ' ', ',', '#', '"']).next()?;
    (host.ends_with("kernel.org") || host == "dpdk.org").then_some(text)
}

/// The sentence around the "ackport" at `at`: a wish if a modal verb that isn't denied leads up to it ("must be backported to
/// 2.8"), if it opens a line ("Backport to 2.8", "To be backported"), or if one is called for ("a backport to 2.8 is needed").
fn backport(message: &str, at: usize, is_below_subject: bool) -> Option<Cow<'_, str>> {
    let start = at.checked_sub(1).filter(|&start| message.as_bytes()[start].eq_ignore_ascii_case(&b'b'))?;
    let (head, tail) = (end_of(&message[..start], REACH), start_of(&message[at..], REACH));
    let end = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
    let (word, rest) = (&message[start..at + end], &tail[end..]);
    let is = |other: &str| word.eq_ignore_ascii_case(other);
    if !(is("backport") || is("backported") || is("backporter") || is("backporting")) {
        return None;
    }
    let (called, denied) = words_to(head);
    if denied {
        return None;
    }
    let wished = match called {
        Lead::Modal { .. } | Lead::ToBe if is("backported") || is("backporter") => true,
        _ if !is("backport") => false,
        // "should be backport to": a slip.
        Lead::Modal { be } => be,
        Lead::ToBe => true,
        // No subject, for that tells what was done, and where to.
        Lead::Opens => (is_below_subject && names_branch(rest)) || is_called_for(&phrase(rest)),
        Lead::Needs => names_branch(rest),
        Lead::A => is_called_for(&phrase(rest)),
        Lead::Other => false,
    };
    let rest = if wished { Some(rest) } else { this_to(head, rest).filter(|rest| names_branch(rest)) };
    rest.map(phrase)
}

/// What leads up to the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// "should (be)", "will have to (be)".
    Modal {
        be: bool,
    },
    /// "To be", at the start of a line, sentence or bracket.
    ToBe,
    /// Nothing, or "To".
    Opens,
    /// "needs (a)".
    Needs,
    /// "A", at the start of a sentence or not.
    A,
    Other,
}

/// How the sentence leads up to the end of `head`, and whether it denies.
fn words_to(head: &str) -> (Lead, bool) {
    const DENIALS: [&str; 16] = [
        "not",
        "no",
        "never",
        "shouldn't",
        "mustn't",
        "can't",
        "cannot",
        "needn't",
        "don't",
        "doesn't",
        "if",
        "when",
        "which",
        "until",
        "unless",
        "without",
    ];
    const MODALS: [&str; 13] = [
        "should", "must", "can", "could", "may", "might", "needs", "need", "shall", "have", "has", "ought", "deserves",
    ];
    let mut words = [""; 6];
    let (mut count, mut end) = (0, head.len());
    while count < words.len() {
        let text = head[..end].trim_end();
        let gap = &head[text.len()..end];
        let paragraph = gap.bytes().filter(|&byte| byte == b'\n').count() > 1;
        let stop = text.ends_with(['.', ';', ':', '[', '(']) || (text.ends_with([')', ']']) && gap.contains('\n'));
        if text.is_empty() || paragraph || stop {
            break;
        }
        // A blank may have several bytes: U+00A0.
        let apart = |c: char| c.is_whitespace() || matches!(c, '[' | '(');
        let start = text.char_indices().rev().find(|(_, c)| apart(*c)).map_or(0, |(at, c)| at + c.len_utf8());
        words[count] = text[start..].trim_matches(|c: char| !c.is_alphanumeric() && c != '\'');
        // A bracket before the word opens a sentence of its own.
        let opened = text[..start].ends_with(['[', '(']);
        count += 1;
        end = start;
        if opened {
            break;
        }
    }
    let words = &words[..count];
    let is = |at: usize, any: &[&str]| {
        words.get(at).is_some_and(|word| any.iter().any(|other| word.eq_ignore_ascii_case(other)))
    };
    let denied = (0..count).any(|at| is(at, &DENIALS));
    let modal = (0..count).find(|&at| is(at, &MODALS));
    let lead = match (words, modal) {
        // "have been backported"
        _ if is(0, &["been", "was", "were", "already"]) => Lead::Other,
        ([], _) => Lead::Opens,
        ([to], _) if to.eq_ignore_ascii_case("to") => Lead::Opens,
        ([_, _], None) if is(0, &["be"]) && is(1, &["to"]) => Lead::ToBe,
        (_, Some(0)) if is(0, &["needs", "need"]) => Lead::Needs,
        (_, Some(1)) if is(0, &["a"]) && is(1, &["needs", "need"]) => Lead::Needs,
        _ if is(0, &["a"]) => Lead::A,
        (_, Some(at)) => {
            // "be able to backport" is another verb.
            let be = is(0, &["be"]) || (is(1, &["be"]) && !is(0, &["to"]));
            // "has backported" tells; "has to be backported" wishes.
            let tells = is(at, &["have", "has"]) && !(at > 0 && is(at - 1, &["to"]));
            if tells { Lead::Other } else { Lead::Modal { be } }
        }
        _ => Lead::Other,
    };
    (lead, denied)
}

/// "to 2.8", "to all stable branches", "as far as 2.6", "status: 1.8".
fn names_branch(rest: &str) -> bool {
    let mut words = rest.split_ascii_whitespace().take(6).map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    let leads = ["to", "into", "in", "up", "as", "far", "until", "status", "haproxy", "the", "every"];
    let Some(first) = words.next() else { return false };
    let leads_on = |word: &str| leads.iter().any(|lead| word.eq_ignore_ascii_case(lead));
    let Some(target) = std::iter::once(first).chain(words).find(|word| !leads_on(word)) else { return false };
    let version = target.trim_start_matches(['v', 'V']);
    leads_on(first)
        && (version.starts_with(|c: char| c.is_ascii_digit())
            || target.eq_ignore_ascii_case("all")
            || target.starts_with("stable"))
}

/// "makes sense to backport this patch to 2.8", "worth backporting it to 2.8": what follows "this patch".
fn this_to<'m>(head: &str, rest: &'m str) -> Option<&'m str> {
    const BEFORE: [&str; 10] = ["to", "worth", "let's", "should", "must", "can", "could", "may", "might", "please"];
    let before = head.trim_end().rsplit(|c: char| c.is_whitespace()).next()?;
    let leads = BEFORE.iter().any(|word| before.eq_ignore_ascii_case(word));
    let rest = rest.trim_start();
    let rest = ["this", "it", "these", "them"].iter().find_map(|word| rest.strip_prefix(word)).filter(|_| leads)?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let thing = ["patch", "fix", "change", "commit", "series", "one"].iter().find_map(|word| rest.strip_prefix(word));
    Some(thing.unwrap_or(rest))
}

/// "needed in 1.7", "to 2.8 is necessary": what follows "backport".
fn is_called_for(phrase: &str) -> bool {
    const CALLS: [&str; 6] = ["needed", "necessary", "required", "recommended", "desired", "desirable"];
    let words = || phrase.split_ascii_whitespace();
    let called = words().take(8).position(|word| CALLS.contains(&word));
    called.is_some_and(|at| at == 0 || (words().nth(at - 1) == Some("is")))
}

/// Where to: what follows the word, up to the end of the sentence or paragraph; a full stop within "2.8" ends neither.
fn phrase(rest: &str) -> Cow<'_, str> {
    let end = rest
        .char_indices()
        .find(|(i, c)| {
            let after = &rest[i + c.len_utf8()..];
            matches!(c, ',' | ';' | ')' | '(' | ':' | ']') && !after.starts_with(|c: char| c.is_ascii_digit())
                || (*c == '.' && (after.is_empty() || after.starts_with(char::is_whitespace)))
                || (*c == '\n' && after.starts_with('\n'))
        })
        .map_or(rest.len(), |(i, _)| i);
    let phrase = rest[..end].trim();
    let phrase = ["to ", "into ", "in ", "to\n", "in\n"]
        .iter()
        .find_map(|word| phrase.strip_prefix(word))
        .unwrap_or(phrase)
        .trim();
    if phrase.contains('\n') {
        Cow::Owned(phrase.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(phrase)
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestKind::*, *};
    use crate::facts::trailers::trailers;

    fn read(message: &str) -> Vec<(RequestKind, String)> {
        let trailers = trailers(message);
        let found = requests(message, &trailers, &Patterns::default());
        found.into_iter().map(|request| (request.kind, request.text.into_owned())).collect()
    }

    #[test]
    fn wishes_are_read_with_where_to() {
        for (text, kind, to) in [
            ("Cc: stable@vger.kernel.org # 5.10+", CcStable, "5.10+"),
            ("Cc: <stable@vger.kernel.org> # v5.10+", CcStable, "v5.10+"),
            ("cc: stable@kernel.org", CcStable, ""),
            ("Backpatch-through: 14", BackpatchThrough, "14"),
            ("Backport: 2.8", BackportTo, "2.8"),
            ("This should be backported to 2.8.", BackportTo, "2.8"),
            ("This must be backported as far as 2.6.", BackportTo, "as far as 2.6"),
            ("It needs to be backported to all\nstable versions.", BackportTo, "all stable versions"),
            ("This patch could be backported in 2.4, with care", BackportTo, "2.4"),
            ("Should be backported", BackportTo, ""),
            ("It should\u{a0}be backported to 2.8", BackportTo, "2.8"),
            (
                "a paragraph that ends in no stop (if so)\n\nThis should be backported up to 2.7.",
                BackportTo,
                "up to 2.7",
            ),
            ("This should be backport to all stable branches.", BackportTo, "all stable branches"),
            ("This will have to be backported to 3.3", BackportTo, "3.3"),
            ("To be backported to 2.0 and 1.9.", BackportTo, "2.0 and 1.9"),
            ("[ab: to be backported as far as 1.9]", BackportTo, "as far as 1.9"),
            ("[ab: backport needed in 1.7]", BackportTo, "needed in 1.7"),
            ("To backport to 1.8.", BackportTo, "1.8"),
            ("It could be helpful to backport this patch to 3.2.", BackportTo, "3.2"),
            ("[ab: it might be worth backporting it to 1.6]", BackportTo, "1.6"),
            ("Backport to 3.2.", BackportTo, "3.2"),
            ("It needs a backport to 1.7.x", BackportTo, "1.7.x"),
            ("A backport to 1.9 and 1.8 is necessary.", BackportTo, "1.9 and 1.8 is necessary"),
        ] {
            assert_eq!(read(&format!("subject\n\n{text}\n")), [(kind, to.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_wishes_nothing_is_left_out() {
        for text in [
            "No backport needed.",
            "This must not be backported.",
            "It was backported to 2.8.",
            "The two have been backported to 2.8.",
            "Somebody has backported it to 2.8.",
            "No backport needed.",
            "There is no need to backport to 2.8.",
            "No backport is needed, unless 1a2b3c4 is backported to 2.8",
            "This does not have to be backported.",
            "a feature that can't be backported\n\nBackports are documented",
            "Backport of a fix to 2.8",
            "It makes no sense to backport this to 2.8.",
            "Thanks for backporting it to 2.8.",
            "This fix doesn't need to be backported at the moment.",
            "where the feature may have been backported",
            "This backport needed a change of the tests.",
            "This backport to 2.8 is needed for the next.",
            "so that we should be able to backport this through to 2.8",
            "The check is backported if the fix above is.",
            "Backport: aaaaaaa1",
            "Backport: no",
            "Reported-by: A U Thor <stable@example.com>",
            "see stable@vger.kernel.org",
            "Cc: A U Thor <unstable@example.com>",
        ] {
            assert_eq!(read(&format!("subject\n\n{text}\n")), [], "{text}");
        }
    }

    #[test]
    fn the_users_patterns_count_too() {
        let patterns = Patterns::compile(&["(?m)^Target: (.*)$".to_owned()], &[]).expect("valid");
        let found = requests("s\n\nTarget: 3.x\n", &[], &patterns);
        assert_eq!(found, [Request { kind: Configured, text: "3.x".into() }]);
    }
}
