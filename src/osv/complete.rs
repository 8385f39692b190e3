//! A record with the fixes added that it doesn't name: what is inserted looks like the event that it follows, and no other byte is
//! touched. Pure.

use super::record::{Event, GitRange, Kind};

/// What comes before a new event, and what it is written like.
struct Manner<'t> {
    separator: String,
    /// An event before and behind its value.
    around: (&'t str, &'t str),
}

/// `text` with a `fixed` event for each of the ids behind the last one of its range. A range without such an event stays as it is.
pub(super) fn with_fixes(text: &str, additions: &[(&GitRange, Vec<String>)]) -> String {
    let mut insertions: Vec<(usize, String)> = additions
        .iter()
        .filter_map(|(range, ids)| {
            let last = range.events.iter().rfind(|event| event.kind == Kind::Fixed)?;
            let manner = manner(text, range, last);
            let (before, behind) = manner.around;
            let new: Vec<String> =
                ids.iter().map(|id| format!("{}{before}\"{id}\"{behind}", manner.separator)).collect();
            Some((range.elements[last.element].end, new.concat()))
        })
        .collect();
    insertions.sort();
    let mut whole = String::with_capacity(text.len());
    let mut from = 0;
    for (at, new) in insertions {
        whole.push_str(&text[from..at]);
        whole.push_str(&new);
        from = at;
    }
    whole.push_str(&text[from..]);
    whole
}

fn manner<'t>(text: &'t str, range: &GitRange, event: &Event) -> Manner<'t> {
    let element = &range.elements[event.element];
    let separator = match (event.element.checked_sub(1), range.elements.get(event.element + 1)) {
        (Some(before), _) => text[range.elements[before].end..element.start].to_owned(),
        (None, Some(next)) => text[element.end..next.start].to_owned(),
        // Alone it stands behind a bracket, the others behind a comma.
        (None, None) => format!(",{}", &text[range.span.start + 1..element.start]),
    };
    let around = match &event.alone {
        Some(value) => (&text[element.start..value.start], &text[value.end..element.end]),
        None => ("{\"fixed\":", "}"),
    };
    Manner { separator, around }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::*;

    fn completed(text: &str, ids: &[&str]) -> String {
        let record = Record::parse(text).expect("a record");
        let ranges = record.affected.iter().flat_map(|affected| &affected.ranges);
        let additions: Vec<_> = ranges.map(|range| (range, ids.iter().map(|id| (*id).to_owned()).collect())).collect();
        with_fixes(text, &additions)
    }

    /// A record around the events of one range.
    fn around(events: &str) -> String {
        format!(
            "\u{20}{{\"n\":1.10E+400,\r\n \"\\u0069d\":\"\\u00e9\", \"affected\":[{{\"ranges\":[{{\"type\":\"GIT\", \"events\":{events}}}]}}]}}\n\n"
        )
    }

    #[test]
    fn what_is_added_looks_like_what_it_follows_and_nothing_else_moves() {
        for (before, after) in [
            (
                r#"[{"introduced":"0"},{"fixed":"a"}]"#,
                r#"[{"introduced":"0"},{"fixed":"a"},{"fixed":"b"},{"fixed":"c"}]"#,
            ),
            (
                "[\r\n\t{ \"introduced\" : \"0\" },\r\n\t{ \"fixed\" : \"a\" }\r\n]",
                "[\r\n\t{ \"introduced\" : \"0\" },\r\n\t{ \"fixed\" : \"a\" },\r\n\t{ \"fixed\" : \"b\" },\r\n\t{ \"fixed\" : \"c\" }\r\n]",
            ),
            ("[ {\"fixed\":\"a\"} ]", "[ {\"fixed\":\"a\"}, {\"fixed\":\"b\"}, {\"fixed\":\"c\"} ]"),
            (
                r#"[{"fixed":"a"} ,  {"introduced":"0"}]"#,
                r#"[{"fixed":"a"} ,  {"fixed":"b"} ,  {"fixed":"c"} ,  {"introduced":"0"}]"#,
            ),
            (r#"[{"x":1, "fixed":"a"}]"#, r#"[{"x":1, "fixed":"a"},{"fixed":"b"},{"fixed":"c"}]"#),
            (r#"[{"introduced":"0"}]"#, r#"[{"introduced":"0"}]"#),
        ] {
            assert_eq!(completed(&around(before), &["b", "c"]), around(after));
        }
    }

    #[test]
    fn each_range_gets_its_own() {
        let one = r#"{"ranges":[{"type":"GIT","events":[{"fixed":"a"}]},{"type":"GIT","events":[{"fixed":"b"}]}]}"#;
        let text = format!("{{\"affected\":[{one},{one}]}}");
        let record = Record::parse(&text).expect("a record");
        let ranges: Vec<_> = record.affected.iter().flat_map(|affected| &affected.ranges).collect();
        let found = with_fixes(&text, &[(ranges[3], vec!["d".into()]), (ranges[0], vec!["c".into()])]);
        assert_eq!(found.matches("[{\"fixed\":\"a\"},{\"fixed\":\"c\"}]").count(), 1);
        assert!(found.ends_with("[{\"fixed\":\"b\"},{\"fixed\":\"d\"}]}]}]}"), "{found}");
        assert_eq!(found.len(), text.len() + 2 * ",{\"fixed\":\"d\"}".len());
    }
}
