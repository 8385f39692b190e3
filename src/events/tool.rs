//! What a tool of the Model Context Protocol is asked, and what it answers: `where`, `missing`, `followups` and `explain` as `mcp` serves
//! them.
//!
//! Owns these shapes and their schemas; the first paragraphs of their rustdoc are what a client reads. Refuses the protocol around them
//! (`mcp`) and what is asked of which room (`command`).

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Event;

/// Events of an answer that are told if nothing else was asked for.
pub const USUAL_LIMIT: u32 = 200;
/// The most that may be asked for.
pub const HIGHEST_LIMIT: u32 = 5000;

/// Tell where a change is: which branches and tags of a git repository have it, as itself or as a pick, where it was reverted, since which
/// release, and which release lines lack it. `match` events are the commits that are the change, and why; `presence` events say what each
/// ref has of it. `exit_code` 1 means that nothing was found.
#[derive(Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct WhereArguments {
    /// What to look for: each a revision or range, a Change-Id, an issue (CVE-2024-1234, #12, LP: #12), or words that must all stand in the
    /// message; `author:<word>`, `subject:<word>` and `path:<path>` narrow words, double quotes keep a phrase together.
    #[serde(default)]
    pub queries: Vec<String>,
    /// The text of a patch to look for as well, as `git diff --no-renames` writes it.
    #[serde(default)]
    #[schemars(with = "String")]
    pub patch: Option<String>,
    /// The repository to ask: a path, or the name of one that is registered. By default the one that the server was started in.
    #[serde(default)]
    #[schemars(with = "String")]
    pub repository: Option<String>,
    /// Further repositories to ask.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Ask the registered repositories of these groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Ask all registered repositories.
    #[serde(default)]
    pub all_repositories: bool,
    /// Ask about the refs that match these globs, which begin at `refs/`: `heads/stable/*`.
    #[serde(default)]
    pub refs: Vec<String>,
    /// Ask about branches alone.
    #[serde(default)]
    pub branches: bool,
    /// Ask about remote branches alone.
    #[serde(default)]
    pub remotes: bool,
    /// Which tags are told. By default the first, but none where branches or remotes alone are asked about.
    #[serde(default)]
    #[schemars(with = "TagChoice")]
    pub tags: Option<TagChoice>,
    /// Tell every ref that lacks the change, not only branches of release lines.
    #[serde(default)]
    pub missing: bool,
    /// Tell the merge that brought the change into each ref.
    #[serde(default)]
    pub via: bool,
    /// Use these signals alone. `same` is plain containment. By default all.
    #[serde(default)]
    pub signals: Vec<SignalChoice>,
    /// Tell what only resembles the change too, marked as weak or hint.
    #[serde(default)]
    pub similar: bool,
    /// Leave out matches below this confidence.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f64,
    /// At most so many changes of each query. By default all, but 100 where words are looked for.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1))]
    pub max_count: Option<u32>,
    /// Answer from the cache as it is, without a look at what is new.
    #[serde(default)]
    pub no_update: bool,
    /// At most so many events of the answer itself, beside those around it (repositories, warnings, errors, the end); the rest is counted in
    /// `left_out`.
    #[serde(default = "usual_limit")]
    #[schemars(range(min = 1, max = HIGHEST_LIMIT))]
    pub limit: u32,
}

/// List what branches of a git repository lack: each change that the source has and the target hasn't, neither as itself nor as a pick,
/// oldest first, in an order in which they can be picked. Of requested, security and fixes all that are given must hold.
#[derive(Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct MissingArguments {
    /// The branches to look at; may be left out with gaps alone.
    #[serde(default)]
    pub branches: Vec<String>,
    /// Compare with this branch. By default with the one that most picks come from.
    #[serde(default)]
    #[schemars(with = "String")]
    pub from: Option<String>,
    /// List what came after this alone: a revision, or a date.
    #[serde(default)]
    #[schemars(with = "String")]
    pub since: Option<String>,
    /// List what changes these paths alone.
    #[serde(default)]
    pub paths: Vec<String>,
    /// List what its message or its issue's labels ask to be ported there: Cc: stable, "backport to 2.8".
    #[serde(default)]
    pub requested: bool,
    /// List what names a CVE or GHSA, or is about security by the configured pattern.
    #[serde(default)]
    pub security: bool,
    /// List what mends something that the branch has.
    #[serde(default)]
    pub fixes: bool,
    /// Try whether each would apply, after those above it that do; nothing is written.
    #[serde(default)]
    pub check: bool,
    /// List what each release line has and the next newer one lacks.
    #[serde(default)]
    pub gaps: bool,
    /// The repository to ask: a path, or the name of one that is registered. By default the one that the server was started in.
    #[serde(default)]
    #[schemars(with = "String")]
    pub repository: Option<String>,
    /// At most so many events of the answer itself, beside those around it (repositories, warnings, errors, the end); the rest is counted in
    /// `left_out`.
    #[serde(default = "usual_limit")]
    #[schemars(range(min = 1, max = HIGHEST_LIMIT))]
    pub limit: u32,
}

