//! `git bhfuil where` beside what `fixtures/backports` tells: which commits are one change, what each branch and release has of it,
//! by which evidence.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, events, of_type};

type Ids = BTreeSet<String>;

/// Everything but the trailers.
const HIDDEN: &str = "--signals=change-id,patch-id,author-date,pull-request,subject";
const BRANCHES: [&str; 3] = ["main", "stable/1.0", "stable/2.0"];

/// The answer to several queries at once.
fn answer(repo: &Repo, args: &[&str], queries: &[&str]) -> Vec<Value> {
    let mut command = bhfuil(repo);
    let output =
        command.args(["where", "--stdin"]).args(args).write_stdin(queries.join("\n")).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    events(&output)
}

fn to<'e>(events: &'e [Value], kind: &str, query: &str) -> Vec<&'e Value> {
    of_type(events, kind).into_iter().filter(|event| event["query"] == query).collect()
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

/// The ids that are equal to what was asked.
fn equal(events: &[Value], query: &str) -> Ids {
    let matches = to(events, "match", query).into_iter().filter(|event| event["strength"] == "equal");
    matches.map(|event| text(event, "id").to_owned()).collect()
}

/// The one `presence` of a ref.
fn presence<'e>(events: &'e [Value], query: &str, short: &str) -> Option<&'e Value> {
    let told: Vec<&Value> = to(events, "presence", query).into_iter().filter(|event| event["short"] == short).collect();
    assert!(told.len() <= 1, "{told:?}");
    told.first().copied()
}

fn ids(repo: &Repo, names: &[&str]) -> Ids {
    names.iter().map(|name| repo.id(name).to_owned()).collect()
}

/// What is one change with each commit that the fixture names, by the truth.
fn truth(repo: &Repo) -> BTreeMap<String, Ids> {
    let mut equals = BTreeMap::new();
    for (name, id) in repo.truth() {
        let set = match name.split('@').next().expect("a name") {
            // Nothing but the patch-id agrees, which is a weak match.
            "alone" => ids(repo, &[name]),
            "twice" | "twice-again" => ids(repo, &["twice", "twice@stable/1.0", "twice-again"]),
            "trio-squash" => ids(repo, &["trio-squash", "trio-1", "trio-2", "trio-3"]),
            part if part.starts_with("trio-") => ids(repo, &[part, "trio-squash"]),
            "split" => ids(repo, &["split", "split-1", "split-2"]),
            half if half.starts_with("split-") => ids(repo, &[half, "split"]),
            change => repo.change(change).into_values().map(str::to_owned).collect(),
        };
        equals.insert(id.clone(), set);
    }
    equals
}

/// What is one change with each commit where it is asked what a ref has: what lands a change again, and picks of either landing, too.
fn landed(repo: &Repo) -> BTreeMap<String, Ids> {
    let mut landed = truth(repo);
    let both = ids(repo, &["reland", "reland@stable/2.0", "reland-again"]);
    landed.extend(both.iter().map(|id| (id.clone(), both.clone())));
    landed
}

/// The commits of each ref of which a tag or branch is the tip.
fn history(repo: &Repo, revision: &str) -> Ids {
    repo.git(&["rev-list", revision, "--"]).lines().map(str::to_owned).collect()
}

#[test]
fn every_change_is_its_commits_and_no_other_from_whichever_end_it_is_asked() {
    let repo = Repo::fixture("backports");
    let truth = truth(&repo);
    let queries: Vec<&str> = truth.keys().map(String::as_str).collect();
    let told = answer(&repo, &[], &queries);
    for (id, expected) in &truth {
        assert_eq!(&equal(&told, id), expected, "{id}");
        let changes: BTreeSet<&str> = to(&told, "match", id).iter().map(|event| text(event, "change")).collect();
        let commits = to(&told, "match", id).len();
        assert_eq!((changes.len(), commits), (1, expected.len()), "{id}");
        let itself = to(&told, "match", id).into_iter().find(|event| event["id"] == id.as_str()).expect("itself");
        assert_eq!((&itself["signals"][0]["kind"], itself.get("rung")), (&"same".into(), None));
    }
    let events = of_type(&told, "commit");
    assert_eq!(events.len(), queries.len(), "one for each change asked about");
}

