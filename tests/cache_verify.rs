//! `cache verify` finds whatever is wrong in a cache, also where every checksum is right, and nothing wrong in one that is sound.

mod support;

use std::path::PathBuf;
use std::process::Output;

use rusqlite::{Connection, params};
use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

fn run(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).args(args).output().expect("git-bhfuil runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn database(repo: &Repo) -> PathBuf {
    let entries = std::fs::read_dir(repo.home().join("bhfuil")).expect("a folder");
    let mut paths = entries.map(|entry| entry.expect("a file").path());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|it| it == "db") && !path.ends_with("state.db");
    paths.find(is_database).expect("a database")
}

/// Fills everything that a cache can hold.
fn fill(repo: &Repo) {
    let newest = repo.git(&["rev-list", "-1", "--all"]);
    for args in [&["scan", "--patch-id", "--paths", "--new=ci"][..], &["where", &newest], &["where", "fix"]] {
        let output = run(repo, args);
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What `cache verify` finds, and why it didn't compare something.
fn verified(repo: &Repo) -> (Vec<String>, Vec<String>) {
    let output = run(repo, &["cache", "verify", "--full"]);
    let events = events(&output);
    let said = |kind| of_type(&events, kind).iter().map(|event| text(event, "message").to_owned()).collect::<Vec<_>>();
    let (findings, skipped) = (said("error"), said("warning"));
    let states: Vec<&str> = of_type(&events, "cache").iter().map(|cache| text(cache, "state")).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if findings.is_empty() {
        assert_eq!((output.status.code(), states), (Some(0), vec!["sound"]), "{stderr}");
    } else {
        assert_eq!((output.status.code(), states), (Some(1), vec!["wrong"]), "{findings:?} {stderr}");
        for error in of_type(&events, "error") {
            assert!(text(error, "hint").starts_with("git bhfuil cache clear"), "{error}");
            assert_eq!((text(error, "repo"), text(error, "code")), ("repo", "cache"));
        }
    }
    (findings, skipped)
}

fn is_sound(repo: &Repo, what: &str) {
    assert_eq!(verified(repo), (vec![], vec![]), "{what}");
}

#[test]
fn nothing_is_found_in_a_sound_cache_of_any_repository() {
    for shape in ["merges", "odd-commits", "tags", "backports"] {
        let repo = Repo::fixture(shape);
        fill(&repo);
        is_sound(&repo, shape);
    }
    let source = Repo::fixture("backports");
    let variants =
        ["shallow", "replace", "grafts", "sha256", "reftable", "worktree", "bare", "detached", "commit-graph"];
    for variant in variants {
        let repo = source.stored_as(variant);
        fill(&repo);
        let (findings, skipped) = verified(&repo);
        assert_eq!((findings, skipped), (vec![], vec![]), "{variant}");
    }
    let empty = Repo::new();
    run(&empty, &["scan"]);
    is_sound(&empty, "no commit yet");
}

#[test]
fn what_has_changed_since_the_last_pass_is_nothing_wrong() {
    let repo = Repo::fixture("backports");
    fill(&repo);
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "later"]);
    let (findings, skipped) = verified(&repo);
    assert_eq!((findings, skipped.len()), (vec![], 1), "{skipped:?}");
    assert!(skipped[0].contains("refs have moved"), "{skipped:?}");
    fill(&repo);
    is_sound(&repo, "after the next pass");
    // Commits that no ref reaches, and that are gone.
    for branch in repo.git(&["for-each-ref", "--format=%(refname)", "refs/heads/stable", "refs/tags"]).lines() {
        repo.git(&["update-ref", "-d", branch]);
    }
    let (findings, skipped) = verified(&repo);
    assert_eq!((findings, skipped.len()), (vec![], 1), "{skipped:?}");
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    let (findings, skipped) = verified(&repo);
    assert_eq!((findings, skipped.len()), (vec![], 1), "{skipped:?}");
    run(&repo, &["scan", "--no-commits"]);
    is_sound(&repo, "with commits that are gone");
    // The first commit reads as another one.
    let other = repo.git(&["commit-tree", "-m", "another", "HEAD^{tree}"]);
    repo.git(&["replace", "HEAD~2", &other]);
    let (findings, skipped) = verified(&repo);
    assert_eq!((findings, skipped.len()), (vec![], 1), "{skipped:?}");
    assert!(skipped[0].contains("bent"), "{skipped:?}");
}

