//! What `scan` says of a commit is what `git log` says: every fact of every commit, in every way a repository may be
//! stored, from the objects and again from the cache, on one thread and on four.
//!
//! git's own output is split at NUL, which no field can hold: git shows a message up to its first NUL.

mod support;

use serde_json::Value;
use support::{Repo, bhfuil, events, exact, of_type, usual};

fn run(repo: &Repo, args: &[&str]) -> std::process::Output {
    let output = bhfuil(repo).arg("scan").args(args).output().expect("it runs");
    let last = String::from_utf8_lossy(&output.stdout).lines().last().map(str::to_owned);
    assert_eq!(output.status.code(), Some(0), "{args:?} {last:?}");
    output
}

/// The events of a scan that ended well.
fn scan(repo: &Repo, args: &[&str]) -> Vec<Value> {
    events(&run(repo, args))
}

/// The stream, with `index` of `repo-end` and without what may differ from run to run.
fn lasting(output: &std::process::Output) -> (Vec<String>, String) {
    let stream = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<String> = stream.lines().map(str::to_owned).collect();
    let mut index = String::new();
    for line in lines.iter_mut().rev().take(2) {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        let fields = event.as_object_mut().expect("an object");
        fields.remove("elapsed_ms");
        fields.remove("new");
        if let Some(state) = fields.remove("index") {
            state.as_str().expect("a state").clone_into(&mut index);
        }
        *line = event.to_string();
    }
    (lines, index)
}

fn words(value: &Value) -> String {
    let list = value.as_array().expect("a list").iter().map(|word| word.as_str().expect("a string"));
    list.collect::<Vec<_>>().join(" ")
}

/// A date as the wire has it, from git's `%aI` and `%at`: git says 1970 where it can't read one, and years and offsets that
/// RFC 3339 has no room for.
fn sane_date(iso: &[u8], seconds: &[u8]) -> Option<String> {
    let iso = String::from_utf8_lossy(iso).into_owned();
    String::from_utf8_lossy(seconds).parse::<i64>().ok()?;
    let offset = iso.get(19..)?;
    let in_range = || {
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        Some(hours.len() == 2 && hours <= "23" && minutes.len() == 2 && minutes <= "59")
    };
    let sane = iso.as_bytes()[4] == b'-' && (offset == "Z" || in_range() == Some(true));
    sane.then_some(iso)
}

fn assert_date(person: &Value, iso: &[u8], seconds: &[u8], what: &str) {
    let expected = sane_date(iso, seconds);
    assert_eq!(person["date"].as_str(), expected.as_deref(), "{what}");
    assert_eq!(person.get("date_raw").is_some(), expected.is_none(), "{what}: {person}");
}

/// As `%(trailers:only,unfold)` prints them.
fn trailer_lines(event: &Value) -> Vec<u8> {
    let trailers = event["trailers"].as_array().expect("a list").iter();
    trailers
        .flat_map(|trailer| [exact(trailer, "key"), b": ".to_vec(), exact(trailer, "value"), b"\n".to_vec()].concat())
        .collect()
}

const FORMAT: &str =
    "%H%x00%P%x00%T%x00%an%x00%ae%x00%aI%x00%at%x00%cn%x00%ce%x00%cI%x00%ct%x00%s%x00%b%x00%(trailers:only,unfold)";

