//! A fleet: a registry in parts, the stream as tables, and the views over them, on repositories of which it is known who carries a change.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// Repositories that `fixtures/fleet` has made and that are registered, in the home of `place`.
struct Fleet {
    place: Repo,
    /// The full id of the change.
    change: String,
    /// Of each repository whether it carries the change, the first tag that has it, and whether it was taken back.
    truth: BTreeMap<String, [String; 3]>,
}

impl Fleet {
    fn of(count: usize) -> Self {
        let place = Repo::new();
        let folder = place.home().join("fleet");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fleet");
        let made = Command::new(script).arg(count.to_string()).arg(&folder).output().expect("the fixture runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let told = String::from_utf8(made.stdout).expect("UTF-8");
        let (change, told) = told.split_once('\n').expect("lines");
        let truth = told.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[0].to_owned(), [words[1], words[2], words[3]].map(str::to_owned))
        });
        let truth: BTreeMap<String, [String; 3]> = truth.collect();
        for name in truth.keys() {
            let path = folder.join(format!("{name}.git"));
            let added = bhfuil(&place).args(["repo", "add", "--name", name]).arg(path).output().expect("runs");
            assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        }
        Self { change: change.strip_prefix("change ").expect("the change").to_owned(), place, truth }
    }

    fn run(&self, args: &[&str]) -> Output {
        bhfuil(&self.place).args(args).output().expect("git-bhfuil runs")
    }

    /// Runs and reads what has to end well.
    fn told(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        events(&output)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.place.home().join(name)
    }

    /// Exports with these options into a folder of this name.
    fn export(&self, name: &str, args: &[&str]) -> Vec<Value> {
        let output = format!("--output={}", self.folder(name).display());
        self.told(&[&["export", &output], args].concat())
    }
}

/// The lines of a table that was exported as JSON Lines.
fn lines(folder: &Path, table: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(table).with_extension("jsonl")).expect("a table");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn field<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn names(told: &[Value], kind: &str) -> BTreeSet<String> {
    of_type(told, kind).into_iter().map(|event| field(event, "repo").to_owned()).collect()
}

#[test]
fn every_repository_is_in_one_part_and_stays_there_when_another_is_registered() {
    let fleet = Fleet::of(9);
    let parts = |fleet: &Fleet, command: &[&str]| -> Vec<BTreeSet<String>> {
        let of_part = |part: usize| {
            let shard = format!("--shard={part}/4");
            names(&fleet.told(&[command, &[shard.as_str()]].concat()), "repo-end")
        };
        (1..=4).map(of_part).collect()
    };
    let before = parts(&fleet, &["scan", "--all-repos"]);
    assert_eq!(before.iter().map(BTreeSet::len).sum::<usize>(), 9, "none is in two parts: {before:?}");
    let all: BTreeSet<String> = before.iter().flatten().cloned().collect();
    assert_eq!(all, fleet.truth.keys().cloned().collect());
    for command in [&["repo", "sync", "--all"][..], &["export", "--format=jsonl", "--all-repos", "--output=x"]] {
        assert_eq!(parts(&fleet, command), before, "{command:?}");
    }
    let other = fleet.folder("other.git");
    fleet.place.git(&[
        "clone",
        "--quiet",
        "--bare",
        &fleet.folder("fleet/r1.git").display().to_string(),
        other.to_str().expect("UTF-8"),
    ]);
    fleet.told(&["repo", "add", "--name", "a-new-one", other.to_str().expect("UTF-8")]);
    fleet.told(&["repo", "remove", "r4"]);
    let mut after = parts(&fleet, &["scan", "--all-repos"]);
    assert_eq!(after.iter_mut().filter_map(|part| part.take("a-new-one")).count(), 1);
    let without: Vec<BTreeSet<String>> =
        before.into_iter().map(|part| part.into_iter().filter(|name| name != "r4").collect()).collect();
    assert_eq!(after, without);
}

#[test]
fn the_streams_of_all_parts_are_that_of_the_whole() {
    let fleet = Fleet::of(5);
    let commits = |args: &[&str]| -> BTreeMap<(String, String), Value> {
        let told = fleet.told(args);
        let key = |event: &Value| (field(event, "repo").to_owned(), field(event, "id").to_owned());
        of_type(&told, "commit").into_iter().map(|event| (key(event), event.clone())).collect()
    };
    let mut parts = BTreeMap::new();
    // More parts than repositories: some are empty, and as complete as others.
    for part in 1..=8 {
        let shard = format!("--shard={part}/8");
        let own = commits(&["scan", "--all-repos", "--tagged", &shard]);
        assert!(own.keys().all(|key| !parts.contains_key(key)), "part {part}");
        parts.extend(own);
        assert_eq!(of_type(&fleet.told(&["scan", "--all-repos", &shard]), "end")[0]["complete"], true);
    }
    assert_eq!(parts, commits(&["scan", "--all-repos", "--tagged"]));
}