/// The arrays of the graph, which is one segment.
struct Arrays {
    ids: Vec<u8>,
    times: Vec<u64>,
    edges: Vec<u32>,
    parents: Vec<u32>,
    by_id: Vec<u32>,
}

impl Arrays {
    fn read(database: &Connection) -> Self {
        let words = |array| -> Vec<u32> {
            let bytes = piece(database, array);
            bytes.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().expect("four"))).collect()
        };
        let times = piece(database, 1);
        let times = times.chunks_exact(8).map(|it| u64::from_le_bytes(it.try_into().expect("eight"))).collect();
        Self { ids: piece(database, 0), times, edges: words(2), parents: words(3), by_id: words(4) }
    }

    /// Writes them with the right checksum.
    fn write(&self, database: &Connection) {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let times: Vec<u8> = self.times.iter().flat_map(|time| time.to_le_bytes()).collect();
        let arrays = [self.ids.clone(), times, words(&self.edges), words(&self.parents), words(&self.by_id)];
        let sum = crc32fast::hash(&arrays.concat());
        for (array, bytes) in arrays.into_iter().enumerate() {
            put_piece(database, i64::try_from(array).expect("few"), &bytes);
        }
        let (count, links) = (self.times.len(), self.parents.len());
        let counts = params![i64::try_from(count).expect("few"), i64::try_from(links).expect("few"), sum];
        database.execute("UPDATE segment SET count = ?1, links = ?2, sum = ?3", counts).expect("writes");
    }
}

/// The numbers of texts, among the arrays.
const TEXTS: i64 = 5;
/// Those of changes.
const CHANGES: i64 = 6;

/// An array of the only segment, which is one piece.
fn piece(database: &Connection, array: i64) -> Vec<u8> {
    let query = "SELECT bytes FROM piece WHERE number = ?1";
    database.query_row(query, [array << 20], |row| row.get(0)).expect("one piece")
}

fn put_piece(database: &Connection, array: i64, bytes: &[u8]) {
    let put = "INSERT OR REPLACE INTO piece VALUES (?1, ?2)";
    database.execute(put, params![array << 20, bytes]).expect("writes");
}

/// A block of what `array` numbers, with the right checksums, in which `change` was done to all that is kept.
fn with_change(block: &[u8], array: i64, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mark: &[u8] = if array == CHANGES { b"changes" } else { b"" };
    let sum_of = |packed: &[u8]| crc32fast::hash(&[mark, packed].concat()).to_le_bytes();
    let count = u32::from_le_bytes(block[..4].try_into().expect("four")) as usize;
    assert!(count <= 32, "all in one frame");
    let (sum, packed) = block[8..].split_at(4);
    assert_eq!(sum, sum_of(packed));
    let mut plain = lz4_flex::decompress_size_prepended(packed).expect("a frame");
    change(&mut plain);
    let packed = lz4_flex::compress_prepend_size(&plain);
    let end = u32::try_from(packed.len() + 4).expect("short").to_le_bytes();
    [&block[..4], &end, &sum_of(&packed), &packed].concat()
}

/// Changes the last byte that the first block has of what is kept under the numbers of `array`.
fn with_last_byte_changed(cache: &Connection, array: i64) {
    let number = u32::from_le_bytes(piece(cache, array)[..4].try_into().expect("four")) >> 9;
    let query = "SELECT bytes FROM block WHERE number = ?1";
    let block: Vec<u8> = cache.query_row(query, [number], |row| row.get(0)).expect("a block");
    let block = with_change(&block, array, |raw| *raw.last_mut().expect("bytes") ^= 1);
    cache.execute("UPDATE block SET bytes = ?1 WHERE number = ?2", params![block, number]).expect("writes");
}

/// What is done to a cache, and a part of what is to be found. Each leaves every checksum right, but for those that are about one.
type Damage = (&'static str, fn(&Connection, &Repo), &'static str);

