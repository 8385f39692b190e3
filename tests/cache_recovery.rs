//! What the cache may never cost: whatever state its file is in, whoever else uses it and whenever the process dies, the answer is
//! the same.

mod support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use rusqlite::Connection;
use serde_json::Value;
use support::dag::{self, Dice};
use support::{Repo, bhfuil, bhfuil_running, commit_ids, events, of_type};

fn repository(count: usize) -> Repo {
    let commits = dag::random(7, count, 2, 20);
    dag::repository(&commits, &[("refs/heads/main", count - 1), ("refs/heads/side", count * 2 / 3)]).0
}

fn rev_list(repo: &Repo) -> Vec<String> {
    repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect()
}

fn scan(repo: &Repo) -> Output {
    bhfuil(repo).arg("scan").output().expect("runs")
}

/// The events of a scan that gives the full answer.
fn full(repo: &Repo) -> Vec<Value> {
    whole(repo, &scan(repo))
}

fn whole(repo: &Repo, output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let events = events(output);
    assert_eq!(commit_ids(&events), rev_list(repo));
    assert_eq!(events.last().expect("end")["complete"], true);
    events
}

fn index(events: &[Value]) -> &str {
    of_type(events, "repo-end")[0]["index"].as_str().expect("text")
}

fn codes(events: &[Value]) -> Vec<&str> {
    of_type(events, "warning").iter().filter_map(|warning| warning["code"].as_str()).collect()
}

