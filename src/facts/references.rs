//! What a message says about other commits and issues, gathered in one call.
//!
//! Owns the finding of commit ids in prose and of the words that lead up to them, and the subject as a key for matching.
//! Refuses: what those words mean (`origins`, `reverts`, `fixes`), issues, requests, and whether an id exists.
//!
//! An id is a run of 7 to 40, or of 64, hexadecimal digits that stands alone as a word: not in a UUID, a `Change-Id`, a
//! `v1.2-3-gabcdef0` or a URL that isn't one of a commit. Only the words before it in the same sentence, and the text right
//! after it, say what it is; `A, B and C` inherit the meaning of `A`. A run of digits only (a date, a bug) or of letters
//! only ("defaced") needs an unmistakable form: 40 digits, the word "commit", a commit URL, or the quoted subject after it.
//!
//! Each kind was counted beside `git log -i -E --grep` over branches and tags of six repositories, and what only one found
//! was read; the modules give commits with the kind / commits that a broad pattern finds. We find more where an id, or what
//! announces it, is on the next line.

use super::{
    change_id::change_id,
    fixes,
    issues::{self, IssueRef},
    once::{Once, end_of},
    origins::{self, Origin},
    patterns::Patterns,
    requests::{self, Request},
    reverts,
    trailers::Trailer,
};

/// Everything that one message says about other commits and issues; ids and texts as written, not looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References<'a> {
    /// Gerrit's id of the change: `I` and 40 hexadecimal digits.
    pub change_id: Option<&'a str>,
    /// The commits this one was taken from; the last is the immediate source.
    pub origins: Vec<Origin<'a>>,
    /// Ids of commits that this one takes back. A part that is taken back mends the rest: see `fixes`.
    pub reverts: Vec<&'a str>,
    /// Ids of commits that this one is said to land again.
    pub relands: Vec<&'a str>,
    /// Ids of commits that this one mends, follows up, or takes back in part.
    pub fixes: Vec<&'a str>,
    /// Wishes for this commit to be backported.
    pub requests: Vec<Request<'a>>,
    /// Issues, in order of appearance, each once.
    pub issues: Vec<IssueRef>,
    /// How many times the change is taken back: 0 an ordinary commit, 1 a revert, 2 a revert of a revert (a re-land).
    pub revert_depth: u8,
    /// Whether the change is taken back on balance: the depth is odd.
    pub is_revert: bool,
}

impl<'a> References<'a> {
    /// Reads `message` (whole: the subject is part of it), its `subject` on one line, and its `trailers`.
    #[must_use]
    pub fn of(subject: &str, message: &'a str, trailers: &[Trailer<'a>], patterns: &Patterns) -> Self {
        let mut found = Self { change_id: change_id(message), ..Self::default() };
        found.read_ids(message);
        found.revert_depth = reverts::revert_depth(subject, message);
        found.is_revert = found.revert_depth % 2 == 1;
        found.requests = requests::requests(message, trailers, patterns);
        found.issues = issues::issues(message, patterns);
        found
    }

    fn read_ids(&mut self, message: &'a str) {
        let (mut origins, mut reverts, mut relands, mut fixes) = (Vec::new(), Once::new(), Once::new(), Once::new());
        let mut before: Option<(usize, Option<Relation>)> = None;
        let mut at = 0;
        while let Some((start, end)) = next_hex_run(message.as_bytes(), at) {
            at = end;
            let Some(mention) = Mention::at(message, start, end) else { continue };
            // Of `<id>/repository@<id>` the second begins where the first does.
            let inherited = before.filter(|(last, _)| message.get(*last..mention.start).is_some_and(is_list_gap));
            let relation = match inherited {
                Some((_, relation)) => relation,
                None => mention.relation(),
            };
            before = Some((end, relation));
            let text = &message[start..end];
            match relation {
                Some(Relation::Origin(kind)) => origins.push(Origin { kind, text }),
                Some(Relation::Reverts) => reverts.push(text),
                Some(Relation::Relands) => relands.push(text),
                Some(Relation::Fixes) => fixes.push(text),
                None => {}
            }
        }
        // A repeated line counts where it stands last: the last one names the immediate source.
        let mut last = Once::new();
        origins.into_iter().rev().for_each(|origin| last.push(origin));
        self.origins = last.into_vec();
        self.origins.reverse();
        (self.reverts, self.relands, self.fixes) = (reverts.into_vec(), relands.into_vec(), fixes.into_vec());
    }
}

/// What a sentence says about the commit it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Origin(origins::OriginKind),
    Reverts,
    Relands,
    Fixes,
}

