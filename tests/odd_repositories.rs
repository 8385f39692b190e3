//! Repositories of every make, and places of every kind to ask them from: `scan`, `where` and `missing` say what git says there.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command, events, of_type};

/// Where something is asked from, and how.
struct Place<'r> {
    repo: &'r Repo,
    dir: PathBuf,
    env: Vec<(&'static str, Option<OsString>)>,
    /// The branch that has the changes, and the one that lacks some.
    from: &'static str,
    on: &'static str,
}

impl<'r> Place<'r> {
    fn new(repo: &'r Repo) -> Self {
        Self { repo, dir: repo.path().to_owned(), env: vec![], from: "main", on: "stable" }
    }

    fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, Some(value.into())));
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.env.push((name, None));
        self
    }

    fn furnish<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(&self.dir)
    }

    fn git(&self, args: &[&str]) -> Vec<String> {
        let mut command = self.repo.git_command();
        let output = self.furnish(command.args(args)).output().expect("git runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    fn ours(&self, args: &[&str]) -> Output {
        let mut command = bhfuil_command(self.repo, args);
        self.furnish(&mut command).stdin(Stdio::null()).output().expect("git-bhfuil starts")
    }

    /// Holds all three commands to git, and returns the codes of what they warned of.
    fn agrees(&self, case: &str) -> BTreeSet<String> {
        let mut warned = BTreeSet::new();
        let mut answer = |args: &[&str]| {
            let output = self.ours(args);
            let told = events(&output);
            let errors = of_type(&told, "error");
            assert!(output.status.code() == Some(0) && errors.is_empty(), "{case} {args:?}: {errors:?} {output:?}");
            warned.extend(of_type(&told, "warning").into_iter().map(|event| text(event, "code").to_owned()));
            told
        };
        let all = self.git(&["rev-list", "HEAD", "--branches", "--remotes", "--tags"]);
        assert_eq!(support::commit_ids(&answer(&["scan"])), all, "{case}");

        let asked: Vec<&str> = all.iter().step_by(all.len().div_ceil(12)).map(String::as_str).collect();
        // A glob that matches nothing is warned of.
        let has_remotes = !self.git(&["for-each-ref", "refs/remotes"]).is_empty();
        let refs = ["--refs=heads/*", "--refs=tags/*", "--tags=all", "--refs=remotes/*"];
        let refs = &refs[..if has_remotes { 4 } else { 3 }];
        let told = answer(&[&["where"][..], refs, &asked].concat());
        for id in &asked {
            let here = |event: &&&Value| event["query"] == *id && event["state"] == "present" && event["id"] == *id;
            let places = of_type(&told, "presence");
            let ours: BTreeSet<&str> = places.iter().filter(here).map(|event| text(event, "ref")).collect();
            assert_eq!(ours, self.holders(id).iter().map(String::as_str).collect(), "{case}: {id}");
        }

        let told = answer(&["missing", self.on, &format!("--from={}", self.from)]);
        let ours: Vec<&str> = of_type(&told, "missing").into_iter().map(|event| text(event, "id")).collect();
        let range = format!("{}...{}", self.on, self.from);
        let pick = ["rev-list", "--reverse", "--no-merges", "--right-only", "--cherry-pick"];
        assert_eq!(ours, self.git(&[&pick[..], &[&range]].concat()), "{case}");
        warned
    }

    /// The refs that lead to a commit, and aren't symbolic, from which git comes to `id`.
    fn holders(&self, id: &str) -> Vec<String> {
        let format = "--format=%(if)%(symref)%(then)%(else)%(refname)%(end)";
        let contains = format!("--contains={id}");
        let listed = self.git(&["for-each-ref", format, &contains, "refs/heads", "refs/remotes", "refs/tags"]);
        listed.into_iter().filter(|name| !name.is_empty()).collect()
    }
}