/// List what follows up something that a branch of a git repository has, as itself or as a pick, and that the branch lacks: the fix of a fix,
/// the revert that never came.
#[derive(Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FollowupsArguments {
    /// The branches to look at.
    #[schemars(length(min = 1))]
    pub branches: Vec<String>,
    /// Compare with this branch. By default with the one that most picks come from.
    #[serde(default)]
    #[schemars(with = "String")]
    pub from: Option<String>,
    /// The repository to ask: a path, or the name of one that is registered. By default the one that the server was started in.
    #[serde(default)]
    #[schemars(with = "String")]
    pub repository: Option<String>,
    /// At most so many events of the answer itself, beside those around it (repositories, warnings, errors, the end); the rest is counted in
    /// `left_out`.
    #[serde(default = "usual_limit")]
    #[schemars(range(min = 1, max = HIGHEST_LIMIT))]
    pub limit: u32,
}

/// Tell why two commits of a git repository match or don't, that is whether they are the same change: what each rung of the ladder says, what
/// keeps them apart, and how their diffs differ. `exit_code` 1 means that they don't match.
#[derive(Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExplainArguments {
    /// One of the commits.
    pub commit: String,
    /// The other.
    pub other: String,
    /// The repository to ask: a path, or the name of one that is registered. By default the one that the server was started in.
    #[serde(default)]
    #[schemars(with = "String")]
    pub repository: Option<String>,
    /// At most so many events of the answer itself, beside those around it (repositories, warnings, errors, the end); the rest is counted in
    /// `left_out`.
    #[serde(default = "usual_limit")]
    #[schemars(range(min = 1, max = HIGHEST_LIMIT))]
    pub limit: u32,
}

/// Which tags are told.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum TagChoice {
    /// The first of each release line that has the change.
    First,
    /// All that have it.
    All,
    /// None.
    None,
}

/// A signal by which commits are told to be one change.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SignalChoice {
    /// The commit itself.
    Same,
    /// A trailer that names the other.
    Trailer,
    /// The Change-Id.
    ChangeId,
    /// The patch-id.
    PatchId,
    /// Author and date.
    AuthorDate,
    /// The number of a pull request.
    PullRequest,
    /// The subject.
    Subject,
}

/// What a tool answers: the events of the stream that the command of its name writes.
#[derive(Serialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Answer {
    /// The events in their order, from begin to end; progress is none of them.
    #[schemars(with = "Vec<Event<'static>>")]
    pub events: Vec<Value>,
    /// How many events were left out, since there were more than the limit or they were too large. A higher limit, or a narrower question,
    /// tells them.
    pub left_out: u64,
    /// Whether nothing is left out of the answer, for whatever reason.
    pub complete: bool,
    /// The exit code that the command would have: 0 answered, 1 a negative answer, 3 partial, 128 and above failed.
    pub exit_code: u8,
}

fn usual_limit() -> u32 {
    USUAL_LIMIT
}

/// What a client is told of a tool's arguments: the text for the model, and the JSON Schema (2020-12), all of it in one piece, since not all
/// clients follow references.
#[must_use]
pub fn asked<T: JsonSchema>() -> (String, Value) {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    let told = schema.remove("description").and_then(|text| text.as_str().map(str::to_owned));
    // The lines of the rustdoc are no lines of the text.
    let told = told.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut schema = schema.to_value();
    forget_formats(&mut schema);
    (told, schema)
}

