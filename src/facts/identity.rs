//! Who and when: the value of an `author` or `committer` header, split as `git log` splits it for `%an`, `%ae` and `%ad`
//! (`split_ident_line` of git's `ident.c`), broken lines included.
//!
//! Owns the split. Refuses: mailmap, and judging whether an address is one.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::{
    date::{Date, Moment},
    text::{Text, is_space, is_space_char},
};

/// A person and a date. Where git finds no `<…>`, name and email are empty and the date can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity<'a> {
    /// What precedes the first `<`, without the white space before it (but with any at the start, as git).
    pub name: Text<'a>,
    /// What stands between the first `<` and the next `>`, untouched.
    pub email: Text<'a>,
    /// What follows the last `>`; the whole line where there are no brackets, so that nothing is lost.
    pub date: Date<'a>,
}

impl<'a> Identity<'a> {
    /// Splits a header value.
    #[must_use]
    pub fn parse(line: &'a Text<'_>) -> Self {
        let text = &*line.text;
        let Some(split) = Split::of(text.as_bytes()) else {
            let date = Date { moment: None, raw: text.trim_matches(is_space_char) };
            return Self { date, ..Self::default() };
        };
        let date = Date { moment: split.moment, raw: text[split.date..].trim_matches(is_space_char) };
        match line.exact.as_deref().and_then(|exact| Some((exact, Split::of(exact)?))) {
            None => Self { name: text[split.name].into(), email: text[split.email].into(), date },
            Some((exact, split)) => {
                Self { name: Text::from_bytes(&exact[split.name]), email: Text::from_bytes(&exact[split.email]), date }
            }
        }
    }
}

/// Where the parts of an identity line are. All bounds lie beside ASCII bytes or at the ends.
struct Split {
    name: Range<usize>,
    email: Range<usize>,
    /// Where that begins which follows the last `>`.
    date: usize,
    moment: Option<Moment>,
}

impl Split {
    /// `None` if there is no `<`, or no `>` after it.
    fn of(line: &[u8]) -> Option<Self> {
        let open = memchr(b'<', line)?;
        let name_end = line[..open].iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
        let email_len = memchr(b'>', &line[open + 1..])?;
        let last = memrchr(b'>', line)?;
        Some(Self {
            name: 0..name_end,
            email: open + 1..open + 1 + email_len,
            date: last + 1,
            moment: moment(&line[last + 1..]),
        })
    }
}

/// Digits, any white space, a sign and digits; what follows is ignored.
fn moment(text: &[u8]) -> Option<Moment> {
    let text = trim_start(text);
    let seconds = digits(text);
    let offset = trim_start(&text[seconds..]);
    let (b'+' | b'-', size) = offset.split_first()? else { return None };
    let size = digits(size);
    if seconds == 0 || size == 0 {
        return None;
    }
    Moment::parse(&text[..seconds], &offset[..=size])
}

/// The number of digits at the start of `text`.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        commit::{RawCommit, oracle::Git},
        text::CommitText,
    };

    #[test]
    fn splits_identity_lines_as_git_does() {
        let git = Git::new();
        for line in [
            "A U Thor <author@example.com> 1700000000 +0200",
            "A U Thor <author@example.com> 1700000000 -0330",
            "A U Thor <author@example.com> 1700000000 -0000",
            "  A U Thor\t <author@example.com>1700000000\t+0000 and more",
            "<author@example.com> 1700000000 +0000",
            " <> 1700000000 +0000",
            "A U Thor <author <at> example.com>> 1700000000 +0000",
            "A > U <author@example.com> 1700000000 +0000",
            "A U Thor < author@example.com > 1700000000+0100",
            "A U Thor <author@example.com>",
            "A U Thor <author@example.com> 1700000000",
            "A U Thor <author@example.com> 1700000000 0200",
            "A U Thor <author@example.com> 1700000000 +",
            "A U Thor <author@example.com> 1700000000 +1",
            "A U Thor <author@example.com> -1 +0000",
            "A U Thor <author@example.com> Tue Nov 14 2023",
            "A U Thor <author@example.com 1700000000 +0000",
            "A U Thor author@example.com> 1700000000 +0000",
            "A U Thor author@example.com 1700000000 +0000",
            "\u{b}A\u{b}<a>\u{b}1700000000 +0000",
            "é <ø@example.com> 253402300799 +0000",
            "",
        ] {
            let (object, id) = git.commit(format!("author {line}\n").as_bytes(), b"subject\n");
            let text = CommitText::decode(&RawCommit::parse(&object, 20).expect("a commit"));
            let identity = Identity::parse(&text.author);
            let seconds = identity.date.moment.map_or(String::new(), |moment| moment.seconds.to_string());
            let date = identity.date.rfc3339().unwrap_or_else(|| "%aI".to_owned());
            let ours = format!("{}\0{}\0{seconds}\0{date}", identity.name.text, identity.email.text);
            let shown = git.log(&id, "%an%x00%ae%x00%at%x00%aI").expect("a commit");
            assert_eq!(ours, String::from_utf8_lossy(&shown), "{line:?}");
        }
    }

    #[test]
    fn keeps_the_exact_bytes_of_the_part_that_is_lossy_only() {
        let line = Text::from_bytes(b"Andr\xe9 <andre@example.com> 1700000000 +0000");
        let identity = Identity::parse(&line);
        assert_eq!(identity.name, Text::from_bytes(b"Andr\xe9"));
        assert_eq!(identity.name.text, "Andr\u{fffd}");
        assert_eq!(identity.email, "andre@example.com".into());
        assert_eq!(identity.date.rfc3339().as_deref(), Some("2023-11-14T22:13:20Z"));
    }

    #[test]
    fn keeps_the_text_of_a_date_that_cannot_be_said() {
        for (line, raw) in [
            ("A <a> 1700000000 +9999", "1700000000 +9999"),
            ("A <a> yesterday\r", "yesterday"),
            ("A <a>", ""),
            ("A a 1700000000 +0000", "A a 1700000000 +0000"),
        ] {
            let text = line.into();
            let date = Identity::parse(&text).date;
            assert_eq!((date.raw, date.rfc3339()), (raw, None), "{line}");
        }
    }
}
