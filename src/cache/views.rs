//! A repository's cache for those who read it with `SQLite`: views whose names and columns stay while the tables below them change.
//!
//! They are text to be run before one's own question, and not in the file: whoever opens a thousand caches to ask where a change is would read
//! their definitions a thousand times, which is a quarter of the time as it is, and a cache that was written before a view was thought of has
//! it too. Refuses what only this program can read: the texts of commits (LZ4), what they are filed under (hashes), words (an index alone).

/// The script that makes them, for one connection, which may be read-only. `SQLite` 3.40 or newer understands it.
pub const SQL: &str = include_str!("views.sql");

#[cfg(test)]
mod tests {
    use super::super::database::Database;
    use super::super::schema::REPOSITORY;
    use super::*;

    #[test]
    fn each_view_fits_the_tables_of_today() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::open(&folder.path().join("some.db"), REPOSITORY).expect("opens");
        let reader = rusqlite::Connection::open_with_flags(database.path(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("opens");
        reader.execute_batch(SQL).expect("a script");
        let mut names = reader.prepare("SELECT name FROM temp.sqlite_schema WHERE type = 'view'").expect("a query");
        let names: Vec<String> = names.query_map([], |row| row.get(0)).expect("rows").map(Result::unwrap).collect();
        assert_eq!(names, ["cache", "refs", "commits", "patch_ids", "consumers"]);
        for name in names {
            let count = reader.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get::<_, i64>(0));
            assert_eq!(count, Ok(0), "{name}");
        }
    }
}