#[test]
fn a_part_that_there_cannot_be_is_a_mistake() {
    let place = Repo::new();
    for (shard, why) in [
        ("0/0", "there are no parts"),
        ("0/4", "from 1 to <n>"),
        ("5/4", "from 1 to <n>"),
        ("x", "such as 1/4"),
        ("1", "such as 1/4"),
        ("1/", "such as 1/4"),
        ("+1/4", "such as 1/4"),
        ("-1/4", "such as 1/4"),
        ("1/99999999999", "such as 1/4"),
    ] {
        let shard = format!("--shard={shard}");
        let output = bhfuil(&place).args(["scan", "--all-repos", &shard]).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(129), "{said}");
        assert!(said.contains("for --shard") && said.contains(why), "{said}");
        assert!(output.stdout.is_empty());
    }
    for args in [
        &["scan", "--shard=1/4"][..],
        &["scan", "--all-repos", "--repo=.", "--shard=1/4"],
        &["where", "--shard=1/4", "x"],
        &["export", "--output=x", "--shard=1/4"],
        &["repo", "sync", "--shard=1/4", "nova"],
    ] {
        let output = bhfuil(&place).args(args).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(129), "{args:?}: {said}");
        assert!(said.contains("--shard is"), "{said}");
    }
    let output = bhfuil(&place).args(["scan", "--all-repos", "--shard=1/4"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(128), "nothing is registered, and that is no empty part");
}

/// The first of the tags, oldest commit first, whose history has each commit, by git.
fn first_tags(repo: &Repo) -> BTreeMap<String, String> {
    let format = "--format=%(*objectname)%(objectname) %(refname:short)";
    let listed = repo.git(&["for-each-ref", format, "refs/tags"]);
    let mut tags: Vec<(u64, String)> = Vec::new();
    for line in listed.lines() {
        let name = line.split(' ').next_back().expect("a name");
        let time = repo.git(&["log", "-1", "--format=%ct", name]);
        tags.push((time.trim().parse().expect("seconds"), name.to_owned()));
    }
    tags.sort();
    let mut firsts = BTreeMap::new();
    for (_, tag) in tags {
        for id in repo.git(&["rev-list", &tag]).lines() {
            firsts.entry(id.to_owned()).or_insert_with(|| tag.clone());
        }
    }
    firsts
}

#[test]
fn the_first_tag_of_a_commit_is_the_oldest_whose_history_has_it() {
    let repo = Repo::fixture("backports");
    let expected = first_tags(&repo);
    assert!(expected.values().collect::<BTreeSet<_>>().len() > 2, "{expected:?}");
    let other = Repo::fixture("backports");
    // First ever, again, of a range in a cache that is there or isn't, and of refs that no tag is among.
    for (repo, args) in [
        (&repo, &["scan"][..]),
        (&repo, &["scan"]),
        (&repo, &["scan", "--reverse"]),
        (&repo, &["scan", "1.0.1..main"]),
        (&other, &["scan", "1.0.1..main"]),
        (&other, &["scan", "--refs=heads/ma*"]),
    ] {
        let told = events(&bhfuil(repo).args(args).arg("--tagged").output().expect("runs"));
        let commits = of_type(&told, "commit");
        assert!(!commits.is_empty(), "{args:?}");
        for commit in commits {
            let id = field(commit, "id");
            assert_eq!(commit["tagged"].as_str(), expected.get(id).map(String::as_str), "{id} of {args:?}");
            assert_eq!(commit.get("tagged").is_some(), expected.contains_key(id), "absent where none has it");
        }
    }
    let plain = events(&bhfuil(&repo).args(["scan"]).output().expect("runs"));
    assert!(of_type(&plain, "commit").iter().all(|commit| commit.get("tagged").is_none()), "nobody asked");
}

#[test]
fn of_history_that_is_cut_off_the_first_tag_is_not_known() {
    let repo = Repo::fixture("backports");
    let shallow = repo.home().join("shallow");
    let source = format!("file://{}", repo.path().display());
    repo.git(&["clone", "--quiet", "--depth=3", "--no-single-branch", &source, shallow.to_str().expect("UTF-8")]);
    let told = bhfuil(&repo).arg("-C").arg(&shallow).args(["scan", "--tagged"]).output().expect("runs");
    let told = events(&told);
    let commits = of_type(&told, "commit");
    assert!(commits.iter().any(|commit| commit["tagged"].is_string()));
    assert!(commits.iter().any(|commit| commit.get("tagged") == Some(&Value::Null)));
    assert!(commits.iter().all(|commit| commit.get("tagged").is_some()), "nothing is told for sure to have none");
}

