//! A name cut into words and numbers.
//!
//! Owns the cutting: `v2.9-rc1` is `v` `2` `9` `rc` `1`. Refuses what the pieces mean.

/// A run of letters or of digits in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The run itself: ASCII digits, or letters (bytes beyond ASCII count as letters).
    pub(super) text: &'a [u8],
    /// Where it starts in the name.
    pub(super) start: usize,
    /// The byte before it; `None` at the start of the name, and where it follows a piece of the other kind at once.
    pub(super) separator: Option<u8>,
}

impl Piece<'_> {
    pub(super) fn is_number(&self) -> bool {
        self.text.first().is_some_and(u8::is_ascii_digit)
    }

    /// Whether nothing stands between it and the piece before it. Also true of the first piece of a name.
    pub(super) fn is_attached(&self) -> bool {
        self.separator.is_none()
    }

    /// The number, the highest one there is if it is too long; 0 for a word.
    pub(super) fn number(&self) -> u64 {
        if !self.is_number() {
            return 0;
        }
        self.text.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    }

    /// Whether it is `word`, without case.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether it is one of `words`, without case.
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }
}

/// The pieces of `name`, in order.
pub(super) fn pieces(name: &[u8]) -> Vec<Piece<'_>> {
    let mut found = Vec::with_capacity(8);
    let mut start = 0;
    while start < name.len() {
        let kind = Kind::of(name[start]);
        let length = name[start..].iter().take_while(|byte| Kind::of(**byte) == kind).count();
        if kind != Kind::Separator {
            let before = start.checked_sub(1).map(|at| name[at]);
            let separator = before.filter(|byte| Kind::of(*byte) == Kind::Separator);
            found.push(Piece { text: &name[start..start + length], start, separator });
        }
        start += length;
    }
    found
}

#[derive(PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Separator,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::Digit,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => Self::Letter,
            _ => Self::Separator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_where_letters_meet_digits_and_at_separators() {
        let cut = |name: &'static str| -> Vec<(&'static str, Option<u8>)> {
            let text = |piece: &Piece<'static>| str::from_utf8(piece.text).unwrap_or("?");
            pieces(name.as_bytes()).iter().map(|piece| (text(piece), piece.separator)).collect()
        };
        assert_eq!(cut("v2.9-rc1"), [("v", None), ("2", None), ("9", Some(b'.')), ("rc", Some(b'-')), ("1", None)]);
        assert_eq!(cut("REL_16"), [("REL", None), ("16", Some(b'_'))]);
        assert_eq!(cut("--"), []);
        assert_eq!(cut(""), []);
    }

    #[test]
    fn a_number_that_is_too_long_is_the_highest() {
        assert_eq!(pieces(b"99999999999999999999999")[0].number(), u64::MAX);
        assert_eq!(pieces(b"007")[0].number(), 7);
    }
}