/// The events of one type in a stream that is large: holding each line to the schema, or each text to JSON, would take seconds.
fn light(output: &Output, kind: &str) -> Vec<Value> {
    let stream = std::str::from_utf8(&output.stdout).expect("UTF-8");
    let begin = format!("{{\"type\":\"{kind}\"");
    let lines = stream.lines().filter(|line| line.starts_with(&begin));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_else(|| panic!("no {key}: {event}"))
}

/// Twelve changes on `main`; on `stable`, which is of after the fourth, one of its own, two that were picked, and a merge of a side of it.
fn source() -> Repo {
    let repo = Repo::new();
    repo.git(&["config", "user.name", "A U Thor"]);
    repo.git(&["config", "user.email", "author@example.com"]);
    // With them it can't be made a reftable.
    repo.git(&["config", "core.logAllRefUpdates", "false"]);
    repo.shell(
        "at=1700000000
         tick() { at=$((at + 60)); export GIT_AUTHOR_DATE=\"$at +0100\" GIT_COMMITTER_DATE=\"$at +0100\"; }
         change() { tick; echo \"line $1\" >\"file-$1\"; git add . && git commit -q -m \"change $1\"; }
         for n in 1 2 3 4; do change $n; done; git branch stable; git tag -a -m one v1
         for n in 5 6 7 8 9 10 11 12; do change $n; done
         git checkout -q stable; change own
         for pick in main~6 main~2; do tick; git cherry-pick \"$pick\" >/dev/null; done
         git checkout -q -b side HEAD~1; change side; git checkout -q stable; tick; git merge -q -m 'merge side' side
         git tag light; git checkout -q main",
    );
    repo
}

#[test]
fn however_it_is_stored_the_answers_are_gits() {
    let source = source();
    for variant in [
        "packed",
        "loose",
        "packs",
        "bare",
        "commit-graph",
        "graph-chain",
        "alternates",
        "worktree",
        "detached",
        "replace",
        "sha256",
        "reftable",
    ] {
        let repo = source.stored_as(variant);
        let warned = Place::new(&repo).agrees(variant);
        assert_eq!(warned, BTreeSet::new(), "{variant}");
    }
    // A graft below where the branches part, lest they have nothing in common.
    let grafted = source.stored_as("packed");
    std::fs::create_dir_all(grafted.path().join(".git/info")).expect("a folder");
    let cut = format!("{}\n", grafted.git(&["rev-parse", "main~10"]));
    std::fs::write(grafted.path().join(".git/info/grafts"), cut).expect("written");
    Place::new(&grafted).agrees("grafts");
    let project = source.stored_as("submodule");
    let inside = Place { dir: project.path().join("sub"), on: "origin/stable", ..Place::new(&project) };
    assert_eq!(inside.agrees("submodule"), BTreeSet::new());
}

#[test]
fn whatever_the_environment_says_of_a_repository_is_meant_as_git_means_it() {
    let source = source();
    let git_dir = source.path().join(".git");
    let elsewhere = || Place { dir: source.home(), ..Place::new(&source) };
    elsewhere().with("GIT_DIR", &git_dir).agrees("GIT_DIR");
    elsewhere().with("GIT_DIR", "../repo/.git").agrees("a relative GIT_DIR");
    elsewhere().with("GIT_DIR", &git_dir).with("GIT_WORK_TREE", source.path()).agrees("GIT_WORK_TREE");
    Place::new(&source).with("GIT_CEILING_DIRECTORIES", source.home()).agrees("GIT_CEILING_DIRECTORIES");
    // Only what serves fetches and pushes minds it, to git too.
    Place::new(&source).with("GIT_NAMESPACE", "other").agrees("GIT_NAMESPACE");
    Place::new(&source).with("LC_ALL", "C").with("LANG", "C").without("TZ").agrees("C");

    let moved = source.stored_as("loose");
    let objects = moved.home().join("objects");
    std::fs::rename(moved.path().join(".git/objects"), &objects).expect("they are moved");
    std::fs::create_dir_all(moved.path().join(".git/objects/pack")).expect("a folder");
    Place::new(&moved).with("GIT_OBJECT_DIRECTORY", &objects).agrees("GIT_OBJECT_DIRECTORY");
    let lent = Repo::fixture("tags");
    Place::new(&moved)
        .with("GIT_OBJECT_DIRECTORY", lent.path().join(".git/objects"))
        .with("GIT_ALTERNATE_OBJECT_DIRECTORIES", &objects)
        .agrees("GIT_ALTERNATE_OBJECT_DIRECTORIES");

    let replaced = source.stored_as("replace");
    let counts: Vec<Vec<String>> = [
        Place::new(&replaced),
        Place::new(&replaced).with("GIT_NO_REPLACE_OBJECTS", "1"),
        Place::new(&replaced).with("GIT_REPLACE_REF_BASE", "refs/elsewhere/"),
    ]
    .map(|place| {
        place.agrees("refs/replace");
        place.git(&["log", "--format=%H %s", "-3", "main"])
    })
    .into();
    assert!(counts[0] != counts[1] && counts[1] == counts[2], "{counts:?}");
}

#[test]
fn a_ceiling_ends_the_search_where_it_ends_gits() {
    let source = source();
    let top = std::fs::canonicalize(source.path()).expect("a path");
    let above = top.parent().expect("a folder").to_owned();
    let (deep, link) = (top.join("a/b"), above.join("link"));
    std::fs::create_dir_all(&deep).expect("folders");
    std::os::unix::fs::symlink(&top, &link).expect("a link");
    let mut ends = BTreeSet::new();
    for dir in [top.clone(), top.join("a"), deep.clone()] {
        for ceiling in [
            top.display().to_string(),
            top.join("a").display().to_string(),
            deep.display().to_string(),
            above.display().to_string(),
            link.display().to_string(),
            format!(":{}", link.display()),
            format!("/nowhere:relative:{}/", top.display()),
            "/nowhere".to_owned(),
            "/".to_owned(),
            String::new(),
        ] {
            let place = Place { dir: dir.clone(), ..Place::new(&source) }.with("GIT_CEILING_DIRECTORIES", &ceiling);
            let mut git = source.git_command();
            let git = place.furnish(git.args(["rev-parse", "--git-dir"])).output().expect("git runs").status.code();
            let code = place.ours(&["scan"]).status.code();
            assert_eq!(code, git, "{} below {ceiling}", dir.display());
            ends.insert(code);
        }
    }
    assert_eq!(ends, BTreeSet::from([Some(0), Some(128)]));
}

#[test]
fn where_nothing_can_be_kept_the_answers_are_the_same() {
    let source = source();
    let homeless = ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "GIT_BHFUIL_CACHE"];
    let place = homeless.into_iter().fold(Place::new(&source), Place::without);
    assert!(place.agrees("no HOME").iter().all(|code| code == "cache-unavailable"));
    for nowhere in ["/dev/null/cache", "/proc/cache"] {
        let warned = Place::new(&source).with("GIT_BHFUIL_CACHE", nowhere).agrees(nowhere);
        assert_eq!(warned, BTreeSet::from(["cache-unavailable".to_owned()]), "{nowhere}");
    }
}

/// What each command says where it can say nothing.
fn refusals(place: &Place<'_>, case: &str, code: &str, hint: &str) {
    for args in [&["scan"][..], &["where", "HEAD"], &["missing", "stable", "--from=main"], &["missing", "stable"]] {
        let output = place.ours(args);
        let (told, said) = (events(&output), String::from_utf8_lossy(&output.stderr).into_owned());
        assert_eq!(output.status.code(), Some(128), "{case} {args:?}: {said}");
        let error = of_type(&told, "error")[0];
        assert_eq!((text(error, "code"), &error["fatal"]), (code, &true.into()), "{case} {args:?}: {error}");
        assert!(text(error, "hint").contains(hint), "{case} {args:?}: {error}");
        assert!(said.starts_with("fatal: ") && said.contains("hint: "), "{case} {args:?}: {said}");
    }
}

#[test]
fn where_there_is_no_repository_or_none_that_may_be_read_each_command_says_the_way_out() {
    let source = source();
    let nowhere = Place { dir: source.home(), ..Place::new(&source) };
    refusals(&nowhere, "nowhere", "no-repository", "-C <dir>");
    let place = Place::new(&source).with("GIT_DIR", source.home());
    refusals(&place, "GIT_DIR", "no-repository", "GIT_DIR");
    let place = Place::new(&source).with("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true");
    let git = place
        .repo
        .git_command()
        .envs([("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true")])
        .arg("-C")
        .arg(&place.dir)
        .args(["branch", "--contains", "main"])
        .output()
        .expect("git runs");
    assert!(String::from_utf8_lossy(&git.stderr).contains("safe.directory"), "{git:?}");
    refusals(&place, "owner", "repo-open", "safe.directory");
}

#[test]
fn of_an_empty_repository_there_is_nothing_to_tell() {
    let repo = Repo::new();
    let output = Place::new(&repo).ours(&["scan"]);
    assert_eq!((output.status.code(), support::commit_ids(&events(&output)).len()), (Some(0), 0));
    for args in [&["missing", "main"][..], &["missing", "main", "--from=stable"], &["missing", "stable", "--from=main"]]
    {
        let output = Place::new(&repo).ours(args);
        let told = events(&output);
        let error = of_type(&told, "error")[0];
        assert_eq!((output.status.code(), text(error, "code")), (Some(128), "bad-revision"), "{args:?}: {error}");
        assert!(error["hint"].is_string(), "{error}");
    }
    // HEAD is unborn, and other branches are not.
    let source = source();
    source.git(&["symbolic-ref", "HEAD", "refs/heads/to-be"]);
    let place = Place::new(&source);
    let listed = place.git(&["rev-list", "--branches", "--tags"]);
    assert_eq!(support::commit_ids(&events(&place.ours(&["scan"]))), listed);
    let output = place.ours(&["missing", "stable", "--from=main"]);
    assert_eq!((output.status.code(), of_type(&events(&output), "missing").len()), (Some(0), 6));
    let told = events(&place.ours(&["where", "main~1"]));
    assert!(of_type(&told, "presence").iter().any(|event| event["ref"] == "refs/heads/main"));
    assert_eq!(place.ours(&["missing", "to-be", "--from=main"]).status.code(), Some(128));
}

#[test]
fn an_output_that_is_full_is_an_error_of_every_command() {
    let source = source();
    for args in [&["scan"][..], &["where", "main~2"], &["missing", "stable", "--from=main"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let output = bhfuil_command(&source, args).stdout(full).stdin(Stdio::null()).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(128), "{args:?}: {said}");
        assert!(said.starts_with("fatal: ") && said.contains("No space left on device"), "{args:?}: {said}");
    }
}

/// Adds `change` to the commit-graph file, past the header, and makes its checksum right again.
fn falsify(repo: &Repo, change: impl FnOnce(&mut [u8])) {
    let path = repo.path().join(".git/objects/info/commit-graph");
    let mut bytes = std::fs::read(&path).expect("git has written it");
    let end = bytes.len() - 20;
    change(&mut bytes[..end]);
    let sum = <sha1::Sha1 as sha1::Digest>::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum);
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).expect("written");
}