fn folder(repo: &Repo) -> PathBuf {
    repo.home().join("bhfuil")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// Whether `path` is the database of a repository: each is called `repo` here.
fn is_database(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.starts_with("repo-") && path.extension().is_some_and(|it| it == "db")
}

/// The database of the only repository.
fn database(repo: &Repo) -> PathBuf {
    let mut found = files(&folder(repo)).into_iter().filter(|path| is_database(path));
    found.next().expect("a database")
}

/// The bytes of the database, with everything in the one file.
fn settled(repo: &Repo) -> Vec<u8> {
    let connection = Connection::open(database(repo)).expect("opens");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoints");
    drop(connection);
    std::fs::read(database(repo)).expect("reads")
}

/// One scan over the damaged file: the full answer, one warning, and the file kept; the next finds nothing amiss.
fn is_rebuilt(repo: &Repo, damaged: &[u8], what: &str) {
    let events = full(repo);
    assert_eq!(codes(&events), ["cache-rebuilt"], "{what}");
    let kept: Vec<PathBuf> =
        files(&folder(repo)).into_iter().filter(|path| path.to_string_lossy().contains(".damaged-")).collect();
    let message = of_type(&events, "warning")[0]["message"].as_str().expect("text");
    let named = kept.iter().find(|path| message.contains(&*path.to_string_lossy()));
    let named = named.unwrap_or_else(|| panic!("{what}: {message}"));
    assert!(std::fs::read(named).is_ok_and(|bytes| bytes == damaged), "{what}: it is kept as it was");
    let again = full(repo);
    assert_eq!((index(&again), codes(&again).len()), ("fresh", 0), "{what}");
}

#[test]
fn a_damaged_file_is_set_aside_and_made_anew() {
    let repo = repository(600);
    assert_eq!(index(&full(&repo)), "built");
    let sound = settled(&repo);
    let path = database(&repo);
    let rubbish: Vec<u8> = (0..sound.len()).map(|at| u8::try_from(at * 7 % 251).expect("a byte")).collect();
    let mut header = sound.clone();
    header[16..60].fill(0xaa);
    for (what, bytes) in [
        ("rubbish", rubbish.clone()),
        ("a few bytes", b"no database\n".to_vec()),
        ("a broken header", header),
        ("half of it", sound[..sound.len() / 2].to_vec()),
        ("one page", sound[..4096].to_vec()),
        ("rubbish after the first page", [&sound[..4096], &rubbish[4096..]].concat()),
    ] {
        std::fs::write(&path, &bytes).expect("writes");
        is_rebuilt(&repo, &bytes, what);
    }
    // They don't pile up, and neither do locks.
    let names: Vec<String> = files(&folder(&repo)).iter().map(|path| path.display().to_string()).collect();
    let count = |part: &str| names.iter().filter(|name| name.contains(part)).count();
    assert_eq!((count(".db.damaged-6"), count(".lock")), (1, 1), "{names:?}");
    let kept =
        names.iter().filter(|name| name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm"));
    assert_eq!(kept.count(), 3, "{names:?}");
    // An empty file is one that somebody has just begun.
    std::fs::write(&path, b"").expect("writes");
    assert_eq!(codes(&full(&repo)), Vec::<&str>::new());
    assert_eq!(index(&full(&repo)), "fresh");
}

#[test]
fn a_damaged_list_of_caches_is_set_aside_too() {
    let repo = repository(50);
    full(&repo);
    std::fs::write(folder(&repo).join("state.db"), [b'x'; 9000]).expect("writes");
    std::fs::remove_file(database(&repo)).expect("it was there");
    let events = full(&repo);
    assert_eq!(codes(&events), ["cache-rebuilt"]);
    let message = of_type(&events, "warning")[0]["message"].to_string();
    assert!(message.contains("state.db.damaged-1"), "{message}");
    assert_eq!(codes(&full(&repo)).len(), 0);
}

#[test]
fn the_database_of_another_program_is_set_aside() {
    let repo = repository(50);
    full(&repo);
    let path = database(&repo);
    for version in [0, 1, 99] {
        std::fs::remove_file(&path).expect("it was there");
        let foreign = Connection::open(&path).expect("opens");
        foreign.execute_batch("CREATE TABLE repository (x); INSERT INTO repository VALUES (1)").expect("makes");
        foreign.pragma_update(None, "user_version", version).expect("sets");
        drop(foreign);
        let bytes = std::fs::read(&path).expect("reads");
        is_rebuilt(&repo, &bytes, &format!("a foreign database of version {version}"));
    }
}

/// `sound` with garbage somewhere, and where. Most of a small database is empty: there it could do no harm.
fn garbled(sound: &[u8], dice: &mut Dice) -> (usize, Vec<u8>) {
    let mut bytes = sound.to_owned();
    let place = |dice: &mut Dice| 100 + dice.below(sound.len() - 612);
    let mut at = place(dice);
    while sound[at..at + 512].iter().all(|&byte| byte == 0) {
        at = place(dice);
    }
    bytes[at..at + 512].iter_mut().for_each(|byte| *byte = dice.next().to_le_bytes()[0]);
    (at, bytes)
}

#[test]
fn garbage_in_the_middle_never_shows_in_the_answer() {
    let repo = repository(1200);
    full(&repo);
    let sound = settled(&repo);
    let path = database(&repo);
    let mut dice = Dice(42);
    let mut noticed = 0;
    for round in 0..24 {
        let (at, bytes) = garbled(&sound, &mut dice);
        std::fs::write(&path, &bytes).expect("writes");
        let events = full(&repo);
        let codes = codes(&events);
        assert!(codes.is_empty() || codes == ["cache-rebuilt"], "round {round}, byte {at}: {codes:?}");
        noticed += codes.len();
        assert_eq!(self::codes(&full(&repo)), Vec::<&str>::new(), "round {round}, byte {at}");
    }
    assert!(noticed > 0, "some hit what every scan reads");
}

const QUESTIONS: [&[&str]; 4] = [
    &["where", "main~3"],
    &["missing", "stable/1.0", "--from=main"],
    &["where", "--similar", "stable/2.0~1"],
    &["where", "patch-id alone"],
];

/// What a question is answered, warnings and the repository's own state apart; and the codes of the warnings.
fn answer(output: &Output, what: &str) -> (Vec<Value>, Vec<String>) {
    assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
    let told = events(output);
    assert!(of_type(&told, "error").is_empty() && told[told.len() - 1]["complete"] == true, "{what}: {told:?}");
    let kinds = ["match", "presence", "missing", "commit"];
    let answer: Vec<Value> = kinds.iter().flat_map(|kind| of_type(&told, kind)).cloned().collect();
    assert!(!answer.is_empty(), "{what}");
    (answer, codes(&told).into_iter().map(str::to_owned).collect())
}

#[test]
fn garbage_anywhere_leaves_changed_paths_and_what_is_where_and_missing_as_they_are() {
    let repo = Repo::fixture("backports");
    let ask = |args: &[&str], what: &str| answer(&bhfuil(&repo).args(args).output().expect("runs"), what);
    let questions = || QUESTIONS.into_iter().chain([&["scan", "--paths"][..]]);
    let expected: Vec<_> = questions().map(|args| ask(args, "undisturbed").0).collect();
    // What is kept from the second time on is there then.
    assert!(questions().map(|args| ask(args, "again").0).eq(expected.iter().cloned()));
    let sound = settled(&repo);
    let path = database(&repo);
    let (mut dice, mut noticed) = (Dice(4242), 0);
    for round in 0..40 {
        let (at, bytes) = garbled(&sound, &mut dice);
        for rest in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{rest}", path.display()));
        }
        std::fs::write(&path, &bytes).expect("writes");
        for (args, expected) in questions().zip(&expected) {
            let what = format!("round {round}, byte {at}, {args:?}");
            let (told, codes) = ask(args, &what);
            assert_eq!(&told, expected, "{what}");
            assert!(codes.is_empty() || codes == ["cache-rebuilt"], "{what}: {codes:?}");
            noticed += codes.len();
        }
    }
    assert!(noticed > 0, "some hit what is read");
}

#[test]
fn a_table_that_cant_be_read_in_the_middle_of_an_answer_is_made_anew() {
    let repo = Repo::fixture("backports");
    let ask = |args: &[&str], what: &str| answer(&bhfuil(&repo).args(args).output().expect("runs"), what);
    for args in QUESTIONS {
        let (expected, _) = ask(args, "undisturbed");
        let connection = Connection::open(database(&repo)).expect("opens");
        // The pages of a table of another kind, which shows when the first is read.
        let misled = "PRAGMA writable_schema = 1;
            UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'block')
             WHERE name = 'posting'";
        connection.execute_batch(misled).expect("SQL");
        drop(connection);
        let (told, codes) = ask(args, "misled");
        assert_eq!((told, codes), (expected.clone(), vec!["cache-rebuilt".to_owned()]), "{args:?}");
        assert_eq!(ask(args, "afterwards"), (expected, vec![]), "{args:?}");
    }
}

