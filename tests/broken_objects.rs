//! Objects that are missing or can't be read: an `error` names each, everything else is answered, and the answer says that it is
//! partial.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, commit_ids, events, of_type};

/// Twelve commits in a line, each changing a file of its own.
fn source() -> Repo {
    let commit = |number: usize| {
        let parents = if number == 0 { vec![] } else { vec![number - 1] };
        let time = 1_700_000_000 + 60 * i64::try_from(number).expect("small");
        Commit::new(&parents, time).file(&format!("file-{number}"), &format!("text {number}\n"))
    };
    dag::repository(&(0..12).map(commit).collect::<Vec<_>>(), &[("refs/heads/main", 11), ("refs/heads/old", 3)]).0
}

fn scan(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).arg("scan").args(args).output().expect("runs")
}

/// A scan that is partial, as it says everywhere that it is; its events and the ids in its errors.
fn partial(repo: &Repo, args: &[&str]) -> (Vec<Value>, BTreeSet<String>) {
    let output = scan(repo, args);
    assert_eq!(output.status.code(), Some(3), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let events = events(&output);
    let end = events.last().expect("end");
    assert_eq!((&end["status"], &end["complete"]), (&"partial".into(), &false.into()), "{args:?}");
    assert_eq!((&end["exit_code"], end.get("cursor")), (&3.into(), None));
    assert_eq!(of_type(&events, "repo-end")[0]["status"], "partial");
    let errors = of_type(&events, "error");
    assert!(errors.iter().all(|error| error["fatal"] == false && error["repo"] == "repo"), "{errors:?}");
    let ids = errors.iter().filter_map(|error| error["id"].as_str()).map(str::to_owned).collect();
    (events, ids)
}

fn rev_list(repo: &Repo) -> Vec<String> {
    repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_commit_that_is_missing_or_corrupt_is_an_error_and_the_rest_goes_on() {
    let source = source();
    for (variant, code) in [("missing-commit", "missing-object"), ("corrupt-commit", "corrupt-object")] {
        let repo = source.stored_as(variant);
        let lost = repo.id("lost").to_owned();
        // Git can list what is above the hole, and what other refs reach.
        let above = repo.git(&["rev-parse", "main", "main~1"]);
        let below = repo.git(&["rev-list", "old"]);
        let expected: Vec<String> = above.lines().chain(below.lines()).map(str::to_owned).collect();
        for args in [&[][..], &["--threads=1"], &["main", "old"]] {
            let (events, ids) = partial(&repo, args);
            assert_eq!(commit_ids(&events), expected, "{variant} {args:?}");
            assert_eq!(ids, BTreeSet::from([lost.clone()]), "{variant} {args:?}");
            assert_eq!(of_type(&events, "error").len(), 1, "{args:?}");
            assert_eq!(of_type(&events, "error")[0]["code"], code);
        }
        let (events, _) = partial(&repo, &["--reverse"]);
        assert_eq!(commit_ids(&events), expected.iter().rev().cloned().collect::<Vec<_>>());
        let (events, ids) = partial(&repo, &["--no-commits"]);
        assert_eq!((commit_ids(&events).len(), ids), (0, BTreeSet::from([lost.clone()])));
        // The commit is put back: everything is there again.
        let object = source.git_bytes(&["cat-file", "commit", &lost]);
        let file = repo.path().join(".git/objects").join(&lost[..2]).join(&lost[2..]);
        let _ = std::fs::remove_file(file);
        repo.git_with(&["hash-object", "-w", "-t", "commit", "--stdin"], &object);
        let output = scan(&repo, &[]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(commit_ids(&self::events(&output)), rev_list(&repo));
    }
}

#[test]
fn a_commit_that_goes_missing_after_it_was_indexed_is_still_known() {
    let source = source();
    let repo = source.stored_as("loose");
    let all = rev_list(&repo);
    assert_eq!(commit_ids(&events(&scan(&repo, &[]))), all);
    let lost = repo.git(&["rev-parse", "main~5"]);
    std::fs::remove_file(repo.path().join(".git/objects").join(&lost[..2]).join(&lost[2..])).expect("it was loose");
    let output = scan(&repo, &[]);
    let events = events(&output);
    if output.status.code() == Some(0) {
        assert_eq!(commit_ids(&events), all, "the cache has its bytes");
    } else {
        let (events, ids) = partial(&repo, &[]);
        assert_eq!(commit_ids(&events), all.iter().filter(|id| **id != lost).cloned().collect::<Vec<_>>());
        assert_eq!(ids, BTreeSet::from([lost]));
    }
}

#[test]
fn without_a_tree_or_a_blob_every_commit_is_there() {
    let source = source();
    let missing_blob = source.stored_as("missing-blob");
    for args in [&[][..], &["--paths"]] {
        let output = scan(&missing_blob, args);
        assert_eq!(output.status.code(), Some(0), "blobs are not read");
        assert_eq!(commit_ids(&events(&output)), rev_list(&missing_blob));
    }
    let repo = source.stored_as("missing-tree");
    let all = rev_list(&repo);
    let output = scan(&repo, &[]);
    assert_eq!((output.status.code(), commit_ids(&events(&output))), (Some(0), all.clone()), "trees neither");
    let (events, ids) = partial(&repo, &["--paths"]);
    assert_eq!(ids, BTreeSet::from([repo.id("lost").to_owned()]));
    let told = commit_ids(&events);
    assert!(
        told.iter().all(|id| all.contains(id)) && told.len() >= all.len() - 2,
        "at most the two that need the tree"
    );
    for commit in of_type(&events, "commit") {
        let id = commit["id"].as_str().expect("an id");
        if let Some(paths) = commit["paths"].as_array() {
            let listed = repo.git(&["diff-tree", "--root", "--no-commit-id", "--name-only", "-r", id]);
            let names: Vec<&str> = paths.iter().filter_map(|path| path["path"].as_str()).collect();
            assert_eq!(names, listed.lines().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_truncated_pack_gives_what_is_left_of_it() {
    let commits: Vec<Commit> = dag::random(3, 400, 2, 8);
    let (source, _) = dag::repository(&commits, &[("refs/heads/main", 399), ("refs/heads/other", 250)]);
    let repo = source.stored_as("truncated-pack");
    let readable: BTreeSet<String> = {
        let listed: BTreeSet<String> = rev_list(&source).into_iter().collect();
        listed
            .into_iter()
            .filter(|id| {
                let mut command = repo.git_command();
                command.arg("-C").arg(repo.path()).args(["cat-file", "-e", id]);
                command.output().expect("runs").status.success()
            })
            .collect()
    };
    assert!(readable.len() < rev_list(&source).len());
    let (events, ids) = partial(&repo, &[]);
    let told: BTreeSet<String> = commit_ids(&events).into_iter().collect();
    assert!(told.is_subset(&rev_list(&source).into_iter().collect()));
    assert!(!ids.is_empty() && ids.is_disjoint(&told));
}

#[test]
fn more_than_twenty_of_a_kind_are_counted() {
    // Thirty branches, each with a commit of its own that is gone beneath a tip that is there.
    let mut commits = Vec::new();
    for number in 0..30 {
        commits.push(Commit::new(&[], 1_700_000_000 + number));
        commits.push(Commit::new(&[commits.len() - 1], 1_700_001_000 + number));
    }
    let names: Vec<String> = (0..30).map(|number| format!("refs/heads/b{number}")).collect();
    let refs: Vec<(&str, usize)> = names.iter().enumerate().map(|(at, name)| (name.as_str(), 2 * at + 1)).collect();
    let (packed, ids) = dag::repository(&commits, &[&refs[..], &[("refs/heads/main", 1)]].concat());
    let repo = packed.stored_as("loose");
    for id in ids.iter().step_by(2) {
        std::fs::remove_file(repo.path().join(".git/objects").join(&id[..2]).join(&id[2..])).expect("it was loose");
    }
    let (events, told) = partial(&repo, &[]);
    assert_eq!(commit_ids(&events).len(), 30);
    let errors = of_type(&events, "error");
    assert_eq!(errors.len(), 21);
    assert_eq!(told.len(), 20);
    let last = errors[20];
    assert_eq!((last.get("id"), &last["count"], &last["code"]), (None, &10.into(), &"missing-object".into()));
    assert!(errors[..20].iter().all(|error| error["count"] == 1));
}

#[test]
fn refs_that_cant_be_read_are_warnings_and_the_others_are_answered() {
    let repo = Repo::fixture("broken-refs");
    let output = scan(&repo, &["--show-refs"]);
    let events = events(&output);
    assert_eq!(commit_ids(&events), [repo.id("tip"), repo.id("base")]);
    let warned: Vec<&str> =
        of_type(&events, "warning").iter().filter_map(|warning| warning["message"].as_str()).collect();
    for name in ["broken", "empty", "short", "missing"] {
        assert!(warned.iter().any(|message| message.contains(&format!("refs/heads/{name}"))), "{name}: {warned:?}");
    }
    let names: Vec<&str> = of_type(&events, "ref").iter().filter_map(|entry| entry["ref"].as_str()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("refs/heads/")).collect::<Vec<_>>(), [&"refs/heads/main"]);
    assert!(names.contains(&"refs/tags/light"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_partial_clone_is_answered_without_a_fetch() {
    let repo = source().stored_as("partial");
    let objects = || {
        let mut names: Vec<_> = std::fs::read_dir(repo.path().join("objects/pack"))
            .expect("packs")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = objects();
    for args in [&[][..], &["--paths"], &["--paths", "--", "file-3"]] {
        let output = scan(&repo, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let events = events(&output);
        let listed = if args.contains(&"--") {
            repo.git(&["rev-list", "--all", "--", "file-3"])
        } else {
            repo.git(&["rev-list", "--all"])
        };
        assert_eq!(commit_ids(&events), listed.lines().collect::<Vec<_>>());
        assert_eq!(of_type(&events, "repo")[0]["partial"], true);
        assert_eq!(of_type(&events, "warning").len(), 0, "trees are there, and blobs are not read");
    }
    assert_eq!(objects(), before, "nothing was fetched");
}

#[test]
fn a_partial_clone_without_trees_has_null_for_paths() {
    let source = source();
    let origin = source.path().to_str().expect("UTF-8").to_owned();
    source.git(&["config", "uploadpack.allowFilter", "true"]);
    let repo = Repo::new();
    repo.git(&["remote", "add", "origin", &format!("file://{origin}")]);
    repo.git(&["fetch", "--quiet", "--filter=tree:0", "origin"]);
    let before = repo.git(&["count-objects", "-v"]);
    let output = scan(&repo, &["--paths"]);
    let events = events(&output);
    assert_eq!(output.status.code(), Some(0), "{events:?}");
    assert_eq!(commit_ids(&events).len(), 12);
    assert!(of_type(&events, "commit").iter().all(|commit| commit.get("paths") == Some(&Value::Null)));
    let warnings = of_type(&events, "warning");
    assert_eq!((warnings.len(), warnings[0]["count"].as_u64()), (1, Some(12)));
    assert_eq!(repo.git(&["count-objects", "-v"]), before, "nothing was fetched");
}

#[test]
fn packed_refs_of_names_that_git_never_gives_are_broken() {
    let (repo, ids) = support::dag::repository(&support::dag::random(5, 20, 2, 5), &[("refs/heads/main", 19)]);
    let bad = ["refs/heads/a..b", "refs/heads/x\u{1b}[31m", "refs/tags/t.lock", "refs/heads/.hidden"];
    let good = ["refs/heads/v1.2", "refs/heads/ünï", "refs/tags/t-1_2"];
    let mut lines: Vec<String> = bad.iter().chain(&good).map(|name| format!("{} {name}\n", ids[10])).collect();
    lines.sort_by(|one, other| one[41..].cmp(&other[41..]));
    let text = format!("# pack-refs with: peeled fully-peeled sorted \n{}", lines.concat());
    std::fs::write(repo.path().join(".git/packed-refs"), text).expect("writes");
    let listed = repo.git(&["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"]);
    let output = bhfuil(&repo).args(["scan", "--show-refs"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    let events = events(&output);
    let refs: Vec<&str> = of_type(&events, "ref").iter().filter_map(|event| event["ref"].as_str()).collect();
    assert_eq!(refs[1..], listed.lines().collect::<Vec<_>>());
    let mut warned: Vec<&str> = of_type(&events, "warning").iter().filter_map(|event| event["code"].as_str()).collect();
    warned.dedup();
    assert_eq!((warned, of_type(&events, "warning").len()), (vec!["broken-ref"], bad.len()));
}

/// The program where a file's mode holds for everybody: root has to give up what it may do beyond that.
fn as_anybody(repo: &Repo, args: &[&str]) -> Output {
    use std::os::unix::fs::MetadataExt as _;
    let program = env!("CARGO_BIN_EXE_git-bhfuil");
    let is_root = repo.path().metadata().is_ok_and(|own| own.uid() == 0);
    let mut command = Command::new(if is_root { "setpriv" } else { program });
    if is_root {
        command.args(["--bounding-set", "-dac_override,-dac_read_search", program]);
    }
    repo.seal(&mut command).args(args).current_dir(repo.path());
    command.output().expect("it starts")
}

/// Two branches that have nothing in common, `main` of five commits and `side` of three, each in a pack of its own, and as `loose` the side
/// instead in files of its own; and the places without which `side` can't be read.
fn two_in_two_places(loose: bool) -> (Repo, Vec<PathBuf>) {
    let commits = |count: usize, first: usize| {
        (0..count).map(move |number| {
            let parents: Vec<usize> = number.checked_sub(1).map(|last| first + last).into_iter().collect();
            let time = 1_700_000_000 + 60 * i64::try_from(first + number).expect("small");
            Commit::new(&parents, time).file(&format!("f{}", first + number), &format!("text {}\n", first + number))
        })
    };
    let all: Vec<Commit> = commits(5, 0).chain(commits(3, 5)).collect();
    let repo = dag::repository(&all, &[("refs/heads/main", 4), ("refs/heads/older", 2), ("refs/heads/side", 7)])
        .0
        .stored_as("loose");
    repo.git(&["pack-refs", "--all"]);
    let objects = repo.path().join(".git/objects");
    let mut places = Vec::new();
    for branch in ["main", "side"] {
        if loose && branch == "side" {
            let tip = repo.git(&["rev-parse", "side"]);
            places = vec![objects.join(&tip[..2]).join(&tip[2..]), objects.join(&tip[..2])];
            continue;
        }
        let packed = repo.git_with(&["pack-objects", "-q", "--revs", ".git/objects/pack/pack"], branch.as_bytes());
        let name = format!("pack/pack-{}", String::from_utf8_lossy(&packed).trim());
        places = vec![objects.join(format!("{name}.pack")), objects.join(format!("{name}.idx"))];
    }
    repo.git(&["prune-packed", "-q"]);
    (repo, places)
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}

#[test]
fn what_the_system_keeps_from_us_is_an_error_and_never_taken_for_missing() {
    for loose in [false, true] {
        let (repo, mut places) = two_in_two_places(loose);
        let tip = repo.git(&["rev-parse", "side"]);
        let reference = repo.path().join(".git/refs/heads/side");
        std::fs::write(&reference, format!("{tip}\n")).expect("a ref that is loose too");
        places.push(reference);
        let (all, main) = (rev_list(&repo), repo.git(&["rev-list", "main"]));
        let main: Vec<&str> = main.lines().collect();
        for place in places {
            let mode = std::os::unix::fs::PermissionsExt::mode(&place.metadata().expect("there").permissions());
            set_mode(&place, 0);
            for args in
                [&["scan"][..], &["scan", "--patch-id"], &["where", main[2]], &["missing", "older", "--from=main"]]
            {
                let _ = std::fs::remove_dir_all(repo.home().join("bhfuil"));
                let output = as_anybody(&repo, args);
                let told = events(&output);
                let said = format!("{} {args:?}: {told:#?}", place.display());
                assert_eq!(output.status.code(), Some(3), "{said}");
                let end = &told[told.len() - 1];
                assert_eq!((&end["status"], &end["complete"]), (&"partial".into(), &false.into()), "{said}");
                let errors = of_type(&told, "error");
                assert!(!errors.is_empty() && errors.iter().all(|error| error["code"] == "io"), "{said}");
                assert!(errors[0]["message"].as_str().expect("text").contains("Permission denied"), "{said}");
                assert_eq!(of_type(&told, "warning").len(), 0, "{said}");
                if args[0] == "scan" {
                    assert_eq!(commit_ids(&told), main, "{said}");
                    assert_eq!(end.get("cursor"), None);
                } else if args[0] == "where" {
                    assert!(of_type(&told, "match").iter().any(|found| found["id"] == main[2]), "{said}");
                }
            }
            set_mode(&place, mode);
            // What was not read then is not held to be known.
            let output = as_anybody(&repo, &["scan"]);
            assert_eq!(
                (output.status.code(), commit_ids(&events(&output))),
                (Some(0), all.clone()),
                "{}",
                place.display()
            );
        }
    }
}

#[test]
fn a_ref_whose_object_is_not_there_is_a_warning_as_in_git() {
    let source = source();
    let repo = source.stored_as("loose");
    let main = repo.git(&["rev-parse", "main"]);
    repo.git(&["branch", "older", "old~2"]);
    let damaged = repo.path().join(".git/objects").join(&main[..2]).join(&main[2..]);
    for (name, id) in [("gone", "1".repeat(40)), ("damaged", main)] {
        std::fs::write(repo.path().join(".git/refs/heads").join(name), id).expect("written");
    }
    repo.git(&["symbolic-ref", "HEAD", "refs/heads/old"]);
    repo.git(&["update-ref", "-d", "refs/heads/main"]);
    set_mode(&damaged, 0o644);
    std::fs::write(&damaged, b"no zlib").expect("written");
    let old = repo.git(&["rev-list", "old"]);
    for args in [&["scan"][..], &["where", "old"], &["missing", "older", "--from=old"]] {
        let output = bhfuil(&repo).args(args).output().expect("runs");
        let told = events(&output);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {told:#?}");
        let warned = of_type(&told, "warning");
        assert!(warned.len() >= 2 && warned.iter().all(|warning| warning["code"] == "broken-ref"), "{warned:?}");
        if args == ["scan"] {
            assert_eq!(commit_ids(&told).join("\n"), old);
        }
    }
}