/// Where the chunk `name` of a commit-graph begins (gitformat-commit-graph(5)).
fn chunk(bytes: &[u8], name: &[u8]) -> usize {
    let entry = bytes[8..].chunks(12).find(|entry| entry.starts_with(name)).expect("the chunk");
    usize::try_from(u64::from_be_bytes(entry[4..].try_into().expect("eight bytes"))).expect("small")
}

#[test]
fn a_commit_graph_that_lies_is_believed_no_further_than_git_believes_it() {
    let source = source();
    let lies: BTreeMap<&str, fn(&mut [u8])> = BTreeMap::from([
        (
            "no parents",
            (|bytes| {
                let at = chunk(bytes, b"CDAT");
                for entry in bytes[at..].chunks_mut(36).take(10) {
                    entry[20..24].copy_from_slice(&0x7000_0000_u32.to_be_bytes());
                }
            }) as fn(&mut [u8]),
        ),
        ("the generations of others", |bytes| {
            let at = chunk(bytes, b"CDAT");
            for (number, entry) in (1_u32..).zip(bytes[at..].chunks_mut(36).take(10)) {
                entry[28..32].copy_from_slice(&(number << 2).to_be_bytes());
            }
        }),
        ("a parent that is beyond the end", |bytes| {
            let at = chunk(bytes, b"CDAT");
            bytes[at + 20..at + 24].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
        }),
        ("a table of contents that leads nowhere", |bytes| bytes[8 + 4..8 + 12].fill(0xff)),
    ]);
    for (lie, change) in lies {
        let repo = source.stored_as("commit-graph");
        // Of the first generation, lest git goes by other numbers than those that are falsified.
        let _ = std::fs::remove_file(repo.path().join(".git/objects/info/commit-graph"));
        let first = ["-c", "commitGraph.generationVersion=1", "commit-graph", "write", "--reachable", "--no-progress"];
        repo.git(&first);
        falsify(&repo, change);
        let verified = repo.git_command().arg("-C").arg(repo.path()).args(["commit-graph", "verify"]).output();
        assert!(!verified.expect("git runs").status.success(), "{lie} is one that git can tell");
        // What git says without it is the truth; where git itself believes the lie, so do we.
        let without = || {
            Place::new(&repo)
                .with("GIT_CONFIG_COUNT", "1")
                .with("GIT_CONFIG_KEY_0", "core.commitGraph")
                .with("GIT_CONFIG_VALUE_0", "false")
        };
        let forget = || {
            let _ = std::fs::remove_dir_all(repo.home().join("bhfuil"));
        };
        let list = ["rev-list", "HEAD", "--branches", "--tags"];
        let truth = without().git(&list);
        let mut git = repo.git_command();
        let git = Place::new(&repo).furnish(git.args(list)).output().expect("git runs");
        // Where git notices in the midst of it, it dies.
        let believed = String::from_utf8_lossy(&git.stdout).lines().map(str::to_owned).collect();
        let believed = if git.status.success() { believed } else { truth.clone() };
        without().agrees(lie);
        forget();
        let told = Place::new(&repo).ours(&["scan"]);
        let ids = support::commit_ids(&events(&told));
        let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        // Git reads some commits itself and others not, and so do we.
        let tips = repo.git(&["rev-parse", "main", "stable", "side", "v1^{commit}"]);
        let tips: Vec<String> = tips.lines().map(str::to_owned).collect();
        let between = set(&tips).is_subset(&set(&ids)) && set(&ids).is_subset(&set(&truth));
        assert!(told.status.code() == Some(0) && between, "{lie}: {ids:?}");
        if truth != believed {
            continue;
        }
        assert_eq!(ids, truth, "{lie}");
        for (args, kind) in [
            (vec!["where", &truth[truth.len() - 3], &truth[2]], "presence"),
            (vec!["missing", "stable", "--from=main"], "missing"),
            (vec!["scan", "stable..main"], "commit"),
        ] {
            let answers = [Place::new(&repo), without()].map(|place| {
                forget();
                of_type(&events(&place.ours(&args)), kind).into_iter().cloned().collect::<Vec<_>>()
            });
            assert_eq!(answers[0], answers[1], "{lie} {args:?}");
            assert!(!answers[0].is_empty(), "{lie} {args:?}");
        }
    }
}

