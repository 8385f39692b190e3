//! Rows taken apart into the columns of Parquet: every value that isn't nested any further, with how deep it is defined and where it repeats
//! ("Dremel: Interactive Analysis of Web-Scale Datasets", Melnik et al. 2010; "Nested Encoding" in the format's own documents).
//!
//! Pure: from JSON to levels and values. Every column and every element may be absent, so that each nesting adds a level. No list is inside of
//! another.

use serde_json::{Map, Value};

use super::columns::{Column, Kind};

/// The values of one leaf.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// UTF-8.
    Text(Vec<Vec<u8>>),
    Flag(Vec<bool>),
    Whole(Vec<i64>),
    Number(Vec<f64>),
}

/// A column without further nesting: what was put into it since it was emptied.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    pub(super) values: Values,
    pub(super) definitions: Vec<i16>,
    pub(super) repetitions: Vec<i16>,
}

impl Leaf {
    fn of(kind: Kind) -> Self {
        let values = match kind {
            Kind::Flag => Values::Flag(Vec::new()),
            Kind::Count | Kind::Moment(_) => Values::Whole(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            _ => Values::Text(Vec::new()),
        };
        Self { values, definitions: Vec::new(), repetitions: Vec::new() }
    }
}

/// Rows that are gathered until they are worth a row group.
#[derive(Debug)]
pub(super) struct Gathered {
    columns: &'static [Column],
    pub(super) leaves: Vec<Leaf>,
    pub(super) rows: usize,
    /// About how many bytes of memory they take.
    pub(super) bytes: usize,
}

/// What a value costs beside its own bytes: its levels, and where they lie.
const OVERHEAD: usize = 32;

impl Gathered {
    pub(super) fn of(columns: &'static [Column]) -> Self {
        let mut leaves = Vec::new();
        add_leaves(columns, &mut leaves);
        Self { columns, leaves, rows: 0, bytes: 0 }
    }

    /// Takes what was gathered, and begins anew.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::of(self.columns))
    }

    pub(super) fn add(&mut self, row: &Map<String, Value>) {
        let mut left = Left { leaves: self.leaves.iter_mut(), row };
        for column in self.columns {
            self.bytes += left.put(column.kind, row.get(column.name), 0);
        }
        self.rows += 1;
    }
}

fn add_leaves(columns: &[Column], leaves: &mut Vec<Leaf>) {
    for column in columns {
        match column.kind {
            Kind::Fields(inner) | Kind::Rows(inner) => add_leaves(inner, leaves),
            kind => leaves.push(Leaf::of(kind)),
        }
    }
}

/// The leaves of a row that are still to be filled, in their order.
struct Left<'l, 'r> {
    leaves: std::slice::IterMut<'l, Leaf>,
    row: &'r Map<String, Value>,
}

impl Left<'_, '_> {
    /// Puts `value` into the leaves of its column, of which `defined` levels are sure, and returns about how many bytes it takes.
    fn put(&mut self, kind: Kind, value: Option<&Value>, defined: i16) -> usize {
        match (kind, value) {
            (Kind::Fields(columns), Some(fields @ Value::Object(_))) => {
                columns.iter().map(|column| self.put(column.kind, fields.get(column.name), defined + 1)).sum()
            }
            (Kind::Fields(columns), _) => columns.iter().map(|column| self.put(column.kind, None, defined)).sum(),
            (Kind::Texts, Some(Value::Array(items))) => self.put_items(&[None], items, defined),
            (Kind::Rows(columns), Some(Value::Array(items))) => {
                let names: Vec<Option<&str>> = columns.iter().map(|column| Some(column.name)).collect();
                self.put_items(&names, items, defined)
            }
            (Kind::Rows(columns), _) => columns.iter().map(|_| self.put_one(None, defined)).sum(),
            (Kind::Unknown, _) => {
                let names = self.row.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str().into());
                let names: Vec<Value> = names.collect();
                self.put_items(&[None], &names, defined)
            }
            (Kind::Moment([person, date]), _) => {
                let text = self.row.get(person).and_then(|it| it.get(date)).and_then(Value::as_str);
                self.put_one(text.and_then(microseconds).map(Value::from).as_ref(), defined)
            }
            (_, value) => self.put_one(value, defined),
        }
    }

    /// Puts a list into as many leaves as there are `fields` of each item; one without a name is the item itself.
    fn put_items(&mut self, fields: &[Option<&str>], items: &[Value], defined: i16) -> usize {
        let mut bytes = 0;
        for (field, leaf) in fields.iter().zip(self.leaves.by_ref()) {
            // There is a list, there is an item in it, and with fields there is a row.
            let inside = defined + 2 + i16::from(field.is_some());
            for (at, item) in items.iter().enumerate() {
                let value = field.map_or(Some(item), |name| item.get(name));
                bytes += push(leaf, value, inside, i16::from(at > 0));
            }
            if items.is_empty() {
                bytes += push(leaf, None, defined + 1, 0);
            }
        }
        bytes
    }

    fn put_one(&mut self, value: Option<&Value>, defined: i16) -> usize {
        self.leaves.next().map_or(0, |leaf| push(leaf, value, defined, 0))
    }
}

