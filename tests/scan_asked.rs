//! What `scan` adds when asked: changed paths are those of `git log --raw`, mapped identities those of `git log
//! --use-mailmap`, refs those of `git for-each-ref`.

mod support;

use serde_json::Value;
use support::{Repo, bhfuil, events, exact, of_type, usual};

/// The events of a scan that ended well.
fn scan(repo: &Repo, args: &[&str]) -> Vec<Value> {
    let output = bhfuil(repo).arg("scan").args(args).output().expect("it runs");
    let events = events(&output);
    assert_eq!(output.status.code(), Some(0), "{args:?} {:?}", events.last());
    events
}

/// What `git log --raw` prints, as lines of our own: `id: :modes blobs status path`.
fn raw_of_git(repo: &Repo) -> Vec<Vec<u8>> {
    let args = ["log", "-z", "--raw", "--no-renames", "--no-abbrev", "--format=%x01%H"];
    let said = repo.git_bytes(&[&args, usual(repo)].concat());
    let mut tokens = said.split(|&byte| byte == 0).map(<[u8]>::trim_ascii_start);
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