#[test]
fn commits_of_centuries_to_come_are_where_git_sees_them_with_and_without_a_commit_graph() {
    let repo = source();
    repo.shell(
        "at=4294967200
         for n in a b c d; do
             at=$((at + 60)); export GIT_AUTHOR_DATE=\"@$at +0000\" GIT_COMMITTER_DATE=\"@$at +0000\"
             echo $n >\"late-$n\"; git add . && git commit -q -m \"late $n\"
         done
         GIT_COMMITTER_DATE='@17179869183 +0000' git commit -q --allow-empty -m 'the last of a graph' && git rm -q late-a && git commit -q -m back",
    );
    Place::new(&repo).agrees("without");
    repo.git(&["commit-graph", "write", "--reachable", "--no-progress"]);
    let _ = std::fs::remove_dir_all(repo.home().join("bhfuil"));
    Place::new(&repo).agrees("with");
    let told = events(&Place::new(&repo).ours(&["scan", "-n", "3"]));
    let dates: Vec<&str> = of_type(&told, "commit").iter().map(|commit| text(&commit["committer"], "date")).collect();
    let gits = repo.git(&["log", "-3", "--format=%cI"]);
    assert_eq!(dates.len(), 3);
    assert_eq!(dates[1..], gits.lines().collect::<Vec<_>>()[1..]);
}