const DAMAGES: &[Damage] = &[
    (
        "a time",
        |cache, _| {
            let mut arrays = Arrays::read(cache);
            arrays.times[3] += 1;
            arrays.write(cache);
        },
        ", by the cache of ",
    ),
    (
        "a parent",
        |cache, _| {
            let mut arrays = Arrays::read(cache);
            let wrong = arrays.parents.iter().position(|&parent| parent > 0).expect("one that isn't the root");
            arrays.parents[wrong] -= 1;
            arrays.write(cache);
        },
        "has other parents than by the cache",
    ),
    (
        "a commit too few",
        |cache, _| {
            let mut arrays = Arrays::read(cache);
            let last = u32::try_from(arrays.times.len() - 1).expect("few");
            arrays.times.pop();
            arrays.edges.pop();
            arrays.ids.truncate(20 * last as usize);
            arrays.parents.truncate(*arrays.edges.last().expect("more") as usize);
            arrays.by_id.retain(|&position| position != last);
            arrays.write(cache);
        },
        "the cache hasn't",
    ),
    (
        "a commit too many",
        |cache, repo| {
            // By the cache a root has a parent, which nobody else leads to.
            let mut arrays = Arrays::read(cache);
            let id: Vec<u8> = (0..20).map(|byte| byte * 7).collect();
            let moved = |position: u32| position + 1;
            arrays.ids = [id, arrays.ids].concat();
            arrays.times.insert(0, 1);
            arrays.edges = [vec![0], arrays.edges.iter().map(|edge| edge + 1).collect()].concat();
            arrays.parents = [vec![0], arrays.parents.iter().map(|&parent| moved(parent)).collect()].concat();
            arrays.by_id = (0..u32::try_from(arrays.times.len()).expect("few")).collect();
            let ids = arrays.ids.clone();
            arrays.by_id.sort_by_key(|&position| ids[20 * position as usize..][..20].to_vec());
            arrays.write(cache);
            put_piece(cache, TEXTS, &[&[0xff; 4], &piece(cache, TEXTS)[..]].concat());
            assert!(!repo.git(&["rev-list", "--max-parents=0", "--all"]).is_empty());
        },
        "by the cache, not by git",
    ),
    (
        "what a ref leads to",
        |cache, _| {
            let (name, wrong): (Vec<u8>, Vec<u8>) = cache
                .query_row(
                    "SELECT name, (SELECT commit_id FROM ref WHERE commit_id <> one.commit_id) FROM ref AS one",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .expect("two refs");
            cache.execute("UPDATE ref SET commit_id = ?1 WHERE name = ?2", params![wrong, name]).expect("writes");
            let mut statement = cache.prepare("SELECT commit_id FROM ref ORDER BY name").expect("a query");
            let peeled = statement.query_map([], |row| row.get::<_, Option<Vec<u8>>>(0)).expect("rows");
            let peeled: Vec<u8> = peeled.flat_map(|id| id.expect("a row").unwrap_or_else(|| vec![0; 20])).collect();
            let sum = crc32fast::hash(&peeled);
            cache.execute("UPDATE snapshot SET peeled = ?1, sum = ?2", params![peeled, sum]).expect("writes");
        },
        " leads to ",
    ),
    (
        "what refs hold",
        |cache, _| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?));
            let (count, sum) = cache.query_row("SELECT count, sum FROM segment", [], row).expect("one");
            let mark = git_bhfuil::graph::Mark::default().with(count as usize, sum).number();
            // The first commit is a tip, and nobody holds anything.
            let (nought, nobody) = (0_u32.to_le_bytes(), 0_u64.to_le_bytes());
            let sum = crc32fast::hash(&[&nought[..], &nought, &nought, &nobody].concat());
            let values = params![mark, nought, nought, nought, nobody, sum];
            cache.execute("INSERT OR REPLACE INTO holders VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)", values).expect("writes");
        },
        "its refs are not those of its last pass",
    ),
    (
        "a ref that is missing",
        |cache, _| assert_eq!(cache.execute("DELETE FROM ref WHERE name = (SELECT max(name) FROM ref)", []), Ok(1)),
        "its refs are not those of its last pass",
    ),
    ("a text", |cache, _| with_last_byte_changed(cache, TEXTS), "is not that of"),
    (
        "a text that is missing",
        |cache, _| assert!(cache.execute("DELETE FROM block", []).expect("deletes") > 0),
        "is where one should be kept",
    ),
    (
        "texts in each other's place",
        |cache, _| {
            let mut texts = piece(cache, TEXTS);
            texts.rotate_left(4);
            put_piece(cache, TEXTS, &texts);
        },
        "is where one should be kept",
    ),
    ("a changed path", |cache, _| with_last_byte_changed(cache, CHANGES), "changes other paths than by the cache"),
    (
        "changed paths in each other's place",
        |cache, _| {
            let mut changes = piece(cache, CHANGES);
            changes.rotate_left(4);
            put_piece(cache, CHANGES, &changes);
        },
        "what is kept of the changed paths of",
    ),
    (
        "a patch-id",
        |cache, _| {
            let (id, largest): (Vec<u8>, i64) = cache
                .query_row("SELECT id, largest FROM patch WHERE patch_id <> x''", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .expect("a patch");
            let wrong = [7_u8; 20];
            let sum = crc32fast::hash(&[&id[..], &wrong, &largest.to_le_bytes()].concat());
            cache
                .execute("UPDATE patch SET patch_id = ?1, sum = ?2 WHERE id = ?3", params![wrong, sum, id])
                .expect("writes");
        },
        "the patch-id of",
    ),
    (
        "the checksum of a patch-id",
        |cache, _| {
            let emptied = cache.execute("UPDATE patch SET patch_id = x'' WHERE patch_id <> x''", []);
            assert!(emptied.expect("writes") > 0);
        },
        "the checksum of a patch-id is wrong",
    ),
    (
        "a key that is missing",
        |cache, _| {
            let cut =
                "UPDATE posting SET entries = substr(entries, 9) WHERE bucket = (SELECT max(bucket) FROM posting)";
            assert!(cache.execute(cut, []).expect("writes") > 0);
        },
        "is indexed by other keys",
    ),
    (
        "a key of no commit",
        |cache, _| {
            let more = "UPDATE posting SET entries = CAST(entries || x'01020304ffffff00' AS BLOB)
                        WHERE bucket = (SELECT max(bucket) FROM posting)";
            assert!(cache.execute(more, []).expect("writes") > 0);
        },
        "the index of keys has 1 entries of no commit",
    ),
    (
        "a key of another type",
        |cache, _| assert!(cache.execute("UPDATE posting SET entries = 'text'", []).expect("writes") > 0),
        "its indexes are damaged",
    ),
    (
        "a text of another type",
        |cache, _| assert!(cache.execute("UPDATE block SET bytes = 'text'", []).expect("writes") > 0),
        "its texts are damaged",
    ),
    (
        "a patch-id of another type",
        |cache, _| assert!(cache.execute("UPDATE patch SET patch_id = 'text'", []).expect("writes") > 0),
        "its patch-ids are damaged",
    ),
    (
        "a word",
        |cache, _| {
            cache.execute("DELETE FROM word WHERE rowid = 2", []).expect("deletes");
            cache.execute("INSERT INTO word (rowid, words) VALUES (2, 'something else')", []).expect("writes");
        },
        "is indexed by other words",
    ),
    (
        "a word too many",
        |cache, _| {
            cache.execute("INSERT INTO word (rowid, words) VALUES (100000, 'nobody')", []).expect("writes");
        },
        "the index of words has 1 entries of no commit",
    ),
    (
        "the index of words",
        |cache, _| assert!(cache.execute("DELETE FROM word_data WHERE id > 10", []).expect("deletes") > 0),
        "",
    ),
    (
        "a reference",
        |cache, _| {
            cache.pragma_update(None, "foreign_keys", false).expect("sets");
            assert!(cache.execute("DELETE FROM cursor", []).expect("deletes") > 0);
        },
        "a row of consumer has none in cursor",
    ),
    (
        "a constraint",
        |cache, _| {
            cache.pragma_update(None, "ignore_check_constraints", true).expect("sets");
            cache.execute("UPDATE filed SET count = -count", []).expect("writes");
        },
        "SQLite says: CHECK constraint failed",
    ),
    (
        "the checksum of the graph",
        |cache, _| assert_eq!(cache.execute("UPDATE segment SET sum = sum + 1", []), Ok(1)),
        "its graph is damaged",
    ),
    (
        "whose it is",
        |cache, repo| {
            let other = repo.home().join("other");
            repo.git(&["init", "--quiet", "--bare", other.to_str().expect("UTF-8")]);
            let other = other.to_str().expect("UTF-8").as_bytes().to_vec();
            assert_eq!(cache.execute("UPDATE repository SET common_dir = ?1", [other]), Ok(1));
        },
        "it says that it is about",
    ),
];

