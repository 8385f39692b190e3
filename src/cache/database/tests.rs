//! What a database promises: see the module above.

use super::*;

const SCHEMA: Schema = Schema { application_id: 7, migrations: &["CREATE TABLE t (x INTEGER UNIQUE)"] };

fn open(folder: &Path) -> Database {
    Database::open(&folder.join("sub/t.db"), SCHEMA).expect("opens")
}

fn count(database: &Database) -> i64 {
    database.read(|reader| Ok(reader.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).expect("reads")
}

#[test]
fn an_error_a_panic_and_a_dropped_future_roll_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    let insert = |transaction: &Transaction<'_>, x: i64| transaction.execute("INSERT INTO t VALUES (?1)", [x]);
    smol::block_on(async {
        database.write(move |t| Ok(insert(t, 1)?)).await.expect("commits");
        let failed = database.write(move |t| -> anyhow::Result<()> {
            insert(t, 2)?;
            anyhow::bail!("no")
        });
        assert!(failed.await.is_err());
        let panicked = database.write(move |t| -> anyhow::Result<()> {
            insert(t, 3)?;
            panic!("no")
        });
        assert!(panicked.await.is_err());
        let (entered, enter) = async_channel::bounded::<()>(1);
        let (release, released) = async_channel::bounded::<()>(1);
        let dropped = database.write(move |t| {
            insert(t, 4)?;
            let _ = entered.send_blocking(());
            let _ = released.recv_blocking();
            Ok(())
        });
        smol::future::or(async { dropped.await.unwrap_or_default() }, async {
            let _ = enter.recv().await;
        })
        .await;
        release.send(()).await.expect("the job waits");
        database.write(|_| Ok(())).await.expect("the writer lives on");
    });
    assert_eq!(count(&database), 1);
}

#[test]
fn a_transaction_that_waits_for_another_is_given_up_with_its_future() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    let mut other = Connection::open(database.path()).expect("opens");
    let held = other.transaction_with_behavior(TransactionBehavior::Immediate).expect("holds the lock");
    let insert = |x: i64| move |t: &Transaction<'_>| Ok(t.execute("INSERT INTO t VALUES (?1)", [x])?);
    smol::block_on(async {
        let (abandoned, awaited) = (database.submit(insert(1)).await.expect("waits"), database.submit(insert(2)).await);
        drop(abandoned);
        held.commit().expect("lets go");
        awaited.expect("waits").result().await.expect("commits");
    });
    assert_eq!(count(&database), 1, "only what somebody waited for");
    let held = other.transaction_with_behavior(TransactionBehavior::Immediate).expect("holds the lock");
    let waits = smol::block_on(database.submit(insert(3))).expect("waits");
    drop(waits);
    // Who drops it doesn't wait for the lock either.
    drop(database);
    drop(held);
    assert_eq!(count(&open(folder.path())), 1);
}

#[test]
fn a_change_that_is_the_last_owner_of_its_database_is_kept_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = std::sync::Arc::new(open(folder.path()));
    let (go, wait) = async_channel::bounded::<()>(1);
    let owner = std::sync::Arc::clone(&database);
    let change = move |t: &Transaction<'_>| {
        let _ = wait.recv_blocking();
        let changed = t.execute("INSERT INTO t VALUES (1)", [])?;
        drop(owner);
        Ok(changed)
    };
    let pending = smol::block_on(database.submit(change)).expect("the writer has it");
    drop(database);
    go.close();
    assert_eq!(smol::block_on(pending.result()).expect("commits"), 1);
    assert_eq!(count(&open(folder.path())), 1);
}

#[test]
fn references_are_enforced() {
    const WITH_REFERENCES: Schema = Schema {
        application_id: 7,
        migrations: &["CREATE TABLE a (x INTEGER PRIMARY KEY); CREATE TABLE b (x INTEGER REFERENCES a (x))"],
    };
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::open(&folder.path().join("t.db"), WITH_REFERENCES).expect("opens");
    let run = |script: &'static str| smol::block_on(database.write(move |t| Ok(t.execute_batch(script)?)));
    assert!(run("INSERT INTO b VALUES (1)").is_err());
    run("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)").expect("refers to what is there");
    assert!(run("DELETE FROM a").is_err());
}

