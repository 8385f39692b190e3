//! git-bhfuil-events(5): every type of event, field by field, from the schema that `git bhfuil schema` prints.

use serde_json::Value;

use super::roff::Page as Roff;
use super::{Page, page, see, sentence};
use crate::events::{SCHEMA, schema};

const RULES: &[&str] = &[
    "Into a pipe or a file `git bhfuil` writes JSON Lines: one object a line, UTF-8, `type` first. The first line is `begin`, the last is \
     `end`, also when nothing was found and when it failed; a stream without `end` was cut off. Every line stands on its own.",
    "A field that is absent was not asked for or doesn't apply. `null` was asked for and could not be known. Nothing is guessed.",
    "Object ids are whole, and dates as in RFC 3339 with the offset of their author; `<field>_raw` has one that can't be written so, and the \
     date is `null`. Text that isn't UTF-8 is written lossily, and `<field>_b64` has its exact bytes in base64.",
    "Within a repository commits come as git-rev-list(1) has them, `missing` and `followup` oldest first, whatever the number of threads. \
     Repositories interleave. Each line is written as a whole, and the stream is flushed whenever nothing more is ready.",
    "Within one schema number types, fields and values are only added: ignore those that you don't know.",
];

const EXAMPLES: &[(&str, &str)] = &[
    ("Whether the answer is whole", "git bhfuil scan | jq -c 'select(.type == \"end\") | {status, complete}'"),
    (
        "Which branches have a change",
        "git bhfuil where HEAD | jq -r 'select(.type == \"presence\") | \"\\(.short) \\(.state)\"'",
    ),
    ("The same without jq", "git bhfuil where HEAD --format='%(short) %(state)'"),
];

pub(super) fn page_of_events() -> Page {
    let schema = schema();
    page("git-bhfuil-events", 5, "the stream that git-bhfuil writes", |roff| {
        roff.section("SYNOPSIS");
        roff.synopsis(&["`git bhfuil` <command> `--format=jsonl`".to_owned(), "`git bhfuil schema`".to_owned()]);
        roff.section("DESCRIPTION");
        roff.text(&format!("This is schema {SCHEMA}."));
        for rule in RULES {
            roff.paragraph(rule);
        }
        roff.section("EXAMPLES");
        for (at, (what, line)) in EXAMPLES.iter().enumerate() {
            roff.example(&format!("{what}:"), line, at == 0);
        }
        roff.section("TYPES");
        let mut first = true;
        for kind in schema["oneOf"].as_array().into_iter().flatten() {
            let Some(name) = kind["properties"]["type"]["const"].as_str() else { continue };
            roff.part(name);
            write_object(kind, &schema, roff);
            first = false;
        }
        debug_assert!(!first, "the schema lists types");
        roff.section("VALUES");
        roff.text("What fields of the types above hold.");
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            if is_type(name, &schema) {
                continue;
            }
            roff.part(name);
            write_value(definition, &schema, roff);
        }
        roff.section("EXIT STATUS");
        roff.text("`exit_code` of `end` is the exit status of the run, see git-bhfuil(1).");
        roff.section("SEE ALSO");
        see(["git-bhfuil(1)", "git-bhfuil-schema(1)"].map(str::to_owned).into_iter(), roff);
    })
}

/// The name of what a schema refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// Whether a definition is that of a type of event, which is described as such.
fn is_type(name: &str, schema: &Value) -> bool {
    schema["oneOf"].as_array().into_iter().flatten().any(|kind| referred(kind) == Some(name))
}

/// What an object is for, and its fields. An event's are those of the definition that it refers to.
fn write_object(object: &Value, schema: &Value, roff: &mut Roff) {
    let definition = referred(object).map_or(object, |name| &schema["$defs"][name]);
    let description = object["description"].as_str().or_else(|| definition["description"].as_str()).unwrap_or_default();
    roff.paragraphs(cleaned(description).split("\n\n"));
    let required = definition["required"].as_array();
    for (name, field) in definition["properties"].as_object().into_iter().flatten() {
        if name == "type" && object["properties"]["type"].get("const").is_some() {
            continue;
        }
        let is_always = required.is_some_and(|names| names.iter().any(|known| known == name));
        let always = if is_always { "" } else { ", may be absent" };
        let mut said = field["description"].as_str().map(cleaned).unwrap_or_default();
        if let Some(value) = referred(field).filter(|_| said.is_empty()) {
            said = cleaned(schema["$defs"][value]["description"].as_str().unwrap_or_default());
        }
        roff.entry(&format!("`{name}` ({}{always})", kind(field)), &sentence(&said.replace("\n\n", " ")));
    }
}

/// A definition: an object, or one of some words.
fn write_value(definition: &Value, schema: &Value, roff: &mut Roff) {
    let words: Vec<&Value> = definition["oneOf"].as_array().into_iter().flatten().collect();
    if words.is_empty() && definition["enum"].is_null() {
        write_object(definition, schema, roff);
        return;
    }
    roff.paragraphs(cleaned(definition["description"].as_str().unwrap_or_default()).split("\n\n"));
    for word in words {
        if let Some(name) = word["const"].as_str() {
            roff.entry(&format!("`{name}`"), &sentence(&cleaned(word["description"].as_str().unwrap_or_default())));
        }
        for name in word["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            roff.entry(&format!("`{name}`"), "");
        }
    }
    let plain: Vec<String> = definition["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|word| format!("`{word}`"))
        .collect();
    if !plain.is_empty() {
        roff.paragraph(&format!("One of {}.", plain.join(", ")));
    }
}

/// What a field holds, in a few words.
fn kind(field: &Value) -> String {
    if let Some(name) = referred(field) {
        return name.to_owned();
    }
    if let Some(alternatives) = field["anyOf"].as_array() {
        return alternatives.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(constant) = field["const"].as_str() {
        return format!("\"{constant}\"");
    }
    let word = |name: &str| match name {
        "array" => format!("array of {}", kind(&field["items"])),
        "object" if field["additionalProperties"].is_object() => {
            format!("object of {}", kind(&field["additionalProperties"]))
        }
        other => other.to_owned(),
    };
    match &field["type"] {
        Value::String(name) => word(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

/// A description without the links and line breaks of rustdoc.
fn cleaned(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n").replace("[`", "`").replace("`]", "`")
}