#[test]
fn without_trailers_the_rest_of_the_evidence_finds_what_can_be_found() {
    let repo = Repo::fixture("backports");
    let truth = truth(&repo);
    let queries: Vec<&str> = truth.keys().map(String::as_str).collect();
    let told = answer(&repo, &[HIDDEN], &queries);
    let of_trailers = ["trio-1", "trio-2", "trio-3", "trio-squash", "split", "split-1", "split-2"];
    let of_trailers = ids(&repo, &of_trailers);
    for (id, expected) in &truth {
        let found = equal(&told, id);
        assert!(found.is_subset(expected), "{id}: {found:?}");
        assert!(found == *expected || of_trailers.contains(id), "{id}: {found:?}");
    }
    for event in of_type(&told, "match") {
        let kinds: Vec<&Value> =
            event["signals"].as_array().expect("a list").iter().map(|signal| &signal["kind"]).collect();
        assert!(!kinds.contains(&&"trailer".into()) && event["rung"] != "trailer", "{event}");
    }
}

#[test]
fn each_branch_has_what_git_finds_in_its_history() {
    let repo = Repo::fixture("backports");
    let truth = landed(&repo);
    let queries: Vec<&str> = truth.keys().map(String::as_str).collect();
    let told = answer(&repo, &[], &queries);
    // What was taken back, and by which commit: query, branch, state, id.
    let mut turned = BTreeMap::new();
    for (change, branch, state, by) in [
        ("undone", "stable/1.0", "reverted", "undone-revert"),
        ("twice", "stable/1.0", "reapplied", "twice-again"),
        ("reland", "main", "reapplied", "reland-again"),
        ("reland-revert", "main", "reverted", "reland-again"),
    ] {
        let members = &truth[repo.id(change)];
        turned.extend(members.iter().map(|member| ((member.as_str(), branch), (state, repo.id(by)))));
    }
    for (id, members) in &truth {
        for branch in BRANCHES {
            let history = history(&repo, branch);
            let event = presence(&told, id, branch).unwrap_or_else(|| panic!("{branch} of {id}"));
            let here: Vec<&String> = members.iter().filter(|member| history.contains(*member)).collect();
            if let Some((state, by)) = turned.get(&(id.as_str(), branch)) {
                assert_eq!((text(event, "state"), text(event, "id")), (*state, *by), "{event}");
                // What is there came somehow; what isn't didn't.
                assert_eq!(event.get("how").is_some(), *state == "reapplied", "{event}");
                continue;
            }
            assert_eq!(text(event, "state"), if here.is_empty() { "missing" } else { "present" }, "{event}");
            let own = history.contains(id);
            let how = if own { "ancestor" } else { "backport" };
            assert_eq!(text(event, "how"), if here.is_empty() { "" } else { how }, "{event}");
            if own {
                assert_eq!(text(event, "id"), id, "{event}");
            } else {
                assert!(here.is_empty() || here.iter().any(|member| *member == text(event, "id")), "{event}");
            }
        }
    }
}

#[test]
fn each_line_tells_its_first_tag_and_its_first_release() {
    let repo = Repo::fixture("backports");
    let truth = landed(&repo);
    let queries: Vec<&str> = truth.keys().map(String::as_str).collect();
    let told = answer(&repo, &[], &queries);
    let all = answer(&repo, &["--tags=all", "--refs=refs/tags/*"], &queries);
    let none = answer(&repo, &["--tags=none"], &queries);
    let is_tag = |event: &&Value| text(event, "ref").starts_with("refs/tags/");
    assert_eq!(of_type(&none, "presence").into_iter().filter(is_tag).count(), 0);
    let lines = [("1.0", vec!["1.0.0", "1.0.1", "1.0.2"]), ("2.0", vec!["2.0.0-rc1", "2.0.0"])];
    let histories: BTreeMap<&str, Ids> =
        lines.iter().flat_map(|(_, tags)| tags).map(|tag| (*tag, history(&repo, tag))).collect();
    for (id, members) in &truth {
        let has = |tag: &&&str| members.iter().any(|member| histories[**tag].contains(member));
        let mut firsts = BTreeSet::new();
        for (line, tags) in &lines {
            let branch = presence(&told, id, &format!("stable/{line}")).expect("a branch of a line");
            let first = tags.iter().find(has).copied();
            let release = tags.iter().filter(|tag| !tag.contains("rc")).find(has).copied();
            assert_eq!(branch["line"], *line);
            assert_eq!(text(branch, "first_tag"), first.unwrap_or_default(), "{branch}");
            assert_eq!(text(branch, "first_release"), release.unwrap_or_default(), "{branch}");
            firsts.extend(first);
        }
        let tags = |events| to(events, "presence", id).into_iter().filter(is_tag).map(|event| text(event, "short"));
        assert_eq!(tags(&told).collect::<BTreeSet<_>>(), firsts, "{id}");
        assert_eq!(
            tags(&all).collect::<BTreeSet<_>>(),
            histories.keys().copied().filter(|tag| has(&tag)).collect(),
            "{id}"
        );
    }
}