#[test]
fn whoever_has_a_file_open_that_is_removed_goes_on_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = open(folder.path());
    let insert = |database: &Database, x: i64| {
        smol::block_on(database.write(move |t| Ok(t.execute("INSERT INTO t VALUES (?1)", [x])?)))
    };
    insert(&old, 1).expect("commits");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", old.path().display()));
    }
    let new = open(folder.path());
    insert(&new, 1).expect("commits");
    insert(&new, 2).expect("commits");
    insert(&old, 3).expect("its writer goes on");
    insert(&old, 4).expect("its writer goes on");
    // More readers at once than there are connections: none opens the file that has taken the place.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!((count(&old), count(&new)), (3, 2)));
        }
    });
    let panicked = panics::caught(|| old.read(|_| -> anyhow::Result<()> { panic!("no") }));
    assert!(panicked.is_err());
    assert_eq!(count(&old), 3, "a reader that panics gives its connection back");
    drop(old);
    assert_eq!(count(&new), 2, "it takes nothing of the other with it");
    drop(new);
    assert_eq!(count(&open(folder.path())), 2);
}

#[test]
fn a_file_without_a_log_is_given_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = open(folder.path()).path().to_owned();
    let plain = Connection::open(&path).expect("opens");
    plain.pragma_update(None, "journal_mode", "DELETE").expect("nobody else has it open");
    drop(plain);
    let database = open(folder.path());
    let mode: String =
        database.read(|reader| Ok(reader.pragma_query_value(None, "journal_mode", |row| row.get(0))?)).expect("reads");
    assert_eq!(mode, "wal");
}

#[test]
fn a_statement_that_nobody_waits_for_any_more_is_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    let (entered, enter) = async_channel::bounded::<()>(1);
    let endless = database.write(move |transaction| {
        transaction.execute("INSERT INTO t VALUES (1)", [])?;
        let _ = entered.send_blocking(());
        let numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        Ok(transaction.query_row(numbers, [], |row| row.get::<_, i64>(0))?)
    });
    smol::block_on(async {
        let begun = async { Ok(enter.recv().await.map_or(0, |()| 1)) };
        assert_eq!(smol::future::or(endless, begun).await.ok(), Some(1), "it has begun, and never ends");
        database.write(|_| Ok(())).await.expect("the writer lives on");
    });
    assert_eq!(count(&database), 0);
}

#[test]
fn readers_are_not_held_up_by_the_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(folder.path());
    smol::block_on(database.write(|transaction| {
        transaction.execute("INSERT INTO t VALUES (1)", [])?;
        let other = Database::open(&transaction.path().map(PathBuf::from).expect("a file"), SCHEMA)?;
        assert_eq!(count(&other), 0, "the old state, at once");
        Ok(())
    }))
    .expect("commits");
    assert_eq!(count(&database), 1);
}

#[test]
fn many_can_make_one_file_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().expect("a folder");
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    assert_eq!(count(&open(folder.path())), 0);
                });
            }
        });
    }
}

#[test]
fn a_newer_file_is_refused_untouched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = open(folder.path()).path().to_owned();
    Connection::open(&path).expect("opens").pragma_update(None, "user_version", 99).expect("sets");
    let before = fs::read(&path).expect("reads");
    let refused = Database::open(&path, SCHEMA).expect_err("newer");
    assert_eq!(crate::error::kind_of(&refused), Kind::CacheNewer);
    assert_eq!(fs::read(&path).expect("reads"), before);
    let siblings = fs::read_dir(path.parent().expect("a folder")).expect("lists").count();
    assert_eq!(siblings, 1, "no journal was left beside it");
}

#[test]
fn files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = open(folder.path()).path().to_owned();
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
}

#[test]
fn a_broken_file_is_told_from_a_missing_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    fs::write(&path, vec![b'x'; 5000]).expect("writes");
    assert!(is_damaged(&Database::open(&path, SCHEMA).expect_err("no database")));
}
