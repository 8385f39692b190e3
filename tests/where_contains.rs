//! `git bhfuil where --signals=same` is containment and nothing else: what it says of every ref is what git says, on histories of
//! any form, however they are stored and whatever has happened to them since the last run.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use serde_json::Value;
use support::dag::{self, Dice, random};
use support::{Repo, bhfuil, events, of_type};

/// Refnames by the id of a commit.
type Told = BTreeMap<String, BTreeSet<String>>;

const HEADS_AND_TAGS: [&str; 3] = ["--refs=refs/heads/*", "--refs=refs/tags/*", "--tags=all"];

fn where_is(repo: &Repo, args: &[&str], queries: &[String]) -> Output {
    let mut command = bhfuil(repo);
    command.args(["where", "--signals=same", "--stdin"]).args(args).write_stdin(queries.join("\n"));
    command.output().expect("it runs")
}

/// The refs of each query that are in `state`. Each query is answered, as a commit that is itself.
fn in_state(events: &[Value], queries: &[String], state: &str) -> Told {
    let mut told: Told = queries.iter().map(|query| (query.clone(), BTreeSet::new())).collect();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
    let matched: BTreeSet<String> = of_type(events, "match").iter().map(|event| text(event, "id")).collect();
    assert_eq!(matched, queries.iter().cloned().collect());
    for event in of_type(events, "presence") {
        let (query, refname) = (text(event, "query"), text(event, "ref"));
        if event["state"] == "present" {
            assert_eq!((&event["how"], &event["id"]), (&"ancestor".into(), &event["query"]), "{event}");
        } else {
            assert!(event.get("how").is_none() && event.get("id").is_none(), "{event}");
        }
        if event["state"] == state {
            let refs = told.get_mut(&query).unwrap_or_else(|| panic!("nobody asked: {event}"));
            assert!(refs.insert(refname), "told twice: {event}");
        }
    }
    told
}

fn ours(repo: &Repo, args: &[&str], queries: &[String], state: &str) -> Told {
    let output = where_is(repo, args, queries);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    in_state(&events(&output), queries, state)
}

/// The refs under `prefixes` that lead to a commit and aren't symbolic.
fn refs(repo: &Repo, prefixes: &[&str]) -> Vec<String> {
    let format = "--format=%(if)%(symref)%(then)%(else)%(objecttype)%(*objecttype) %(refname)%(end)";
    let listed = repo.git(&[&["for-each-ref", format], prefixes].concat());
    // Git peels a tag of a tag to its end.
    let leads = |kind: &str| kind.ends_with("commit");
    listed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(kind, _)| leads(kind))
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// What git says: `rev-list` of each ref, for containment is nothing else.
fn gits(repo: &Repo, prefixes: &[&str], queries: &[String]) -> Told {
    let mut told: Told = queries.iter().map(|query| (query.clone(), BTreeSet::new())).collect();
    for refname in refs(repo, prefixes) {
        for id in repo.git(&["rev-list", &refname, "--"]).lines() {
            if let Some(refs) = told.get_mut(id) {
                refs.insert(refname.clone());
            }
        }
    }
    told
}

fn complement(of: &Told, all: &[String]) -> Told {
    let lacks = |refs: &BTreeSet<String>| all.iter().filter(|name| !refs.contains(*name)).cloned().collect();
    of.iter().map(|(query, refs)| (query.clone(), lacks(refs))).collect()
}

/// Beside `git branch --contains` and `git tag --contains` themselves.
fn assert_is_contains(repo: &Repo, told: &Told, query: &str) {
    let format = "--format=%(if)%(symref)%(then)%(else)%(refname)%(end)";
    let contains = |command: &str| repo.git(&[command, format, "--contains", query]);
    let listed = [contains("branch"), contains("tag")].join("\n");
    let listed: BTreeSet<String> = listed.lines().filter(|name| name.starts_with("refs/")).map(str::to_owned).collect();
    assert_eq!(told[query], listed, "{query}");
}