/// The next run of 7 to 40, or of 64, hexadecimal digits from `at` on that is no part of a longer word.
///
/// Every seventh byte is looked at, so that text without such runs costs little.
fn next_hex_run(text: &[u8], mut at: usize) -> Option<(usize, usize)> {
    const SHORTEST: usize = 7;
    let mut floor = at;
    while at + SHORTEST <= text.len() {
        let probe = at + SHORTEST - 1;
        if !text[probe].is_ascii_hexdigit() {
            at = probe + 1;
            continue;
        }
        let start = text[floor..probe].iter().rposition(|b| !b.is_ascii_hexdigit()).map_or(floor, |p| floor + p + 1);
        let end = probe + text[probe..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let length = end - start;
        if ((SHORTEST..=40).contains(&length) || length == 64) && stands_alone(text, start, end) {
            return Some((start, end));
        }
        at = end;
        floor = end;
    }
    None
}

fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let joined = |glue: Option<&u8>, next: Option<&u8>| matches!(glue, Some(b'-' | b'.')) && next.is_some_and(word);
    let (before, earlier) = (start.checked_sub(1).map(|i| &text[i]), start.checked_sub(2).map(|i| &text[i]));
    let (after, later) = (text.get(end), text.get(end + 1));
    !before.is_some_and(|b| word(b) || *b == b'#' || *b >= 0x80)
        && !after.is_some_and(|b| word(b) || *b == b'@')
        && !joined(before, earlier)
        && !joined(after, later)
}

/// Whether nothing but commas, "and", "commit" and a quoted subject lie between two ids.
fn is_list_gap(gap: &str) -> bool {
    if gap.len() > 160 || gap.contains("\n\n") {
        return false;
    }
    // `A ("subject") and B`: the subject may hold anything.
    let gap = match (gap.find('('), gap.rfind(')')) {
        (Some(open), Some(close)) if open < close && gap[..open].trim().is_empty() => &gap[close + 1..],
        _ => gap,
    };
    let mut separators = 0;
    for word in gap.split([' ', '\n', '\t']).filter(|word| !word.is_empty()) {
        match word {
            "," | "and" | "&" | "+" | "or" | ",and" | "/" => separators += 1,
            "commit" | "commits" | "also" | "`" | "`," => {}
            _ => return false,
        }
    }
    separators > 0 || gap.trim_end_matches([' ', '\n']) == "," || gap.trim() == "/"
}

/// An id in its sentence.
#[derive(Debug)]
pub(super) struct Mention<'m> {
    start: usize,
    id: &'m str,
    /// The words before, the nearest first, without what merely says "commit" (see `named`).
    pub(super) lead: Vec<Word<'m>>,
    /// Whether "commit", "upstream commit" or the like stands right before the id, or a commit's URL around it.
    pub(super) named: bool,
    /// Whether that is "upstream commit".
    pub(super) upstream: bool,
    /// Whether the words that were taken off open a line or bracket.
    pub(super) opens: bool,
    /// What follows the id.
    pub(super) tail: &'m str,
}

/// A word without its punctuation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'m> {
    pub(super) text: &'m str,
    /// Whether it is the first of its line, sentence or bracket. A line that prose was wrapped into, and that goes on in
    /// small letters, counts as no beginning.
    pub(super) opens: bool,
    /// Whether a colon follows.
    pub(super) colon: bool,
}

impl Word<'_> {
    pub(super) fn is(&self, any_of: &[&str]) -> bool {
        any_of.iter().any(|word| self.text.eq_ignore_ascii_case(word))
    }
}

const LINKS: [&str; 18] = [
    "commit",
    "commits",
    "git",
    "hash",
    "sha",
    "sha1",
    "sha-1",
    "id",
    "change",
    "changeset",
    "rev",
    "revision",
    "the",
    "original",
    "following",
    "patch",
    "upstream",
    "and",
];
const MOST_WORDS: usize = 14;
/// Bytes before an id that are looked at: more than fourteen words have.
const REACH: usize = 1024;

impl<'m> Mention<'m> {
    fn at(message: &'m str, start: usize, end: usize) -> Option<Self> {
        let passed = start - end_of(&message[..start], REACH).len();
        let found = Self::within(&message[passed..], start - passed, end - passed)?;
        Some(Self { start: found.start + passed, ..found })
    }