fn push(leaf: &mut Leaf, value: Option<&Value>, defined: i16, repeats: i16) -> usize {
    let mut length = 0;
    let is_there = match (&mut leaf.values, value) {
        (Values::Text(values), Some(Value::String(text))) => {
            length = text.len();
            values.push(text.as_bytes().to_vec());
            true
        }
        (Values::Flag(values), Some(Value::Bool(flag))) => {
            values.push(*flag);
            true
        }
        (Values::Whole(values), Some(number)) => number.as_i64().map(|number| values.push(number)).is_some(),
        (Values::Number(values), Some(number)) => number.as_f64().map(|number| values.push(number)).is_some(),
        _ => false,
    };
    leaf.definitions.push(defined + i16::from(is_there));
    leaf.repetitions.push(repeats);
    OVERHEAD + length
}

/// Microseconds since 1970 of a time as the wire writes it, RFC 3339 without fractions.
fn microseconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let offset = match text.get(19..)? {
        "Z" => 0,
        zone => {
            let minutes = number(20, 22)? * 60 + number(23, 25)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    // Days of the Gregorian calendar, counted in years that begin with March: the leap day is the last.
    let (shifted, from_march) = (if month > 2 { year } else { year - 1 }, (month + 9) % 12);
    let days = shifted * 365 + shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400);
    let days = days + (153 * from_march + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 3600 + (minute - offset) * 60 + second) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::columns::TABLES;

    const SMALL: &[Column] = &[
        Column { name: "id", kind: Kind::Text },
        Column { name: "tags", kind: Kind::Texts },
        Column { name: "who", kind: Kind::Fields(&[Column { name: "name", kind: Kind::Text }]) },
        Column {
            name: "said",
            kind: Kind::Rows(&[Column { name: "a", kind: Kind::Text }, Column { name: "n", kind: Kind::Count }]),
        },
        Column { name: "unknown", kind: Kind::Unknown },
    ];

    fn gathered(rows: &[&str]) -> Gathered {
        let mut gathered = Gathered::of(SMALL);
        for row in rows {
            gathered.add(&serde_json::from_str(row).expect("an object"));
        }
        gathered
    }

    #[test]
    fn each_value_has_its_levels() {
        let found = gathered(&[
            r#"{"id":"1","tags":["x","y"],"who":{"name":"w"},"said":[{"a":"p","n":1},{"n":2},{"a":"q"}]}"#,
            r#"{"id":"2","tags":[],"who":{},"said":[]}"#,
            r#"{"id":null,"who":null}"#,
        ]);
        let levels = |at: usize| (found.leaves[at].definitions.as_slice(), found.leaves[at].repetitions.as_slice());
        assert_eq!(levels(0), (&[1, 1, 0][..], &[0, 0, 0][..]));
        assert_eq!(levels(1), (&[3, 3, 1, 0][..], &[0, 1, 0, 0][..]));
        assert_eq!(levels(2), (&[2, 1, 0][..], &[0, 0, 0][..]));
        assert_eq!(levels(3), (&[4, 3, 4, 1, 0][..], &[0, 1, 1, 0, 0][..]));
        assert_eq!(levels(4), (&[4, 4, 3, 1, 0][..], &[0, 1, 1, 0, 0][..]));
        assert_eq!(levels(5), (&[1, 1, 3, 3][..], &[0, 0, 0, 1][..]));
        assert_eq!(found.leaves[4].values, Values::Whole(vec![1, 2]));
        let names = [b"id".to_vec(), b"who".to_vec()];
        assert_eq!(found.leaves[5].values, Values::Text(names.to_vec()), "what is null on the wire is named");
        assert_eq!(found.rows, 3);
    }

    #[test]
    fn every_leaf_has_as_many_beginnings_as_there_are_rows() {
        for table in TABLES {
            let mut gathered = Gathered::of(table.columns);
            gathered.add(&Map::new());
            for leaf in &gathered.take().leaves {
                assert_eq!(leaf.repetitions, [0], "{}", table.name);
            }
            assert!(gathered.leaves.iter().all(|leaf| leaf.definitions.is_empty()));
        }
    }

    #[test]
    fn moments_are_what_date_says() {
        // date -u -d <text> +%s
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T23:59:59+00:00", 1_709_251_199),
            ("2024-03-01T01:30:00+05:30", 1_709_236_800),
            ("1969-12-31T16:00:00-08:00", 0),
            ("2000-12-31T12:00:00-03:30", 978_276_600),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
        ] {
            assert_eq!(microseconds(text), Some(seconds * 1_000_000), "{text}");
        }
        for text in ["", "2024", "yesterday at ten o'clock", "2024-02-29 23:59", "2024-02-29T23:59:59"] {
            assert_eq!(microseconds(text), None, "{text}");
        }
    }
}