#[test]
fn what_only_resembles_a_change_is_shown_when_asked_for_and_never_counted() {
    let repo = Repo::fixture("backports");
    let truth = truth(&repo);
    let queries: Vec<&str> = truth.keys().map(String::as_str).collect();
    let (plain, similar) = (answer(&repo, &[], &queries), answer(&repo, &["--similar"], &queries));
    for query in &queries {
        assert_eq!(equal(&plain, query), equal(&similar, query));
        assert_eq!(to(&plain, "presence", query), to(&similar, "presence", query));
        assert!(to(&plain, "match", query).iter().all(|event| event["strength"] == "equal"));
    }
}

/// The matches of a query that don't count: strength, id, rung, kinds of signals.
fn uncounted<'e>(events: &'e [Value], query: &str) -> Vec<(&'e str, &'e str, &'e str, Vec<&'e str>)> {
    let matches = to(events, "match", query).into_iter().filter(|event| event["strength"] != "equal");
    let kinds =
        |event: &'e Value| event["signals"].as_array().expect("a list").iter().map(|signal| text(signal, "kind"));
    matches
        .map(|event| (text(event, "strength"), text(event, "id"), text(event, "rung"), kinds(event).collect()))
        .collect()
}

#[test]
fn the_same_patch_under_another_name_is_found_where_it_is_asked_for_and_is_weak() {
    let repo = Repo::fixture("backports");
    let (id, other) = (repo.id("alone"), repo.id("alone@stable/1.0"));
    for (query, expected) in [(id, other), (other, id)] {
        for cache in ["cold", "warm"] {
            let told = answer(&repo, &["--similar"], &[query]);
            let signals = vec!["patch-id", "paths", "lines"];
            assert_eq!(uncounted(&told, query), [("weak", expected, "patch-id", signals)], "{cache}");
            let matched = to(&told, "match", query).into_iter().find(|event| event["id"] == expected).expect("told");
            assert_eq!((text(matched, "fidelity"), &matched["confidence"]), ("exact", &0.83.into()));
        }
        for args in [&[][..], &["--similar", "--min-confidence=0.9"], &["--similar", "--signals=same"]] {
            assert_eq!(uncounted(&answer(&repo, args, &[query]), query), [], "{args:?}");
        }
        // The lines may always be looked at, the patch-id if it was chosen.
        let told = answer(&repo, &["--similar", "--signals=subject,author-date"], &[query]);
        assert_eq!(uncounted(&told, query), [("hint", expected, "", vec!["paths", "lines", "fuzzy"])]);
    }
    // A range is told change by change, and so is what resembles each.
    let range = format!("{id}^!");
    assert_eq!(uncounted(&answer(&repo, &["--similar"], &[&range]), &range).len(), 1);
    // Of one branch, or where a merge has brought both, it is no likeness.
    repo.git(&["checkout", "--quiet", "-f", "main"]);
    repo.git(&["merge", "--quiet", "--strategy=ours", "-m", "merge", "stable/1.0"]);
    assert_eq!(uncounted(&answer(&repo, &["--similar"], &[id]), id), []);
}

#[test]
fn nearly_the_same_lines_are_a_hint_where_it_is_asked_for() {
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let lines =
        |name: &str, range: std::ops::Range<u8>| range.map(|line| format!("{name} {line}\n")).collect::<String>();
    let commits = [
        Commit::new(&[], time(0)).file("base", "base\n"),
        Commit::new(&[0], time(1)).message("one matter\n").file("src/a", &lines("a", 0..20)),
        Commit::new(&[0], time(2)).message("where stable begins\n").file("b", "b\n"),
        Commit::new(&[2], time(3)).message("quite another\n").file("src/a", &lines("a", 0..19)),
        Commit::new(&[3], time(4)).message("a third\n").file("src/a", &lines("b", 0..20)),
        Commit::new(&[4], time(5)).message("elsewhere\n").file("src/b", &lines("a", 0..20)),
    ];
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 1), ("refs/heads/stable/1.0", 5)]);
    for (query, other) in [(1, 3), (3, 1)] {
        let (query, other) = (&ids[query], &ids[other]);
        let told = answer(&repo, &["--similar"], &[query]);
        let signals = vec!["paths", "lines", "fuzzy"];
        assert_eq!(uncounted(&told, query), [("hint", other.as_str(), "", signals)]);
        assert_eq!(to(&answer(&repo, &[], &[query]), "presence", query), to(&told, "presence", query));
    }
}