    fn within(message: &'m str, start: usize, end: usize) -> Option<Self> {
        let tail = &message[end..];
        let (start, in_url) = whole_token(message, start)?;
        let id_start = end - message[..end].bytes().rev().take_while(u8::is_ascii_hexdigit).count();
        let mut lead = words_before(message, start);
        let mut mention = Self {
            start,
            id: &message[id_start..end],
            lead: Vec::new(),
            named: in_url,
            upstream: false,
            opens: false,
            tail,
        };
        mention.opens = lead.is_empty();
        let mut links = 0;
        while let Some(word) = lead.get(links).filter(|word| word.is(&LINKS)) {
            mention.named |= word.is(&["commit", "commits", "sha1", "changeset"]);
            mention.upstream |= word.is(&["upstream"]);
            mention.opens = word.opens;
            links += 1;
        }
        lead.drain(..links);
        mention.lead = lead;
        Some(mention)
    }

    /// `None` if the sentence says nothing that is kept.
    fn relation(&self) -> Option<Relation> {
        let origin = origins::origin(self);
        let relation = origin
            .map(Relation::Origin)
            .or_else(|| reverts::relands(self).then_some(Relation::Relands))
            .or_else(|| reverts::reverts_in_part(self).then_some(Relation::Fixes))
            .or_else(|| reverts::reverts(self).then_some(Relation::Reverts))
            .or_else(|| fixes::fixes(self).then_some(Relation::Fixes))?;
        self.is_unmistakable(relation).then_some(relation)
    }

    fn is_unmistakable(&self, relation: Relation) -> bool {
        let digits = self.id.bytes().filter(u8::is_ascii_digit).count();
        (digits > 0 && digits < self.id.len())
            || self.id.len() >= 40
            || self.named
            || self.tail.trim_start().starts_with("(\"")
            || (relation == Relation::Origin(origins::OriginKind::CherryPick) && self.tail.starts_with(')'))
    }
}

/// Where the word that holds the id starts, and whether it is a commit's URL; `None` for any other URL or path.
fn whole_token(message: &str, start: usize) -> Option<(usize, bool)> {
    let before = message[..start].trim_end_matches(['"', '\'', '`', '[', '(', '<']);
    if !message[..start].ends_with(['/', '=', '@', ':']) {
        return Some((before.len(), false));
    }
    let token = message[..start].rfind([' ', '\n', '\t', '(', '<', '[', '"']).map_or(0, |space| space + 1);
    let text = &message[token..start];
    if text.contains("://") {
        let of_commit = ["/commit/", "/commits/", "/commit/?id=", "?id=", ";h=", "/c/", "/rev/", "/+/", "&id="];
        // `?id=` followed by digits alone is a bug.
        let digits = message[start..].bytes().take_while(u8::is_ascii_hexdigit).all(|byte| byte.is_ascii_digit());
        let of_bug = digits && text.ends_with("id=");
        return (!of_bug && of_commit.iter().any(|form| text.ends_with(form))).then_some((token, true));
    }
    // `owner/repository@id`; otherwise a colon ends a word ("Fixes:abc").
    if text.ends_with('@') && text.contains('/') {
        Some((token, true))
    } else {
        text.ends_with(':').then_some((start, false))
    }
}

/// Up to fourteen words before `at`, the nearest first, no further than their sentence and paragraph go.
fn words_before(message: &str, at: usize) -> Vec<Word<'_>> {
    let bytes = message.as_bytes();
    let mut words = Vec::with_capacity(MOST_WORDS);
    let mut end = at;
    while words.len() < MOST_WORDS {
        let gap = message[..end].bytes().rev().take_while(u8::is_ascii_whitespace).count();
        let newlines = memchr::memchr_iter(b'\n', &bytes[end - gap..end]).count();
        end -= gap;
        if end == 0 || newlines > 1 {
            break;
        }
        let start = end - bytes[..end].iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
        // "#12(cherry": a bracket begins a word.
        let start =
            message[start..end].rfind('(').filter(|open| start + open + 1 < end).map_or(start, |open| start + open);
        let raw = &message[start..end];
        if raw.ends_with(['.', '!', '?', ';', ')', ']']) && (!words.is_empty() || newlines > 0) && !is_bracketed(raw) {
            break;
        }
        let text = raw.trim_matches(|c: char| !c.is_alphanumeric());
        if !text.is_empty() {
            words.push(Word { text, opens: opens(message, start), colon: raw.ends_with(':') });
        }
        end = start;
    }
    words
}

/// `[cherry-picked]` or `(partially)` within a sentence, rather than the end of a bracket.
fn is_bracketed(raw: &str) -> bool {
    raw.starts_with(['(', '[']) && raw.ends_with([')', ']'])
}

