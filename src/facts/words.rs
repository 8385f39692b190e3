//! What a word of a message is, for those who look for some: one rule for the index and for whoever reads a hit again.
//!
//! Text is folded first: small letters, no accents on Latin, Greek and Cyrillic ones (composed or not), and one space for any
//! white space, so that a phrase is found across the end of a line. A word is then as long a run as possible of letters, digits
//! and `_`; in scripts that are written without spaces between words, or glue particles to them (Chinese, Japanese, Korean,
//! Thai, Lao, Khmer, Burmese), each letter is a word of its own. What is looked for ([`Term`]) must stand in the text as it is
//! typed, punctuation included, and may neither begin nor end within a word: `bar` is not found in `foo_bar` but in `foo-bar`,
//! `c++` not by a mere `c`. For ASCII that is `\b` of grep(1), or `git grep -w -i -F`.
//!
//! Owns the rule. Refuses stemming and any notion of a language: "fix" doesn't find "fixes".

use std::borrow::Cow;
use std::ops::RangeInclusive;

use unicode_normalization::char::decompose_canonical;

/// Letters of a word that the index keeps: ids and URLs are told apart by fewer, and a hit is read again anyway.
const INDEXED: usize = 16;

/// Names the rule, for an index made by an older one: this number's higher digits count the versions of this file, the lower ones
/// are those of the Unicode tables.
pub const RULES: i64 = 1_000_000 + 1_000 * char::UNICODE_VERSION.0 as i64 + char::UNICODE_VERSION.1 as i64;

/// Marks over and under letters that compose with those of Europe. Others are letters in their own right (vowel signs, say).
const ACCENTS: RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// Where letters don't join into words: Thai and Lao, Burmese, Hangul, Khmer, kana and Chinese characters.
const SINGLE: [RangeInclusive<char>; 12] = [
    '\u{e00}'..='\u{eff}',
    '\u{1000}'..='\u{109f}',
    '\u{1100}'..='\u{11ff}',
    '\u{1780}'..='\u{17ff}',
    '\u{3005}'..='\u{3007}',
    '\u{3040}'..='\u{318f}',
    '\u{31a0}'..='\u{31ff}',
    '\u{3400}'..='\u{9fff}',
    '\u{ac00}'..='\u{d7ff}',
    '\u{f900}'..='\u{faff}',
    '\u{ff66}'..='\u{ffdc}',
    '\u{20000}'..='\u{3ffff}',
];

/// What a character does to its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It makes one word with others like it.
    Joined,
    /// It is a word.
    Single,
    /// It is between words.
    Other,
}

impl Class {
    fn of(letter: char) -> Self {
        match letter {
            'a'..='z' | '0'..='9' | '_' => Self::Joined,
            '\0'..='\x7f' if !letter.is_ascii_uppercase() => Self::Other,
            letter if !letter.is_alphanumeric() => Self::Other,
            letter if SINGLE.iter().any(|range| range.contains(&letter)) => Self::Single,
            _ => Self::Joined,
        }
    }
}

/// Text as it is compared: see the head of this file. Folding it again changes nothing.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' ' | '\t'..='\r' => push_space(&mut folded),
            '\0'..='\x7f' => folded.push(letter.to_ascii_lowercase()),
            letter if letter.is_whitespace() => push_space(&mut folded),
            letter => fold_letter(letter, &mut folded),
        }
    }
    folded
}

fn push_space(folded: &mut String) {
    if !folded.ends_with(' ') {
        folded.push(' ');
    }
}

fn fold_letter(letter: char, folded: &mut String) {
    for small in letter.to_lowercase() {
        match small {
            // Sigma at the end of a word.
            'ς' => folded.push('σ'),
            '\u{80}'..='\u{52f}' | '\u{1e00}'..='\u{1fff}' => decompose_canonical(small, |part| {
                if !ACCENTS.contains(&part) {
                    folded.push(if part == 'ς' { 'σ' } else { part });
                }
            }),
            small => folded.push(small),
        }
    }
}

/// The words of folded text, in order.
fn words(folded: &str) -> impl Iterator<Item = &str> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        let start = rest.find(|letter| Class::of(letter) != Class::Other)?;
        rest = &rest[start..];
        let mut letters = rest.char_indices();
        let (_, first) = letters.next()?;
        let end = match Class::of(first) {
            Class::Joined => letters.find(|(_, letter)| Class::of(*letter) != Class::Joined).map(|(at, _)| at),
            _ => letters.next().map(|(at, _)| at),
        };
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(word)
    })
}

fn key(word: &str) -> &str {
    word.char_indices().nth(INDEXED).map_or(word, |(at, _)| &word[..at])
}

/// What a full-text index is to know of a message: its words, each once and shortened, between single spaces. They consist of
/// small ASCII letters, digits, `_` and characters beyond ASCII.
#[must_use]
pub fn index_text(message: &str) -> String {
    let folded = fold(message);
    let mut keys: Vec<&str> = words(&folded).map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.join(" ")
}

/// A word or phrase that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    folded: String,
}