#[test]
fn tags_of_anything_and_refs_that_lead_nowhere_leave_the_others_right() {
    for fixture in ["tags", "broken-refs"] {
        let repo = Repo::fixture(fixture);
        let (base, tip) = (repo.id("base").to_owned(), repo.id("tip").to_owned());
        repo.git(&["update-ref", "refs/heads/stable-it", &base]);
        repo.git(&["update-ref", "refs/heads/main-it", &tip]);
        let output = Place::new(&repo).ours(&["where", "--refs=heads/*", "--refs=tags/*", "--tags=all", &base]);
        let told = events(&output);
        assert_eq!(output.status.code(), Some(0), "{fixture}: {told:#?}");
        let places: BTreeSet<&str> = of_type(&told, "presence")
            .into_iter()
            .filter(|event| event["state"] == "present")
            .map(|event| text(event, "ref"))
            .collect();
        // Git's own words for each ref that it can follow, one by one, since it dies of some together with others.
        let names = repo
            .git_command()
            .arg("-C")
            .arg(repo.path())
            .args(["for-each-ref", "--format=%(refname) %(symref)", "refs/heads", "refs/tags"])
            .output()
            .expect("git runs");
        let names = String::from_utf8_lossy(&names.stdout).into_owned();
        let holds = |name: &str| {
            let mut git = repo.git_command();
            git.arg("-C").arg(repo.path()).args(["merge-base", "--is-ancestor", &base, &format!("{name}^{{commit}}")]);
            git.output().expect("git runs").status.success()
        };
        let expected: BTreeSet<&str> =
            names.lines().filter_map(|line| line.strip_suffix(' ')).filter(|name| holds(name)).collect();
        // The one that isn't UTF-8 can't be named in an argument here.
        let places: BTreeSet<&str> = places.into_iter().filter(|name| !name.contains('\u{fffd}')).collect();
        assert!(expected.len() >= 2, "{expected:?}");
        assert_eq!(places, expected, "{fixture}");
        let output = Place::new(&repo).ours(&["missing", "stable-it", "--from=main-it"]);
        let told = events(&output);
        let ids: Vec<&str> = of_type(&told, "missing").into_iter().map(|event| text(event, "id")).collect();
        let warned = of_type(&told, "warning").iter().filter(|event| event["code"] == "broken-ref").count();
        assert_eq!(output.status.code(), Some(0), "{fixture}: {told:#?}");
        assert!(ids.iter().all(|id| **id == tip), "{fixture}: {ids:?}");
        assert!(warned >= if fixture == "tags" { 1 } else { 5 }, "{told:#?}");
    }
}