#[test]
fn tables_hold_what_scan_and_where_tell() {
    let fleet = Fleet::of(7);
    let told = fleet.export("out", &["--all-repos", "--format=jsonl", "--patch-id", "--tagged", &fleet.change]);
    let scan = fleet.told(&["scan", "--all-repos", "--show-refs", "--patch-id", "--tagged"]);
    let answer = fleet.told(&["where", "--all-repos", "--missing", &fleet.change]);
    for (table, kind, source) in [
        ("commits", "commit", &scan),
        ("refs", "ref", &scan),
        ("matches", "match", &answer),
        ("presence", "presence", &answer),
    ] {
        let sorted = |rows: Vec<Value>| {
            let mut rows: Vec<String> = rows.iter().map(Value::to_string).collect();
            rows.sort();
            rows
        };
        let rows = lines(&fleet.folder("out"), table);
        assert!(!rows.is_empty(), "{table}");
        let exported = of_type(&told, "exported").into_iter().find(|it| it["table"] == table).expect("told");
        assert_eq!(exported["rows"], rows.len());
        assert_eq!(of_type(&told, "end")[0]["counts"][kind], rows.len(), "{kind}");
        assert_eq!(sorted(rows), sorted(of_type(source, kind).into_iter().cloned().collect()), "{table}");
    }
    for kind in ["commit", "ref", "match", "presence"] {
        assert!(of_type(&told, kind).is_empty(), "{kind} is in the tables, not in the stream");
    }
    assert_eq!(names(&told, "repo-end").len(), 7);
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let fleet = Fleet::of(2);
    fleet.export("out", &["--all-repos", "--format=jsonl"]);
    let before = std::fs::read(fleet.folder("out/commits.jsonl")).expect("commits");
    let output = format!("--output={}", fleet.folder("out").display());
    let refused = fleet.run(&["export", "--format=jsonl", &output, "--repo=r1", "no-such-thing-1234^{tree}"]);
    assert_ne!(refused.status.code(), Some(0));
    let unwritable = fleet.run(&["export", "--format=jsonl", "--all-repos", &format!("{output}/commits.jsonl")]);
    assert_eq!(unwritable.status.code(), Some(128), "a file is no folder");
    assert!(String::from_utf8_lossy(&unwritable.stderr).contains("commits.jsonl"));
    assert_eq!(std::fs::read(fleet.folder("out/commits.jsonl")).expect("commits"), before);
    assert_eq!(std::fs::read_dir(fleet.folder("out")).expect("a folder").count(), 4, "nothing else is left");
    let usage = fleet.run(&["export", "--all-repos"]);
    assert_eq!(usage.status.code(), Some(129));
    assert!(String::from_utf8_lossy(&usage.stderr).contains("--output is missing"));
}

#[test]
fn an_export_is_whole_whether_or_not_somebody_reads_what_is_said_of_it() {
    let repo = Repo::fixture("backports");
    let folder = repo.home().join("tables");
    let mut command = support::bhfuil_command(&repo, &["export", "--format=jsonl"]);
    command.arg("--output").arg(&folder).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let commits = lines(&folder, "commits").len();
    assert_eq!(commits.to_string(), repo.git(&["rev-list", "--count", "HEAD", "--branches", "--tags"]));
}

