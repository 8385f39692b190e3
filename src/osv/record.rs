//! An OSV record (<https://ossf.github.io/osv-schema/>), as far as it speaks of commits: its GIT ranges, with the place of each event in
//! the text, and the versions that it lists. Pure.

use std::ops::Range;

use super::spans::{self, Malformed, Node, Value};

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// What it is called; `None` if it doesn't say.
    pub(super) id: Option<String>,
    pub(super) affected: Vec<Affected>,
}

/// What is affected: one package, or one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Affected {
    /// Where it stands: `affected[0]`.
    pub(super) path: String,
    pub(super) ranges: Vec<GitRange>,
    /// Whether it has ranges of versions beside those of commits.
    pub(super) has_others: bool,
    pub(super) versions: Vec<String>,
}

/// A range of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitRange {
    /// Where it stands: `affected[0].ranges[1]`.
    pub(super) path: String,
    /// The address of the repository that it is about.
    pub(super) repo: Option<String>,
    pub(super) events: Vec<Event>,
    /// Where its events stand in the text, brackets included.
    pub(super) span: Range<usize>,
    /// Where each of their objects stands.
    pub(super) elements: Vec<Range<usize>>,
}

/// Something that happened at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: Kind,
    /// The commit as it is written, or `0`.
    pub(super) text: String,
    /// Which of [`GitRange::elements`] it is of.
    pub(super) element: usize,
    /// Where the value stands, quotes included; `None` if its object says something else too.
    pub(super) alone: Option<Range<usize>>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// From here on it is affected.
    Introduced,
    /// From here on no longer.
    Fixed,
    /// After this no longer.
    LastAffected,
    /// Only what comes before this is spoken of.
    Limit,
}

impl GitRange {
    /// One that stands in no text yet: it begins with `introduced` and ends with `fixed`.
    pub(super) fn of(introduced: &[String], fixed: &[String]) -> Self {
        let event = |kind, text: &String| Event { kind, text: text.clone(), element: 0, alone: None };
        let events = introduced.iter().map(|id| event(Kind::Introduced, id));
        let events = events.chain(fixed.iter().map(|id| event(Kind::Fixed, id))).collect();
        Self { path: String::new(), repo: None, events, span: 0..0, elements: Vec::new() }
    }
}

impl Kind {
    const ALL: [Self; 4] = [Self::Introduced, Self::Fixed, Self::LastAffected, Self::Limit];

    /// The word of the schema.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Introduced => "introduced",
            Self::Fixed => "fixed",
            Self::LastAffected => "last_affected",
            Self::Limit => "limit",
        }
    }
}

