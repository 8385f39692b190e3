//! Which commits have a word in their message: a full-text index (FTS5) that keeps neither the texts nor the places of words in
//! them, only which row has which word: 10 MB for 70,000 commits. What a word is the caller decides (`facts::words`); what is
//! found is read again by whoever tells it.
//!
//! It lags behind the graph until somebody looks for words, and is brought up to date in batches. Each leaves a note of the
//! commits that are indexed since, so that a process whose graph is another one (made anew meanwhile) finds that nothing here is its own.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::repository::Cache;
use crate::graph::{Graph, Position};

/// Notes that are kept: a process whose graph is older than the last so many batches takes nothing for indexed.
const NOTES: i64 = 64;

/// By what rule words were made, and of what history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Any number that names how words are made.
    pub rules: i64,
    /// The state of shallow, replaced and grafted commits.
    pub overlay: i64,
}

/// The words of consecutive commits.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The position of the first.
    pub base: usize,
    /// For each commit its words, between single spaces.
    pub texts: Vec<String>,
}

impl Cache {
    /// How many commits of `graph`, from the first on, are indexed by `rule`. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn worded(&self, rule: Rule, graph: &Graph) -> anyhow::Result<usize> {
        self.database().read(|reader| indexed(reader, rule, graph))
    }

    /// Indexes `batch`, before which all commits of `graph` were indexed. `false` if another process has done so meanwhile, or has
    /// indexed another graph: nothing is stored then.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn add_words(&self, rule: Rule, graph: Arc<Graph>, batch: Batch) -> anyhow::Result<bool> {
        self.database().write(move |transaction| add(transaction, rule, &graph, &batch)).await
    }

    /// The first `count` commits of `graph` that have all of `words`, ascending. `None` if that many are no longer indexed by `rule`.
    /// Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn with_words(
        &self,
        rule: Rule,
        graph: &Graph,
        count: usize,
        words: &[String],
    ) -> anyhow::Result<Option<Vec<Position>>> {
        self.database().read(|reader| {
            if indexed(reader, rule, graph)? < count {
                return Ok(None);
            }
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let mut statement = reader.prepare_cached("SELECT rowid FROM word WHERE word MATCH ?1 AND rowid <= ?2")?;
            let found = statement.query_map(params![quoted.join(" "), i64::try_from(count)?], |row| row.get(0))?;
            let mut positions = Vec::new();
            for row in found {
                let row: Position = row?;
                positions.push(row.saturating_sub(1));
            }
            Ok(Some(positions))
        })
    }
}

/// What tells the first `end` commits of `graph` from others: two first passes over one history needn't put it in the same order, and may
/// yet end with the same commit.
fn mark(graph: &Graph, end: Position) -> Vec<u8> {
    let last = graph.id(end - 1);
    let ids = &graph.id_array()[..end as usize * last.as_bytes().len()];
    [last.as_bytes(), &crc32fast::hash(ids).to_le_bytes()].concat()
}

/// How many commits of `graph` the notes say are indexed.
pub(super) fn indexed(reader: &Connection, rule: Rule, graph: &Graph) -> anyhow::Result<usize> {
    let mut statement =
        reader.prepare_cached("SELECT end, last FROM worded WHERE rules = ?1 AND overlay = ?2 ORDER BY end DESC")?;
    let mut rows = statement.query([rule.rules, rule.overlay])?;
    while let Some(row) = rows.next()? {
        let end: Position = row.get(0)?;
        // Of later ones this process hasn't heard.
        if end as usize <= graph.len() {
            let is_own = row.get_ref(1)?.as_blob()? == mark(graph, end);
            return Ok(if is_own { end as usize } else { 0 });
        }
    }
    Ok(0)
}

fn add(transaction: &Transaction<'_>, rule: Rule, graph: &Graph, batch: &Batch) -> anyhow::Result<bool> {
    let overlay: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
    if overlay != rule.overlay || indexed(transaction, rule, graph)? != batch.base {
        return Ok(false);
    }
    let furthest: i64 = transaction.query_row("SELECT coalesce(max(end), 0) FROM worded", [], |row| row.get(0))?;
    let (base, end) = (i64::try_from(batch.base)?, Position::try_from(batch.base + batch.texts.len())?);
    if base == 0 {
        // Whatever there is was made by other rules, or of another graph.
        forget(transaction)?;
    } else if furthest != base {
        return Ok(false);
    }
    let mut insert = transaction.prepare("INSERT INTO word (rowid, words) VALUES (?1, ?2)")?;
    for (row, text) in (base + 1..).zip(&batch.texts) {
        insert.execute(params![row, text])?;
    }
    transaction.execute(
        "INSERT INTO worded VALUES (?1, ?2, ?3, ?4)",
        params![end, mark(graph, end), rule.rules, rule.overlay],
    )?;
    let old = "DELETE FROM worded WHERE end <= (SELECT end FROM worded ORDER BY end DESC LIMIT 1 OFFSET ?1)";
    transaction.execute(old, [NOTES])?;
    Ok(true)
}

/// Forgets all words: positions are to mean other commits.
pub(super) fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("DELETE FROM worded; INSERT INTO word (word) VALUES ('delete-all');")
}

#[cfg(test)]
mod tests {
    use super::super::Pass;
    use super::super::database::{Database, Schema};
    use super::*;
    use crate::facts::Oid;

    const RULE: Rule = Rule { rules: 7, overlay: 0 };