#[test]
fn rows_that_cant_be_what_was_stored_are_filed_anew() {
    let repo = Repo::fixture("backports");
    let ask = |what: &str| answer(&bhfuil(&repo).args(QUESTIONS[1]).output().expect("runs"), what);
    let (expected, _) = ask("undisturbed");
    let connection = Connection::open(database(&repo)).expect("opens");
    connection.execute("UPDATE posting SET entries = 'text'", []).expect("SQL");
    drop(connection);
    assert_eq!(ask("damaged"), (expected.clone(), vec!["cache-rebuilt".to_owned()]));
    assert_eq!(ask("afterwards"), (expected, vec![]));
}

/// More commits than are read at once: the arrays stay where they are, and are believed as long as it is kept which refs hold what.
#[test]
fn what_a_large_graph_lacks_is_mended_by_the_second_run() {
    let repo = repository(5000);
    let ask = |what: &str| {
        let output = bhfuil(&repo).args(["where", "main", "side"]).output().expect("runs");
        let told = events(&output);
        let answer: Vec<Value> =
            ["match", "presence", "commit"].iter().flat_map(|kind| of_type(&told, kind)).cloned().collect();
        let codes: Vec<String> = codes(&told).into_iter().map(str::to_owned).collect();
        assert!(output.status.code() == Some(0) || told.last().expect("end")["complete"] == false, "{what}: {told:?}");
        (output.status.code(), answer, codes)
    };
    let expected = ask("undisturbed");
    let mut rebuilt = 0;
    for damage in [
        "DELETE FROM piece WHERE number = 1",
        "DELETE FROM piece WHERE number >> 20 IN (0, 1, 4)",
        "DELETE FROM piece WHERE number >> 20 = 3",
        "DELETE FROM piece WHERE number >> 20 = 5",
        "UPDATE piece SET bytes = x'00' WHERE number = (SELECT max(number) FROM piece WHERE number >> 20 = 0)",
        "UPDATE segment SET count = 2000000000",
        "UPDATE segment SET count = 4000000000",
        "UPDATE segment SET count = count - 1024",
        "UPDATE segment SET links = 1 << 62",
        "UPDATE segment SET links = links - 1",
    ] {
        for _ in 0..3 {
            assert_eq!(ask("before"), expected, "before: {damage}");
        }
        let connection = Connection::open(database(&repo)).expect("opens");
        assert!(connection.execute(damage, []).expect("SQL") > 0, "{damage}");
        drop(connection);
        for run in 0..2 {
            let (code, answer, codes) = ask(damage);
            // Who meets it in the middle can't go on; the next run knows.
            assert!(code == Some(0) || run == 0, "{damage}: {code:?}");
            assert!(code != Some(0) || answer == expected.1, "{damage}");
            rebuilt += codes.iter().filter(|code| *code == "cache-rebuilt").count();
        }
    }
    assert!(rebuilt >= 8, "{rebuilt}");
}

