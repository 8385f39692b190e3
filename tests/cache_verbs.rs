//! `cache info`, `verify`, `gc` and `clear`: what they tell is what lies there, whatever is wrong in a cache is found, and whoever uses
//! one meanwhile gets the same answer.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::dag;
use support::{Repo, bhfuil, bhfuil_running, commit_ids, events, of_type, wait_until_idle};

fn repository(count: usize) -> Repo {
    let commits = dag::random(7, count, 2, 20);
    dag::repository(&commits, &[("refs/heads/main", count - 1), ("refs/heads/side", count * 2 / 3)]).0
}

fn run(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).args(args).output().expect("git-bhfuil runs")
}

/// The events of a run that ends well and has nothing to say on stderr.
fn well(repo: &Repo, args: &[&str]) -> Vec<Value> {
    let output = run(repo, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{args:?}: {told}");
    events(&output)
}

fn caches(repo: &Repo, args: &[&str]) -> Vec<Value> {
    of_type(&well(repo, args), "cache").into_iter().cloned().collect()
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn folder(repo: &Repo) -> PathBuf {
    repo.home().join("bhfuil")
}

/// The databases of repositories in the folder, and what was set aside of them.
fn databases(repo: &Repo) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(repo)).expect("a folder").map(|entry| entry.expect("a file").path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        !name.starts_with("state.db")
            && (path.extension().is_some_and(|end| end == "db") || name.contains(".db.damaged-"))
    };
    let mut found: Vec<PathBuf> = entries.filter(is_database).collect();
    found.sort();
    found
}

fn rev_list(repo: &Repo) -> Vec<String> {
    repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect()
}

fn index(repo: &Repo) -> String {
    let events = well(repo, &["scan", "--no-commits"]);
    text(of_type(&events, "repo-end")[0], "index").to_owned()
}

/// A clone of `repo` below its home.
fn sister(repo: &Repo, name: &str) -> PathBuf {
    let path = repo.home().join(name);
    let (from, to) = (repo.path().to_str().expect("UTF-8"), path.to_str().expect("UTF-8"));
    repo.git(&["clone", "--quiet", "--bare", from, to]);
    path
}

fn by_path(path: &Path) -> String {
    format!("--repo={}", path.display())
}

#[test]
fn info_tells_what_lies_there() {
    let repo = repository(80);
    assert_eq!(caches(&repo, &["cache", "info"]), [] as [Value; 0]);
    assert!(!folder(&repo).exists(), "looking makes nothing");
    well(&repo, &["scan", "--patch-id", "--paths", "--new=ci"]);
    let told = caches(&repo, &["cache", "info"]);
    let path = &databases(&repo)[0];
    let on_disk: u64 = ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(format!("{}{suffix}", path.display())).ok())
        .map(|file| file.len())
        .sum();
    assert_eq!(told.len(), 1);
    let (cache, count) = (&told[0], rev_list(&repo).len());
    assert_eq!(text(cache, "path"), path.to_str().expect("UTF-8"));
    assert_eq!(
        text(cache, "git_dir"),
        repo.path().join(".git").canonicalize().expect("there").to_str().expect("UTF-8")
    );
    assert_eq!((text(cache, "repo"), text(cache, "state")), ("repo", "kept"));
    assert_eq!([&cache["bytes"], &cache["commits"], &cache["texts"]], [on_disk, count as u64, count as u64]);
    assert_eq!([&cache["changes"], &cache["words"], &cache["consumers"]], [count as u64, 0, 1]);
    let merges = repo.git(&["rev-list", "--merges", "--branches"]).lines().count();
    assert_eq!(cache["patch_ids"], (count - merges) as u64);
    well(&repo, &["where", "commit"]);
    assert_eq!(caches(&repo, &["cache", "info"])[0]["words"], count as u64);
    let human = run(&repo, &["cache", "info", "--format=human"]);
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(human.contains(&format!("{count} commits")) && human.lines().count() == 1, "{human}");
}