#[test]
fn tens_of_thousands_of_refs_are_all_told() {
    let source = source();
    let ids: Vec<String> = source.git(&["rev-list", "--all"]).lines().map(str::to_owned).collect();
    // As git would write them, which takes it a minute.
    source.git(&["pack-refs", "--all"]);
    let packed = source.path().join(".git/packed-refs");
    let mut lines: Vec<String> = (0..60_000).map(|n| format!("{} refs/tags/n{n:05}\n", ids[n % ids.len()])).collect();
    let old = std::fs::read_to_string(&packed).expect("it was written");
    let (header, old) = old.split_once('\n').expect("a header");
    // A tag is followed by what it is of.
    lines.extend(old.replace("\n^", "^").lines().map(|line| format!("{line}\n")));
    lines.sort_by(|a, b| a[41..].cmp(&b[41..]));
    let lines: String = lines.iter().map(|line| line.replace('^', "\n^")).collect();
    std::fs::write(&packed, format!("{header}\n{lines}")).expect("written");
    let loose = source.path().join(".git/refs/heads/many");
    std::fs::create_dir_all(&loose).expect("a folder");
    for n in 0..5_000 {
        std::fs::write(loose.join(format!("n{n:05}")), format!("{}\n", ids[n % ids.len()])).expect("written");
    }
    assert_eq!(source.git(&["for-each-ref", "--format=%(refname)"]).lines().count(), 65_000 + 5);
    let place = Place::new(&source);
    let id = source.git(&["rev-parse", "main~4"]);
    for run in ["first", "second"] {
        let output = place.ours(&["where", "--refs=heads/*", "--refs=tags/*", "--tags=all", &id]);
        assert_eq!(output.status.code(), Some(0), "{run}");
        let told = light(&output, "presence");
        let here = |event: &&Value| event["state"] == "present" && event["id"] == id.as_str();
        let ours: BTreeSet<&str> = told.iter().filter(here).map(|event| text(event, "ref")).collect();
        let gits = place.holders(&id);
        assert_eq!(ours, gits.iter().map(String::as_str).collect(), "{run}");
        assert!(gits.len() > 15_000, "{}", gits.len());
        let output = place.ours(&["missing", "stable", "--from=main"]);
        assert_eq!((output.status.code(), of_type(&events(&output), "missing").len()), (Some(0), 6), "{run}");
    }
}