impl Term {
    /// `None` if nothing of `text` can be looked for.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let folded = fold(text).trim_matches(' ').to_owned();
        (!folded.is_empty()).then_some(Self { folded })
    }

    /// Whether it stands in `folded` text.
    #[must_use]
    pub fn stands_in(&self, folded: &str) -> bool {
        let mut from = 0;
        while let Some(found) = folded[from..].find(&self.folded) {
            let (start, end) = (from + found, from + found + self.folded.len());
            if is_boundary(folded, start) && is_boundary(folded, end) {
                return true;
            }
            from = start + folded[start..].chars().next().map_or(1, char::len_utf8);
        }
        false
    }

    /// Words of [`index_text`] that every text has in which it stands.
    #[must_use]
    pub fn keys(&self) -> Vec<Cow<'_, str>> {
        words(&self.folded).map(|word| Cow::Borrowed(key(word))).collect()
    }

    /// Whether it stands in every text whose [`index_text`] has its keys: it is one word that is kept in full.
    #[must_use]
    pub fn is_key(&self) -> bool {
        let mut words = words(&self.folded);
        words.next().is_some_and(|word| word.len() == self.folded.len() && key(word).len() == word.len())
            // A word of as many letters may have been longer.
            && self.folded.chars().count() < INDEXED
    }
}

fn is_boundary(text: &str, at: usize) -> bool {
    let joined = |letter: Option<char>| letter.is_some_and(|letter| Class::of(letter) == Class::Joined);
    !(joined(text[..at].chars().next_back()) && joined(text[at..].chars().next()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stands(term: &str, text: &str) -> bool {
        Term::new(term).expect("a term").stands_in(&fold(text))
    }

    #[test]
    fn a_term_stands_in_a_text_as_typed_between_words() {
        for (term, text, expected) in [
            ("leak", "Fix a LEAK.", true),
            ("leak", "leaks", false),
            ("leak", "no_leak", false),
            ("leak", "no-leak", true),
            ("foo_bar", "call foo_bar()", true),
            ("foo_bar()", "call foo_bar() twice", true),
            ("x86-64", "on x86-64, too", true),
            ("x86-64", "on x86 64", false),
            ("x86-64", "on x86-640", false),
            ("CVE-2021-1", "cve-2021-12", false),
            ("CVE-2021-1", "(CVE-2021-1)", true),
            ("src/net.c", "a/src/net.c: new", true),
            ("net.c", "src/net.cc", false),
            ("c++", "in C++ and c", true),
            ("c++", "in c", false),
            ("-Werror", "with -Werror", true),
            ("-Werror", "with--werror", true),
            ("a.a", "ba.a.a", true),
            ("use after free", "a use\r\n  after\tfree", true),
            ("use after free", "use after freeing", false),
            ("andre", "André", true),
            ("André", "Andre\u{301}", true),
            ("strasse", "Straße", false),
            ("ΟΔΟΣ", "οδός", true),
            ("елка", "Ёлка", true),
            ("修复", "紧急修复内存泄漏", true),
            ("泄", "修复内存泄漏", true),
            ("bug", "修复bug了", true),
            ("버그", "버그를 수정", true),
            ("ram", "naïve program", false),
            ("İ", "i", true),
            ("\u{fffd}", "a\u{fffd}b", true),
        ] {
            assert_eq!(stands(term, text), expected, "{term:?} in {text:?}");
        }
        assert_eq!(Term::new(" \u{301}\n "), None);
    }

    #[test]
    fn the_index_knows_each_word_once_and_shortened() {
        assert_eq!(index_text("Fix: b a_b fix 修复 (ÉTÉ)"), "a_b b ete fix 修 复");
        assert_eq!(index_text("I0123456789abcdef0123 x"), "i0123456789abcde x");
        assert_eq!(index_text(" .,-\n"), "");
        let keys = |text: &str| Term::new(text).expect("a term").keys().join(" ");
        assert_eq!(keys("CVE-2021-1"), "cve 2021 1");
        assert_eq!(keys("++"), "");
    }

    #[test]
    fn a_short_word_is_decided_by_the_index_alone() {
        let is_key = |text: &str| Term::new(text).expect("a term").is_key();
        assert!(is_key("fix") && is_key("foo_bar") && is_key("修"));
        assert!(!is_key("foo-bar") && !is_key("c++") && !is_key("修复") && !is_key("0123456789abcdef"));
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(text in ".*") {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn where_a_term_stands_the_index_has_its_keys(
            text in "[aAébB_修复ー가ς0+. \n-]{0,24}",
            from in 0_usize..24,
            length in 1_usize..6,
        ) {
            let piece: String = text.chars().skip(from).take(length).collect();
            if let Some(term) = Term::new(&piece) {
                let index = index_text(&text);
                let has = |key: &Cow<'_, str>| index.split(' ').any(|word| word == key);
                let all = term.keys().iter().all(has);
                let stands = term.stands_in(&fold(&text));
                prop_assert!(all || !stands, "{piece:?} in {text:?}");
                prop_assert!(!term.is_key() || all == stands, "{piece:?} is decided by the index of {text:?}");
            }
        }

        #[test]
        fn the_index_is_made_of_words_and_single_spaces(text in ".*") {
            let index = index_text(&text);
            prop_assert!(index.is_empty() || index.split(' ').all(|word| {
                !word.is_empty() && word.chars().all(|letter| Class::of(letter) != Class::Other)
            }), "{index:?}");
        }
    }
}