#[test]
fn a_mechanical_change_and_a_common_subject_are_no_more_than_alike() {
    // On both branches the version is bumped, to the letter the same; and two things are done under one subject.
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let bump = |parent| {
        Commit::new(&[parent], time(9 + i64::try_from(parent).expect("small"))).message("Bump version to 1.1\n")
    };
    let parser = |parent, number, file, content| {
        Commit::new(&[parent], time(number)).message("parser: read no further than the end\n").file(file, content)
    };
    let commits = [
        Commit::new(&[], time(0)).file("version", "1.0\n").file("a", "a\n"),
        bump(0).file("version", "1.1\n"),
        parser(1, 30, "a", "one way\nof some length\n"),
        Commit::new(&[0], time(3)).message("where stable begins\n").file("b", "b\n"),
        bump(3).file("version", "1.1\n"),
        parser(4, 50, "b", "quite another way\n"),
    ];
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 2), ("refs/heads/stable/1.0", 5)]);
    for (here, there) in [(1, 4), (2, 5)] {
        for (query, other) in [(&ids[here], &ids[there]), (&ids[there], &ids[here])] {
            let (plain, similar) = (answer(&repo, &[], &[query]), answer(&repo, &["--similar"], &[query]));
            assert_eq!((equal(&plain, query).len(), to(&plain, "match", query).len()), (1, 1));
            let told = to(&similar, "match", query).into_iter().find(|event| event["id"] == other.as_str());
            let told = told.unwrap_or_else(|| panic!("{similar:?}"));
            assert_eq!((text(told, "strength"), told.get("rung")), ("hint", None), "{told}");
            assert_eq!(to(&plain, "presence", query), to(&similar, "presence", query), "it counts for nothing");
            let states: BTreeSet<&str> =
                to(&similar, "presence", query).iter().map(|event| text(event, "state")).collect();
            assert_eq!(states, ["missing", "present"].into_iter().collect());
            let sure = answer(&repo, &["--similar", "--min-confidence=0.99"], &[query]);
            assert_eq!(to(&sure, "match", query).len(), 1, "{sure:?}");
        }
    }
}

#[test]
fn a_squash_that_lists_its_parts_is_found_whatever_was_computed_before() {
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let lines = |name: &str| (1..=9).fold(String::new(), |text, line| text + &format!("{name} {line}\n"));
    let subjects = ["net: keep the queue short", "net: count what is dropped", "net: tell who dropped it"];
    let mut commits = vec![Commit::new(&[], time(0)).file("base", "base\n")];
    for (number, subject) in (1..).zip(subjects) {
        let path = format!("net/{number}");
        commits.push(Commit::new(&[commits.len() - 1], time(number)).message(subject).file(&path, &lines(&path)));
    }
    let listed: Vec<String> = subjects.iter().map(|subject| format!("* {subject}")).collect();
    let squash = Commit::new(&[0], time(9)).message(&format!("net: what 1.0 needs\n\n{}\n", listed.join("\n\n")));
    commits.push(
        (1..=3).fold(squash, |squash, number| squash.file(&format!("net/{number}"), &lines(&format!("net/{number}")))),
    );
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 3), ("refs/heads/stable/1.0", 4)]);
    let (parts, squash) = (&ids[1..4], &ids[4]);
    // The first time nothing is known of any diff, the second time all is.
    for round in ["cold", "warm"] {
        for part in parts {
            let told = answer(&repo, &[], &[part]);
            assert_eq!(equal(&told, part), [part, squash].into_iter().cloned().collect(), "{round}");
            let event = presence(&told, part, "stable/1.0").expect("told");
            assert_eq!((text(event, "state"), text(event, "id")), ("present", squash.as_str()), "{round}");
        }
        let told = answer(&repo, &[], &[squash]);
        assert_eq!(equal(&told, squash), ids[1..].iter().cloned().collect(), "{round}");
    }
}