#[test]
fn a_cache_that_may_grow_no_further_leaves_what_is_where_and_missing_as_it_is() {
    let repo = Repo::fixture("backports");
    let ask = |args: &[&str]| answer(&bhfuil(&repo).args(args).output().expect("runs"), "undisturbed");
    let expected = QUESTIONS.map(|args| ask(args).0);
    let largest = files(&folder(&repo)).iter().map(|file| file.metadata().expect("there").len()).max().expect("files");
    let (mut dice, mut warned) = (Dice(77), 0);
    for round in 0..10 {
        let _ = std::fs::remove_dir_all(folder(&repo));
        // Up to twice of what it takes, since the log of what is being written grows apart.
        let limit = dice.below(usize::try_from(largest).expect("small") / 512);
        for (args, expected) in QUESTIONS.iter().zip(&expected) {
            let mut command = Command::new("bash");
            repo.seal(&mut command).current_dir(repo.path()).env("bhfuil", env!("CARGO_BIN_EXE_git-bhfuil"));
            command.args(["-c", &format!("ulimit -c 0; ulimit -f {limit} && exec \"$bhfuil\" \"$@\""), "bash"]);
            let output = command.args(*args).output().expect("bash starts");
            let what = format!("round {round}, {limit} KiB, {args:?}");
            let (told, codes) = answer(&output, &what);
            assert_eq!(&told, expected, "{what}");
            let known = ["cache-unavailable", "cache-unwritten", "cache-rebuilt"];
            assert!(codes.len() <= 1 && codes.iter().all(|code| known.contains(&code.as_str())), "{what}: {codes:?}");
            warned += codes.len();
        }
        for (args, expected) in QUESTIONS.iter().zip(&expected) {
            assert_eq!(&ask(args), &(expected.clone(), vec![]), "round {round}, {limit} KiB, {args:?}, afterwards");
        }
    }
    assert!(warned > 2, "{warned} had too little room");
}

#[test]
fn a_flipped_bit_in_the_graph_is_noticed() {
    let repo = repository(100);
    for (array, name) in ["ids", "times", "edges", "parents", "by_id"].into_iter().enumerate() {
        full(&repo);
        flip_a_bit(&repo, i64::try_from(array).expect("few"));
        let bytes = settled(&repo);
        is_rebuilt(&repo, &bytes, name);
    }
}

#[test]
fn a_flipped_bit_in_what_refs_hold_is_noticed() {
    // So many commits that it is kept.
    let repo = repository(9000);
    let commit = &rev_list(&repo)[2000];
    let ask = || events(&bhfuil(&repo).args(["where", commit]).output().expect("it runs"));
    let answer = |events: &[Value]| -> Vec<Value> {
        of_type(events, "match").into_iter().chain(of_type(events, "presence")).cloned().collect()
    };
    let expected = answer(&ask());
    for column in ["tips", "starts", "numbers", "sets"] {
        assert_eq!(answer(&ask()), expected, "{column}: kept");
        let connection = Connection::open(database(&repo)).expect("opens");
        let kept = format!("SELECT {column} FROM holders");
        let mut array: Vec<u8> = connection.query_row(&kept, [], |row| row.get(0)).expect("it is kept");
        let last = array.len() - 8;
        array[last] ^= 1;
        connection.execute(&format!("UPDATE holders SET {column} = ?1"), [array]).expect("updates");
        drop(connection);
        let events = ask();
        assert_eq!(codes(&events), ["cache-rebuilt"], "{column}");
        assert_eq!(answer(&events), expected, "{column}");
        ask();
    }
}