/// Whether the word at `start` begins a line, a sentence or a bracket.
fn opens(message: &str, start: usize) -> bool {
    if message[start..].starts_with(['(', '[', '<']) {
        return true;
    }
    let before = message[..start].trim_end_matches([' ', '\t', '*', '-', '>', '[', '(', '#']);
    if let Some(above) = before.strip_suffix('\n') {
        // No mark of a list was taken off: the prose above may go on here.
        let wrapped = before.len() + 1 >= start
            && message[start..].starts_with(|c: char| c.is_lowercase())
            && above.ends_with(|c: char| c.is_alphanumeric() || c == ',');
        return !wrapped;
    }
    before.is_empty() || before.ends_with(['.', ':', ';', '!', ')', ']'])
}

/// The subject as a key for matching one change on several branches: lower-case, each run of white space one space, no full stop
/// at the end, and without what tells of the branch: leading tags (`[stable/2024.1]`, `[2.x]`, `[bp-2.9]`, `Backport/2.9/12`,
/// `Backport of #12:`), trailing pull request numbers (`(#123)`), `(cherry picked from commit …)`, `(backport of …)` and `- 2.9`.
/// A leading `Revert` stays: it makes another change.
///
/// Among the picks whose source is known, the key is that of the source for 12,611 of 12,632 in systemd-stable, 3,923 of 3,956 in
/// nova, 663 of 675 in redis, 191 of 213 in haproxy (whose old picks change `[BUG]` to `[CLEANUP]`) and 6,004 of 6,580 in ansible
/// (where a pick of several commits has a subject of its own).
#[must_use]
pub fn normalised_subject(subject: &str) -> String {
    let whole = subject.trim();
    let mut rest = whole;
    while let Some(shorter) = without_tag(rest).or_else(|| without_backport(rest)) {
        rest = shorter;
    }
    rest = rest.trim_end_matches('.');
    while let Some(shorter) = without_suffix(rest) {
        rest = shorter.trim_end_matches('.');
    }
    let mut key = String::with_capacity(rest.len());
    for word in rest.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        key.extend(word.chars().flat_map(char::to_lowercase));
    }
    key
}

/// Without a leading `[stable/2024.1]` and the like, or `2.9:`.
fn without_tag(subject: &str) -> Option<&str> {
    let digits = subject.bytes().take_while(|byte| byte.is_ascii_digit() || b".xv".contains(byte)).count();
    if let Some(after) = subject[digits..].strip_prefix(": ").filter(|_| is_version(&subject[..digits])) {
        return Some(after.trim_start());
    }
    let (tag, after) = subject.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start_matches([' ', ':', '-']);
    (is_branch_tag(tag.trim()) && !after.is_empty()).then_some(after)
}

/// Without a leading `Backport/2.9/12`, `Backport of #12 for 2.9 -`, `Backport:`.
fn without_backport(subject: &str) -> Option<&str> {
    let after = subject.get(8..).filter(|_| starts_with(subject, "backport"))?;
    let word = |text: &str| text.find(char::is_whitespace).unwrap_or(text.len());
    if let Some(branch) = after.strip_prefix('/') {
        let rest = branch[word(branch)..].trim_start();
        return (branch.starts_with(|c: char| c.is_ascii_digit()) && !rest.is_empty() && !rest.starts_with('('))
            .then_some(rest);
    }
    let mut rest = after;
    let mut named = false;
    loop {
        let text = rest.trim_start();
        let (first, more) = text.split_at(word(text));
        let bare = first.trim_end_matches([':', ',']);
        let number = bare.trim_start_matches('#');
        let is_number = number.len() > 2 && number.bytes().all(|byte| byte.is_ascii_digit());
        let link = ["of", "for", "to", "-", "pr", ":"].iter().any(|other| first.eq_ignore_ascii_case(other));
        if !(is_number || link || bare.is_empty() || is_version(bare)) || more.is_empty() {
            break;
        }
        named |= is_number || is_version(bare);
        rest = more;
    }
    let rest = rest.trim_start();
    let colon = after.starts_with(':');
    ((named || colon) && !rest.is_empty() && !rest.starts_with('(')).then(|| rest.trim_start_matches([':', ' ']))
}

