//! `--format='%(id) %(subject)'`: a line of one's own for each event, in the manner of `git for-each-ref --format`.
//!
//! Owns the syntax, which events a template is for, and what a field becomes. Refuses to write. The fields are those of the wire:
//!
//! - `%(field)`, of an object in it `%(author.name)`, of each object in a list `%(issues.key)`. Of a list a blank stands between two; what
//!   is absent or `null` is empty; an object is JSON. Text that isn't UTF-8 is what it was, byte for byte.
//! - `%%` is a percent sign, `%` and two hexadecimal digits are a byte (`%09` a tab, `%00` a NUL), all else is itself.
//!
//! A template is for the types of events that have all of its fields; of those an event that has none of them makes no line. What frames the
//! stream, warnings and errors are meant only where no other type has them; a `repo` that has a `path`, which is one of the registry, is an
//! answer as any other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::events;
use crate::spelling::{did_you_mean, nearest};

/// The types that are not part of an answer.
const FRAME: [&str; 7] = ["begin", "repo", "progress", "warning", "error", "repo-end", "end"];

/// A template that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    types: Vec<String>,
    /// Whether it is for the repositories of the registry.
    registered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(Vec<String>),
}

impl Template {
    /// Understands a template.
    ///
    /// # Errors
    /// What is wrong with it, to follow a colon: a bracket that isn't closed, no field at all, a field that no event has, or fields that
    /// none has together.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pieces = pieces(text)?;
        let fields: Vec<&Vec<String>> = pieces.iter().filter_map(field).collect();
        if fields.is_empty() {
            return Err("expected a field such as %(id)".to_owned());
        }
        let schema = events::schema();
        let kinds = kinds(&schema);
        for field in &fields {
            if !kinds.iter().any(|(_, kind)| has(kind, field, &schema)) {
                return Err(unknown(&field.join("."), &kinds, &schema));
            }
        }
        let having = |(name, kind): &(String, &Value)| {
            fields.iter().all(|field| has(kind, field, &schema)).then(|| name.clone())
        };
        let mut types: Vec<String> = kinds.iter().filter_map(having).collect();
        let registered = types.iter().any(|name| name == "repo");
        if types.iter().any(|name| !FRAME.contains(&name.as_str())) {
            types.retain(|name| !FRAME.contains(&name.as_str()));
        }
        if types.is_empty() {
            let names: Vec<String> = fields.iter().map(|field| field.join(".")).collect();
            return Err(format!("no event has all of {}", names.join(", ")));
        }
        Ok(Self { pieces, types, registered })
    }

    /// Appends the line of `event`, a line of the stream, to `out`; nothing if it isn't for such. What comes from the event goes through
    /// `shown`, which makes text fit for whoever reads it; `None` for those who want every byte.
    pub fn write(&self, event: &Value, shown: Option<fn(&str) -> String>, out: &mut Vec<u8>) {
        let is_meant = |name: &str| self.types.iter().any(|known| known == name);
        let is_registered = || self.registered && event["type"] == "repo" && event["path"].is_string();
        if !event["type"].as_str().is_some_and(is_meant) && !is_registered() {
            return;
        }
        if !self.pieces.iter().filter_map(field).any(|field| is_there(event, field)) {
            return;
        }
        for piece in &self.pieces {
            match piece {
                Piece::Text(bytes) => out.extend_from_slice(bytes),
                Piece::Field(field) => {
                    let bytes = value(event, field);
                    match shown {
                        Some(shown) => out.extend_from_slice(shown(&String::from_utf8_lossy(&bytes)).as_bytes()),
                        None => out.extend_from_slice(&bytes),
                    }
                }
            }
        }
        out.push(b'\n');
    }
}

fn field(piece: &Piece) -> Option<&Vec<String>> {
    match piece {
        Piece::Field(field) => Some(field),
        Piece::Text(_) => None,
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        plain.extend_from_slice(before.as_bytes());
        if let Some(inside) = behind.strip_prefix('(') {
            let (name, after) =
                inside.split_once(')').ok_or_else(|| format!("%({inside} isn't closed by a bracket"))?;
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Field(name.split('.').map(str::to_owned).collect()));
            rest = after;
        } else if let Some(after) = behind.strip_prefix('%') {
            plain.push(b'%');
            rest = after;
        } else if let Some(byte) = behind.get(..2).and_then(hexadecimal) {
            plain.push(byte);
            rest = &behind[2..];
        } else {
            plain.push(b'%');
            rest = behind;
        }
    }
    plain.extend_from_slice(rest.as_bytes());
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

fn hexadecimal(digits: &str) -> Option<u8> {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The types of events by their names.
fn kinds(schema: &Value) -> Vec<(String, &Value)> {
    let all = schema["oneOf"].as_array().into_iter().flatten();
    all.filter_map(|kind| Some((kind["properties"]["type"]["const"].as_str()?.to_owned(), kind))).collect()
}

/// What a schema refers to, `null` and lists aside.
fn resolved<'s>(shape: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(name) = shape["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        return &schema["$defs"][name];
    }
    if let Some(one) = shape["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null")) {
        return resolved(one, schema);
    }
    if shape["items"].is_object() { resolved(&shape["items"], schema) } else { shape }
}