#[test]
fn what_can_not_be_meant_by_export_is_a_mistake() {
    let repo = Repo::fixture("backports");
    for (args, message) in [
        (&["--output="][..], "--output is missing"),
        (&["--output=a*"], "beside --sql alone"),
        (&["--output=a", "--sql=duckdb", "--patch-id"], "beside it only --output says anything"),
        (&["--output=a", "--sql=duckdb", "--all-repos"], "beside it only --output says anything"),
    ] {
        let output = bhfuil(&repo).arg("export").args(args).output().expect("runs");
        assert_eq!(output.status.code(), Some(129), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{args:?}: {output:?}");
    }
    std::fs::write(repo.home().join("file"), "").expect("a file");
    let file = repo.home().join("file");
    let output = bhfuil(&repo).arg("export").arg("--output").arg(&file).output().expect("runs");
    assert_eq!(output.status.code(), Some(128));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is no folder"), "{output:?}");
}

#[test]
fn a_repository_that_fails_leaves_the_tables_of_the_others() {
    let fleet = Fleet::of(3);
    std::fs::write(fleet.folder("fleet/r2.git/config"), "[core]\n\trepositoryformatversion = 99\n").expect("written");
    let output = format!("--output={}", fleet.folder("out").display());
    let partial = fleet.run(&["export", "--format=jsonl", "--all-repos", &output]);
    assert_eq!(partial.status.code(), Some(3));
    assert_eq!(names(&events(&partial), "error"), BTreeSet::from(["r2".to_owned()]));
    let repos: BTreeSet<String> =
        lines(&fleet.folder("out"), "commits").iter().map(|row| field(row, "repo").to_owned()).collect();
    assert_eq!(repos, BTreeSet::from(["r1".to_owned(), "r3".to_owned()]));
}

/// What `DuckDB` answers when the views over the tables in `folder` are there: rows of words.
fn duckdb(fleet: &Fleet, folder: &str, question: &str) -> Vec<Vec<String>> {
    let output = format!("--output={}", fleet.folder(folder).display());
    let views = fleet.run(&["export", "--sql=duckdb", &output]);
    assert!(views.status.success());
    let script = fleet.folder("views.sql");
    std::fs::write(&script, &views.stdout).expect("written");
    let read = format!(".read {}", script.display());
    let answer =
        Command::new("duckdb").args(["-csv", "-noheader", "-c", &read, "-c", question]).output().expect("duckdb runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let text = String::from_utf8(answer.stdout).expect("UTF-8");
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// Of each repository what a view says of the change, as the truth has it.
const ASKED: &str = "SELECT repo, CASE WHEN carries THEN 'carries' ELSE 'lacks' END, coalesce(first_tag, '-'),
    CASE WHEN reverted THEN 'reverted' ELSE '-' END FROM";

fn of_each(rows: Vec<Vec<String>>) -> BTreeMap<String, [String; 3]> {
    rows.into_iter().map(|row| (row[0].clone(), [row[1].clone(), row[2].clone(), row[3].clone()])).collect()
}

#[test]
#[ignore = "needs duckdb: .ci/run installs it and runs this too"]
fn views_over_four_parts_say_who_carries_a_change_and_under_which_tag() {
    let fleet = Fleet::of(22);
    for part in 1..=4 {
        let shard = format!("--shard={part}/4");
        fleet.export(&format!("parts/{part}"), &["--all-repos", "--patch-id", "--tagged", &shard]);
    }
    let wanted = format!("CREATE OR REPLACE TEMPORARY VIEW wanted AS SELECT '{}' AS id;", fleet.change);
    let found = of_each(duckdb(&fleet, "parts/*", &format!("{wanted} {ASKED} fleet")));
    assert_eq!(found, fleet.truth);
    let told = fleet.told(&["where", "--all-repos", &fleet.change]);
    let by_chance =
        duckdb(&fleet, "parts/*", &format!("{wanted} SELECT repo FROM carriers WHERE strength = 'weak' ORDER BY repo"));
    assert_eq!(by_chance, [["r19"], ["r9"]].map(|row| row.map(str::to_owned).to_vec()), "the patch alone is weak");
    let carriers =
        duckdb(&fleet, "parts/*", &format!("{wanted} SELECT repo, id FROM carriers WHERE strength = 'equal'"));
    let carriers: BTreeSet<(String, String)> =
        carriers.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let matches =
        of_type(&told, "match").into_iter().map(|it| (field(it, "repo").to_owned(), field(it, "id").to_owned()));
    assert_eq!(carriers, matches.collect(), "as where --all-repos has it");
}

#[test]
#[ignore = "needs duckdb: .ci/run installs it and runs this too"]
fn what_queries_have_found_is_asked_without_naming_it() {
    let fleet = Fleet::of(13);
    fleet.export("out", &["--all-repos", "--patch-id", "--tagged", &fleet.change]);
    assert_eq!(of_each(duckdb(&fleet, "out", &format!("{ASKED} fleet"))), fleet.truth);
    let without_tags = |truth: &BTreeMap<String, [String; 3]>| -> BTreeMap<String, [String; 2]> {
        truth.iter().map(|(name, [carries, _, reverted])| (name.clone(), [carries.clone(), reverted.clone()])).collect()
    };
    let question = format!("{ASKED} (SELECT *, '' AS first_tag FROM answers)");
    assert_eq!(without_tags(&of_each(duckdb(&fleet, "out", &question))), without_tags(&fleet.truth));
    let shared = duckdb(&fleet, "out", "SELECT signal, repositories FROM shared_changes WHERE signal = 'change-id'");
    assert_eq!(shared, [["change-id", "4"]].map(|row| row.map(str::to_owned).to_vec()), "r1, r2, r10 and r12");
    // The same rows as JSON Lines have, typed.
    fleet.export("lines", &["--all-repos", "--format=jsonl"]);
    let count = duckdb(
        &fleet,
        "out",
        "SELECT count(*), count(DISTINCT repo), max(len(parents)), min(committed_at) FROM commits",
    );
    let rows = lines(&fleet.folder("lines"), "commits");
    assert_eq!(count[0][..3], [rows.len().to_string(), "13".into(), "1".into()]);
    let oldest = rows.iter().map(|row| field(&row["committer"], "date")).min().expect("commits");
    assert_eq!(count[0][3][..10], oldest[..10]);
}