/// The JSON Schema (2020-12) of an [`Answer`] whose events are of these types: that of [`schema()`](super::schema()) without the others, and
/// without formats of numbers.
#[must_use]
pub fn answered(types: &[&str]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Answer>().to_value();
    let is_told = |variant: &Value| {
        let name = variant.pointer("/properties/type/const").and_then(Value::as_str);
        name.is_none_or(|name| types.contains(&name))
    };
    if let Some(variants) = schema.pointer_mut("/$defs/Event/oneOf").and_then(Value::as_array_mut) {
        variants.retain(is_told);
    }
    let mut shapes = match schema.get_mut("$defs").map(Value::take) {
        Some(Value::Object(shapes)) => shapes,
        _ => Map::new(),
    };
    let mut kept = Map::new();
    let mut wanted = references(&schema);
    while let Some(name) = wanted.pop() {
        if let Some(shape) = shapes.remove(&name) {
            wanted.extend(references(&shape));
            kept.insert(name, shape);
        }
    }
    schema["$defs"] = Value::Object(kept);
    forget_formats(&mut schema);
    schema
}

/// Takes out the formats of numbers: JSON Schema has none, and the official client for JavaScript warns of every `uint64`.
fn forget_formats(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").is_some_and(Value::is_string) {
                fields.remove("format");
            }
            fields.values_mut().for_each(forget_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_formats),
        _ => {}
    }
}

/// The names of the definitions that `schema` refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
            own.map(str::to_owned).into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_of_an_answer_are_those_of_the_stream_and_no_others() {
        let (mut all, some) = (crate::events::schema(), answered(&["begin", "match", "end"]));
        forget_formats(&mut all);
        assert!(!some.to_string().contains("\"format\":\"uint"), "{some}");
        let shapes = some["$defs"].as_object().expect("definitions");
        for (name, shape) in shapes.iter().filter(|(name, _)| *name != "Event") {
            assert_eq!(*shape, all["$defs"][name], "{name}");
        }
        assert!(shapes.contains_key("Signal") && !shapes.contains_key("Commit"), "{shapes:?}");
        let types: Vec<_> = some["$defs"]["Event"]["oneOf"].as_array().expect("variants").iter().collect();
        let of_all = all["oneOf"].as_array().expect("variants");
        assert!(types.len() == 3 && types.iter().all(|it| of_all.contains(it)), "{types:?}");
        assert_eq!(some["type"], "object");
        let validator = jsonschema::validator_for(&some).expect("a schema");
        let answer =
            |event: Value| serde_json::json!({"events": [event], "left_out": 0, "complete": true, "exit_code": 0});
        let (begin, bad) = (
            serde_json::json!({"type": "begin", "schema": 1, "version": "1", "command": "where"}),
            serde_json::json!({"type": "begin", "schema": "1", "version": "1", "command": "where"}),
        );
        assert!(validator.is_valid(&answer(begin)) && !validator.is_valid(&answer(bad)));
    }

    #[test]
    fn arguments_have_a_text_and_a_schema_in_one_piece_whose_defaults_are_those_that_hold() {
        let (told, schema) = asked::<WhereArguments>();
        assert!(told.starts_with("Tell where a change is:") && !told.contains('\n'), "{told}");
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&"object".into(), &false.into()));
        assert!(references(&schema).is_empty() && schema.get("$defs").is_none(), "{schema}");
        let limit = &schema["properties"]["limit"];
        assert_eq!((&limit["default"], &limit["maximum"]), (&USUAL_LIMIT.into(), &HIGHEST_LIMIT.into()));
        let read: WhereArguments = serde_json::from_str("{}").expect("all is optional");
        assert_eq!((read.limit, read.tags), (USUAL_LIMIT, None));
        let (_, schema) = asked::<ExplainArguments>();
        assert_eq!(schema["required"], serde_json::json!(["commit", "other"]));
        assert!(serde_json::from_str::<ExplainArguments>(r#"{"commit":"a","other":"b","third":"c"}"#).is_err());
    }

    #[test]
    fn signals_are_called_as_the_option_has_them() {
        for name in ["same", "trailer", "change-id", "patch-id", "author-date", "pull-request", "subject"] {
            let read: SignalChoice = serde_json::from_value(name.into()).expect(name);
            assert_eq!(serde_json::to_value(read).expect("text"), name);
        }
    }
}