/// Turns one bit in an array of the only segment, which is one piece.
fn flip_a_bit(repo: &Repo, array: i64) {
    let connection = Connection::open(database(repo)).expect("opens");
    let row = array << 20;
    let mut bytes: Vec<u8> =
        connection.query_row("SELECT bytes FROM piece WHERE number = ?1", [row], |row| row.get(0)).expect("a piece");
    // A low byte: the value stays plausible.
    let middle = bytes.len() / 2 / 8 * 8;
    bytes[middle] ^= 1;
    connection
        .execute("UPDATE piece SET bytes = ?1 WHERE number = ?2", rusqlite::params![bytes, row])
        .expect("updates");
}

#[test]
fn a_number_that_leads_to_the_text_of_another_commit_is_not_followed() {
    let repo = repository(100);
    full(&repo);
    let before = full(&repo);
    flip_a_bit(&repo, 5);
    let after = full(&repo);
    assert_eq!((index(&after), codes(&after).len()), ("fresh", 0));
    assert_eq!(of_type(&after, "commit"), of_type(&before, "commit"));
    assert!(of_type(&after, "commit").len() > 1);
}

#[test]
fn a_newer_cache_is_refused_and_left_as_it_is() {
    let repo = repository(50);
    full(&repo);
    let connection = Connection::open(database(&repo)).expect("opens");
    connection.pragma_update(None, "user_version", 1000).expect("sets");
    drop(connection);
    let before = settled(&repo);
    let listing = files(&folder(&repo));
    for args in [&["scan"][..], &["scan", "-n1"], &["scan", "--no-commits"]] {
        let output = bhfuil(&repo).args(args).output().expect("runs");
        assert_eq!(output.status.code(), Some(128));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("fatal: ") && said.contains("1000") && said.contains("\nhint: "), "{said}");
        assert_eq!(of_type(&events(&output), "error")[0]["code"], "cache-newer");
        assert_eq!(std::fs::read(database(&repo)).expect("reads"), before);
        assert_eq!(files(&folder(&repo)), listing);
    }
}

#[test]
fn without_a_place_for_the_cache_there_is_one_warning() {
    let repo = repository(100);
    std::fs::write(repo.home().join("file"), "").expect("writes");
    let file = repo.home().join("file");
    let all = rev_list(&repo);
    for cache in [file.clone(), file.join("below"), PathBuf::from("/proc/nowhere")] {
        for _ in 0..2 {
            let output = bhfuil(&repo).env("GIT_BHFUIL_CACHE", &cache).arg("scan").output().expect("runs");
            let events = whole(&repo, &output);
            assert_eq!((codes(&events), index(&events)), (vec!["cache-unavailable"], "skipped"), "{}", cache.display());
            assert_eq!(of_type(&events, "repo-end")[0]["new"], 0);
            let reversed = bhfuil(&repo).env("GIT_BHFUIL_CACHE", &cache).args(["scan", "--reverse"]).output();
            assert_eq!(index(&self::events(&reversed.expect("runs"))), "skipped");
        }
        let output = bhfuil(&repo).env("GIT_BHFUIL_CACHE", &cache).args(["scan", "--new=ci"]).output().expect("runs");
        assert_eq!(output.status.code(), Some(128));
        let hint = of_type(&events(&output), "error")[0]["hint"].to_string();
        assert!(hint.contains("GIT_BHFUIL_CACHE") && hint.contains("without --after and --new"), "{hint}");
    }
    let mut homeless = bhfuil(&repo);
    for name in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GIT_BHFUIL_CACHE"] {
        homeless.env_remove(name);
    }
    let output = homeless.arg("scan").output().expect("runs");
    assert_eq!(codes(&whole(&repo, &output)), ["cache-unavailable"]);
    // What the database would be is a folder.
    full(&repo);
    let path = database(&repo);
    std::fs::remove_file(&path).expect("it was there");
    std::fs::create_dir(&path).expect("a folder");
    assert_eq!(codes(&full(&repo)).len(), 1);
    assert_eq!(rev_list(&repo), all);
}