/// A random history with refs of every kind, and the ids of its commits, reached or not.
fn history(seed: u64, count: usize, width: usize, reach: usize) -> (Repo, Vec<String>) {
    let commits = random(seed, count, width, reach);
    let mut dice = Dice(seed ^ 0xabcd);
    let mut named: Vec<(String, usize)> = vec![("refs/heads/main".into(), count - 1 - dice.below(5))];
    for number in 0..6 {
        for kind in ["heads/b", "tags/light", "remotes/origin/b", "remotes/up/stream/b", "changes/01/c"] {
            if dice.below(3) > 0 {
                named.push((format!("refs/{kind}{number}"), dice.below(count)));
            }
        }
    }
    let refs: Vec<(&str, usize)> = named.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    let (repo, ids) = dag::repository(&commits, &refs);
    let of = |number: usize| ids[number].clone();
    let (a, b, c) = (of(dice.below(count)), of(dice.below(count)), of(count / 2));
    repo.shell(&format!(
        "set -e; export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.com
        git tag -a -m one annotated {a}; git tag -a -m two twice annotated; git tag -a -m three thrice twice
        git tag -a -m other v1.0 {b}; git tag -a -m tree of-tree '{c}^{{tree}}'; git tag light-tree '{c}^{{tree}}'
        git update-ref refs/remotes/origin/main {c}; git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main
        git symbolic-ref refs/heads/alias refs/heads/main; git update-ref refs/stash {a}; git update-ref refs/pull/1/head {b}
        git update-ref --no-deref HEAD {c}"
    ));
    (repo, ids)
}

#[test]
fn every_commit_of_random_histories_is_where_git_says() {
    for (seed, width, reach) in [(1, 1, 4), (2, 2, 6), (3, 3, 12), (4, 5, 30), (5, 9, 50)] {
        let (repo, ids) = history(seed, 50, width, reach);
        let told = ours(&repo, &HEADS_AND_TAGS, &ids, "present");
        let expected = gits(&repo, &["refs/heads", "refs/tags"], &ids);
        assert_eq!(told, expected, "seed {seed}");
        assert!(
            expected.values().any(BTreeSet::is_empty) && expected.values().any(|refs| refs.len() > 5),
            "seed {seed}"
        );
        for query in ids.iter().step_by(9) {
            assert_is_contains(&repo, &told, query);
        }
    }
}

#[test]
fn which_refs_hold_what_is_kept_and_stays_gits_answer_as_refs_move() {
    // So many that it pays to keep it.
    let (repo, ids) = history(6, 5500, 4, 60);
    let queries: Vec<String> = ids.iter().step_by(271).cloned().collect();
    let moves = [
        String::new(),
        format!("git update-ref refs/heads/b9 {}; git update-ref -d refs/tags/light0", ids[1000]),
        format!(
            "git update-ref refs/heads/b9 $(git commit-tree -p {0} -p {1} -m new {0}^{{tree}})",
            ids[77], ids[4000]
        ),
    ];
    for moved in moves {
        repo.shell(&format!(
            "set -e; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c; {moved}"
        ));
        let expected = gits(&repo, &["refs/heads", "refs/tags"], &queries);
        // They come in; what they hold is kept; the answer comes from that.
        for round in ["new", "swept", "kept"] {
            assert_eq!(ours(&repo, &HEADS_AND_TAGS, &queries, "present"), expected, "{round} after '{moved}'");
        }
        for query in queries.iter().step_by(5) {
            let output = bhfuil(&repo).args(["where", "--signals=same", query]).args(HEADS_AND_TAGS).output();
            let events = events(&output.expect("it runs"));
            let one = in_state(&events, std::slice::from_ref(query), "present");
            assert_eq!(one[query], expected[query], "{query} after '{moved}'");
        }
        let tips: BTreeSet<String> = refs(&repo, &["refs/heads", "refs/remotes", "refs/tags"])
            .iter()
            .map(|name| repo.git(&["rev-parse", &format!("{name}^{{commit}}")]))
            .chain([repo.git(&["rev-parse", "HEAD"])])
            .collect();
        assert_eq!(kept_tips(&repo) as usize, tips.len(), "after '{moved}'");
    }
}

