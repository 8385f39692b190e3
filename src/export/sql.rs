//! The SQL that goes with the tables: where an engine finds them, and views that answer what a fleet is asked.
//!
//! One text for `DuckDB` and Spark; what each says differently, where files are, comes before it. A statement ends with a semicolon at the end of
//! a line, and nothing else does.

use std::path::Path;

use super::Form;

/// The views, for an engine that knows the tables by their names.
const VIEWS: &str = include_str!("views.sql");

/// Whose SQL it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `DuckDB`.
    DuckDb,
    /// Spark SQL, from 3.5 on.
    Spark,
}

/// A script for `engine` that makes the views of the Parquet files in `folder`, which may have `*` in it for several.
#[must_use]
pub fn script(engine: Engine, folder: &Path) -> String {
    let sources = match engine {
        Engine::DuckDb => include_str!("duckdb.sql"),
        Engine::Spark => include_str!("spark.sql"),
    };
    let place = |name: &str| folder.join(name).with_extension(Form::Parquet.extension());
    let sources = filled(sources, |name| quoted(engine, &place(name).to_string_lossy()));
    // What all views stand on is worked out once for all of them, where that isn't seen by itself.
    let kept = match engine {
        Engine::DuckDb => "",
        Engine::Spark => "\nCACHE LAZY TABLE change_keys;\n",
    };
    format!("{sources}\n{VIEWS}{kept}")
}

/// `text` with `{name}` replaced by what `value` makes of the name. What is put in is not looked at again.
fn filled(text: &str, value: impl Fn(&str) -> String) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, at)| Some((before, at.split_once('}')?)))
    {
        whole.push_str(before);
        whole.push_str(&value(name));
        rest = after;
    }
    whole + rest
}

/// A literal: Spark minds backslashes.
fn quoted(engine: Engine, text: &str) -> String {
    let escaped = match engine {
        Engine::DuckDb => text.replace('\'', "''"),
        Engine::Spark => text.replace('\\', "\\\\").replace('\'', "\\'"),
    };
    format!("'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::super::columns::TABLES;
    use super::*;

    #[test]
    fn every_table_is_found_in_the_folder() {
        for (engine, path) in
            [(Engine::DuckDb, r"'it''s \*/commits.parquet'"), (Engine::Spark, r"'it\'s \\*/commits.parquet'")]
        {
            let script = script(engine, Path::new(r"it's \*"));
            assert!(script.contains(path), "{script}");
            for table in TABLES {
                assert!(script.contains(&format!("TEMPORARY VIEW {} ", table.name)), "{}", table.name);
                assert!(!script.contains(&format!("{{{}}}", table.name)), "{}", table.name);
            }
        }
    }

    #[test]
    fn a_folder_that_is_called_like_a_table_stays_one() {
        let script = script(Engine::DuckDb, Path::new("{refs}"));
        assert!(script.contains("'{refs}/commits.parquet'") && script.contains("'{refs}/refs.parquet'"), "{script}");
    }

    #[test]
    fn a_statement_ends_where_a_line_ends_in_a_semicolon() {
        for engine in [Engine::DuckDb, Engine::Spark] {
            let script = script(engine, Path::new("x"));
            assert!(script.matches(';').count() == script.matches(";\n").count(), "{engine:?}");
        }
    }
}