fn assert_as_git_log_says(repo: &Repo, stream: &[Value], case: &str) {
    let format = format!("--format={FORMAT}");
    let args = [&["log", "-z", &format], usual(repo)].concat();
    let said = repo.git_bytes(&args);
    let fields: Vec<&[u8]> = said.split(|&byte| byte == 0).collect();
    let expected: Vec<&[&[u8]]> = fields.chunks_exact(14).collect();
    let commits = of_type(stream, "commit");
    let ids = |list: Vec<String>| list.join("\n");
    assert_eq!(
        ids(commits.iter().map(|event| event["id"].to_string()).collect()),
        ids(expected.iter().map(|fields| format!("\"{}\"", String::from_utf8_lossy(fields[0]))).collect()),
        "{case}: which commits, and their order"
    );
    for (event, fields) in commits.into_iter().zip(expected) {
        let what =
            format!("{case}: {} {}", event["id"], event["subject"].as_str().map_or("", |s| &s[..s.len().min(60)]));
        let same = |ours: &[u8], git: &[u8], field: &str| {
            let shown = |bytes: &[u8]| bytes.escape_ascii().to_string().chars().take(2000).collect::<String>();
            assert!(ours == git, "{what}: {field}\n ours {}\n git  {}", shown(ours), shown(git));
        };
        same(words(&event["parents"]).as_bytes(), fields[1], "parents");
        same(&exact(event, "tree"), fields[2], "tree");
        for (role, at) in [("author", 3), ("committer", 7)] {
            let person = &event[role];
            same(&exact(person, "name"), fields[at], &format!("{role}'s name"));
            same(&exact(person, "email"), fields[at + 1], &format!("{role}'s email"));
            assert_date(person, fields[at + 2], fields[at + 3], &what);
        }
        same(&exact(event, "subject"), fields[11], "subject");
        same(&exact(event, "body"), fields[12].strip_suffix(b"\n").unwrap_or(fields[12]), "body");
        same(&trailer_lines(event), fields[13], "trailers");
    }
}

/// From the objects, and again from the cache; the bytes of all runs are the same, hence the facts.
fn assert_both_runs_tell_the_same(repo: &Repo, case: &str) -> Vec<String> {
    let first = run(repo, &[]);
    assert_as_git_log_says(repo, &events(&first), case);
    let (cold, _) = lasting(&first);
    assert_eq!(lasting(&run(repo, &["--threads=4"])), (cold.clone(), "fresh".to_owned()), "{case}: again");
    cold
}

fn assert_every_run_tells_the_same(repo: &Repo, case: &str) {
    let cold = assert_both_runs_tell_the_same(repo, case);
    for threads in ["--threads=1", "--threads=4"] {
        std::fs::remove_dir_all(repo.home().join("bhfuil")).expect("the cache is there");
        for index in ["built", "fresh"] {
            assert_eq!(lasting(&run(repo, &[threads])), (cold.clone(), index.to_owned()), "{case}: {threads}");
        }
    }
}

/// Every variant of `fixtures/storage` in which all objects are there.
const VARIANTS: [&str; 15] = [
    "packed",
    "loose",
    "packs",
    "bare",
    "commit-graph",
    "graph-chain",
    "shallow",
    "alternates",
    "worktree",
    "submodule",
    "detached",
    "replace",
    "grafts",
    "sha256",
    "reftable",
];

/// `fixture` as it is and in every variant but those in `without`, which can't be made of it.
fn assert_facts_of(fixture: &str, without: &[&str]) {
    let repo = Repo::fixture(fixture);
    assert_every_run_tells_the_same(&repo, fixture);
    for variant in VARIANTS.into_iter().filter(|variant| !without.contains(variant)) {
        let case = format!("{fixture} as {variant}");
        let stored = repo.stored_as(variant);
        assert_both_runs_tell_the_same(&stored, &case);
        if variant == "submodule" {
            assert_both_runs_tell_the_same(&stored.inside("sub"), &format!("{case}, inside"));
        }
    }
}

#[test]
fn says_of_backports_what_git_log_says() {
    assert_facts_of("backports", &[]);
}

/// HEAD is a commit's grandchild, no more: nothing for the lower layer of a chain.
#[test]
fn says_of_merges_what_git_log_says() {
    assert_facts_of("merges", &["graph-chain"]);
}

/// HEAD is unborn, and fast-export doesn't take tags of blobs.
#[test]
fn says_of_tags_what_git_log_says() {
    let of_head = ["packs", "graph-chain", "worktree", "submodule", "detached", "replace", "grafts", "sha256"];
    assert_facts_of("tags", &of_head);
}

/// fast-import refuses what a commit object of today may not hold.
#[test]
fn says_of_odd_commits_what_git_log_says() {
    assert_facts_of("odd-commits", &["sha256"]);
}

