//! What `scan` says of a commit is what `git log` says: every fact of every commit, in every way a repository may be
//! stored, from the objects and again from the cache, on one thread and on four.
//!
//! git's own output is split at NUL, which no field can hold: git shows a message up to its first NUL.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

const USUAL: [&str; 4] = ["HEAD", "--branches", "--remotes", "--tags"];

/// The revisions of [`USUAL`] that `repo` has: `HEAD` may be unborn.
fn usual(repo: &Repo) -> &'static [&'static str] {
    let mut head = repo.git_command();
    head.arg("-C").arg(repo.path()).args(["rev-parse", "--quiet", "--verify", "HEAD"]);
    let born = head.output().expect("git runs").status.success();
    if born { &USUAL } else { &USUAL[1..] }
}

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

/// The exact bytes of a text, which `_b64` has if and only if the text is lossy.
fn exact(event: &Value, field: &str) -> Vec<u8> {
    let text = event[field].as_str().unwrap_or_else(|| panic!("no {field}: {event}"));
    let Some(encoded) = event.get(format!("{field}_b64")) else { return text.as_bytes().to_vec() };
    let bytes = BASE64.decode(encoded.as_str().expect("a string")).expect("base64");
    assert_ne!(bytes, text.as_bytes(), "{field}_b64 says nothing new: {event}");
    assert_eq!(String::from_utf8_lossy(&bytes), text, "{field}");
    bytes
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

/// What `git log --raw` prints, as lines of our own: `id: :modes blobs status path`.
fn raw_of_git(repo: &Repo) -> Vec<Vec<u8>> {
    let args = ["log", "-z", "--raw", "--no-renames", "--no-abbrev", "--format=%x01%H"];
    let said = repo.git_bytes(&[&args, usual(repo)].concat());
    let mut tokens = said.split(|&byte| byte == 0).map(|token| token.trim_ascii_start());
    let (mut lines, mut id) = (Vec::new(), Vec::new());
    while let Some(token) = tokens.next() {
        match token.first() {
            Some(1) => {
                id = token[1..].to_vec();
                lines.push(id.clone());
            }
            Some(_) => lines.push([&id, &b" "[..], token, b" ", tokens.next().expect("a path")].concat()),
            None => {}
        }
    }
    lines
}

fn raw_of_ours(stream: &[Value]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for event in of_type(stream, "commit") {
        let id = event["id"].as_str().expect("an id");
        lines.push(id.as_bytes().to_vec());
        for path in event["paths"].as_array().unwrap_or_else(|| panic!("no paths: {event}")) {
            let mode = |field: &str| path.get(field).map_or("000000", |mode| mode.as_str().expect("a mode")).to_owned();
            let zeros = "0".repeat(id.len());
            let blob =
                |field: &str| path.get(field).map_or(zeros.as_str(), |blob| blob.as_str().expect("an id")).to_owned();
            let status = path["status"].as_str().expect("a status");
            let (old, new) = (mode("old_mode"), mode("new_mode"));
            let line = format!("{id} :{old} {new} {} {} {status} ", blob("old_blob"), blob("new_blob"));
            lines.push([line.as_bytes(), &exact(path, "path")].concat());
        }
    }
    lines
}

fn assert_paths(repo: &Repo, case: &str) {
    for _ in ["cold", "warm"] {
        let stream = scan(repo, &["--paths"]);
        let (ours, git) = (raw_of_ours(&stream), raw_of_git(repo));
        for (ours, git) in ours.iter().zip(&git) {
            assert_eq!(ours.escape_ascii().to_string(), git.escape_ascii().to_string(), "{case}");
        }
        assert_eq!(ours.len(), git.len(), "{case}");
    }
}

/// Every change that a tree can see: modes, types, submodules, a file for a directory and back, names that sort oddly or
/// aren't UTF-8, an empty commit, a merge.
const CHANGES: &[u8] = b"commit refs/heads/main
mark :1
committer A U Thor <author@example.com> 1700000000 +0000
data 1
1
M 100644 inline a
data 1
aM 100644 inline b/c/d
data 1
dM 100644 inline b.c
data 1
xM 100644 inline b-c
data 1
yM 100644 inline \xe9.txt
data 1
lM 100644 inline caf\xc3\xa9
data 1
uM 100644 inline \"new\\nline\ttab\"
data 1
nM 160000 0123456789abcdef0123456789abcdef01234567 sub

commit refs/heads/main
committer A U Thor <author@example.com> 1700000001 +0000
data 1
2
M 100755 inline a
data 1
aM 120000 inline b.c
data 1
xM 160000 1123456789abcdef0123456789abcdef01234567 sub
D b/c/d

commit refs/heads/main
committer A U Thor <author@example.com> 1700000002 +0000
data 1
3
D a
M 100644 inline a/b
data 1
aM 100644 inline b
data 1
bM 100644 inline sub
data 1
s
commit refs/heads/main
mark :3
committer A U Thor <author@example.com> 1700000003 +0000
data 1
4

commit refs/heads/side
mark :2
committer A U Thor <author@example.com> 1700000003 +0000
data 1
5
from :1
M 100644 inline z
data 1
zD \xe9.txt

commit refs/heads/main
committer A U Thor <author@example.com> 1700000004 +0000
data 1
6
from :3
merge :2
M 100644 inline z
data 2
zz
commit refs/heads/main
committer A U Thor <author@example.com> 1700000005 +0000
data 1
7
deleteall
M 040000 4b825dc642cb6eb9a060e54bf8d69288fbee4904 empty

";

#[test]
fn lists_changed_paths_as_git_log_raw_does() {
    let repo = Repo::new();
    repo.git_with(&["fast-import", "--quiet"], CHANGES);
    assert_paths(&repo, "every change");
    for fixture in ["backports", "merges", "tags"] {
        assert_paths(&Repo::fixture(fixture), fixture);
    }
    let repo = Repo::fixture("backports");
    for variant in ["shallow", "replace", "grafts", "sha256", "graph-chain", "reftable"] {
        assert_paths(&repo.stored_as(variant), variant);
    }
}

fn assert_mailmap(repo: &Repo, case: &str) {
    let format = "--format=%H%x00%an%x00%aN%x00%aE%x00%cn%x00%cN%x00%cE";
    let said = repo.git_bytes(&[&["log", "-z", "--use-mailmap", format], usual(repo)].concat());
    let fields: Vec<&[u8]> = said.split(|&byte| byte == 0).collect();
    let stream = scan(repo, &["--mailmap"]);
    let commits = of_type(&stream, "commit");
    assert_eq!(commits.len(), fields.len() / 7, "{case}");
    for (event, fields) in commits.into_iter().zip(fields.chunks_exact(7)) {
        for (role, at) in [("author", 1), ("committer", 4)] {
            let person = &event[role];
            let ours =
                ["name", "mapped_name", "mapped_email"].map(|field| exact(person, field).escape_ascii().to_string());
            // git leaves the placeholder standing where the line has no person.
            let git = [at, at + 1, at + 2].map(|at| fields[at].strip_prefix(b"%a").map_or(fields[at], |_| b""));
            let git = git.map(|field| field.escape_ascii().to_string());
            assert_eq!(ours, git, "{case}: {role} of {} (the raw name stays)", event["id"]);
        }
    }
}

/// The commits of the people in `who`, on main.
fn people(who: &[&[u8]]) -> Repo {
    let repo = Repo::new();
    let mut stream = Vec::new();
    for (second, who) in who.iter().enumerate() {
        let date = format!(" {} +0000\n", 1_700_000_000 + second);
        stream.extend_from_slice(b"commit refs/heads/main\nauthor ");
        stream.extend_from_slice(&[who, date.as_bytes(), b"committer ", who, date.as_bytes(), b"data 0\n\n"].concat());
    }
    repo.git_with(&["fast-import", "--quiet"], &stream);
    repo
}

const MAILMAP: &str = "# people
Proper Name <proper@example.com>
Proper Name <proper@example.com> <old@example.com>
Proper Name <proper@example.com> Nick <shared@example.com>
Other Name <other@example.com> Other <SHARED@example.com>
<new@example.com> <only-address@example.com>
J\u{fc}rgen <juergen@example.com> <j@example.com>
A U Thor Mapped <mapped@example.com> <author@example.com>
not an entry
Only Name <name-only@example.com>
";

#[test]
fn maps_names_and_addresses_as_git_does() {
    let repo = people(&[
        b"proper <proper@example.com>",
        b"x <OLD@Example.com>",
        b"Nick <shared@example.com>",
        b"nick <Shared@example.com>",
        b"other <shared@example.com>",
        b"nobody <shared@example.com>",
        b"Address <only-address@example.com>",
        b"J\xfcrgen <j@example.com>",
        b"J\xfcrgen <unmapped@example.com>",
        b"J\xc3\xbcrgen <unmapped@example.com>",
        b"Some <name-only@example.com>",
        b" <>",
        b"Stranger <str\xe4nge@example.com>",
    ]);
    assert_mailmap(&repo, "without a mailmap");
    std::fs::write(repo.path().join(".mailmap"), MAILMAP).expect("written");
    assert_mailmap(&repo, "with a .mailmap");
    let elsewhere = repo.home().join("people");
    std::fs::write(&elsewhere, "Filed <filed@example.com> <only-address@example.com>\n").expect("written");
    repo.git(&["config", "mailmap.file", elsewhere.to_str().expect("UTF-8")]);
    assert_mailmap(&repo, "with mailmap.file");

    let odd = Repo::fixture("odd-commits");
    std::fs::write(odd.path().join(".mailmap"), MAILMAP).expect("written");
    assert_mailmap(&odd, "odd-commits");
}

#[test]
fn reads_the_mailmap_of_head_in_a_bare_repository() {
    let repo = people(&[b"x <old@example.com>", b"Nick <shared@example.com>"]);
    repo.git(&["checkout", "--quiet", "main"]);
    std::fs::write(repo.path().join(".mailmap"), MAILMAP).expect("written");
    repo.git(&["add", ".mailmap"]);
    repo.git(&["commit", "--quiet", "-m", "mailmap"]);
    assert_mailmap(&repo.stored_as("bare"), "bare");
}

/// Refs as `git for-each-ref` has them under `patterns`: name, id, and the commit behind.
fn refs_of_git(repo: &Repo, patterns: &[&str]) -> Vec<[Vec<u8>; 3]> {
    let said = repo.git_bytes(&[&["for-each-ref", "--format=%(objectname) %(refname)"], patterns].concat());
    let line = |line: &[u8]| {
        let at = line.iter().position(|&byte| byte == b' ').expect("two fields");
        let (id, name) = (line[..at].to_vec(), line[at + 1..].to_vec());
        let mut peel = repo.git_command();
        let hex = String::from_utf8_lossy(&id).into_owned();
        peel.arg("-C").arg(repo.path()).args(["rev-parse", "--quiet", "--verify", &format!("{hex}^{{commit}}")]);
        [name, id, peel.output().expect("git runs").stdout.trim_ascii().to_vec()]
    };
    said.split(|&byte| byte == b'\n').filter(|text| !text.is_empty()).map(line).collect()
}

fn refs_of_ours(stream: &[Value]) -> Vec<[Vec<u8>; 3]> {
    let entry = |event: &Value| {
        let peeled = event["peeled"].as_str().unwrap_or_default();
        assert!(event.get("peeled").is_some(), "asked for, so it is there: {event}");
        [exact(event, "ref"), exact(event, "id"), peeled.as_bytes().to_vec()]
    };
    of_type(stream, "ref").into_iter().map(entry).collect()
}

#[test]
fn shows_refs_as_for_each_ref_lists_them() {
    let tags = Repo::fixture("tags");
    let mut repos = vec![("tags", Repo::fixture("tags"))];
    repos.extend(
        ["packed", "loose", "bare", "reftable", "alternates"].map(|variant| (variant, tags.stored_as(variant))),
    );
    repos.push(("backports, detached", Repo::fixture("backports").stored_as("detached")));
    for (case, repo) in repos {
        for _ in ["cold", "warm"] {
            let stream = scan(&repo, &["--show-refs"]);
            let mut ours = refs_of_ours(&stream);
            if ours.first().is_some_and(|first| first[0] == b"HEAD") {
                let head = ours.remove(0);
                assert_eq!(String::from_utf8_lossy(&head[1]), repo.git(&["rev-parse", "HEAD"]), "{case}");
            } else {
                assert!(usual(&repo).len() == 3, "{case}: HEAD is missing");
            }
            let expected: Vec<_> = ["refs/heads/", "refs/remotes/", "refs/tags/"]
                .iter()
                .flat_map(|prefix| refs_of_git(&repo, &[prefix]))
                .collect();
            assert_eq!(ours, expected, "{case}");
        }
        let stream = scan(&repo, &["--show-refs", "--refs=*"]);
        assert_eq!(refs_of_ours(&stream), refs_of_git(&repo, &[]), "{case}: all refs");
        for event in of_type(&stream, "ref") {
            let name = exact(event, "ref");
            let kinds =
                [("branch", "refs/heads/"), ("remote", "refs/remotes/"), ("tag", "refs/tags/"), ("other", "refs/")];
            let (kind, prefix) = kinds.iter().find(|(_, prefix)| name.starts_with(prefix.as_bytes())).expect("a ref");
            assert_eq!(event["kind"], *kind, "{case}");
            assert_eq!(exact(event, "short"), name[prefix.len()..], "{case}");
        }
    }
}

#[test]
fn a_worktree_inside_a_repository_tells_of_its_own_head() {
    let repo = Repo::fixture("backports").stored_as("worktree");
    assert!(repo.path().join(".git").is_file(), "the fixture made a linked worktree");
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "only here"]);
    assert_every_run_tells_the_same(&repo, "a worktree ahead of all branches");
}