#[test]
fn every_cache_is_told_also_of_repositories_that_are_gone() {
    let repo = repository(30);
    let (one, other) = (sister(&repo, "one.git"), sister(&repo, "sub/one.git"));
    for path in [&one, &other] {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    std::fs::remove_dir_all(&other).expect("it was there");
    let told = caches(&repo, &["cache", "info", "--all"]);
    let mut states: Vec<_> = told.iter().map(|cache| (text(cache, "repo"), text(cache, "state"))).collect();
    states.sort_unstable();
    assert_eq!(states, [("home/one", "kept"), ("sub/one", "orphaned")]);
    // Those that are asked for, in this order, by path or by name; also one that is gone.
    well(&repo, &["repo", "add", "--name=first", one.to_str().expect("UTF-8")]);
    let told = caches(&repo, &["cache", "info", "--repo=first"]);
    assert_eq!((told.len(), text(&told[0], "repo")), (1, "first"));
    let refused = run(&repo, &["cache", "info", "--all", "--repo=first"]);
    assert_eq!(refused.status.code(), Some(129));
    assert_eq!(run(&repo, &["cache", "info", "--repo=no-such"]).status.code(), Some(128));
}

#[test]
fn clear_takes_away_what_is_asked_and_nothing_else() {
    let repo = repository(30);
    let (one, other) = (sister(&repo, "one.git"), sister(&repo, "other.git"));
    for path in [&one, &other] {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    assert_eq!(index(&repo), "built");
    let told = caches(&repo, &["cache", "clear", &by_path(&one)]);
    assert_eq!((told.len(), text(&told[0], "state"), text(&told[0], "because")), (1, "removed", "asked"));
    assert!(told[0]["freed"].as_u64() > Some(0) && told[0]["bytes"] == 0, "{told:?}");
    assert_eq!((databases(&repo).len(), index(&repo).as_str()), (2, "fresh"));
    // One that is damaged, and what was set aside, go too.
    let own = databases(&repo).into_iter().find(|path| path.to_string_lossy().contains("repo-")).expect("it is there");
    std::fs::write(&own, [b'x'; 9000]).expect("writes");
    run(&repo, &["scan", "--no-commits"]);
    std::fs::write(&own, [b'y'; 9000]).expect("writes");
    assert_eq!(caches(&repo, &["cache", "info"]).len(), 2);
    assert_eq!(caches(&repo, &["cache", "clear"]).len(), 2);
    assert_eq!((databases(&repo).len(), index(&repo).as_str()), (1, "built"));
    assert_eq!(caches(&repo, &["cache", "clear", "--all"]).len(), 2);
    assert_eq!(databases(&repo), [] as [PathBuf; 0]);
    assert_eq!(caches(&repo, &["cache", "clear", "--all"]), [] as [Value; 0]);
}

/// Starts `scan`, lets it fill the pipe, and gives what it writes once `meanwhile` is over.
fn interrupted_by(repo: &Repo, args: &[&str], meanwhile: impl FnOnce()) -> Output {
    let mut child = bhfuil_running(repo, args);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut bytes = Vec::new();
    stdout.read_until(b'\n', &mut bytes).expect("a line");
    wait_until_idle(child.id());
    meanwhile();
    stdout.read_to_end(&mut bytes).expect("the rest");
    let rest = child.wait_with_output().expect("ends");
    Output { stdout: bytes, ..rest }
}

#[test]
fn whoever_uses_a_cache_that_is_cleared_goes_on_and_ends_right() {
    let repo = repository(3000);
    let expected = rev_list(&repo);
    let is_right = |output: Output, what: &str| {
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let events = events(&output);
        assert_eq!(commit_ids(&events), expected, "{what}");
        assert_eq!(events.last().expect("end")["complete"], true, "{what}");
    };
    let clear = || assert_eq!(caches(&repo, &["cache", "clear"]).len(), 1);
    is_right(interrupted_by(&repo, &["scan"], clear), "while it is made");
    assert_eq!(index(&repo), "built", "what was written to a file without a name is gone with it");
    is_right(interrupted_by(&repo, &["scan"], clear), "while it is read");
    index(&repo);
    is_right(interrupted_by(&repo, &["scan", "--patch-id"], clear), "while it is read and written");
    let again = || {
        clear();
        assert_eq!(index(&repo), "built", "a new one is begun meanwhile");
    };
    index(&repo);
    is_right(interrupted_by(&repo, &["scan", "--patch-id"], again), "while another is made in its place");
    assert_eq!(index(&repo), "fresh", "and that one is whole");
    assert_eq!(databases(&repo).len(), 1);
}

fn set_used(path: &Path, days_ago: u64) {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days_ago * 86_400);
    std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(then)).expect("set");
}

