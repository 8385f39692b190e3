//! The SQL that goes with the tables: where an engine finds them, and views that answer what a fleet is asked.
//!
//! One text for `DuckDB` and Spark; what each says differently, where files are, comes before it. A statement ends with a semicolon at the end of
//! a line, and nothing else does.

use std::path::Path;

use super::Form;
use super::columns::TABLES;

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
    let named = |sources: String, name: &str| {
        let path = folder.join(name).with_extension(Form::Parquet.extension());
        sources.replace(&format!("{{{name}}}"), &quoted(engine, &path.to_string_lossy()))
    };
    let sources = TABLES.iter().map(|table| table.name).fold(sources.to_owned(), named);
    // What all views stand on is worked out once for all of them, where that isn't seen by itself.
    let kept = match engine {
        Engine::DuckDb => "",
        Engine::Spark => "\nCACHE LAZY TABLE change_keys;\n",
    };
    format!("{sources}\n{VIEWS}{kept}")
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
    fn a_statement_ends_where_a_line_ends_in_a_semicolon() {
        for engine in [Engine::DuckDb, Engine::Spark] {
            let script = script(engine, Path::new("x"));
            assert!(script.matches(';').count() == script.matches(";\n").count(), "{engine:?}");
        }
    }
}