#[test]
fn whatever_is_wrong_is_found_by_asking_git() {
    let repo = Repo::fixture("backports");
    fill(&repo);
    is_sound(&repo, "as it was made");
    let path = database(&repo);
    let sound = std::fs::read(&path).expect("reads");
    for (what, damage, expected) in DAMAGES {
        let cache = Connection::open(&path).expect("opens");
        damage(&cache, &repo);
        let done = cache.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        assert_eq!(done, Ok(0));
        drop(cache);
        let (findings, _) = verified(&repo);
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{what}: {findings:?}");
        assert_eq!(findings, verified(&repo).0, "{what}: looking mends nothing");
        std::fs::write(&path, &sound).expect("writes");
    }
    is_sound(&repo, "as it was before");
    std::fs::write(&path, [b'x'; 9000]).expect("writes");
    assert_eq!(verified(&repo).0, ["it is no sound database"]);
    assert_eq!(std::fs::read(&path).expect("reads"), [b'x'; 9000], "it is left for somebody to look at");
    // The way out.
    assert_eq!(run(&repo, &["cache", "clear"]).status.code(), Some(0));
    fill(&repo);
    is_sound(&repo, "made anew");
}

#[test]
fn what_git_cant_say_any_more_is_no_finding() {
    let repo = Repo::fixture("backports");
    fill(&repo);
    repo.remove_objects("tree");
    let (findings, skipped) = verified(&repo);
    assert!(findings.is_empty(), "{findings:?}");
    let said = |what: &str| skipped.iter().any(|it| it.contains(&format!("{what}: git diff-tree failed")));
    assert!(said("changed paths") && said("patch-ids"), "{skipped:?}");
}