impl Record {
    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`] naming the field and its place.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let root = spans::parse(text)?;
        let reader = Reader { text };
        let top = reader.object(&root, "the record")?;
        let id = reader.text_of(top, "id", "")?.map(|(id, _)| id);
        let mut affected = Vec::new();
        for (number, node) in reader.array_of(top, "affected", "")?.unwrap_or_default().iter().enumerate() {
            affected.push(reader.affected(node, format!("affected[{number}]"))?);
        }
        Ok(Self { id, affected })
    }
}

type Members = [(String, Node)];

/// Reads fields of a text.
struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn wrong(&self, node: &Node, path: &str, expected: &str) -> Malformed {
        Malformed::at(self.text, node.span.start, format!("{path}: expected {expected}"))
    }

    fn object<'n>(&self, node: &'n Node, path: &str) -> Result<&'n Members, Malformed> {
        match &node.value {
            Value::Object(members) => Ok(members),
            _ => Err(self.wrong(node, path, "an object")),
        }
    }

    /// The field `name` of the object at `path`, which may have it once.
    fn field<'n>(&self, members: &'n Members, name: &str, path: &str) -> Result<Option<&'n Node>, Malformed> {
        let mut found = members.iter().filter(|(known, _)| known == name).map(|(_, node)| node);
        let first = found.next();
        match found.next() {
            Some(again) => {
                Err(Malformed::at(self.text, again.span.start, format!("{}: it is there twice", joined(path, name))))
            }
            None => Ok(first),
        }
    }

    fn text_of(&self, members: &Members, name: &str, path: &str) -> Result<Option<(String, Range<usize>)>, Malformed> {
        let Some(node) = self.field(members, name, path)? else { return Ok(None) };
        match &node.value {
            Value::Text(text) => Ok(Some((text.clone(), node.span.clone()))),
            _ => Err(self.wrong(node, &joined(path, name), "a string")),
        }
    }

    fn array_of<'n>(&self, members: &'n Members, name: &str, path: &str) -> Result<Option<&'n [Node]>, Malformed> {
        let Some(node) = self.field(members, name, path)? else { return Ok(None) };
        match &node.value {
            Value::Array(elements) => Ok(Some(elements)),
            _ => Err(self.wrong(node, &joined(path, name), "an array")),
        }
    }

    fn affected(&self, node: &Node, path: String) -> Result<Affected, Malformed> {
        let members = self.object(node, &path)?;
        let (mut ranges, mut has_others) = (Vec::new(), false);
        for (number, node) in self.array_of(members, "ranges", &path)?.unwrap_or_default().iter().enumerate() {
            match self.range(node, format!("{path}.ranges[{number}]"))? {
                Some(range) => ranges.push(range),
                None => has_others = true,
            }
        }
        let mut versions = Vec::new();
        for (number, node) in self.array_of(members, "versions", &path)?.unwrap_or_default().iter().enumerate() {
            match &node.value {
                Value::Text(version) => versions.push(version.clone()),
                _ => return Err(self.wrong(node, &format!("{path}.versions[{number}]"), "a string")),
            }
        }
        Ok(Affected { path, ranges, has_others, versions })
    }

    /// A range; `None` if it isn't one of commits.
    fn range(&self, node: &Node, path: String) -> Result<Option<GitRange>, Malformed> {
        let members = self.object(node, &path)?;
        let Some((kind, _)) = self.text_of(members, "type", &path)? else {
            return Err(self.wrong(node, &path, "a type"));
        };
        if kind != "GIT" {
            return Ok(None);
        }
        let repo = self.text_of(members, "repo", &path)?.map(|(repo, _)| repo);
        let (Some(array), Some(listed)) =
            (self.field(members, "events", &path)?, self.array_of(members, "events", &path)?)
        else {
            return Err(self.wrong(node, &path, "events"));
        };
        let mut events = Vec::new();
        for (element, node) in listed.iter().enumerate() {
            let path = format!("{path}.events[{element}]");
            let members = self.object(node, &path)?;
            for kind in Kind::ALL {
                if let Some((text, span)) = self.text_of(members, kind.word(), &path)? {
                    let alone = (members.len() == 1).then_some(span);
                    events.push(Event { kind, text, element, alone });
                }
            }
        }
        let elements = listed.iter().map(|node| node.span.clone()).collect();
        Ok(Some(GitRange { path, repo, events, span: array.span.clone(), elements }))
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_says_of_commits_is_read_and_the_rest_passed_over() {
        let text = r#"{"id":"X-1","severity":[{"score":1e400}],"affected":[
            {"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"}]},
                       {"type":"GIT","repo":"https://example.com/a","events":[{"introduced":"0"},{"fixed":"ab","more":1}]}],
             "versions":["v1"]}, {}]}"#;
        let record = Record::parse(text).expect("it is one");
        assert_eq!(record.id.as_deref(), Some("X-1"));
        let first = &record.affected[0];
        assert!(first.has_others && first.versions == ["v1"] && record.affected[1].ranges.is_empty());
        let range = &first.ranges[0];
        assert_eq!(
            (range.path.as_str(), range.repo.as_deref()),
            ("affected[0].ranges[1]", Some("https://example.com/a"))
        );
        let events: Vec<_> =
            range.events.iter().map(|one| (one.kind, one.text.as_str(), one.alone.is_some())).collect();
        assert_eq!(events, [(Kind::Introduced, "0", true), (Kind::Fixed, "ab", false)]);
        assert_eq!(&text[range.elements[0].clone()], "{\"introduced\":\"0\"}");
    }

    #[test]
    fn a_wrong_type_is_told_with_its_field_and_place() {
        for (text, message, column) in [
            ("[]", "the record: expected an object", 1),
            ("{\"id\":1}", "id: expected a string", 7),
            ("{\"affected\":{}}", "affected: expected an array", 13),
            ("{\"affected\":[],\"affected\":[]}", "affected: it is there twice", 27),
            ("{\"affected\":[7]}", "affected[0]: expected an object", 14),
            ("{\"affected\":[{\"versions\":[7]}]}", "affected[0].versions[0]: expected a string", 27),
            ("{\"affected\":[{\"ranges\":[{}]}]}", "affected[0].ranges[0]: expected a type", 25),
            ("{\"affected\":[{\"ranges\":[{\"type\":\"GIT\"}]}]}", "affected[0].ranges[0]: expected events", 25),
            (
                "{\"affected\":[{\"ranges\":[{\"type\":\"GIT\",\"events\":[{\"fixed\":0}]}]}]}",
                "affected[0].ranges[0].events[0].fixed: expected a string",
                58,
            ),
        ] {
            let found = Record::parse(text).expect_err("it is none");
            assert_eq!((found.message.as_str(), found.line, found.column), (message, 1, column));
        }
    }
}
