//! Gerrit's `Change-Id: I<40 hex>`.
//!
//! Owns the finding of the line; refuses to judge whether two commits with one id are one change (`matching`).
//!
//! The rule: of all lines that begin with `Change-Id:` in their first column, the last whose value begins with `I` and 40
//! hexadecimal digits and no further letter or digit. That is the last such trailer where git sees a trailer block, and it
//! holds for the footers that git's rules reject too: followed by prose, by another paragraph, or by junk on the line.
//! Indented or quoted lines (`    Change-Id:`, `> Change-Id:`) speak of another commit.
//! See <https://gerrit-review.googlesource.com/Documentation/user-changeid.html>.
//!
//! Counted beside `^change-id: *I[0-9a-f]{40}`: nova 31,387, ansible 11, systemd-stable 3, redis 1, both ways.

use memchr::memrchr;

const KEY: &str = "Change-Id:";
const LENGTH: usize = 41;

/// The change id that `message` carries, with its `I`.
#[must_use]
pub fn change_id(message: &str) -> Option<&str> {
    // From the last line upwards: where there is one, it is near the end.
    let mut end = message.len();
    loop {
        let newline = memrchr(b'\n', &message.as_bytes()[..end]);
        let line = &message[newline.map_or(0, |at| at + 1)..end];
        if let Some(id) = of_line(line) {
            return Some(id);
        }
        end = newline?;
    }
}

fn of_line(line: &str) -> Option<&str> {
    let key = line.get(..KEY.len()).filter(|key| key.eq_ignore_ascii_case(KEY))?;
    let value = line[key.len()..].trim_start_matches([' ', '\t']);
    let id = value.get(..LENGTH)?;
    let hex = id.strip_prefix('I')?;
    let ends = !value[LENGTH..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (ends && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_in_the_first_column_counts() {
        let (one, two) = (format!("I{}", "1".repeat(40)), format!("I{}", "a".repeat(40)));
        for (message, expected) in [
            (format!("s\n\nChange-Id: {one}\nChange-Id: {two}\n"), Some(&two)),
            (format!("s\n\nChange-Id: {one}\n\nnot a footer\n"), Some(&one)),
            (
                format!("s\n\nChange-Id: {one} junk\nprose follows, so git sees no trailers here\nat all\nor here"),
                Some(&one),
            ),
            (format!("s\n\nChange-Id:{one}"), Some(&one)),
            (format!("s\n\nChange-Id: {two}\n    Change-Id: {one}\n> Change-Id: {one}\n"), Some(&two)),
            (format!("s\n\nChange-Id: {one}\n\nChange-Id: I12\n"), Some(&one)),
            (format!("s\n\nChange-Id: {one}f\n"), None),
            (format!("s\n\nXChange-Id: {one}\n"), None),
            (format!("s\n\nsee Change-Id: {one}\n"), None),
        ] {
            assert_eq!(change_id(&message), expected.map(String::as_str), "{message}");
        }
    }
}
