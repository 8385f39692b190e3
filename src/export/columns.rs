//! The tables and their columns: those that the lines of the stream have, under the same names and nested likewise, so that a question
//! asked of one form can be asked of the other. Two more say what the wire says by itself: `unknown` names the fields that are `null` on the
//! wire, which a table can't tell from absent ones, and times are there as such besides their text.

/// A table: one kind of event, a row each.
#[derive(Debug)]
pub struct Table {
    /// Its name, which is that of its file too.
    pub name: &'static str,
    /// The type of the events on the wire.
    pub event: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

/// A column, or a field of one.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name of the field on the wire.
    pub name: &'static str,
    /// What is in it.
    pub kind: Kind,
}

/// What a column holds; each value may be absent.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text in UTF-8.
    Text,
    /// Yes or no.
    Flag,
    /// A whole number.
    Count,
    /// A number.
    Number,
    /// Fields of its own.
    Fields(&'static [Column]),
    /// Any number of texts.
    Texts,
    /// Any number of rows with fields.
    Rows(&'static [Column]),
    /// A moment, microseconds since 1970 in UTC: the RFC 3339 text in the field that these names lead to.
    Moment([&'static str; 2]),
    /// The names of the row's fields that were asked for and could not be known.
    Unknown,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const UNKNOWN: Column = column("unknown", Kind::Unknown);

const PERSON: &[Column] = &[
    text("name"),
    text("name_b64"),
    text("email"),
    text("email_b64"),
    text("date"),
    text("date_raw"),
    text("mapped_name"),
    text("mapped_name_b64"),
    text("mapped_email"),
    text("mapped_email_b64"),
];
const RELATION: &[Column] = &[text("text"), text("text_b64"), text("id")];

const COMMITS: &[Column] = &[
    text("repo"),
    text("id"),
    column("parents", Kind::Texts),
    text("tree"),
    text("subject"),
    text("subject_b64"),
    text("body"),
    text("body_b64"),
    column("author", Kind::Fields(PERSON)),
    column("authored_at", Kind::Moment(["author", "date"])),
    column("committer", Kind::Fields(PERSON)),
    column("committed_at", Kind::Moment(["committer", "date"])),
    column("trailers", Kind::Rows(&[text("key"), text("value"), text("value_b64")])),
    text("change_id"),
    column("issues", Kind::Rows(&[text("kind"), text("key")])),
    column("origins", Kind::Rows(&[text("kind"), text("text"), text("text_b64"), text("id")])),
    column("reverts", Kind::Rows(RELATION)),
    column("relands", Kind::Rows(RELATION)),
    column("fixes", Kind::Rows(RELATION)),
    column("requests", Kind::Rows(&[text("kind"), text("text"), text("text_b64")])),
    text("patch_id"),
    text("tagged"),
    column(
        "paths",
        Kind::Rows(&[
            text("status"),
            text("path"),
            text("path_b64"),
            text("old_mode"),
            text("new_mode"),
            text("old_blob"),
            text("new_blob"),
        ]),
    ),
    UNKNOWN,
];

const REFS: &[Column] = &[
    text("repo"),
    text("ref"),
    text("ref_b64"),
    text("short"),
    text("short_b64"),
    text("kind"),
    text("id"),
    text("peeled"),
    text("old_id"),
    text("line"),
    UNKNOWN,
];

const MATCHES: &[Column] = &[
    text("query"),
    text("repo"),
    text("change"),
    text("id"),
    text("strength"),
    column("confidence", Kind::Number),
    text("rung"),
    text("fidelity"),
    column("signals", Kind::Rows(&[text("kind"), text("value"), text("value_b64"), column("hops", Kind::Count)])),
    UNKNOWN,
];

const PRESENCE: &[Column] = &[
    text("query"),
    text("repo"),
    text("change"),
    text("ref"),
    text("ref_b64"),
    text("short"),
    text("short_b64"),
    text("line"),
    text("state"),
    text("id"),
    text("how"),
    text("first_tag"),
    text("first_release"),
    text("via"),
    column("affected", Kind::Flag),
    column("recorded", Kind::Flag),
    text("range"),
    UNKNOWN,
];

/// All of them.
pub const TABLES: &[Table] = &[
    Table { name: "commits", event: "commit", columns: COMMITS },
    Table { name: "refs", event: "ref", columns: REFS },
    Table { name: "matches", event: "match", columns: MATCHES },
    Table { name: "presence", event: "presence", columns: PRESENCE },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// The definition that a schema names, or itself.
    fn resolved<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
        let inner = schema["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        match (name, inner) {
            (Some(name), _) => resolved(&root["$defs"][name], root),
            (None, Some(inner)) => resolved(inner, root),
            (None, None) => schema,
        }
    }

    /// What a column of the field would have to hold.
    fn kind(schema: &Value, root: &Value) -> String {
        let schema = resolved(schema, root);
        if schema.get("oneOf").is_some() || schema.get("enum").is_some() || schema.get("const").is_some() {
            return "text".into();
        }
        let name = match &schema["type"] {
            Value::Array(all) => all.iter().find(|one| *one != "null").expect("a type").as_str(),
            one => one.as_str(),
        };
        match name.unwrap_or_else(|| panic!("a type: {schema}")) {
            "string" => "text".into(),
            "boolean" => "flag".into(),
            "integer" => "count".into(),
            "number" => "number".into(),
            "array" => format!("[{}]", kind(&schema["items"], root)),
            "object" => format!("{:?}", fields(schema, root)),
            other => panic!("{other}"),
        }
    }

    fn fields(schema: &Value, root: &Value) -> BTreeMap<String, String> {
        let fields = schema["properties"].as_object().expect("properties");
        fields.iter().filter(|(name, _)| *name != "type").map(|(name, it)| (name.clone(), kind(it, root))).collect()
    }

    fn own(columns: &[Column]) -> BTreeMap<String, String> {
        let kind = |kind: Kind| match kind {
            Kind::Text => Some("text".to_owned()),
            Kind::Flag => Some("flag".to_owned()),
            Kind::Count => Some("count".to_owned()),
            Kind::Number => Some("number".to_owned()),
            Kind::Fields(columns) => Some(format!("{:?}", own(columns))),
            Kind::Texts => Some("[text]".to_owned()),
            Kind::Rows(columns) => Some(format!("[{:?}]", own(columns))),
            Kind::Moment(_) | Kind::Unknown => None,
        };
        columns.iter().filter_map(|column| Some((column.name.to_owned(), kind(column.kind)?))).collect()
    }

    #[test]
    fn columns_are_the_fields_of_the_wire() {
        let schema = crate::events::schema();
        let lines = schema["oneOf"].as_array().expect("types");
        for table in TABLES {
            let line = lines.iter().map(|line| (line, resolved(line, &schema)));
            let (line, inner) = line
                .clone()
                .find(|(line, _)| line["properties"]["type"]["const"] == table.event)
                .unwrap_or_else(|| panic!("{} is on the wire", table.event));
            let mut expected = fields(inner, &schema);
            if line.get("properties").is_some() && !std::ptr::eq(line, inner) {
                expected.extend(fields(line, &schema));
            }
            assert_eq!(own(table.columns), expected, "{}", table.name);
        }
    }
}