#[test]
fn where_many_refs_lead_is_kept_and_stays_gits_answer_as_they_move() {
    let (repo, ids) = history(8, 600, 3, 20);
    // So many that it pays to keep it; some lead to a tag.
    let update = |of: &dyn Fn(usize) -> usize| {
        let lines = (0..4200).map(|number| format!("update refs/pull/{number}/head {}\n", ids[of(number) % ids.len()]));
        repo.git_with(&["update-ref", "--stdin"], lines.collect::<String>().as_bytes());
        repo.git(&["update-ref", "refs/pull/tag/head", "refs/tags/thrice"]);
    };
    let steps: [&dyn Fn(usize) -> usize; 2] = [&|number| number * 7, &|number| number * 11 + number / 600];
    for (number, step) in steps.into_iter().enumerate() {
        update(step);
        if number == 1 {
            repo.git(&["pack-refs", "--all"]);
        }
        for query in [&ids[30], &ids[301]] {
            let contains = repo.git(&["for-each-ref", "--format=%(refname)", "--contains", query, "refs/pull"]);
            let expected: BTreeSet<String> = contains.lines().map(str::to_owned).collect();
            for round in ["new", "looked up", "kept"] {
                let args = ["where", "--signals=same", "--refs=refs/pull/*", "--tags=none", query];
                let events = events(&bhfuil(&repo).args(args).output().expect("it runs"));
                let told = in_state(&events, std::slice::from_ref(query), "present");
                assert_eq!(told[query], expected, "{round} after step {number}");
            }
        }
        let kept = cache(&repo).query_row("SELECT length(positions) / 4 FROM placed", [], |row| row.get::<_, u32>(0));
        assert_eq!(kept, Ok(4201));
    }
}

/// Of how many commits the only cache keeps what they hold.
fn kept_tips(repo: &Repo) -> u32 {
    let tips = "SELECT length(tips) / 4 FROM holders";
    cache(repo).query_row(tips, [], |row| row.get(0)).expect("it is kept")
}

/// The only cache.
fn cache(repo: &Repo) -> rusqlite::Connection {
    let mut files =
        std::fs::read_dir(repo.home().join("bhfuil")).expect("a folder").map(|file| file.expect("a file").path());
    let is_cache = |path: &std::path::PathBuf| {
        path.to_string_lossy().contains("/repo-") && path.extension().is_some_and(|it| it == "db")
    };
    rusqlite::Connection::open(files.find(is_cache).expect("a cache")).expect("opens")
}

#[test]
fn branches_remotes_other_refs_and_what_lacks_a_commit_are_told_as_asked() {
    let (repo, ids) = history(6, 60, 3, 20);
    for (args, prefixes) in [
        (&["--branches"][..], &["refs/heads"][..]),
        (&["--remotes"], &["refs/remotes"]),
        (&["--branches", "--remotes"], &["refs/heads", "refs/remotes"]),
        (&["--remotes", "--tags=all"], &["refs/remotes", "refs/tags"]),
        (&["--refs=refs/changes/*"], &["refs/changes"]),
        (&["--refs=refs/*", "--tags=all"], &["refs/"]),
        (&["--refs=refs/*", "--tags=none"], &["refs/heads", "refs/remotes", "refs/changes", "refs/pull", "refs/stash"]),
        (&["--refs=refs/heads/b*", "--refs=refs/pull/*"], &["refs/heads/b*", "refs/pull"]),
    ] {
        let present = gits(&repo, prefixes, &ids);
        assert!(present.values().any(|refs| !refs.is_empty()), "{args:?} proves nothing");
        assert_eq!(ours(&repo, args, &ids, "present"), present, "{args:?}");
        let with_missing = [args, &["--missing"]].concat();
        assert_eq!(ours(&repo, &with_missing, &ids, "present"), present, "{with_missing:?}");
        let missing = complement(&present, &refs(&repo, prefixes));
        assert_eq!(ours(&repo, &with_missing, &ids, "missing"), missing, "{with_missing:?}");
    }
}

#[test]
fn merges_of_every_awkward_form_are_seen_through() {
    let repo = Repo::fixture("merges");
    let shapes = ["criss", "octopus", "roots", "twin", "unrelated", "skew", "mesh", "main"];
    let is_of = |name: &str| shapes.iter().any(|shape| name.starts_with(shape)) || name == "wide-7" || name == "wide-0";
    let of_shape = repo.truth().iter().filter(|(name, _)| is_of(name)).map(|(_, id)| id.clone());
    let ids: Vec<String> = of_shape.step_by(2).collect();
    assert_eq!(ours(&repo, &HEADS_AND_TAGS, &ids, "present"), gits(&repo, &["refs/heads", "refs/tags"], &ids));
}

