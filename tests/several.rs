//! Several repositories in one run: what is found across them is what one repository with everything in it would say, each ends for
//! itself, and never more than asked for are open at once.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use serde_json::Value;
use support::{Repo, bhfuil, commit_ids, events, of_type};

fn run(place: &Repo, args: &[&str]) -> Output {
    bhfuil(place).args(args).output().expect("git-bhfuil runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

/// A bare repository below the home of `place`, with the refs of it that `refspecs` name.
fn part(place: &Repo, name: &str, refspecs: &[&str]) -> String {
    let path = place.home().join(name).to_str().expect("UTF-8").to_owned();
    place.git(&["init", "--quiet", "--bare", "--initial-branch=main", &path]);
    let source = place.path().to_str().expect("UTF-8").to_owned();
    place.git(&[&["-C", &path, "fetch", "--quiet", "--no-tags", &source], refspecs].concat());
    path
}

/// The commits that are one change by a match that counts.
fn equals(events: &[Value]) -> BTreeSet<String> {
    let matches = of_type(events, "match").into_iter().filter(|event| event["strength"] == "equal");
    matches.map(|event| text(event, "id").to_owned()).collect()
}

/// What each ref has.
fn states(events: &[Value]) -> BTreeMap<String, (String, String)> {
    let presence = of_type(events, "presence").into_iter();
    presence
        .map(|event| (text(event, "ref").to_owned(), (text(event, "state").to_owned(), text(event, "id").to_owned())))
        .collect()
}

#[test]
fn what_is_found_across_repositories_is_what_one_with_everything_would_say() {
    let whole = Repo::fixture("backports");
    // Nobody has the branches of the other, as where a project keeps its stable trees apart.
    let main = part(&whole, "main.git", &["refs/heads/main:refs/heads/main"]);
    let stable = part(&whole, "stable.git", &["refs/heads/stable/*:refs/heads/stable/*", "refs/tags/*:refs/tags/*"]);
    let apart = [format!("--repo={main}"), format!("--repo={stable}")];
    let on_main: BTreeSet<String> = whole.git(&["rev-list", "main"]).lines().map(str::to_owned).collect();
    let mut across = 0;
    for id in whole.git(&["rev-list", "--no-merges", "--branches"]).lines() {
        let together = events(&run(&whole, &["where", "--branches", "--missing", id]));
        let split = run(&whole, &["where", &apart[0], &apart[1], "--branches", "--missing", id]);
        let split = events(&split);
        let found = equals(&split);
        assert_eq!(found, equals(&together), "{id}");
        across +=
            usize::from(found.iter().any(|id| on_main.contains(id)) && found.iter().any(|id| !on_main.contains(id)));
        let names: BTreeSet<&str> = ["commit", "match", "presence"]
            .iter()
            .flat_map(|kind| of_type(&split, kind))
            .filter(|event| event["type"] != "commit")
            .map(|event| text(event, "change"))
            .collect();
        let expected: BTreeSet<&str> = of_type(&together, "match").iter().map(|event| text(event, "change")).collect();
        assert_eq!(names, expected, "{id}: the change has one name in all repositories");
        let (split, together) = (states(&split), states(&together));
        for (place, state) in &split {
            assert_eq!(Some(state), together.get(place), "{id} on {place}");
        }
    }
    assert!(across > 10, "only {across} changes are in both");
}

#[test]
fn an_origin_in_a_sister_repository_is_not_elsewhere() {
    let whole = Repo::fixture("backports");
    let main = part(&whole, "main.git", &["refs/heads/main:refs/heads/main"]);
    let stable = part(&whole, "stable.git", &["refs/heads/stable/*:refs/heads/stable/*"]);
    let elsewhere = |output: &Output| events(output).iter().filter(|event| event["code"] == "origin-elsewhere").count();
    let pick = whole.change("plain")["stable/1.0"].to_owned();
    assert!(elsewhere(&run(&whole, &["where", &format!("--repo={stable}"), &pick])) > 0);
    let both = [format!("--repo={stable}"), format!("--repo={main}")];
    assert_eq!(elsewhere(&run(&whole, &["where", &both[0], &both[1], &pick])), 0);
}

#[test]
fn each_repository_is_scanned_as_if_alone_and_one_that_fails_leaves_the_others_whole() {
    let one = Repo::fixture("backports");
    let other = Repo::fixture("merges");
    let broken = one.home().join("broken.git");
    one.git(&["init", "--quiet", "--bare", broken.to_str().expect("UTF-8")]);
    std::fs::write(broken.join("packed-refs"), format!("{} refs/heads/x\n", "1".repeat(40))).expect("written");
    std::fs::write(broken.join("config"), "[core]\n\trepositoryformatversion = 99\n").expect("written");
    let repos = [one.path(), other.path(), &broken].map(|path| format!("--repo={}", path.display()));
    let args = |jobs: &'static str| [&["scan", jobs], &repos.each_ref().map(String::as_str)[..]].concat();
    let output = run(&one, &args("--jobs=2"));
    let told = events(&output);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let names: BTreeSet<&str> = of_type(&told, "repo-end").iter().map(|event| text(event, "repo")).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for (repo, name) in [(&one, "repo"), (&other, "repo")] {
        let own: Vec<&Value> = of_type(&told, "repo")
            .into_iter()
            .filter(|event| text(event, "git_dir") == repo.path().join(".git").to_str().expect("UTF-8"))
            .collect();
        assert_eq!(own.len(), 1);
        let wire = text(own[0], "repo");
        assert!(wire.ends_with(name) && wire != name, "two of one name are told apart: {wire}");
        let ids: Vec<&str> = of_type(&told, "commit")
            .into_iter()
            .filter(|event| event["repo"] == wire)
            .map(|event| text(event, "id"))
            .collect();
        let alone = run(repo, &["scan"]);
        assert_eq!(ids, commit_ids(&events(&alone)), "{wire}");
    }
    let errors = of_type(&told, "error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((text(errors[0], "repo"), &errors[0]["fatal"]), ("broken", &false.into()));
    let end = of_type(&told, "end")[0];
    assert_eq!((text(end, "status"), &end["complete"]), ("partial", &false.into()));
}

/// How many repositories were begun and not yet ended at once, at the most.
fn most_at_once(events: &[Value]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for event in events {
        match text(event, "type") {
            "repo" => now += 1,
            "repo-end" => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[test]
fn never_more_than_the_limit_at_once() {
    let place = Repo::fixture("backports");
    let paths: Vec<String> =
        (0..8).map(|number| part(&place, &format!("r{number}.git"), &["refs/heads/*:refs/heads/*"])).collect();
    let repos: Vec<String> = paths.iter().map(|path| format!("--repo={path}")).collect();
    for (jobs, limit) in [("--jobs=1", 1), ("--jobs=3", 3)] {
        let args: Vec<&str> = ["scan", jobs].into_iter().chain(repos.iter().map(String::as_str)).collect();
        let told = events(&run(&place, &args));
        assert_eq!(of_type(&told, "repo-end").len(), 8);
        assert!(most_at_once(&told) <= limit, "{jobs}: {}", most_at_once(&told));
    }
    let bad = run(&place, &["scan", "--jobs=0", "--all-repos"]);
    assert_eq!(bad.status.code(), Some(129));
}

#[test]
fn registered_repositories_are_chosen_by_name_group_and_all() {
    let place = Repo::fixture("backports");
    let (a, b) = (
        part(&place, "a.git", &["refs/heads/main:refs/heads/main"]),
        part(&place, "b.git", &["refs/heads/*:refs/heads/*"]),
    );
    assert!(run(&place, &["repo", "add", &a, "--group=g"]).status.success());
    assert!(run(&place, &["repo", "add", &b, "--name=bee", "--refs=heads/stable/*"]).status.success());
    let told = |args: &[&str]| -> Vec<(String, u64)> {
        let output = run(&place, &[&["scan", "--no-commits"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        let events = events(&output);
        let mut told: Vec<(String, u64)> = of_type(&events, "repo")
            .into_iter()
            .map(|event| (text(event, "repo").to_owned(), event["ref_count"].as_u64().expect("a number")))
            .collect();
        told.sort();
        told
    };
    let both = [("a".to_owned(), 2), ("bee".to_owned(), 2)];
    assert_eq!(told(&["--repo=bee"]), both[1..], "the refs that are registered with it");
    assert_eq!(told(&["--repo", &b]), both[1..], "a path that is registered has its name");
    assert_eq!(told(&["--group=g"]), both[..1]);
    assert_eq!(told(&["--all-repos"]), both);
    assert_eq!(told(&["--repo=bee", "--repo=bee", "--group=g"]), both);
    let unknown = run(&place, &["scan", "--repo=be"]);
    assert_eq!(unknown.status.code(), Some(128));
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("'be'") && said.contains("bee"), "{said}");
    for (args, what) in
        [(&["scan", "--all-repos", "--after=x"], "--after"), (&["scan", "--all-repos", "--stdin"], "--stdin")]
    {
        let refused = run(&place, args);
        assert_eq!(refused.status.code(), Some(129), "{args:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(what));
    }
}

#[test]
fn a_consumer_follows_each_repository_and_moves_on_only_when_all_is_complete() {
    let place = Repo::fixture("backports");
    let (a, b) = (
        part(&place, "a.git", &["refs/heads/main:refs/heads/main"]),
        part(&place, "b.git", &["refs/heads/*:refs/heads/*"]),
    );
    let repos = [format!("--repo={a}"), format!("--repo={b}")];
    let scan = || run(&place, &["scan", "--new=ci", &repos[0], &repos[1]]);
    let count = |output: &Output| commit_ids(&events(output)).len();
    let first = count(&scan());
    assert!(first > 0);
    assert_eq!(count(&scan()), 0);
    place.git(&["-C", &a, "update-ref", "refs/heads/new", place.id("plain")]);
    let tree = place.git(&["rev-parse", "main^{tree}"]);
    let new = place.git(&["-C", &b, "commit-tree", "-m", "new", &tree]);
    place.git(&["-C", &b, "update-ref", "refs/heads/new", &new]);
    let config = std::path::Path::new(&a).join("config");
    let sound = std::fs::read(&config).expect("read");
    std::fs::write(&config, "[core]\n\trepositoryformatversion = 99\n").expect("written");
    assert_eq!(count(&scan()), 1);
    std::fs::write(&config, sound).expect("written");
    assert_eq!(commit_ids(&events(&scan())), [new], "the run before was not complete");
    assert_eq!(count(&scan()), 0);
}

#[test]
fn what_is_found_nowhere_is_said_once_and_a_name_that_one_knows_is_no_mistake() {
    let place = Repo::fixture("backports");
    let (a, b) = (
        part(&place, "a.git", &["refs/heads/main:refs/heads/main"]),
        part(&place, "b.git", &["refs/heads/stable/*:refs/heads/stable/*"]),
    );
    let repos = [format!("--repo={a}"), format!("--repo={b}")];
    let nothing = run(&place, &["where", &repos[0], &repos[1], "CVE-1999-0001"]);
    assert_eq!(nothing.status.code(), Some(1));
    let told = events(&nothing);
    let warnings = of_type(&told, "warning");
    assert_eq!((warnings.len(), text(warnings[0], "query")), (1, "CVE-1999-0001"));
    let known = run(&place, &["where", &repos[0], &repos[1], "stable/1.0"]);
    assert_eq!(known.status.code(), Some(0), "{}", String::from_utf8_lossy(&known.stdout));
    let unknown = run(&place, &["where", &repos[0], &repos[1], "no/such^{commit}"]);
    assert_eq!(unknown.status.code(), Some(128));
}

#[test]
fn a_small_repository_is_done_before_a_large_one_on_the_same_thread() {
    let (large, small) = (Repo::synthetic(20_000), Repo::fixture("merges"));
    let repos = [large.path(), small.path()].map(|path| format!("--repo={}", path.display()));
    let told = events(&run(&small, &["scan", "--threads=1", "--jobs=2", &repos[0], &repos[1]]));
    let ends: Vec<u64> =
        of_type(&told, "repo-end").iter().map(|end| end["counts"]["commit"].as_u64().expect("a number")).collect();
    assert_eq!(ends.len(), 2);
    assert!(ends[0] < ends[1] && ends[1] == 20_000, "the small one ends first: {ends:?}");
}

#[test]
fn a_search_among_several_has_its_limit_too() {
    let (slow, quick) = (Repo::synthetic(3000), Repo::fixture("merges"));
    let repos = [slow.path(), quick.path()].map(|path| format!("--repo={}", path.display()));
    let args = ["where", &repos[0], &repos[1], "HEAD"];
    let output = bhfuil(&slow).args(args).env("GIT_BHFUIL_TIMEOUT_WHERE", "1ms").output().expect("it runs");
    let told = events(&output);
    assert_eq!(output.status.code(), Some(3));
    assert!(of_type(&told, "error").iter().any(|error| error["code"] == "timeout"), "{told:?}");
}

#[test]
fn what_the_environment_says_of_one_repository_is_not_about_the_others() {
    let (here, other) = (Repo::fixture("merges"), Repo::fixture("backports"));
    let git_dir = here.path().join(".git");
    let repo = format!("--repo={}", other.path().display());
    let ask = |args: &[&str]| {
        let mut command = bhfuil(&other);
        // As git sets them for a hook.
        command.current_dir(here.path()).env("GIT_DIR", &git_dir).env("GIT_OBJECT_DIRECTORY", git_dir.join("objects"));
        let output = command.env("GIT_INDEX_FILE", git_dir.join("index")).args(args).output().expect("it runs");
        (output.status.code(), commit_ids(&events(&output)))
    };
    let expected = commit_ids(&events(&run(&other, &["scan", "main~3..main"])));
    assert_eq!(ask(&["scan", &repo, "main~3..main"]), (Some(0), expected));
    let plain = other.id("plain").to_owned();
    assert_eq!(ask(&["where", &repo, "1.0.1^0"]).0, Some(0));
    assert_eq!(ask(&["where", &repo, &plain]), (Some(0), vec![plain]));
}

#[test]
fn paths_need_no_place_for_a_registry() {
    let repo = Repo::fixture("merges");
    let mut command = bhfuil(&repo);
    for name in ["HOME", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    let output = command.args(["scan", "--no-commits", "--repo=."]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What is said where `args` may take no longer than `time` by the setting for `operation`.
fn limited(home: &Repo, args: &[&str], operation: &str, time: &str) -> String {
    let mut command = bhfuil(home);
    let variable = format!("GIT_BHFUIL_TIMEOUT_{}", operation.to_uppercase());
    let output = command.args(args).env(variable, time).output().expect("it runs");
    let error = of_type(&events(&output), "error")[0].clone();
    assert_eq!((error["code"].as_str(), output.status.success()), (Some("timeout"), false), "{args:?}: {error}");
    let setting = format!("bhfuil.timeout.{operation} sets how long it may take");
    assert_eq!(error["hint"], setting.as_str(), "{args:?}");
    error["message"].as_str().expect("a text").to_owned()
}

#[test]
fn to_look_after_caches_and_at_what_is_registered_has_its_limit_too() {
    let (repo, home) = (Repo::synthetic(3000), Repo::new());
    let place = format!("--repo={}", repo.path().display());
    assert!(run(&home, &["scan", "--no-commits", &place]).status.success());
    let verified = limited(&home, &["cache", "verify", &place], "verify", "1ms");
    assert_eq!(verified, "comparing the cache of repo with git took longer than 1 ms");

    // Another process writes, and doesn't come to an end.
    drop(repo);
    let state = rusqlite::Connection::open(home.home().join("bhfuil/state.db")).expect("opens");
    state.execute_batch("BEGIN IMMEDIATE").expect("begun");
    assert_eq!(limited(&home, &["cache", "gc"], "gc", "200ms"), "dropping what is of no use took longer than 200 ms");

    // A disk that never answers is one on which nothing can be read; of a pipe too.
    let deaf = Repo::fixture("merges");
    let path = deaf.path().to_str().expect("UTF-8");
    assert!(run(&home, &["repo", "add", path, "--name=deaf"]).status.success());
    deaf.shell("rm .git/config; mkfifo .git/config");
    let said = format!("looking at {path} took longer than 200 ms");
    assert_eq!(limited(&home, &["repo", "add", path], "look", "200ms"), said);
    assert_eq!(limited(&home, &["repo", "list"], "look", "200ms"), said);
}

#[test]
fn what_takes_too_long_is_named_with_the_setting_that_allows_more() {
    let (repo, home) = (Repo::synthetic(3000), Repo::new());
    let url = format!("file://{}", repo.path().display());
    let limited = |args: &[&str], limit: &str| limited(&home, args, limit, "1ms");
    let place = format!("--repo={}", repo.path().display());
    assert_eq!(limited(&["scan", &place], "scan"), "scanning repo took longer than 1 ms");
    assert_eq!(limited(&["where", &place, "HEAD"], "where"), "finding changes in repo took longer than 1 ms");
    assert_eq!(limited(&["repo", "add", &url], "clone"), format!("cloning {url} took longer than 1 ms"));
    assert_eq!(
        bhfuil(&home).args(["repo", "add", "--name=far", &url]).output().expect("it runs").status.code(),
        Some(0)
    );
    // Whichever of its steps is under way by then.
    let fetched = limited(&["repo", "sync", "far"], "fetch");
    assert!(fetched.starts_with("fetching into ") && fetched.ends_with("far.git took longer than 1 ms"), "{fetched}");
}