#[test]
fn a_pick_that_took_in_another_change_is_where_its_own_is() {
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let change_id = "Change-Id: I0123456789abcdef0123456789abcdef01234567";
    let start = [
        Commit::new(&[], time(0)).file("base", "base\n"),
        Commit::new(&[0], time(1)).message(&format!("its own\n\n{change_id}\n")).file("own", "own\n"),
        Commit::new(&[1], time(2)).message("the other\n").file("other", "other\n"),
    ];
    let (_, known) = dag::repository(&start, &[("refs/heads/main", 2)]);
    let origins = format!("(cherry picked from commit {})\n(cherry picked from commit {})", known[1], known[2]);
    let folded = Commit::new(&[0], time(9)).message(&format!("both at once\n\n{change_id}\n{origins}\n"));
    let commits = [&start[..], &[folded.file("own", "own\n").file("other", "other\n")]].concat();
    let refs = [("refs/heads/main", 2), ("refs/heads/half", 1), ("refs/heads/stable/1.0", 3)];
    let (repo, ids) = dag::repository(&commits, &refs);
    for query in [&ids[1], &ids[3]] {
        let told = answer(&repo, &[], &[query]);
        for (branch, by) in [("main", 1), ("half", 1), ("stable/1.0", 3)] {
            let event = presence(&told, query, branch).unwrap_or_else(|| panic!("{branch}: {told:?}"));
            assert_eq!((text(event, "state"), text(event, "id")), ("present", ids[by].as_str()), "{event}");
        }
    }
}

#[test]
fn matches_below_the_least_confidence_count_for_nothing() {
    let repo = Repo::fixture("backports");
    let (id, pick) = (repo.id("conflict-silent"), repo.id("conflict-silent@stable/1.0"));
    for (least, expected, state) in [("0.9", vec![id, pick], "present"), ("0.999", vec![id], "missing")] {
        let told = answer(&repo, &[&format!("--min-confidence={least}")], &[id]);
        assert_eq!(equal(&told, id), expected.into_iter().map(str::to_owned).collect(), "{least}");
        assert_eq!(presence(&told, id, "stable/1.0").map(|event| text(event, "state")), Some(state), "{least}");
    }
}

#[test]
fn each_signal_alone_finds_what_it_can() {
    let repo = Repo::fixture("backports");
    for (signal, change, expected) in [
        ("trailer", "chain-cut", &["chain-cut", "chain-cut@stable/2.0", "chain-cut@stable/1.0"][..]),
        ("trailer", "silent", &["silent"]),
        ("change-id", "gerrit", &["gerrit", "gerrit@stable/2.0"]),
        ("change-id", "plain", &["plain"]),
        ("author-date", "silent", &["silent", "silent@stable/1.0"]),
        ("author-date", "gerrit", &["gerrit"]),
        ("author-date", "twin-1", &["twin-1"]),
        ("pull-request", "request", &["request", "request@stable/2.0"]),
        ("pull-request", "plain", &["plain"]),
        ("subject", "silent", &["silent", "silent@stable/1.0"]),
        ("subject", "todo-1", &["todo-1"]),
        ("patch-id", "silent", &["silent"]),
        ("same", "plain", &["plain"]),
    ] {
        let id = repo.id(change);
        let told = answer(&repo, &[&format!("--signals={signal}")], &[id]);
        assert_eq!(equal(&told, id), ids(&repo, expected), "{signal}: {change}");
    }
    let (id, pick) = (repo.id("silent"), repo.id("silent@stable/1.0"));
    let told = answer(&repo, &["--signals=patch-id", "--similar"], &[id]);
    let weak: Vec<&Value> = to(&told, "match", id).into_iter().filter(|event| event["strength"] == "weak").collect();
    assert_eq!(weak.iter().map(|event| text(event, "id")).collect::<Vec<_>>(), [pick]);
}

#[test]
fn an_origin_elsewhere_is_reported_and_never_dropped() {
    let repo = Repo::fixture("backports");
    let elsewhere = "00112233445566778899aabbccddeeff00112233";
    let foreign = repo.id("foreign");
    for query in [foreign, elsewhere, &elsewhere[..12]] {
        let told = answer(&repo, &[], &[query]);
        assert_eq!(equal(&told, query), ids(&repo, &["foreign"]), "{query}");
        let warning = of_type(&told, "warning")[0];
        assert_eq!(warning["code"], "origin-elsewhere");
        assert!(
            text(warning, "message").contains(foreign) && text(warning, "message").contains(elsewhere),
            "{warning}"
        );
    }
}