#[test]
fn a_cache_that_cant_be_written_is_skipped_with_one_warning() {
    let repo = repository(100);
    full(&repo);
    let connection = Connection::open(database(&repo)).expect("opens");
    // As a full disk would: whatever a scan stores fails.
    for table in ["segment", "snapshot", "cursor"] {
        let refuse =
            format!("CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END");
        connection.execute_batch(&format!("{refuse}; DELETE FROM {table};")).expect("SQL");
    }
    connection.execute_batch("DELETE FROM piece").expect("SQL");
    for args in [&["scan"][..], &["scan", "--reverse"], &["scan"]] {
        let output = bhfuil(&repo).args(args).output().expect("runs");
        assert_eq!(output.status.code(), Some(0));
        let events = events(&output);
        assert_eq!((codes(&events), index(&events)), (vec!["cache-unwritten"], "skipped"), "{args:?}");
        let message = of_type(&events, "warning")[0]["message"].to_string();
        assert_eq!(message.matches("full").count(), 1, "{message}");
        assert_eq!(events.last().expect("end").get("cursor"), None);
    }
    for table in ["segment", "snapshot", "cursor"] {
        connection.execute_batch(&format!("DROP TRIGGER no_{table}")).expect("SQL");
    }
    assert_eq!(index(&full(&repo)), "built");
    assert_eq!(index(&full(&repo)), "fresh");
}

#[test]
fn nobody_else_can_read_the_cache() {
    let repo = repository(100);
    full(&repo);
    // The lock of a rebuilding, too.
    std::fs::write(database(&repo), b"rubbish, and enough of it to be no empty database").expect("writes");
    full(&repo);
    let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder(&repo)), 0o700);
    let modes: Vec<_> = files(&folder(&repo)).into_iter().map(|path| (mode(&path), path)).collect();
    assert!(modes.len() > 1 && modes.iter().all(|(mode, _)| *mode == 0o600), "{modes:?}");
}

#[test]
fn killed_at_any_moment_the_next_scan_is_as_if_undisturbed() {
    const COMMITS: usize = 3000;
    let repo = repository(COMMITS);
    let undisturbed = commits(&scan(&repo));
    std::fs::remove_dir_all(folder(&repo)).expect("the cache");
    for round in 0..=24 {
        // The last rounds see every commit and are killed while the cache is written.
        let lines = if round < 18 { 1 + round * COMMITS / 18 } else { COMMITS + 2 + (round - 18) / 3 };
        let mut child = bhfuil_running(&repo, &["scan"]);
        let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            reader.read_line(&mut line).expect("UTF-8");
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        if round % 6 == 5 {
            let output = scan(&repo);
            assert_eq!(codes(&whole(&repo, &output)), Vec::<&str>::new(), "after {lines} lines");
            assert_eq!(commits(&output), undisturbed, "after {lines} lines");
            // Every second time it goes on from a cache that is out of date, else from none.
            if round % 12 == 5 {
                let id = repo.git(&["rev-parse", "side"]);
                repo.git(&["update-ref", &format!("refs/tags/t{round}"), &id]);
            } else {
                std::fs::remove_dir_all(folder(&repo)).expect("the cache");
            }
        }
    }
    assert_eq!(commits(&scan(&repo)), undisturbed);
    assert_eq!(index(&full(&repo)), "fresh");
}

/// The `commit` lines, byte for byte.
fn commits(output: &Output) -> Vec<String> {
    let lines = std::str::from_utf8(&output.stdout).expect("UTF-8").lines();
    lines.filter(|line| line.starts_with("{\"type\":\"commit\"")).map(str::to_owned).collect()
}