/// Whether what a schema describes may have that field.
fn has(shape: &Value, field: &[String], schema: &Value) -> bool {
    let Some((first, rest)) = field.split_first() else { return true };
    let own = &shape["properties"][first];
    let inner = if own.is_null() { &resolved(shape, schema)["properties"][first] } else { own };
    if !inner.is_null() {
        return has(inner, rest, schema);
    }
    // One whose names are data: counts.
    resolved(shape, schema)["additionalProperties"].is_object() && rest.is_empty()
}

fn unknown(typed: &str, kinds: &[(String, &Value)], schema: &Value) -> String {
    let mut names = Vec::new();
    for (_, kind) in kinds {
        for (name, shape) in resolved(kind, schema)["properties"].as_object().into_iter().flatten() {
            let inner = resolved(shape, schema)["properties"].as_object().into_iter().flatten();
            names.extend(inner.map(|(inner, _)| format!("{name}.{inner}")));
            names.push(name.clone());
        }
    }
    format!("no event has a field '{typed}'{}", did_you_mean(nearest(typed, names.iter().map(String::as_str))))
}

fn is_there(event: &Value, field: &[String]) -> bool {
    match (event, field.split_first()) {
        (Value::Null, _) => false,
        (_, None) => true,
        (Value::Array(all), _) => all.iter().any(|one| is_there(one, field)),
        (event, Some((first, rest))) => is_there(&event[first], rest),
    }
}

/// The bytes of a field.
fn value(event: &Value, field: &[String]) -> Vec<u8> {
    match (event, field.split_first()) {
        (Value::Array(all), _) => {
            let all: Vec<Vec<u8>> = all.iter().map(|one| value(one, field)).collect();
            all.join(&b' ')
        }
        (event, Some((first, []))) => {
            let exact = event[format!("{first}_b64")].as_str().and_then(|text| BASE64.decode(text).ok());
            exact.unwrap_or_else(|| value(&event[first], &[]))
        }
        (event, Some((first, rest))) => value(&event[first], rest),
        (Value::Null, None) => Vec::new(),
        (Value::String(text), None) => text.clone().into_bytes(),
        (other, None) => other.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(template: &str, event: &Value) -> String {
        let template = Template::parse(template).unwrap_or_else(|why| panic!("{template}: {why}"));
        let mut out = Vec::new();
        template.write(event, None, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn fields_become_what_they_hold() {
        let event = json!({
            "type": "commit", "repo": "nova", "id": "aa", "parents": ["bb", "cc"], "subject": "s\u{fffd}", "subject_b64": "c/8=",
            "author": {"name": "A", "date": null}, "issues": [{"kind": "cve", "key": "CVE-1"}, {"kind": "number", "key": "2"}],
        });
        for (template, wanted) in [
            ("%(id) %(parents)", "aa bb cc\n"),
            ("%(author.name)<%(author.date)>", "A<>\n"),
            ("%(issues.key)", "CVE-1 2\n"),
            ("100%% %(id)%09x%zz%", "100% aa\tx%zz%\n"),
            ("%(type)%(change_id)", "commit\n"),
            ("%(author)", "{\"date\":null,\"name\":\"A\"}\n"),
            ("%(subject)", "s\u{fffd}\n"),
            // Of another type.
            ("%(state) %(short)", ""),
            // Of its type, and not there.
            ("%(change_id)", ""),
        ] {
            assert_eq!(line(template, &event), wanted, "{template}");
        }
        let template = Template::parse("%(subject)").expect("a template");
        let mut out = Vec::new();
        template.write(&event, None, &mut out);
        assert_eq!(out, b"s\xff\n", "what git has, byte for byte");
    }

    #[test]
    fn what_frames_the_stream_is_meant_only_where_nothing_else_is() {
        let types = |text: &str| Template::parse(text).expect(text).types;
        assert_eq!(types("%(short) %(state) %(first_tag)"), ["presence"]);
        assert_eq!(types("%(cursor)"), ["end"]);
        assert_eq!(types("%(counts.commit)"), ["repo-end", "end"]);
        assert!(!types("%(id)").contains(&"warning".to_owned()));
        assert!(types("%(type)").contains(&"commit".to_owned()));
    }

    #[test]
    fn a_repository_of_the_registry_is_an_answer_and_one_that_is_streamed_is_not() {
        let template = Template::parse("%(repo)").expect("a template");
        let mut out = Vec::new();
        template.write(&serde_json::json!({"type": "repo", "repo": "here", "git_dir": "/h"}), None, &mut out);
        template.write(&serde_json::json!({"type": "repo", "repo": "nova", "path": "/n"}), None, &mut out);
        assert_eq!(out, b"nova\n");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (template, why) in [
            ("%(id", "%(id isn't closed by a bracket"),
            ("%id", "expected a field such as %(id)"),
            ("%(subjct)", "no event has a field 'subjct'; did you mean 'subject'?"),
            ("%(author.nme)", "no event has a field 'author.nme'; did you mean 'author.name'?"),
            ("%(first_tag) %(parents)", "no event has all of first_tag, parents"),
            ("%()", "no event has a field ''"),
        ] {
            assert_eq!(Template::parse(template).expect_err(template), why);
        }
    }
}