#[test]
fn a_merge_is_nobodys_pick_and_via_names_the_one_that_brought_a_change() {
    // main: 0 1 5 8; a topic 2 3 merged by 5; 4 on stable, to which 7 merges 6, a pick of 3.
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let base = (1..=30).fold(String::new(), |text, line| text + &format!("line {line}\n"));
    let edited = base.replace("line 9\n", "line nine\n");
    let commits = [
        Commit::new(&[], time(0)).message("base\n").file("a", &base),
        Commit::new(&[0], time(1)).message("more\n").file("b", "b\n"),
        Commit::new(&[0], time(2)).message("topic\n").file("c", "c\n"),
        Commit::new(&[2], time(3)).message("the fix of line nine\n").file("a", &edited),
        Commit::new(&[0], time(4)).message("stable\n").file("d", "d\n"),
        Commit::new(&[1, 3], time(5)).message("the fix of line nine\n").file("a", &edited),
        Commit::new(&[4], time(6)).message("the fix of line nine\n").file("a", &edited),
        Commit::new(&[4, 6], time(7)).message("merge to stable\n").file("a", &edited),
        Commit::new(&[5], time(8)).message("tip\n").file("e", "e\n"),
    ];
    let refs = [("refs/heads/main", 8), ("refs/heads/topic", 3), ("refs/heads/stable/1.0", 7)];
    let (repo, ids) = dag::repository(&commits, &refs);
    let told = answer(&repo, &["--via"], &[&ids[3], &ids[5]]);
    assert_eq!(equal(&told, &ids[3]), [&ids[3], &ids[6]].into_iter().cloned().collect());
    assert_eq!(equal(&told, &ids[5]), [&ids[5]].into_iter().cloned().collect());
    for (branch, commit) in [("main", 3), ("stable/1.0", 6), ("topic", 3)] {
        // Git's word: the first merge of the first-parent history that has the commit.
        let range = format!("{}..{branch}", ids[commit]);
        let path = repo.git(&["rev-list", "--ancestry-path", "--merges", "--first-parent", &range]);
        let event = presence(&told, &ids[3], branch).expect("told");
        assert_eq!(text(event, "via"), path.lines().last().unwrap_or_default(), "{event}");
    }
    assert!(of_type(&answer(&repo, &[], &[&ids[3]]), "presence").iter().all(|event| event.get("via").is_none()));
}

#[test]
fn a_revert_that_is_picked_takes_the_change_from_that_branch_too() {
    let repo = Repo::fixture("backports");
    let (picked, undone) = (repo.id("plain@stable/2.0"), repo.id("plain"));
    repo.git(&["checkout", "--quiet", "-f", "main"]);
    repo.git(&["revert", "--no-edit", undone]);
    let revert = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["checkout", "--quiet", "stable/2.0"]);
    repo.git(&["cherry-pick", "-x", &revert]);
    let pick = repo.git(&["rev-parse", "HEAD"]);
    for query in [undone, picked] {
        let told = answer(&repo, &[], &[query]);
        for (branch, state, id) in [
            ("main", "reverted", revert.as_str()),
            ("stable/2.0", "reverted", pick.as_str()),
            ("stable/1.0", "present", repo.id("plain@stable/1.0")),
        ] {
            let event = presence(&told, query, branch).expect("told");
            assert_eq!((text(event, "state"), text(event, "id")), (state, id), "{event}");
        }
    }
    let told = answer(&repo, &[], &[&revert]);
    assert_eq!(equal(&told, &revert), [&revert, &pick].into_iter().cloned().collect());
}

