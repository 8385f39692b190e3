//! Text from a repository made safe for a terminal: what would move the cursor, change colours or turn the reading direction
//! round is shown, not done.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether `letter` must not reach a terminal: control characters (C0, DEL, C1) and the marks that embed, override or isolate a
/// direction (Unicode Standard Annex 9).
pub(super) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` on one line, unsafe letters as `<U+001B>`, a tab as a blank.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\t' | '\n' => shown.push(' '),
            letter if is_unsafe(letter) => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// `text` with its lines as they are, each of them safe.
pub(super) fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        for (text, shown) in [
            ("plain ünï", "plain ünï"),
            ("\u{1b}[31mred", "<U+001B>[31mred"),
            ("c1 \u{9b}31m", "c1 <U+009B>31m"),
            ("a\u{202e}b", "a<U+202E>b"),
            ("two\nlines\tand", "two lines and"),
        ] {
            assert_eq!(line(text), shown);
        }
    }
}
