//! JSON with the place of everything in it: what serde reads, and where in the text each value stands. Pure.
//!
//! Whether a text is JSON is serde's to say; this only goes over it once more for the places. Numbers and other scalars are never
//! understood, so that none is too large.

use std::ops::Range;

use serde::de::IgnoredAny;

/// Arrays and objects within each other.
const DEEPEST: usize = 128;

/// A value and the bytes of the text that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// As much of a value as matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Its members in their order, those of one name too.
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Text(String),
    /// A number, true, false or null.
    Other,
}

/// Why a text can't be used, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// From 1.
    pub(super) line: usize,
    /// In bytes, from 1.
    pub(super) column: usize,
    pub(super) message: String,
}

impl Malformed {
    /// That there is something wrong in `text` at the byte `at`.
    pub(super) fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = &text.as_bytes()[..at.min(text.len())];
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Self { line, column, message: message.into() }
    }
}

/// Reads the one value that `text` is.
///
/// # Errors
/// [`Malformed`] if it is no JSON, or nested too deeply.
pub(super) fn parse(text: &str) -> Result<Node, Malformed> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|cause| {
        let said = cause.to_string();
        let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
        Malformed { line: cause.line(), column: cause.column(), message: message.to_owned() }
    })?;
    Scanner { text, at: 0 }.node(0)
}

/// Goes over a text that is known to be JSON.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_skipped) {
            self.at += 1;
        }
    }

    /// Whether there is another element before `close`, which is passed with what sets elements apart.
    fn goes_on(&mut self, close: u8) -> bool {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b',');
        match self.peek() {
            Some(byte) if byte != close => true,
            _ => {
                self.at += 1;
                false
            }
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Malformed> {
        self.skip(|byte| byte.is_ascii_whitespace());
        let start = self.at;
        if depth > DEEPEST {
            return Err(Malformed::at(self.text, start, format!("nested more than {DEEPEST} deep")));
        }
        let value = match self.peek() {
            Some(b'{') => {
                self.at += 1;
                let mut members = Vec::new();
                while self.goes_on(b'}') {
                    let name = self.string();
                    self.skip(|byte| byte.is_ascii_whitespace() || byte == b':');
                    members.push((name, self.node(depth + 1)?));
                }
                Value::Object(members)
            }
            Some(b'[') => {
                self.at += 1;
                let mut elements = Vec::new();
                while self.goes_on(b']') {
                    elements.push(self.node(depth + 1)?);
                }
                Value::Array(elements)
            }
            Some(b'"') => Value::Text(self.string()),
            _ => {
                self.skip(|byte| !byte.is_ascii_whitespace() && !b",]}".contains(&byte));
                Value::Other
            }
        };
        Ok(Node { span: start..self.at, value })
    }

    /// The string that begins here, as it is meant; one that no text can hold (half a surrogate pair) as it is written.
    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(b'"') | None => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let written = &self.text[start..self.at.min(self.text.len())];
        serde_json::from_str(written).unwrap_or_else(|_| written.trim_matches('"').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value below `node`, as it is written.
    fn leaves<'t>(text: &'t str, node: &Node, found: &mut Vec<&'t str>) {
        match &node.value {
            Value::Object(members) => {
                for (_, node) in members {
                    leaves(text, node, found);
                }
            }
            Value::Array(elements) => {
                for node in elements {
                    leaves(text, node, found);
                }
            }
            Value::Text(_) | Value::Other => found.push(&text[node.span.clone()]),
        }
    }

    #[test]
    fn every_value_has_its_place_however_it_is_set_out() {
        let text = " {\"a\":[1e99999 , -0.0\r\n,null,true],\r\n\t\"\\u0061\" : \"\\\"]\\\\\", \"é\":{\"\":[ ]},\"s\":\"\\ud800\" }\n";
        let node = parse(text).expect("it is JSON");
        let mut found = Vec::new();
        leaves(text, &node, &mut found);
        assert_eq!(found, ["1e99999", "-0.0", "null", "true", "\"\\\"]\\\\\"", "\"\\ud800\""]);
        assert_eq!(&text[node.span.clone()], text.trim());
        let Value::Object(members) = &node.value else { panic!("an object") };
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "a", "é", "s"], "of one name both, an escape read");
        assert_eq!(members[1].1.value, Value::Text("\"]\\".into()));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        let said = |text: &str| parse(text).expect_err("it is none");
        for (text, line, column) in [("{\n \"a\": nul }", 2, 10), ("", 1, 0), ("{\"a\":1}\n x", 2, 2), ("[1,]", 1, 4)] {
            let found = said(text);
            assert_eq!((found.line, found.column), (line, column), "{text:?}: {}", found.message);
            assert!(!found.message.contains("line"), "{}", found.message);
        }
        let deep = said(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
        assert!(deep.message.contains("deep"), "{}", deep.message);
    }
}