    /// A graph of commits with these numbers for ids.
    fn graph(numbers: impl IntoIterator<Item = u8>) -> Arc<Graph> {
        let id = |number: u8| Oid::from_bytes(&[number; 20]).expect("20 bytes");
        let mut commits = crate::graph::Batch::default();
        for number in numbers {
            commits.push(id(number), 0, []);
        }
        let mut graph = Graph::default();
        graph.append(&commits);
        Arc::new(graph)
    }

    fn cache(folder: &std::path::Path) -> Cache {
        Cache::open(&folder.join("cache"), folder, 20).expect("a cache").0
    }

    fn add(cache: &Cache, rule: Rule, graph: &Arc<Graph>, base: usize, texts: &[&str]) -> bool {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        smol::block_on(cache.add_words(rule, Arc::clone(graph), Batch { base, texts })).expect("no error")
    }

    fn found(cache: &Cache, graph: &Graph, count: usize, words: &[&str]) -> Option<Vec<Position>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        cache.with_words(RULE, graph, count, &words).expect("read")
    }

    #[test]
    fn commits_are_found_by_all_of_their_words_batch_after_batch() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, graph) = (cache(folder.path()), graph(1..200));
        for base in 0..199 {
            let text = format!("even_{} ete 修 near n{base}", base % 2);
            assert!(add(&cache, RULE, &graph, base, &[&text]), "{base}");
        }
        assert_eq!(cache.worded(RULE, &graph).expect("read"), 199);
        assert_eq!(found(&cache, &graph, 199, &["n42", "even_0", "修"]), Some(vec![42]));
        assert_eq!(found(&cache, &graph, 199, &["n42", "even_1"]), Some(vec![]));
        assert_eq!(found(&cache, &graph, 199, &["even_1"]).map(|found| found.len()), Some(99));
        // Words that mean something to the engine, and a part of a word.
        assert_eq!(found(&cache, &graph, 199, &["near"]).map(|found| found.len()), Some(199));
        assert_eq!(found(&cache, &graph, 199, &["even"]), Some(vec![]));
        let notes: i64 = cache
            .database()
            .read(|reader| Ok(reader.query_row("SELECT count(*) FROM worded", [], |row| row.get(0))?))
            .expect("read");
        assert_eq!(notes, NOTES);
    }

    #[test]
    fn a_process_with_another_graph_takes_nothing_for_its_own() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, own, other) = (cache(folder.path()), graph(1..5), graph([1, 2, 9, 8]));
        assert!(add(&cache, RULE, &own, 0, &["a b", "a"]));
        assert!(!add(&cache, RULE, &own, 0, &["lost", "race"]), "somebody else was first");
        assert!(add(&cache, RULE, &own, 2, &["a", "c"]));
        assert_eq!(cache.worded(RULE, &graph(1..4)).expect("read"), 2, "an older state of the same");
        assert!(!add(&cache, RULE, &graph(1..4), 2, &["x"]), "who is behind doesn't overwrite");
        assert_eq!(cache.worded(RULE, &other).expect("read"), 0);
        assert_eq!(cache.worded(RULE, &graph([2, 1, 3, 4])).expect("read"), 0, "the same commits in another order");
        assert_eq!(found(&cache, &other, 2, &["a"]), None);
        assert!(!add(&cache, Rule { overlay: 3, ..RULE }, &own, 0, &["x"]), "history is bent otherwise now");
        assert!(add(&cache, RULE, &other, 0, &["a", "z"]), "it begins anew");
        assert_eq!(found(&cache, &other, 2, &["a"]), Some(vec![0]));
        assert_eq!(found(&cache, &own, 2, &["a"]), Some(vec![0]), "the first two commits are the same");
        assert_eq!(found(&cache, &own, 4, &["a"]), None);
    }

    #[test]
    fn other_rules_and_a_bent_history_begin_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, graph) = (cache(folder.path()), graph(1..4));
        assert!(add(&cache, Rule { rules: 1, ..RULE }, &graph, 0, &["a", "a"]));
        assert_eq!(cache.worded(RULE, &graph).expect("read"), 0);
        assert!(add(&cache, RULE, &graph, 0, &["b", "a", "a"]));
        assert_eq!(found(&cache, &graph, 3, &["a"]), Some(vec![1, 2]));
        let pass = Pass {
            overlay: 5,
            base: 0,
            segment: None,
            stored: crate::cache::blocks::StoredBlocks::default(),
            refs: Vec::new(),
            positions: Vec::new(),
            whole: false,
        };
        assert!(smol::block_on(cache.store(pass)).expect("stored"));
        assert_eq!(cache.worded(RULE, &graph).expect("read"), 0);
        let bent = Rule { overlay: 5, ..RULE };
        assert!(add(&cache, bent, &graph, 0, &["c"]));
        let words = |word: &str| cache.with_words(bent, &graph, 1, &[word.to_owned()]).expect("read");
        assert_eq!((words("a"), words("c")), (Some(vec![]), Some(vec![0])));
    }

    #[test]
    fn a_cache_of_every_older_version_takes_words() {
        let whole = super::super::schema::REPOSITORY;
        for version in 1..whole.migrations.len() {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let old = Schema { migrations: &whole.migrations[..version], ..whole };
            drop(Database::open(&folder.path().join("cache"), old).expect("an old cache"));
            let (cache, graph) = (cache(folder.path()), graph(1..3));
            assert!(add(&cache, RULE, &graph, 0, &["a", "b"]));
            assert_eq!(found(&cache, &graph, 2, &["b"]), Some(vec![1]), "from version {version}");
        }
    }
}