/// A change, its revert and what lands it again on main; a pick of the first landing on `first`, of the second on `second`.
/// `again` makes the message of the second landing of the first one's id and the revert's.
fn landed_twice(again: &dyn Fn(&str, &str) -> String) -> (Repo, Vec<String>) {
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let mut commits = vec![
        Commit::new(&[], time(0)).file("a", "a\n").file("b", "b\n"),
        Commit::new(&[0], time(1)).message("a: the change\n").file("a", "changed\n"),
    ];
    let id =
        |commits: &[Commit], number: usize| dag::repository(commits, &[("refs/heads/main", number)]).1[number].clone();
    let first = id(&commits, 1);
    commits.push(
        Commit::new(&[1], time(2))
            .message(&format!("Revert \"a: the change\"\n\nThis reverts commit {first}.\n"))
            .file("a", "a\n"),
    );
    let revert = id(&commits, 2);
    commits.push(Commit::new(&[2], time(3)).message(&again(&first, &revert)).file("a", "changed\n"));
    let second = id(&commits, 3);
    commits.push(
        Commit::new(&[0], time(4))
            .message(&format!("a: the change, for 1.0\n\n(cherry picked from commit {first})\n"))
            .file("a", "changed\n"),
    );
    commits.push(
        Commit::new(&[0], time(5))
            .message(&format!("a: the change, for 2.0\n\n(cherry picked from commit {second})\n"))
            .file("a", "changed\n"),
    );
    commits.push(Commit::new(&[0], time(6)).message("neither\n").file("b", "other\n"));
    let refs = [
        ("refs/heads/main", 3),
        ("refs/heads/early", 1),
        ("refs/heads/undone", 2),
        ("refs/heads/first", 4),
        ("refs/heads/second", 5),
        ("refs/heads/neither", 6),
    ];
    dag::repository(&commits, &refs)
}

#[test]
fn what_lands_a_change_again_is_asked_about_with_it_from_whichever_landing_or_pick() {
    let reapply = |_: &str, revert: &str| format!("Reapply \"a: the change\"\n\nThis reverts commit {revert}.\n");
    let reland = |first: &str, _: &str| {
        format!("a: the change, once more\n\nThis is a reland of commit {first}, without the leak.\n")
    };
    for again in [&reapply as &dyn Fn(&str, &str) -> String, &reland] {
        let (repo, ids) = landed_twice(again);
        for query in [1, 3, 4, 5] {
            let query = &ids[query];
            let told = answer(&repo, &["--missing"], &[query]);
            for (branch, state, by) in [
                ("main", "reapplied", Some(3)),
                ("early", "present", Some(1)),
                ("undone", "reverted", Some(2)),
                ("first", "present", Some(4)),
                ("second", "present", Some(5)),
                ("neither", "missing", None),
            ] {
                let event = presence(&told, query, branch).expect("told");
                let by = by.map_or("", |by: usize| &ids[by]);
                assert_eq!((text(event, "state"), text(event, "id")), (state, by), "{query}: {event}");
                let has = history(&repo, branch).contains(query);
                let how = match state {
                    "present" | "reapplied" if has => "ancestor",
                    "present" | "reapplied" => "backport",
                    _ => "",
                };
                assert_eq!(text(event, "how"), how, "{query}: {event}");
            }
            // What is one change the ladder alone says.
            let landing = if [&ids[1], &ids[4]].contains(&query) { [1, 4] } else { [3, 5] };
            assert_eq!(equal(&told, query), landing.map(|at| ids[at].clone()).into(), "{query}");
        }
        // The revert is another change: on main it was taken back.
        let told = answer(&repo, &[], &[&ids[2]]);
        assert_eq!(text(presence(&told, &ids[2], "main").expect("told"), "state"), "reverted");
        assert_eq!(text(presence(&told, &ids[2], "undone").expect("told"), "state"), "present");
    }
}

#[test]
fn what_takes_several_commits_back_at_once_makes_them_no_one_change() {
    let (one, other) = ("1".repeat(40), "2".repeat(40));
    let time = |number: i64| 1_700_000_000 + 60 * number;
    let message = |subject: &str, ids: &[&String]| {
        let lines: Vec<String> = ids.iter().map(|id| format!("This reverts commit {id}.")).collect();
        format!("{subject}\n\n{}\n", lines.join("\n"))
    };
    let build = |ids: &[String]| {
        [
            Commit::new(&[], time(0)).file("base", "base\n"),
            Commit::new(&[0], time(1)).message("one\n").file("one", "1\n"),
            Commit::new(&[1], time(2)).message("other\n").file("other", "2\n"),
            Commit::new(&[2], time(3)).message(&message("Revert \"one\"", &[&ids[0]])).file("one", "0\n"),
            Commit::new(&[3], time(4)).message(&message("Revert \"other\"", &[&ids[1]])).file("other", "0\n"),
            Commit::new(&[4], time(5))
                .message(&message("both again", &[&ids[2], &ids[3]]))
                .file("one", "1\n")
                .file("other", "2\n"),
        ]
    };
    let refs = [("refs/heads/main", 5), ("refs/heads/one", 1)];
    let mut known = vec![one, other, "3".repeat(40), "4".repeat(40)];
    for at in 0..4 {
        known[at] = dag::repository(&build(&known), &refs).1[at + 1].clone();
    }
    let (repo, ids) = dag::repository(&build(&known), &refs);
    let told = answer(&repo, &["--missing"], &[&ids[2]]);
    let states = ["main", "one"].map(|branch| text(presence(&told, &ids[2], branch).expect("told"), "state"));
    assert_eq!(states, ["reapplied", "missing"], "the one has nothing of the other");
}