/// The cache of the repository at `path`.
fn cache_of(repo: &Repo, path: &Path) -> PathBuf {
    PathBuf::from(text(&caches(repo, &["cache", "info", &by_path(path)])[0], "path"))
}

fn removed(events: &[Value]) -> Vec<(String, String)> {
    let gone = of_type(events, "cache").into_iter().filter(|cache| cache["state"] == "removed");
    let mut gone: Vec<_> = gone.map(|it| (text(it, "repo").to_owned(), text(it, "because").to_owned())).collect();
    gone.sort();
    gone
}

#[test]
fn gc_drops_what_is_of_no_use_and_leaves_what_is_in_use() {
    let repo = repository(30);
    index(&repo);
    assert_eq!(removed(&well(&repo, &["cache", "gc"])), []);
    let own = databases(&repo)[0].clone();
    for number in 1..=5 {
        std::fs::write(format!("{}.damaged-{number}", own.display()), "rubbish").expect("writes");
    }
    let paths = ["gone.git", "used.git", "kept.git"].map(|name| sister(&repo, name));
    for path in &paths {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    let [gone, used, kept] = paths.clone().map(|path| cache_of(&repo, &path));
    for path in &paths[..2] {
        std::fs::remove_dir_all(path).expect("it was there");
    }
    let reader = rusqlite::Connection::open(&used).expect("opens");
    let count = |reader: &rusqlite::Connection| -> i64 {
        reader.query_row("SELECT sum(count) FROM segment", [], |row| row.get(0)).expect("reads")
    };
    let commits = i64::try_from(rev_list(&repo).len()).expect("few");
    assert_eq!(count(&reader), commits);
    let output = run(&repo, &["cache", "gc"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told = events(&output);
    let pair = |repo: &str, why: &str| (repo.to_owned(), why.to_owned());
    let expected = [pair("gone", "repository-gone"), pair("repo", "set-aside"), pair("repo", "set-aside")];
    assert_eq!(removed(&told), expected);
    assert_eq!(of_type(&told, "warning").iter().map(|it| text(it, "code")).collect::<Vec<_>>(), ["cache-in-use"]);
    assert!(!gone.exists() && used.exists() && kept.exists());
    let aside = databases(&repo).into_iter().filter(|path| path.to_string_lossy().contains(".damaged-")).count();
    assert_eq!((aside, count(&reader), index(&repo).as_str()), (3, commits, "fresh"));
    drop(reader);
    assert_eq!(removed(&well(&repo, &["cache", "gc"])), [pair("used", "repository-gone")]);
}

#[test]
fn gc_drops_what_nobody_has_used_for_longer_than_is_set() {
    let repo = repository(30);
    let paths = ["one.git", "two.git"].map(|name| sister(&repo, name));
    for path in &paths {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    for (path, days_ago) in paths.iter().zip([8, 6]) {
        set_used(&cache_of(&repo, path), days_ago);
    }
    assert_eq!(removed(&well(&repo, &["cache", "gc"])), [], "without a limit all stay");
    let gc = |kept: &str| bhfuil(&repo).args(["cache", "gc"]).env("GIT_BHFUIL_CACHE_TTL", kept).output().expect("runs");
    let output = gc("7d");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(removed(&events(&output)), [("one".to_owned(), "unused".to_owned())]);
    let output = gc("soon");
    assert_eq!(output.status.code(), Some(128));
    assert!(String::from_utf8_lossy(&output.stderr).contains("GIT_BHFUIL_CACHE_TTL"));
    assert!(cache_of(&repo, &paths[1]).exists());
}

#[test]
fn gc_keeps_within_the_size_that_is_set_and_drops_what_was_not_used_for_longest() {
    let repo = repository(30);
    let paths = ["one.git", "two.git", "three.git"].map(|name| sister(&repo, name));
    for path in &paths {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    let files = paths.clone().map(|path| cache_of(&repo, &path));
    let total: u64 = caches(&repo, &["cache", "info", "--all"]).iter().filter_map(|it| it["bytes"].as_u64()).sum();
    let gc = |limit: u64| {
        let output = bhfuil(&repo).args(["cache", "gc"]).env("GIT_BHFUIL_CACHE_SIZE", limit.to_string()).output();
        let output = output.expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let told = events(&output);
        let codes: Vec<String> = of_type(&told, "warning").iter().map(|it| text(it, "code").to_owned()).collect();
        (removed(&told), codes)
    };
    for (file, days_ago) in files.iter().zip([1, 3, 2]) {
        set_used(file, days_ago);
    }
    assert_eq!(gc(total), (vec![], vec![]));
    assert_eq!(gc(total - 1), (vec![("two".to_owned(), "too-large".to_owned())], vec![]));
    assert_eq!(databases(&repo).len(), 2);
    // What was used last stays, however large it is; to look at one is no use of it.
    let (gone, codes) = gc(1);
    assert_eq!(
        (gone, codes),
        (vec![("three".to_owned(), "too-large".to_owned())], vec!["caches-too-large".to_owned()])
    );
    assert_eq!(databases(&repo), [files[0].clone()]);
    // To ask is one.
    well(&repo, &["scan", "--no-commits", &by_path(&paths[1])]);
    set_used(&files[0], 5);
    set_used(&files[1], 4);
    well(&repo, &["scan", "--no-commits", &by_path(&paths[0])]);
    assert_eq!(gc(1).0, [("two".to_owned(), "too-large".to_owned())]);
}

/// Has the last sweep have been begun so many days ago.
fn swept(repo: &Repo, days_ago: i64) {
    let state = rusqlite::Connection::open(folder(repo).join("state.db")).expect("opens");
    let set = "INSERT OR REPLACE INTO sweep VALUES (1, unixepoch() - ?1)";
    state.execute(set, [days_ago * 86_400]).expect("writes");
}

#[test]
fn once_a_day_a_little_is_dropped_by_itself() {
    let repo = repository(30);
    let begin = |name: &str, days_ago: u64| {
        let path = sister(&repo, name);
        well(&repo, &["scan", "--no-commits", &by_path(&path)]);
        let file = cache_of(&repo, &path);
        std::fs::remove_dir_all(&path).expect("it was there");
        set_used(&file, days_ago);
        file
    };
    let (old, new) = (begin("old.git", 40), begin("new.git", 3));
    index(&repo);
    assert!(old.exists(), "the first day begins with the first run");
    swept(&repo, 2);
    assert_eq!(index(&repo), "fresh");
    assert!(!old.exists(), "its repository was away for long");
    assert!(new.exists(), "its disk may be back next week");
    let next = begin("next.git", 40);
    index(&repo);
    assert!(next.exists(), "today it was done already");
    // What is used in the run itself stays, whatever the size.
    swept(&repo, 2);
    let tight = bhfuil(&repo).args(["scan"]).env("GIT_BHFUIL_CACHE_SIZE", "1").output().expect("runs");
    assert_eq!((tight.status.code(), tight.stderr.len()), (Some(0), 0));
    assert_eq!(commit_ids(&events(&tight)), rev_list(&repo));
    assert_eq!((databases(&repo).len(), index(&repo).as_str()), (1, "fresh"));
}

#[test]
fn readers_need_not_wait_for_a_writer_and_a_writer_waits_its_turn() {
    let repo = repository(60);
    well(&repo, &["scan", "--patch-id", "--new=ci"]);
    well(&repo, &["where", "HEAD"]);
    let path = databases(&repo)[0].clone();
    let mut writer = rusqlite::Connection::open(&path).expect("opens");
    let held = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("holds the lock");
    held.execute("UPDATE cursor SET used_at = used_at", []).expect("writes");
    // All of these end while it is held.
    assert_eq!(commit_ids(&well(&repo, &["scan", "--patch-id"])), rev_list(&repo));
    well(&repo, &["where", "HEAD"]);
    assert_eq!(caches(&repo, &["cache", "info"])[0]["commits"], rev_list(&repo).len() as u64);
    assert_eq!(text(&caches(&repo, &["cache", "verify"])[0], "state"), "sound");
    assert_eq!(removed(&well(&repo, &["cache", "clear", "--repo=."])).len(), 1);
    drop(held);
    drop(writer);
    // One who has something to write waits, and then writes it.
    index(&repo);
    let path = databases(&repo)[0].clone();
    let mut writer = rusqlite::Connection::open(&path).expect("opens");
    let held = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("holds the lock");
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "later"]);
    let mut child = bhfuil_running(&repo, &["scan"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut bytes = Vec::new();
    stdout.read_until(b'\n', &mut bytes).expect("a line");
    held.commit().expect("lets go");
    stdout.read_to_end(&mut bytes).expect("the rest");
    let output = Output { stdout: bytes, ..child.wait_with_output().expect("ends") };
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert_eq!(commit_ids(&events(&output)), rev_list(&repo));
    assert_eq!(index(&repo), "fresh");
}

#[test]
fn whatever_runs_at_once_every_answer_is_right() {
    let repo = repository(150);
    let expected = rev_list(&repo);
    let tip = repo.git(&["rev-parse", "side"]);
    let contained = repo.git(&["for-each-ref", "--contains", &tip, "--format=%(refname)", "refs/heads"]);
    let contained: Vec<String> = contained.lines().map(str::to_owned).collect();
    let scan = || {
        for _ in 0..5 {
            let output = run(&repo, &["scan", "--patch-id"]);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(commit_ids(&events(&output)), expected);
        }
    };
    let ask = || {
        for _ in 0..5 {
            let output = run(&repo, &["where", "--branches", &tip]);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            let events = events(&output);
            let present = of_type(&events, "presence").into_iter().filter(|it| it["state"] == "present");
            let mut present: Vec<String> = present.map(|it| text(it, "ref").to_owned()).collect();
            present.sort();
            assert_eq!(present, contained);
        }
    };
    let look_after = || {
        for round in 0..5 {
            let gc = bhfuil(&repo).args(["cache", "gc"]).env("GIT_BHFUIL_CACHE_SIZE", "1").output().expect("runs");
            assert_eq!(gc.status.code(), Some(0), "{}", String::from_utf8_lossy(&gc.stderr));
            let verify = run(&repo, &["cache", "verify"]);
            let said = String::from_utf8_lossy(&[verify.stdout, verify.stderr].concat()).into_owned();
            assert!(verify.status.success() || said.contains("made anew"), "{:?} {said}", verify.status);
            if round % 2 == 1 {
                assert_eq!(run(&repo, &["cache", "clear", "--all"]).status.code(), Some(0));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(scan);
            scope.spawn(ask);
        }
        scope.spawn(look_after);
    });
    well(&repo, &["scan", "--patch-id"]);
    let told = caches(&repo, &["cache", "verify", "--full"]);
    assert_eq!((told.len(), text(&told[0], "state")), (1, "sound"));
    assert_eq!(databases(&repo).len(), 1, "nothing was taken for damaged");
}

/// What the script of `cache views` makes of the cache of `repo`, opened as sqlite3 -readonly does.
fn viewed(repo: &Repo) -> rusqlite::Connection {
    let output = run(repo, &["cache", "views"]);
    let script = String::from_utf8(output.stdout).expect("UTF-8");
    let [path] = databases(repo).try_into().expect("one cache");
    let reader = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let reader = reader.expect("it opens");
    reader.execute_batch(&script).expect("it is SQL");
    reader
}

/// The columns of each row as text, NULL as "-".
fn rows(reader: &rusqlite::Connection, query: &str) -> Vec<String> {
    use rusqlite::types::ValueRef;
    let mut statement = reader.prepare(query).expect("a query");
    let count = statement.column_count();
    let shown = |value: ValueRef<'_>| match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("neither text nor a number: {other:?}"),
    };
    let row = |row: &rusqlite::Row<'_>| (0..count).map(|at| row.get_ref(at).map(shown)).collect::<Result<Vec<_>, _>>();
    let all: Result<Vec<Vec<String>>, _> = statement.query_map([], row).expect("rows").collect();
    all.expect("rows").into_iter().map(|row| row.join(" ")).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn views_of_a_cache_say_what_git_says() {
    for format in ["sha1", "sha256"] {
        let repo = Repo::fixture_in("backports", &[("GIT_DEFAULT_HASH", format)]);
        // A tag of what is no commit, and times at both ends.
        repo.git(&["tag", "a-tree", "HEAD^{tree}"]);
        for time in ["1", "1099511627777"] {
            repo.shell(&format!(
                "export GIT_COMMITTER_DATE='@{time} +0000' EMAIL=someone@example.com; \
                 id=$(git commit-tree -p HEAD -m {time} HEAD^{{tree}}) && git update-ref refs/heads/at-{time} $id"
            ));
        }
        well(&repo, &["scan", "--patch-id", "--new=someone", "--grep=fix"]);
        index(&repo);
        let reader = viewed(&repo);
        let from = ["log", "--branches", "--tags", "HEAD"];
        let log = |format: &str| sorted(lines(&repo.git(&[&from[..], &[format]].concat())));
        assert_eq!(rows(&reader, "SELECT id, committed_at FROM commits ORDER BY id"), log("--format=%H %ct"));
        let before = "SELECT count(*) FROM commits WHERE position NOT BETWEEN 0 AND (SELECT count(*) FROM commits) - 1";
        assert_eq!(rows(&reader, before), ["0"]);
        let refs = repo.git(&[
            "for-each-ref",
            "--format=%(refname) %(objectname) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)",
            "refs/heads",
            "refs/tags",
        ]);
        let tree = repo.git(&["rev-parse", "a-tree"]);
        let head = repo.git(&["rev-parse", "HEAD"]);
        let mut refs = lines(&refs.replace(&format!("{tree} {tree}"), &format!("{tree} -")));
        refs.push(format!("HEAD {head} {head}"));
        assert_eq!(sorted(rows(&reader, "SELECT name, id, commit_id FROM refs")), sorted(refs));
        let diffs = repo.git_bytes(&[&from[..], &["-p", "--no-renames", "--full-index", "--grep=fix"]].concat());
        let oracle = String::from_utf8(repo.git_with(&["patch-id", "--stable"], &diffs)).expect("UTF-8");
        let known = rows(&reader, "SELECT patch_id, id FROM patch_ids WHERE patch_id IS NOT NULL");
        assert_eq!(sorted(known), sorted(lines(&oracle)));
        let names = rows(&reader, "SELECT name, filters FROM consumers WHERE used_at > 1700000000");
        assert!(names.len() == 1 && names[0].starts_with("someone ") && names[0].contains("fix"), "{names:?}");
        let dir = repo.path().join(".git").canonicalize().expect("it is there");
        let about = rows(&reader, "SELECT git_dir, object_format FROM cache WHERE indexed_at > 1700000000");
        assert_eq!(about, [format!("{} {format}", dir.display())]);
    }
}

#[test]
fn views_tell_of_every_commit_of_several_passes() {
    let commits = dag::random(5, 2700, 2, 5);
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 1200)]);
    index(&repo);
    // Each pass is a segment of its own.
    for at in [1500, 2699] {
        repo.git(&["update-ref", &format!("refs/heads/at-{at}"), &ids[at]]);
        index(&repo);
    }
    let log = sorted(lines(&repo.git(&["log", "--branches", "HEAD", "--format=%H %ct"])));
    let reader = viewed(&repo);
    assert_eq!(rows(&reader, "SELECT count(*) FROM main.segment"), ["3"]);
    assert_eq!(rows(&reader, "SELECT id, committed_at FROM commits ORDER BY id"), log);
    let positions = "SELECT count(DISTINCT position), max(position) + 1 FROM commits";
    assert_eq!(rows(&reader, positions), [format!("{0} {0}", log.len())]);
}

#[test]
fn the_manual_describes_each_column_of_the_views() {
    let repo = repository(2);
    index(&repo);
    let reader = viewed(&repo);
    let columns = rows(
        &reader,
        "SELECT v.name || '.' || c.name FROM temp.sqlite_schema v, pragma_table_info(v.name) c WHERE v.type = 'view'",
    );
    let page = include_str!("../man/git-bhfuil-cache.1");
    let views = page.split(".SH \"VIEWS\"").nth(1).and_then(|rest| rest.split(".SH").next()).expect("a section");
    let entries = views.lines().zip(views.lines().skip(1)).filter(|(line, _)| *line == ".TP");
    let described: Vec<String> = entries
        .map(|(_, head)| head.replace("\\fB", "").replace("\\fP", ""))
        .filter(|head| head.contains('.'))
        .collect();
    assert_eq!(described, columns);
}