fn finish(child: Child) -> Output {
    child.wait_with_output().expect("ends")
}

#[test]
fn scans_at_once_of_one_repository_all_end_right() {
    let repo = repository(1500);
    for count in [2, 8] {
        for state in ["none", "damaged", "old"] {
            match state {
                "none" => std::fs::remove_dir_all(folder(&repo)).unwrap_or_default(),
                "damaged" => std::fs::write(database(&repo), vec![b'x'; 20_000]).expect("writes"),
                _ => {
                    let new = repo.git(&["commit-tree", "-p", "main", "-m", &format!("{count}"), "main^{tree}"]);
                    repo.git(&["update-ref", "refs/heads/main", &new]);
                }
            }
            let running: Vec<Child> = (0..count).map(|_| bhfuil_running(&repo, &["scan"])).collect();
            let waiting: Vec<_> = running.into_iter().map(|child| std::thread::spawn(|| finish(child))).collect();
            let mut rebuilt = 0;
            for output in waiting {
                let events = whole(&repo, &output.join().expect("no panic"));
                assert!(
                    codes(&events).iter().all(|code| *code == "cache-rebuilt"),
                    "{state}: {:?}",
                    of_type(&events, "warning")
                );
                rebuilt += codes(&events).len();
            }
            assert_eq!(rebuilt, usize::from(state == "damaged"), "{count} at once, {state}");
            assert_eq!(index(&full(&repo)), "fresh", "{count} at once, {state}");
        }
    }
}

#[test]
fn scans_at_once_of_different_repositories_share_the_folder() {
    let repos: Vec<Repo> = (0..8)
        .map(|number| {
            let commits = dag::random(100 + number, 300, 2, 9);
            dag::repository(&commits, &[("refs/heads/main", 299)]).0
        })
        .collect();
    let shared = folder(&repos[0]);
    for expected in ["built", "fresh"] {
        std::thread::scope(|scope| {
            for repo in &repos {
                scope.spawn(|| {
                    let output = bhfuil(repo).env("GIT_BHFUIL_CACHE", &shared).arg("scan").output().expect("runs");
                    assert_eq!(index(&whole(repo, &output)), expected);
                });
            }
        });
    }
    let databases = files(&shared).into_iter().filter(|path| is_database(path));
    assert_eq!(databases.count(), 8);
}

/// Where many refs lead is kept, and known without the graph. If that turns out to be damaged, all of them are looked up again.
#[test]
fn where_many_refs_lead_is_found_anew_with_a_damaged_graph() {
    let repo = repository(20);
    let apart = repo.git(&["commit-tree", "-p", "main", "-m", "apart", "main^{tree}"]);
    let known = rev_list(&repo);
    let line = |number: usize| format!("update refs/pull/{number}/head {}\n", known[number % known.len()]);
    let lines = (0..4200).map(line).collect::<Vec<_>>().concat();
    repo.git_with(&["update-ref", "--stdin"], format!("{lines}update refs/pull/77/merge {apart}\n").as_bytes());
    repo.git(&["pack-refs", "--all"]);
    let all: Vec<String> = repo.git(&["rev-list", "--all"]).lines().map(str::to_owned).collect();
    let scan = || events(&bhfuil(&repo).args(["scan", "--refs=*"]).output().expect("runs"));
    for _ in 0..3 {
        bhfuil(&repo).args(["where", "--refs=*", "main"]).output().expect("runs");
    }
    assert_eq!((index(&scan()), of_type(&scan(), "commit").len()), ("fresh", all.len()));
    let connection = Connection::open(database(&repo)).expect("opens");
    let damaged = connection.execute("UPDATE piece SET bytes = zeroblob(length(bytes))", []).expect("SQL");
    assert!(damaged > 0);
    drop(connection);
    let anew = scan();
    assert_eq!(codes(&anew), ["cache-rebuilt"]);
    assert_eq!(of_type(&anew, "commit").len(), all.len());
    assert_eq!((index(&anew), &of_type(&anew, "repo-end")[0]["new"]), ("built", &Value::from(all.len())));
    assert_eq!(index(&scan()), "fresh");
}