#[test]
fn release_lines_are_what_the_configuration_says() {
    let repo = Repo::fixture("backports");
    let plain = repo.id("plain");
    repo.git(&["branch", "lts-one", "stable/1.0"]);
    repo.git(&["branch", "trunk", "main"]);
    let lines = |repo: &Repo| -> BTreeMap<String, String> {
        let told = answer(repo, &["--branches"], &[plain]);
        let told = of_type(&told, "presence").into_iter().map(|event| (text(event, "short"), text(event, "line")));
        told.map(|(short, line)| (short.to_owned(), line.to_owned())).collect()
    };
    let before = lines(&repo);
    assert_eq!((before["lts-one"].as_str(), before["stable/1.0"].as_str()), ("", "1.0"));
    repo.git(&["config", "bhfuil.stable", "lts-*"]);
    repo.git(&["config", "bhfuil.mainline", "trunk"]);
    let after = lines(&repo);
    assert_ne!(after["lts-one"], "");
    assert_eq!((after["stable/1.0"].as_str(), after["trunk"].as_str(), after["main"].as_str()), ("", "mainline", ""));
    repo.git(&["config", "--unset", "bhfuil.stable"]);
    repo.git(&["config", "bhfuil.releaseTag", "!1.0.1"]);
    let told = answer(&repo, &[], &[plain]);
    let event = presence(&told, plain, "stable/1.0").expect("told");
    assert_eq!((text(event, "first_tag"), text(event, "first_release")), ("1.0.1", "1.0.2"), "{event}");
}

#[test]
fn a_remote_branch_is_of_its_line_however_the_remote_is_called() {
    let repo = Repo::fixture("backports");
    let plain = repo.id("plain");
    for remote in ["origin", "team/upstream", "kept/else/where", "typed/here"] {
        for branch in ["main", "stable/1.0"] {
            repo.git(&["update-ref", &format!("refs/remotes/{remote}/{branch}"), branch]);
        }
    }
    let lines = |args: &[&str]| -> BTreeMap<String, String> {
        let output = bhfuil(&repo).envs(typed(args)).args(["where", "--remotes", plain]).output().expect("it runs");
        let told = events(&output);
        let told = of_type(&told, "presence").into_iter().map(|event| (text(event, "short"), text(event, "line")));
        told.map(|(short, line)| (short.to_owned(), line.to_owned())).collect()
    };
    repo.git(&["remote", "add", "team/upstream", "nowhere"]);
    repo.git(&["remote", "add", "some", "nowhere"]);
    repo.git(&["config", "remote.some.fetch", "+refs/heads/*:refs/remotes/kept/else/where/*"]);
    repo.git(&["config", "--add", "remote.origin.fetch", "+refs/heads/stable/*:refs/remotes/origin/stable/*"]);
    let told = lines(&[]);
    for remote in ["origin", "team/upstream", "kept/else/where"] {
        assert_eq!(told[&format!("{remote}/stable/1.0")], "1.0", "{remote}");
        assert_eq!(told[&format!("{remote}/main")], "mainline", "{remote}");
    }
    assert_eq!(told["typed/here/stable/1.0"], "");
    let told = lines(&["remote.typed/here.url=nowhere"]);
    assert_eq!((told["typed/here/stable/1.0"].as_str(), told["typed/here/main"].as_str()), ("1.0", "mainline"));
}

/// What `git -c` hands to its children.
fn typed(parameters: &[&str]) -> Option<(&'static str, String)> {
    let quoted: Vec<String> = parameters.iter().map(|parameter| format!("'{parameter}'")).collect();
    (!quoted.is_empty()).then(|| ("GIT_CONFIG_PARAMETERS", quoted.join(" ")))
}
