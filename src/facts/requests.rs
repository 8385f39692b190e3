//! Wishes in a message that the commit be taken to other branches.
//!
//! Owns `Cc: stable@…` (Linux, `Documentation/process/stable-kernel-rules.rst`), `Backpatch-through:` (`PostgreSQL`),
//! `Backport:` trailers, prose such as "should be backported to 2.8" (`HAProxy`) and the user's own patterns. Refuses: which
//! branches a wish means, and whether it was granted.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::{patterns::Patterns, trailers::Trailer};

// Built once: most messages hold neither, and building costs more than the search.
static STABLE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("stable@"));
static BACKPORTED: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("backported"));

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request<'a> {
    /// How it is worded.
    pub kind: RequestKind,
    /// Where to, as written ("5.10+", "14", "as far as 2.6"), trimmed, on one line; empty if it isn't said.
    pub text: Cow<'a, str>,
}

/// The wishes of `message`, kind by kind, each once.
pub(super) fn requests<'a>(message: &'a str, trailers: &[Trailer<'a>], patterns: &Patterns) -> Vec<Request<'a>> {
    let mut found = Vec::new();
    let mut push = |kind, text: Cow<'a, str>| {
        let request = Request { kind, text };
        if !found.contains(&request) {
            found.push(request);
        }
    };
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
    for at in BACKPORTED.find_iter(message.as_bytes()) {
        if let Some(text) = backported(message, at) {
            push(RequestKind::BackportTo, text);
        }
    }
    for text in patterns.requests(message) {
        push(RequestKind::Configured, text.trim().into());
    }
    found
}

/// What follows `#` in the `Cc:` line around the `stable@` at `at`.
fn cc_stable(message: &str, at: usize) -> Option<&str> {
    let start = message[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = message[at..].find('\n').map_or(message.len(), |newline| at + newline);
    let key = message[start..at].trim_start().get(..3)?;
    if !key.eq_ignore_ascii_case("cc:") || message[start..at].contains('#') {
        return None;
    }
    let text = message[at..end].split_once('#').map_or("", |(_, text)| text.trim());
    let host = message[at + "stable@".len()..end].split(['>', ' ', ',', '#', '"']).next()?;
    (host.ends_with("kernel.org") || host == "dpdk.org").then_some(text)
}

/// The sentence around "backported" at `at`: after a modal verb that isn't denied, where to.
fn backported(message: &str, at: usize) -> Option<Cow<'_, str>> {
    let mut modal = false;
    for word in message[..at].split_ascii_whitespace().rev().take(6) {
        if word.ends_with(['.', ';', ':']) {
            break;
        }
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'');
        let is = |words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
        if is(&[
            "not",
            "no",
            "never",
            "shouldn't",
            "mustn't",
            "can't",
            "cannot",
            "needn't",
            "if",
            "when",
            "which",
            "until",
        ]) {
            return None;
        }
        modal |= is(&["should", "must", "can", "could", "may", "might", "needs", "need", "shall"]);
    }
    if !modal {
        return None;
    }
    let rest = &message[at + "backported".len()..];
    // Nothing but the end of a sentence or a paragraph ends the phrase; a full stop within "2.8" doesn't.
    let end = rest
        .char_indices()
        .find(|(i, c)| {
            let after = &rest[i + c.len_utf8()..];
            matches!(c, ',' | ';' | ')' | '(' | ':') && !after.starts_with(|c: char| c.is_ascii_digit())
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
    let phrase = if phrase.contains('\n') {
        Cow::Owned(phrase.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(phrase)
    };
    Some(phrase)
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
        let patterns = Patterns::compile(&[], &["(?m)^Target: (.*)$".to_owned()], &[]).expect("valid");
        let found = requests("s\n\nTarget: 3.x\n", &[], &patterns);
        assert_eq!(found, [Request { kind: Configured, text: "3.x".into() }]);
    }
}