#[test]
fn a_commit_that_no_ref_reaches_is_found_and_is_nowhere() {
    let (repo, ids) = dag::repository(&random(7, 20, 2, 4), &[("refs/heads/main", 3), ("refs/odd/one", 12)]);
    let in_main = repo.git(&["rev-list", "main"]);
    let outside: Vec<String> = ids.iter().filter(|id| !in_main.contains(id.as_str())).cloned().collect();
    // Also after the cache has met them.
    for _ in 0..2 {
        let told = ours(&repo, &[], &outside, "present");
        assert!(told.values().all(BTreeSet::is_empty), "{told:?}");
        assert_eq!(ours(&repo, &["--refs=refs/odd/*"], &outside, "present"), gits(&repo, &["refs/odd"], &outside));
        // A branch that isn't of a release line is told only with --missing.
        let output = where_is(&repo, &["--missing", "--branches"], &outside[..1]);
        assert_eq!(of_type(&events(&output), "presence")[0]["state"], "missing");
    }
}

#[test]
fn the_answer_follows_the_refs_wherever_they_go() {
    let (repo, ids) = history(8, 60, 3, 20);
    let check = |step: &str| {
        let objects = repo.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
        let known = ids.iter().filter(|id| objects.contains(id.as_str())).cloned();
        let more = repo.git(&["rev-list", "--all"]);
        let mut queries: Vec<String> = known.chain(more.lines().map(str::to_owned)).collect();
        queries.sort_unstable();
        queries.dedup();
        let prefixes = ["refs/heads", "refs/tags"];
        assert_eq!(ours(&repo, &HEADS_AND_TAGS, &queries, "present"), gits(&repo, &prefixes, &queries), "{step}");
    };
    check("cold");
    check("warm");
    let tree = repo.git(&["rev-parse", "main^{tree}"]);
    let commit = |parents: &[&str], branch: &str| {
        let mut args = vec!["commit-tree", &tree, "-m", branch];
        args.extend(parents.iter().flat_map(|parent| ["-p", parent]));
        let id = repo.git(&args);
        repo.git(&["update-ref", &format!("refs/heads/{branch}"), &id]);
    };
    commit(&["main"], "main");
    commit(&["main", &ids[3], &ids[40]], "new");
    check("commits on top, and a merge of old ones");
    commit(&[&ids[2]], "main");
    check("a forced push");
    repo.git(&["update-ref", "-d", "refs/heads/new"]);
    repo.git(&["tag", "-d", "thrice"]);
    check("a branch and a tag deleted");
    commit(&[], "root");
    commit(&["root", "main"], "main");
    check("another root joined");
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    check("what no ref reaches is gone");
    repo.git(&["commit-graph", "write", "--reachable"]);
    check("a commit-graph");
}

#[test]
fn what_gc_took_away_is_no_commit_any_more() {
    let (repo, ids) = dag::repository(&random(9, 30, 1, 1), &[("refs/heads/main", 9), ("refs/heads/gone", 29)]);
    let gone = repo.git(&["rev-parse", "gone"]);
    assert_eq!(ours(&repo, &[], &ids, "present")[&gone].len(), 1);
    repo.git(&["branch", "-D", "gone"]);
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["prune", "--expire=now"]);
    for query in [&gone, "gone"] {
        let output = where_is(&repo, &[], &[query.to_owned()]);
        let events = events(&output);
        assert!(of_type(&events, "presence").is_empty() && of_type(&events, "commit").is_empty(), "{events:?}");
        assert_ne!(output.status.code(), Some(0), "{query}");
    }
}

#[test]
fn without_a_cache_the_answer_is_the_same() {
    let (repo, ids) = history(10, 60, 3, 20);
    let file = repo.home().join("a-file");
    std::fs::write(&file, "no folder").expect("writes");
    let mut command = bhfuil(&repo);
    command
        .env("GIT_BHFUIL_CACHE", file.join("cache"))
        .args(["where", "--signals=same", "--stdin"])
        .args(HEADS_AND_TAGS);
    let output = command.write_stdin(ids.join("\n")).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    let events = events(&output);
    assert_eq!(in_state(&events, &ids, "present"), gits(&repo, &["refs/heads", "refs/tags"], &ids));
    assert_eq!(of_type(&events, "warning")[0]["code"], "cache-unavailable");
}

