//! JSON Lines. What a terminal would act on is escaped beyond what JSON itself asks for, so that the same bytes are safe
//! wherever they end up.

use std::io::Write as _;

use memchr::{memchr, memchr3};

use super::safe::is_unsafe;
use crate::events::Event;

pub(super) fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    write_any(event, out);
}

/// As an event is written: a message of another protocol, say.
pub(super) fn write_any(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // Only values that no event holds (a map with keys that aren't text) can fail.
        out.truncate(start);
        return;
    }
    escape_from(start, out);
    out.push(b'\n');
}

/// Escapes DEL, C1 control characters and direction marks from `start` on. JSON itself has escaped C0; anything that isn't ASCII
/// can only stand inside a string.
fn escape_from(start: usize, out: &mut Vec<u8>) {
    // DEL, and the first bytes of the UTF-8 forms of all the others.
    let line = &out[start..];
    let first = memchr3(0x7f, 0xc2, 0xe2, line).into_iter().chain(memchr(0xd8, line)).min();
    let Some(first) = first else { return };
    let tail = out.split_off(start + first);
    let Ok(text) = std::str::from_utf8(&tail) else {
        out.extend_from_slice(&tail);
        return;
    };
    let mut clean = 0;
    for (at, letter) in text.char_indices().filter(|(_, letter)| is_unsafe(*letter)) {
        out.extend_from_slice(&tail[clean..at]);
        let _ = write!(out, "\\u{:04x}", u32::from(letter));
        clean = at + letter.len_utf8();
    }
    out.extend_from_slice(&tail[clean..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_read_back_as_they_were() {
        let nasty = "esc \u{1b} del \u{7f} c1 \u{9b} bidi \u{202e}\u{2066} é “quotes”";
        let mut out = b"before".to_vec();
        serde_json::to_writer(&mut out, nasty).expect("text");
        escape_from(6, &mut out);
        let line = std::str::from_utf8(&out[6..]).expect("UTF-8");
        assert!(!line.chars().any(is_unsafe), "{line:?}");
        assert!(line.contains("é “quotes”"));
        assert_eq!(serde_json::from_str::<String>(line).expect("JSON"), nasty);
    }
}