#[test]
#[ignore = "takes a minute where nothing is optimised: .ci/run runs it too"]
fn a_message_of_fifty_megabytes_and_two_hundred_parents_are_commits_as_others_are() {
    let repo = source();
    let tree = repo.git(&["rev-parse", "main^{tree}"]);
    let who = "A <a@example.com> 1700009000 +0000";
    let mut raw =
        format!("tree {tree}\nparent {}\nauthor {who}\ncommitter {who}\n\nlarge\n\n", repo.git(&["rev-parse", "main"]));
    while raw.len() < 50 << 20 {
        raw.push_str("A line of what is far too long for anybody to read, and said again.\n");
    }
    let write = |raw: &str| {
        let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], raw.as_bytes());
        String::from_utf8_lossy(&id).trim().to_owned()
    };
    let large = write(&raw);
    let side = |number: i32| write(&format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nside {number}\n"));
    let many: Vec<String> = (0..199).map(|number| format!("parent {}\n", side(number))).collect();
    let many = many.concat();
    let octopus = write(&format!("tree {tree}\nparent {large}\n{many}author {who}\ncommitter {who}\n\nall\n"));
    repo.git(&["update-ref", "refs/heads/main", &octopus]);
    let place = Place::new(&repo);
    let ids = place.git(&["rev-list", "HEAD", "--branches", "--tags"]);
    let output = place.ours(&["scan"]);
    assert_eq!((output.status.code(), support::ids_alone(&output)), (Some(0), ids));
    let output = place.ours(&["where", "--refs=heads/*", &large, &octopus]);
    assert_eq!(output.status.code(), Some(0));
    let told = light(&output, "presence");
    for id in [&large, &octopus] {
        let here = |event: &&Value| event["query"] == id.as_str() && event["state"] == "present";
        let places: Vec<&str> = told.iter().filter(here).map(|event| text(event, "ref")).collect();
        assert_eq!(places, ["refs/heads/main"]);
    }
    let output = place.ours(&["missing", "stable", "--from=main"]);
    assert_eq!(output.status.code(), Some(0), "{:?}", light(&output, "error"));
    let told = light(&output, "missing");
    let ids: BTreeSet<&str> = told.iter().map(|event| text(event, "id")).collect();
    let range = ["rev-list", "--no-merges", "--right-only", "--cherry-pick", "stable...main"];
    let gits = place.git(&range);
    assert!(ids.is_subset(&gits.iter().map(String::as_str).collect()), "{ids:?}");
    for change in ["change 5", "change 12", "large"] {
        let id = repo.git(&["log", "-1", "--format=%H", &format!("--grep=^{change}$"), "main"]);
        assert!(ids.contains(id.as_str()), "{change}");
    }
}