#[test]
fn every_way_to_store_a_repository_gives_gits_answer() {
    let repo = Repo::fixture("backports");
    for variant in ["packed", "graph-chain", "worktree", "sha256", "reftable", "detached", "replace", "grafts"] {
        let stored = repo.stored_as(variant);
        let listed = stored.git(&["rev-list", "--all", "HEAD"]);
        let ids: Vec<String> = listed.lines().step_by(3).map(str::to_owned).collect();
        let expected = gits(&stored, &["refs/heads", "refs/tags"], &ids);
        assert_eq!(ours(&stored, &HEADS_AND_TAGS, &ids, "present"), expected, "{variant}");
        assert_is_contains(&stored, &expected, &ids[ids.len() - 2]);
    }
    for (format, value) in [("GIT_DEFAULT_HASH", "sha256"), ("GIT_DEFAULT_REF_FORMAT", "reftable")] {
        let made = Repo::fixture_in("tags", &[(format, value)]);
        let ids: Vec<String> = ["base", "tip", "hidden"].map(|name| made.id(name).to_owned()).into();
        let (globs, prefixes) = (
            ["refs/heads/ma*", "refs/remotes/*", "refs/tags/[1a-z]*"],
            ["refs/heads/ma*", "refs/remotes", "refs/tags/deep", "refs/tags/[1a-z]*"],
        );
        let args = [&globs.map(|glob| format!("--refs={glob}"))[..], &["--tags=all".to_owned()]].concat();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        assert_eq!(ours(&made, &args, &ids, "present"), gits(&made, &prefixes, &ids), "{format}={value}");
    }
}

#[test]
fn where_history_is_cut_off_absence_is_unknown() {
    let shallow = Repo::fixture("backports").stored_as("shallow");
    let ids: Vec<String> = shallow.git(&["rev-list", "--all"]).lines().map(str::to_owned).collect();
    let output = where_is(&shallow, &["--missing", "--refs=refs/heads/*", "--refs=refs/tags/*", "--tags=all"], &ids);
    assert_eq!(output.status.code(), Some(0));
    let told = events(&output);
    let prefixes = ["refs/heads", "refs/tags"];
    let present = gits(&shallow, &prefixes, &ids);
    assert_eq!(in_state(&told, &ids, "present"), present);
    assert_eq!(in_state(&told, &ids, "unknown"), complement(&present, &refs(&shallow, &prefixes)));
    assert!(in_state(&told, &ids, "missing").values().all(BTreeSet::is_empty));
    let warnings = of_type(&told, "warning");
    let cut_off: Vec<_> = warnings.iter().filter(|warning| warning["code"] == "shallow-history").collect();
    let [warning] = cut_off[..] else { panic!("it is said once: {cut_off:?}") };
    assert!(warning["hint"].as_str().is_some_and(|hint| hint.contains("git fetch --unshallow")), "{warning}");
    // A tag that is known to have it is the first only if no older one of its line may have it as well.
    let stable = |id: &str| {
        let is_it = |event: &&Value| event["query"] == id && event["short"] == "stable/2.0";
        of_type(&told, "presence").into_iter().find(is_it).expect("the branch").clone()
    };
    let of = |revision: &str| stable(&shallow.git(&["rev-parse", &format!("{revision}^{{commit}}")]));
    assert_eq!((&of("2.0.0")["first_tag"], &of("2.0.0")["first_release"]), (&Value::Null, &"2.0.0".into()));
    assert_eq!(of("2.0.0-rc1~1")["first_tag"], "2.0.0-rc1");
    assert!(of("main").get("first_tag").is_some_and(Value::is_null));
}

/// The parents of each commit of `repo`.
fn parents(repo: &Repo) -> BTreeMap<String, Vec<String>> {
    let listed = repo.git(&["rev-list", "--parents", "--all", "HEAD"]);
    let ids = listed.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    ids.map(|ids| (ids[0].clone(), ids[1..].to_vec())).collect()
}

/// What `tip` reaches without `lost`, and whether one of those is in the way.
fn reach(parents: &BTreeMap<String, Vec<String>>, tip: &str, lost: &BTreeSet<String>) -> (BTreeSet<String>, bool) {
    let (mut reached, mut stack, mut is_cut) = (BTreeSet::new(), vec![tip.to_owned()], false);
    while let Some(id) = stack.pop() {
        if lost.contains(&id) {
            is_cut = true;
        } else if reached.insert(id.clone()) {
            stack.extend(parents[&id].iter().cloned());
        }
    }
    (reached, is_cut)
}