#[test]
fn a_sample_finds_what_is_wrong_everywhere_and_several_are_told_apart() {
    let repo = Repo::synthetic(1500);
    fill(&repo);
    let human = run(&repo, &["cache", "verify", "--format=human"]);
    let told = String::from_utf8_lossy(&human.stderr).into_owned();
    assert!(
        told.contains("1500 commits") && told.contains("changed paths of 18") && told.contains(" 200 patch-ids"),
        "{told}"
    );
    assert!(String::from_utf8_lossy(&human.stdout).contains("sound"));
    let cache = Connection::open(database(&repo)).expect("opens");
    cache.execute("UPDATE word SET words = 'x' WHERE rowid > 0", []).ok();
    cache.execute_batch("DELETE FROM posting WHERE bucket % 2 = 0").expect("deletes");
    drop(cache);
    let output = run(&repo, &["cache", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    let wrong = events(&output);
    let findings = of_type(&wrong, "error");
    assert!((2..=11).contains(&findings.len()), "{findings:?}");
    let last = text(findings.last().expect("some"), "message");
    assert!(last.ends_with("more commits are indexed wrongly"), "{last}");
    // Of several each is told by its name, and one that is gone is no reason to tell nothing.
    let sister = repo.home().join("sister.git");
    let sister = sister.to_str().expect("UTF-8");
    repo.git(&["clone", "--quiet", "--bare", repo.path().to_str().expect("UTF-8"), sister]);
    run(&repo, &["scan", "--no-commits", &format!("--repo={sister}")]);
    let output = run(&repo, &["cache", "verify", "--all"]);
    let states = |output: &Output| {
        let events = events(output);
        let caches = of_type(&events, "cache").into_iter();
        let mut states: Vec<_> = caches.map(|it| (text(it, "repo").to_owned(), text(it, "state").to_owned())).collect();
        states.sort();
        states
    };
    let pair = |repo: &str, state: &str| (repo.to_owned(), state.to_owned());
    assert_eq!(
        (output.status.code(), states(&output)),
        (Some(1), vec![pair("repo", "wrong"), pair("sister", "sound")])
    );
    std::fs::remove_dir_all(sister).expect("it was there");
    let output = run(&repo, &["cache", "verify", "--all"]);
    assert_eq!((output.status.code(), states(&output)), (Some(1), vec![pair("repo", "wrong")]));
    assert_eq!(of_type(&events(&output), "warning").len(), 1);
}