#[test]
fn a_reader_of_where_that_sleeps_gets_everything_once_it_wakes() {
    let source = source();
    let create: String = {
        let id = source.git(&["rev-parse", "main"]);
        (0..3000).map(|number| format!("create refs/tags/n{number:05} {id}\n")).collect::<Vec<_>>().concat()
    };
    source.git_with(&["update-ref", "--stdin"], create.as_bytes());
    let args = ["where", "--refs=heads/*", "--refs=tags/*", "--tags=all", "main~2"];
    let expected = bhfuil(&source).args(args).output().expect("runs");
    let child = support::bhfuil_running(&source, &args);
    support::wait_until_idle(child.id());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), light(&output, "presence")), (Some(0), light(&expected, "presence")));
    let length = expected.stdout.len();
    assert!(length > 200_000, "more than a pipe holds: {length}");
}

/// The refs that each work tree has for itself (git-worktree(1), REFS), and refs that stand for HEAD: in every work tree those that git
/// lists there.
#[test]
fn each_work_tree_has_refs_of_its_own() {
    let repo = source();
    repo.shell(
        "git worktree add -q --detach ../linked stable
         git update-ref refs/bisect/bad main; git update-ref refs/bisect/here main~1; git update-ref refs/worktree/mine main~2
         git symbolic-ref refs/heads/now HEAD
         cd ../linked
         git update-ref refs/bisect/bad stable; git update-ref refs/worktree/other stable~1; git update-ref refs/rewritten/x stable",
    );
    for dir in [repo.path().to_owned(), repo.path().with_file_name("linked")] {
        let args = ["for-each-ref", "--format=%(refname) %(objectname)"];
        let listed = repo.git_command().arg("-C").arg(&dir).args(args).output().expect("git runs").stdout;
        let listed: BTreeSet<String> = String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect();
        let asked = ["scan", "--no-commits", "--show-refs", "--refs=*"];
        let told = events(&bhfuil(&repo).current_dir(&dir).args(asked).output().expect("it runs"));
        let told: BTreeSet<String> = of_type(&told, "ref")
            .into_iter()
            .map(|entry| format!("{} {}", entry["ref"].as_str().expect("a name"), entry["id"].as_str().expect("an id")))
            .collect();
        assert_eq!(told, listed, "{}", dir.display());
        assert!(listed.iter().any(|line| line.starts_with("refs/heads/now ")), "git follows it: {listed:?}");
        assert!(listed.iter().any(|line| line.starts_with("refs/bisect/bad ")), "{listed:?}");
    }
}