/// Whether git can read the commit.
fn is_readable(repo: &Repo, id: &str) -> bool {
    let mut command = repo.git_command();
    command.arg("-C").arg(repo.path()).args(["cat-file", "commit", id]).output().expect("git runs").status.success()
}

#[test]
fn where_history_cant_be_read_to_its_end_what_can_be_is_told_and_the_rest_is_unknown() {
    let repo = Repo::fixture("backports");
    let parents = parents(&repo);
    let queries: Vec<String> = parents.keys().cloned().collect();
    for (variant, cached) in [("missing-commit", false), ("missing-commit", true), ("corrupt-commit", false)] {
        let broken = repo.stored_as(variant);
        let lost: BTreeSet<String> = queries.iter().filter(|id| !is_readable(&broken, id)).cloned().collect();
        assert_eq!(lost.len(), 1, "{variant}");
        if cached {
            // A part of it is in the cache already.
            let main = broken.git(&["rev-parse", "main"]);
            broken.git(&["update-ref", "refs/heads/main", "1.0.0^{commit}"]);
            assert_eq!(where_is(&broken, &[], &["1.0.1".to_owned()]).status.code(), Some(0));
            broken.git(&["update-ref", "refs/heads/main", &main]);
        }
        for round in ["first", "second"] {
            let case = format!("{variant} {cached} {round}");
            let output = where_is(&broken, &["--missing", "--tags=all"], &queries);
            assert_eq!(output.status.code(), Some(3), "{case}: {}", String::from_utf8_lossy(&output.stderr));
            let told = events(&output);
            // It is told of the lost one that it is, and that where it is can't be told.
            let errors = of_type(&told, "error");
            let of: Vec<(&Value, &Value)> = errors.iter().map(|error| (&error["id"], &error["query"])).collect();
            let id = Value::from(lost.first().expect("one").as_str());
            assert!(of.contains(&(&id, &Value::Null)) && of.contains(&(&id, &id)), "{case}: {errors:?}");
            assert_eq!(errors.len(), 2, "{case}: {errors:?}");
            let readable: Vec<String> = queries.iter().filter(|id| !lost.contains(*id)).cloned().collect();
            let matched: Told = ["present", "missing", "unknown"]
                .into_iter()
                .flat_map(|state| {
                    in_state(&told, &readable, state).into_iter().map(move |(id, refs)| (format!("{id} {state}"), refs))
                })
                .collect();
            let mut expected: Told = matched.keys().map(|key| (key.clone(), BTreeSet::new())).collect();
            for refname in refs(&repo, &["refs/heads", "refs/tags"]) {
                let tip = repo.git(&["rev-parse", &format!("{refname}^{{commit}}")]);
                let (reached, is_cut) = reach(&parents, &tip, &lost);
                for id in &readable {
                    let absent = if is_cut { "unknown" } else { "missing" };
                    let state = if reached.contains(id) { "present" } else { absent };
                    expected.get_mut(&format!("{id} {state}")).expect("asked").insert(refname.clone());
                }
            }
            assert_eq!(matched, expected, "{case}");
        }
    }
}