#[test]
fn says_of_a_sha256_repository_from_the_start_what_git_log_says() {
    for fixture in ["backports", "tags", "odd-commits"] {
        let repo = Repo::fixture_in(fixture, &[("GIT_DEFAULT_HASH", "sha256")]);
        assert_both_runs_tell_the_same(&repo, &format!("{fixture} in SHA-256"));
    }
}

#[test]
fn keeps_the_exact_bytes_of_a_trailer_that_is_not_utf8() {
    let repo = Repo::new();
    let tree = repo.git(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let commit = [
        format!("tree {tree}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nsubject\n\n").as_bytes(),
        b"Acked-by: J\xfcrgen\n \xe9 folded\nPlain: \xc3\xa9\nReviewed-by: Andr\xe9 <andre@example.com>\n",
    ]
    .concat();
    let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], &commit);
    repo.git(&["update-ref", "HEAD", String::from_utf8_lossy(&id).trim()]);
    assert_every_run_tells_the_same(&repo, "Latin-1 trailers");
}

#[test]
fn resolves_what_backports_name_and_leaves_dangling_ids_null() {
    let repo = Repo::fixture("backports");
    for storage in ["packed", "loose", "commit-graph", "reftable", "bare"] {
        let stored = repo.stored_as(storage);
        let stream = scan(&stored, &[]);
        for (name, relation, named) in [
            ("plain@stable/1.0", "origins", &["plain"][..]),
            ("plain@stable/2.0", "origins", &["plain"]),
            ("plain", "origins", &[]),
            ("silent@stable/1.0", "origins", &[]),
            ("conflict@stable/1.0", "origins", &["conflict"]),
            ("chain@stable/1.0", "origins", &["chain", "chain@stable/2.0"]),
            ("chain-cut@stable/1.0", "origins", &["chain-cut@stable/2.0"]),
            ("trio-squash", "origins", &["trio-1", "trio-2", "trio-3"]),
            ("split-1", "origins", &["split"]),
            ("split-2", "origins", &["split"]),
            ("twice@stable/1.0", "origins", &["twice"]),
            ("twice-again", "origins", &["twice"]),
            ("empty@stable/1.0", "origins", &["empty"]),
            ("hotfix@1.0.2", "origins", &["hotfix"]),
            ("foreign", "origins", &["null"]),
            ("reland-revert", "reverts", &["reland"]),
            ("undone-revert", "reverts", &["undone@stable/1.0"]),
            ("twice-revert", "reverts", &["twice@stable/1.0"]),
            ("reland", "reverts", &[]),
            ("leaky-fix", "fixes", &["leaky"]),
            ("leaky-fix@stable/2.0", "fixes", &["leaky"]),
            ("references", "fixes", &[]),
        ] {
            let event = commit(&stream, stored.id(name));
            let found = event[relation].as_array().expect("a list").iter();
            let found: Vec<&str> = found.map(|entry| entry["id"].as_str().unwrap_or("null")).collect();
            let truth = named.iter().map(|named| if *named == "null" { "null" } else { stored.id(named) });
            assert_eq!(found, truth.collect::<Vec<_>>(), "{storage}: {relation} of {name}");
        }
        let foreign = commit(&stream, stored.id("foreign"));
        assert_eq!(foreign["origins"][0]["text"], "00112233445566778899aabbccddeeff00112233");
        assert!(foreign["origins"][0]["id"].is_null(), "asked for, and not known: null");
    }
}

fn commit<'e>(stream: &'e [Value], id: &str) -> &'e Value {
    let mut found = of_type(stream, "commit").into_iter().filter(|event| event["id"] == id);
    let event = found.next().unwrap_or_else(|| panic!("{id} isn't in the stream"));
    assert!(found.next().is_none(), "{id} is there twice");
    event
}

#[test]
fn a_worktree_inside_a_repository_tells_of_its_own_head() {
    let repo = Repo::fixture("backports").stored_as("worktree");
    assert!(repo.path().join(".git").is_file(), "the fixture made a linked worktree");
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "only here"]);
    assert_every_run_tells_the_same(&repo, "a worktree ahead of all branches");
}