/// Without a trailing `(#12)`, `(cherry picked from commit …)`, `(backport of …)`, `- 2.9`.
fn without_suffix(subject: &str) -> Option<&str> {
    let shorter = if let Some((before, inside)) = subject.strip_suffix(')').and_then(|open| open.rsplit_once('(')) {
        let number = inside.strip_prefix('#').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let origin = ["cherry picked from", "cherry-picked from", "backport of", "backported from"];
        (number || origin.iter().any(|start| starts_with(inside, start))).then_some(before)?
    } else {
        let (before, last) = subject.rsplit_once(" - ")?;
        is_version(last).then_some(before)?
    };
    let shorter = shorter.trim_end();
    (!shorter.is_empty()).then_some(shorter)
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A release branch (`stable/…`, `2.9`, `v5.x`), "backport" or "bp-" with or without one, as in a subject's `[…]`.
fn is_branch_tag(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    let named =
        ["stable", "release", "backport", "maint", "rel-", "branch", "bp-"].iter().any(|name| tag.starts_with(name));
    named || is_version(tag.strip_suffix(" backport").unwrap_or(&tag))
}

/// `2.9`, `v5.x`.
fn is_version(text: &str) -> bool {
    let version = text.trim_start_matches('v');
    version.starts_with(|c: char| c.is_ascii_digit())
        && version.contains('.')
        && version.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'x')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

    fn read(message: &str) -> References<'_> {
        let subject = message.lines().next().unwrap_or_default();
        References::of(subject, message, &[], &Patterns::default())
    }

    #[test]
    fn one_sentence_gives_one_relation() {
        let all = format!(
            "Revert \"x\"\n\nThis reverts commit {A}.\n\nFixes: 1a2b3c4 (\"y\")\nFollow-up for bbbbbb1 and ccccc22.\n\
             Fixes: #12\nChange-Id: I{A}\n(cherry picked from commit dddddd3)\n"
        );
        let read = read(&all);
        assert_eq!(read.reverts, [A]);
        assert_eq!(read.fixes, ["1a2b3c4", "bbbbbb1", "ccccc22"]);
        assert_eq!(read.origins.iter().map(|origin| origin.text).collect::<Vec<_>>(), ["dddddd3"]);
        assert_eq!(read.change_id, Some(&*format!("I{A}")));
        assert_eq!(read.issues.len(), 1);
        assert!(read.is_revert);
    }

    #[test]
    fn a_repository_may_be_called_like_a_commit() {
        let said = read("x\n\nThis reverts commit 0123456789/abc@abcdef01.\n");
        assert_eq!(said.reverts, ["0123456789", "abcdef01"]);
    }

    #[test]
    fn what_merely_looks_like_an_id_is_none() {
        for text in [
            "Fixes: 12345678-1234-1234-1234-123456789abc",
            "Fixes 1234567",
            "Fixes defaced things",
            "Fixes v5.10-12-g1a2b3c4d",
            "Fixes 0x1a2b3c4d",
            "Fixes 1a2b3c",
            "Fixes https://example.com/blob/1a2b3c4d/x.c",
            "Fixes https://bugs.example.com/show_bug.cgi?id=1234567",
            "Fixes 1a2b3c4d.service",
            "Fixes #1a2b3c4",
        ] {
            assert!(read(text).fixes.is_empty(), "{text}");
        }
    }

    #[test]
    fn subjects_of_one_change_have_one_key() {
        for (subject, key) in [
            ("Fix  The Thing (#12)", "fix the thing"),
            ("[stable/2024.1] [2.x] Fix the thing (#12) (#34)", "fix the thing"),
            ("[stable-2.9] Fix (cherry picked from commit 1a2b3c4d)", "fix"),
            ("[tests] Fix", "[tests] fix"),
            ("Revert \"Fix\" (#1)", "revert \"fix\""),
            ("(#12)", "(#12)"),
            ("[2.x]", "[2.x]"),
            ("[bp-2.11] Fix (#12)", "fix"),
            ("[2.9 backport] Fix", "fix"),
            ("[Backport/2.9/1234]: Fix (#12)", "fix"),
            ("Backport/2.9/1234 Fix (#1234) (#12)", "fix"),
            ("Backport #1234 for 2.5 - Fix (#12)", "fix"),
            ("Backport of 1234: Fix", "fix"),
            ("Backport: Fix", "fix"),
            ("Backport the test of 1234", "backport the test of 1234"),
            ("Backports fixed", "backports fixed"),
            ("Fix (#12). (cherry picked from commit 1a2b3c4d)", "fix"),
            ("Fix (backport of 1a2b3c4d)", "fix"),
            ("Fix the build (#1234) - 2.15 (#12)", "fix the build"),
            ("Fix - 12", "fix - 12"),
            ("2.8: perf: fix", "perf: fix"),
            ("Backport/2.9/1234 (#1234)", "backport/2.9/1234"),
            ("Fix.", "fix"),
            ("", ""),
        ] {
            assert_eq!(normalised_subject(subject), key, "{subject}");
        }
    }
}