#[test]
fn where_history_breaks_off_every_kind_of_query_is_answered_from_what_there_is() {
    let repo = Repo::fixture("backports");
    let broken = repo.stored_as("missing-commit");
    let pick = repo.id("references@stable/2.0").to_owned();
    let patch = repo.git_bytes(&["show", "--no-renames", repo.id("silent@stable/1.0")]);
    let ask = |args: &[&str]| {
        let mut command = bhfuil(&broken);
        let output = command.arg("where").args(args).write_stdin(patch.clone()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let told = events(&output);
        assert!(of_type(&told, "error").iter().all(|error| error["query"].is_null()), "{args:?}: {told:?}");
        let ids = of_type(&told, "match").into_iter().map(|event| event["id"].as_str().expect("an id").to_owned());
        ids.collect::<BTreeSet<String>>()
    };
    for args in [
        &["CVE-2024-12345"][..],
        &["subject:\"fix with references\""],
        &["path:g", "-n-1"],
        &["--similar", &pick],
        &["1.0.0..stable/2.0"],
    ] {
        assert!(ask(args).contains(&pick), "{args:?}");
    }
    let patch_id = |patch: &[u8]| {
        let told = String::from_utf8(repo.git_with(&["patch-id", "--stable"], patch)).expect("hex");
        told.split(' ').next().expect("an id").to_owned()
    };
    for args in [&["--patch=-"][..], &[&patch_id(&patch)]] {
        assert!(ask(args).contains(repo.id("silent@stable/1.0")), "{args:?}");
    }
    // The commit above the gap is there, and what it changed can't be known.
    let above = broken.git(&["rev-parse", "main~1"]);
    let its_patch_id = patch_id(&repo.git_bytes(&["show", "--no-renames", &above]));
    assert_eq!(ask(&[&above]), [above.clone()].into());
    let events_of = |args: &[&str]| events(&bhfuil(&broken).arg("where").args(args).output().expect("it runs"));
    assert_eq!(of_type(&events_of(&["main~1"]), "presence").len(), 3, "the branches of lines");
    // A line whose own history is whole knows its first tag.
    let told = events_of(&[repo.id("plain@stable/2.0")]);
    let is_branch = |event: &&Value| event["short"] == "stable/2.0";
    let branch = of_type(&told, "presence").into_iter().find(is_branch).expect("the branch");
    assert_eq!((&branch["first_tag"], &branch["first_release"]), (&"2.0.0".into(), &"2.0.0".into()));
    // What git itself needs the lost one for is an error of that query.
    let told = events_of(&["main~5", "1.0.1"]);
    let errors: Vec<_> = of_type(&told, "error").into_iter().filter(|error| error["query"] == "main~5").collect();
    assert_eq!(errors.len(), 1, "{told:?}");
    assert!(of_type(&told, "match").iter().any(|event| event["query"] == "1.0.1"), "{told:?}");
    // Once it is back, nothing is left of what was thought meanwhile.
    let object = repo.git_bytes(&["cat-file", "commit", broken.id("lost")]);
    broken.git_with(&["hash-object", "-w", "-t", "commit", "--stdin"], &object);
    for query in [&above, &its_patch_id, &pick, "main~5", "path:g"] {
        let answer = |repo: &Repo| -> Vec<Value> {
            let output = bhfuil(repo).args(["where", "--similar", query]).output().expect("it runs");
            assert_eq!(output.status.code(), Some(0), "{query}");
            let told = events(&output).into_iter();
            told.filter(|event| event["type"] == "match" || event["type"] == "presence").collect()
        };
        assert_eq!(answer(&broken), answer(&repo), "{query}");
    }
}

#[test]
fn of_a_history_with_many_holes_nothing_untrue_is_told() {
    let repo = Repo::fixture("backports");
    let queries: Vec<String> = parents(&repo).into_keys().collect();
    let prefixes = ["refs/heads", "refs/tags"];
    let truth = gits(&repo, &prefixes, &queries);
    let broken = repo.stored_as("truncated-pack");
    let output = where_is(&broken, &["--missing", "--tags=all"], &queries);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let told = events(&output);
    let mut states = BTreeSet::new();
    for event in of_type(&told, "presence") {
        let text = |key: &str| event[key].as_str().expect("text");
        let has = truth[text("query")].contains(text("ref"));
        assert!(text("state") == "unknown" || (text("state") == "present") == has, "{event}");
        states.insert(text("state"));
    }
    assert!(states.contains("present") && states.contains("unknown"), "{states:?}");
}

#[test]
fn without_a_tree_or_a_blob_containment_is_told_all_the_same() {
    let repo = Repo::fixture("backports");
    for variant in ["missing-tree", "missing-blob", "partial"] {
        let stored = repo.stored_as(variant);
        let ids: Vec<String> =
            stored.git(&["rev-list", "main", "stable/1.0"]).lines().step_by(5).map(str::to_owned).collect();
        let prefixes = ["refs/heads", "refs/tags"];
        assert_eq!(ours(&stored, &HEADS_AND_TAGS, &ids, "present"), gits(&stored, &prefixes, &ids), "{variant}");
    }
    let partial = repo.stored_as("partial");
    let output = bhfuil(&partial).args(["where", "main~20..main"]).output().expect("it runs");
    let told = events(&output);
    let absent = of_type(&told, "warning").iter().filter(|warning| warning["code"] == "absent-objects").count();
    assert_eq!((output.status.code(), absent), (Some(0), 1));
}
