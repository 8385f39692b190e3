//! Cursors: what `--after` and `--new` stream is what `git rev-list <new tips> --not <old tips>` lists, and a consumer is moved on
//! only when it has been sent everything.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Output;

use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use support::dag::{self, Commit, Dice};
use support::{Repo, bhfuil, bhfuil_running, commit_ids, events, ids_alone, of_type, wait_until_idle};

fn scan(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).arg("scan").args(args).output().expect("runs")
}

/// The events of a scan that answers.
fn answer(repo: &Repo, args: &[&str]) -> Vec<Value> {
    let output = scan(repo, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    events(&output)
}

fn cursor(events: &[Value]) -> String {
    let end = events.last().expect("there is an `end`");
    assert_eq!(end["complete"], true);
    end["cursor"].as_str().unwrap_or_else(|| panic!("no cursor: {end}")).to_owned()
}

fn tips(repo: &Repo) -> Vec<String> {
    repo.git(&["for-each-ref", "--format=%(objectname)"]).lines().map(str::to_owned).collect()
}

fn since(repo: &Repo, old: &[String], options: &[&str]) -> Vec<String> {
    let mut args = vec!["rev-list", "HEAD", "--branches", "--remotes", "--tags"];
    args.extend(options);
    args.push("--not");
    args.extend(old.iter().map(String::as_str));
    repo.git(&args).lines().map(str::to_owned).collect()
}

fn line(count: usize) -> (Repo, Vec<String>) {
    let parents = |number: usize| if number == 0 { vec![] } else { vec![number - 1] };
    let time = |number: usize| 1_700_000_000 + i64::try_from(number).expect("a small number");
    let commits: Vec<Commit> = (0..count).map(|number| Commit::new(&parents(number), time(number))).collect();
    dag::repository(&commits, &[("refs/heads/main", count - 1)])
}

#[test]
fn after_a_cursor_comes_exactly_what_git_lists() {
    let commits = dag::random(11, 300, 3, 20);
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 40), ("refs/tags/old", 20)]);
    let mut dice = Dice(5);
    let mut all = vec![(cursor(&answer(&repo, &[])), tips(&repo))];
    for step in 1..8 {
        // Branches go forward, back and elsewhere; one appears and one goes.
        let branches = ["refs/heads/main", "refs/heads/topic", "refs/remotes/o/x", "refs/tags/t"];
        for name in branches.iter().take(1 + dice.below(4)) {
            repo.git(&["update-ref", name, &ids[dice.below(40 + 37 * step)]]);
        }
        if step == 5 {
            repo.git(&["update-ref", "-d", "refs/tags/old"]);
        }
        let (token, old) = &all[dice.below(all.len())];
        let new = answer(&repo, &["--after", token]);
        assert_eq!(commit_ids(&new), since(&repo, old, &[]), "step {step}");
        let reversed = answer(&repo, &["--reverse", &format!("--after={token}")]);
        assert_eq!(commit_ids(&reversed), since(&repo, old, &["--reverse"]), "step {step}");
        let next = cursor(&new);
        assert_eq!(commit_ids(&answer(&repo, &["--after", &next])), Vec::<String>::new());
        all.push((next, tips(&repo)));
    }
    for (token, old) in &all {
        assert_eq!(commit_ids(&answer(&repo, &["--after", token])), since(&repo, old, &[]), "old cursors stay good");
    }
}

#[test]
fn after_goes_together_with_refs_limits_and_filters() {
    let mut commits = dag::random(23, 200, 2, 30);
    for (number, commit) in commits.iter_mut().enumerate().filter(|(number, _)| number % 3 == 0) {
        commit.files.push(("file".into(), format!("{number}\n")));
    }
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 50)]);
    let token = cursor(&answer(&repo, &[]));
    let old = tips(&repo);
    repo.git(&["update-ref", "refs/heads/main", &ids[150]]);
    repo.git(&["update-ref", "refs/heads/topic/a", &ids[190]]);
    let expected = |what: &[&str]| {
        let args = [&["rev-list"], what, &["--not"]].concat();
        let args: Vec<&str> = args.into_iter().chain(old.iter().map(String::as_str)).collect();
        repo.git(&args).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let after = format!("--after={token}");
    let topic = answer(&repo, &[&after, "--refs=heads/topic/*"]);
    assert_eq!(commit_ids(&topic), expected(&["refs/heads/topic/a"]));
    // The cursor of a scan of some refs stands for these refs.
    let narrow = cursor(&topic);
    assert_eq!(commit_ids(&answer(&repo, &["--after", &narrow])), since(&repo, &[ids[190].clone()], &[]));
    let few = answer(&repo, &[&after, "-n3"]);
    assert_eq!(commit_ids(&few), expected(&["--all", "-n3"]));
    let filtered = answer(&repo, &[&after, "--grep=commit 1[0-9]*7"]);
    assert_eq!(commit_ids(&filtered), expected(&["--all", "--grep=commit 1[0-9]*7"]));
    let touching = answer(&repo, &[&after, "--", "file"]);
    let listed =
        [&["rev-list", "--all", "--not"], &*old.iter().map(String::as_str).collect::<Vec<_>>(), &["--", "file"]];
    let listed: Vec<String> = repo.git(&listed.concat()).lines().map(str::to_owned).collect();
    assert!(!listed.is_empty());
    assert_eq!(commit_ids(&touching), listed);
    let current = format!("--after={}", cursor(&answer(&repo, &[])));
    assert_eq!(commit_ids(&answer(&repo, &[&current, "--", "file"])), Vec::<String>::new());
    // Only a stream of everything has a cursor.
    for args in [&["-n3"][..], &[&after, "-n3"], &["main"], &["main~5..main"], &["--since=@1"], &["--", "file"]] {
        let events = answer(&repo, args);
        let end = events.last().expect("end");
        assert_eq!((end.get("cursor"), &end["complete"]), (None, &false.into()), "{args:?}");
    }
}

#[test]
fn a_cursor_that_cant_be_used_is_an_error_that_names_the_full_scan() {
    let (repo, ids) = line(30);
    let refused = |args: &[&str], words: &str| {
        let output = scan(&repo, args);
        assert_eq!(output.status.code(), Some(128), "{args:?}");
        let events = events(&output);
        let error = of_type(&events, "error")[0];
        assert_eq!((&error["code"], &error["fatal"]), (&"bad-cursor".into(), &true.into()));
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("full scan")), "{error}");
        assert_eq!(commit_ids(&events), Vec::<String>::new());
    };
    refused(&["--after=0123456789abcdef0123456789abcdef"], "0123456789abcdef");
    let token = cursor(&answer(&repo, &["--new=ci"]));
    // A forced push; then the old tip is gone for good.
    repo.git(&["update-ref", "refs/heads/main", &ids[20]]);
    let commit = repo.git(&["commit-tree", "-p", &ids[20], "-m", "instead", &format!("{}^{{tree}}", ids[20])]);
    repo.git(&["update-ref", "refs/heads/main", &commit]);
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["repack", "-a", "-d", "-q"]);
    repo.git(&["prune", "--expire=now"]);
    assert!(!repo.git(&["cat-file", "--batch-check", "--batch-all-objects"]).contains(&ids[29]));
    // What the graph remembers still answers.
    assert_eq!(commit_ids(&answer(&repo, &["--after", &token])), [commit.as_str()]);
    // What the cursor stood for was reached through other parents.
    repo.git(&["replace", &ids[3], &ids[2]]);
    refused(&["--after", &token], "replaced");
    answer(&repo, &[]);
    refused(&["--after", &token], "replaced");
    // The graph was forgotten meanwhile, and with it what the cursor stood for.
    repo.git(&["replace", "--delete", &ids[3]]);
    refused(&["--after", &token], &ids[29]);
    refused(&["--new=ci"], &ids[29]);
}

#[test]
fn what_appears_below_when_history_is_deepened_or_bent_is_delivered() {
    let parents = |number: usize| if number == 0 { vec![] } else { vec![number - 1] };
    let commits: Vec<Commit> = (0..12).map(|number| Commit::new(&parents(number), 1_700_000_000)).collect();
    let (origin, ids) = dag::repository(&commits, &[("refs/heads/main", 11)]);
    let clone = origin.stored_as("shallow");
    let mut token = cursor(&answer(&clone, &["--new=ci"]));
    let mut delivered = since(&clone, &[], &[]);
    assert_eq!(delivered.len(), 3);
    let (a, b) = (ids[8].clone(), ids[5].clone());
    for change in [
        &["fetch", "--quiet", "--deepen=2"][..],
        &["fetch", "--quiet", "--unshallow"],
        &["replace", "--graft", &a, &b],
        &["replace", "--delete", &a],
    ] {
        clone.git(change);
        let now = since(&clone, &[], &[]);
        let output = scan(&clone, &["--after", &token]);
        assert_eq!(output.status.code(), Some(128), "{change:?}");
        let failed = events(&output);
        let error = of_type(&failed, "error")[0];
        assert_eq!(error["code"], "bad-cursor");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("full scan")), "{error}");
        let all = answer(&clone, &["--new=ci"]);
        assert_eq!(commit_ids(&all), now, "{change:?}");
        assert_eq!(of_type(&all, "warning")[0]["code"], "history-changed", "{change:?}");
        delivered.extend(commit_ids(&all));
        token = cursor(&all);
        let again = answer(&clone, &["--new=ci"]);
        assert_eq!((commit_ids(&again).len(), of_type(&again, "warning").len()), (0, 0), "{change:?}");
        assert_eq!(commit_ids(&answer(&clone, &["--after", &token])).len(), 0, "{change:?}");
    }
    assert!(ids.iter().all(|id| delivered.contains(id)));
}

#[test]
fn a_consumer_keeps_its_filters_and_may_change_its_refs() {
    let commits = dag::random(77, 120, 2, 10);
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 60), ("refs/heads/topic", 80)]);
    let filtered = ["--new=ci", "--grep=commit .*7", "--grep=commit .*3", "--author=Thor"];
    let oracle = ["--extended-regexp", "--grep=commit .*7", "--grep=commit .*3", "--author=Thor"];
    let mut sent = commit_ids(&answer(&repo, &filtered));
    let mut wanted = since(&repo, &[], &oracle);
    let old = tips(&repo);
    repo.git(&["update-ref", "refs/heads/main", &ids[110]]);
    for other in [&["--new=ci"][..], &["--new=ci", "--grep=commit"], &filtered[..3]] {
        let output = scan(&repo, other);
        assert_eq!(output.status.code(), Some(128), "{other:?}");
        let events = events(&output);
        let error = of_type(&events, "error")[0];
        let (message, hint) = (error["message"].as_str().expect("text"), error["hint"].as_str().expect("text"));
        assert!(message.contains("'ci' began with --author=Thor --grep=commit .*3 --grep=commit .*7"), "{error}");
        assert!(hint.contains("full scan"), "{error}");
        assert_eq!(commit_ids(&events).len(), 0);
    }
    // In another order they are the same.
    sent.extend(commit_ids(&answer(&repo, &["--author=Thor", "--grep=commit .*3", "--grep=commit .*7", "--new=ci"])));
    wanted.extend(since(&repo, &old, &oracle));
    sent.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sent, wanted);
    // Which refs a consumer follows loses nothing: all that they reached was sent.
    let mut sent = commit_ids(&answer(&repo, &["--new=refs", "--refs=heads/t*"]));
    for refs in ["--refs=heads/m*", "--refs=heads/t*", "--refs=heads/*"] {
        sent.extend(commit_ids(&answer(&repo, &["--new=refs", refs])));
    }
    let all = since(&repo, &[], &[]);
    assert!(all.iter().all(|id| sent.contains(id)), "at least once");
}

#[test]
fn a_consumer_gets_everything_once_and_each_has_its_own_place() {
    let commits = dag::random(31, 120, 2, 10);
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 30)]);
    let all = since(&repo, &[], &[]);
    assert_eq!(commit_ids(&answer(&repo, &["--new=one"])), all, "a new consumer gets all");
    assert_eq!(commit_ids(&answer(&repo, &["--new=one"])).len(), 0);
    let old = tips(&repo);
    repo.git(&["update-ref", "refs/heads/main", &ids[110]]);
    answer(&repo, &[]);
    assert_eq!(commit_ids(&answer(&repo, &["--new", "one"])), since(&repo, &old, &[]), "other scans move nobody");
    assert_eq!(commit_ids(&answer(&repo, &["--new", "two"])), since(&repo, &[], &[]));
    for name in ["one", "two", "one"] {
        assert_eq!(commit_ids(&answer(&repo, &["--new", name])).len(), 0);
    }
}

const MANY: usize = 9000;

/// Reads `lines` lines of `scan --new=ci`, or all but the last of them, waits until nothing more happens, and then does `how`.
fn cut_off(repo: &Repo, lines: usize, how: impl FnOnce(&mut std::process::Child)) -> usize {
    let mut child = bhfuil_running(repo, &["scan", "--new=ci"]);
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut line, mut commits) = (String::new(), 0);
    for _ in 0..lines {
        line.clear();
        reader.read_line(&mut line).expect("UTF-8");
        commits += usize::from(line.starts_with("{\"type\":\"commit\""));
    }
    wait_until_idle(child.id());
    how(&mut child);
    drop(reader);
    child.wait().expect("ends");
    commits
}

#[test]
fn a_consumer_that_was_cut_off_loses_nothing() {
    let (repo, _) = line(MANY);
    let all = since(&repo, &[], &[]);
    let kill = |child: &mut std::process::Child| child.kill().expect("killed");
    // The last of these leave nothing to be walked: the rest is in the pipe and before it.
    for lines in [1, 3000, MANY - 600] {
        assert!(cut_off(&repo, lines, |_| ()) < MANY, "{lines} lines, then the pipe is closed");
        assert!(cut_off(&repo, lines, kill) < MANY, "{lines} lines, then it is killed");
    }
    assert_eq!(ids_alone(&scan(&repo, &["--new=ci"])), all);
    assert_eq!(commit_ids(&answer(&repo, &["--new=ci"])).len(), 0);
}

#[test]
fn a_signal_leaves_the_consumer_where_it_was() {
    let (repo, _) = line(MANY);
    let mut child = bhfuil_running(&repo, &["scan", "--new=ci"]);
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    reader.read_line(&mut String::new()).expect("begin");
    wait_until_idle(child.id());
    let kill = format!("kill -TERM {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success()));
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(child.wait().expect("ends").code(), Some(143));
    let end: Value = serde_json::from_str(rest.lines().last().expect("end")).expect("JSON");
    assert_eq!((&end["status"], end.get("cursor")), (&"cancelled".into(), None));
    assert_eq!(ids_alone(&scan(&repo, &["--new=ci"])).len(), MANY);
}

/// The name of the state with the commits behind all refs, as git tells them, nothing bending history.
fn named_by_git(repo: &Repo) -> String {
    let listed = repo.git(&["rev-list", "--no-walk", "--all"]);
    // The names of bytes sort as the bytes do.
    let tips: BTreeSet<&str> = listed.lines().collect();
    let mut digest = Sha256::new();
    for tip in tips {
        digest.update(const_hex::decode(tip).expect("hexadecimal"));
    }
    const_hex::encode(&digest.finalize()[..16])
}

fn cache_of(repo: &Repo) -> Connection {
    let folder = std::fs::read_dir(repo.home().join("bhfuil")).expect("a folder");
    let mut caches = folder.map(|entry| entry.expect("an entry").path()).filter(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with("repo-") && name.ends_with(".db")
    });
    Connection::open(caches.next().expect("a cache")).expect("opens")
}

/// How many lists of many refs have a cursor that is found without their commits.
fn found_by_refs(repo: &Repo) -> i64 {
    cache_of(repo).query_row("SELECT count(*) FROM state", [], |row| row.get(0)).expect("a number")
}

const ALL: &str = "--refs=*";
const PULLS: &str = "--refs=refs/pull";

/// A repository with many refs, and its commits.
fn of_many_refs() -> (Repo, Vec<String>) {
    let (repo, ids) = dag::repository(&dag::random(31, 80, 3, 20), &[("refs/heads/main", 59), ("refs/tags/old", 20)]);
    let pulls = |number: usize| format!("update refs/pull/{number}/head {}\n", ids[number % 60]);
    repo.git_with(
        &["-c", "core.fsync=none", "update-ref", "--stdin"],
        (1..4200).map(pulls).collect::<String>().as_bytes(),
    );
    repo.git(&["pack-refs", "--all"]);
    (repo, ids)
}

#[test]
fn many_refs_that_stand_have_the_cursor_of_their_commits_whatever_moved_before() {
    let (repo, ids) = of_many_refs();
    let check = |step: &str, expected: &str, by_refs: i64| {
        let elsewhere = bhfuil(&repo)
            .args(["scan", "--no-commits", ALL])
            .env("GIT_BHFUIL_CACHE", repo.home().join(step.replace(' ', "-")))
            .output()
            .expect("runs");
        assert_eq!(cursor(&events(&elsewhere)), expected, "{step}, in a cache of its own");
        for round in ["first", "second", "third"] {
            let here = answer(&repo, &["--no-commits", ALL]);
            assert_eq!(cursor(&here), expected, "{step}, {round}");
            assert_eq!(ids_alone(&scan(&repo, &["--after", expected, ALL])), Vec::<String>::new(), "{step}, {round}");
            assert_eq!(cursor(&answer(&repo, &[ALL, "--new=ci"])), expected, "{step}, {round}");
        }
        assert_eq!(found_by_refs(&repo), by_refs, "{step}");
    };
    let first = named_by_git(&repo);
    check("as it is", &first, 1);
    let [one, other] = ["refs/pull/7/head", "refs/pull/8/head"].map(|name| (name, repo.git(&["rev-parse", name])));
    repo.git(&["update-ref", one.0, &other.1]);
    repo.git(&["update-ref", other.0, &one.1]);
    assert_eq!(named_by_git(&repo), first);
    check("two changed places", &first, 2);
    let old = tips(&repo);
    repo.git(&["update-ref", one.0, &ids[70]]);
    check("one moved", &named_by_git(&repo), 3);
    let new = [&["rev-list", "--all", "--not"], &*old.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let new: Vec<String> = repo.git(&new).lines().map(str::to_owned).collect();
    assert_eq!(commit_ids(&answer(&repo, &["--after", &first, ALL])), new);
    repo.git(&["update-ref", one.0, &other.1]);
    check("it went back", &first, 3);
    repo.git(&["tag", "-m", "a tag", "inner", &ids[75]]);
    repo.git(&["tag", "-m", "of a tag", "outer", "inner"]);
    check("tags that are looked up", &named_by_git(&repo), 3);
    repo.git(&["pack-refs", "--all"]);
    check("tags whose file says it", &named_by_git(&repo), 4);
}

#[test]
fn a_cursor_of_many_refs_is_good_after_the_cache_was_made_anew() {
    for consumer in [&[][..], &["--new=ci"]] {
        let (repo, _) = of_many_refs();
        for _ in 0..3 {
            answer(&repo, &["--no-commits", ALL]);
        }
        assert_eq!(found_by_refs(&repo), 1);
        let damage = "UPDATE piece SET bytes = zeroblob(length(bytes))";
        assert!(cache_of(&repo).execute(damage, []).expect("it can be written") > 0);
        let whole = scan(&repo, &[&[ALL], consumer].concat());
        let text = String::from_utf8_lossy(&whole.stdout);
        assert!(text.contains("\"cache-rebuilt\""), "{text}");
        assert_eq!((ids_alone(&whole).len(), whole.status.code()), (60, Some(0)));
        let end: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        let after = format!("--after={}", end["cursor"].as_str().expect("a cursor"));
        let since = if consumer.is_empty() { &[&*after][..] } else { consumer };
        assert_eq!(commit_ids(&answer(&repo, &[&[ALL], since].concat())), Vec::<String>::new());
    }
}

#[test]
fn whoever_writes_in_the_cache_keeps_no_cursor_back_that_is_there() {
    let (repo, _) = of_many_refs();
    let asked = [ALL, PULLS];
    let first = asked.map(|refs| cursor(&answer(&repo, &["--no-commits", refs])));
    // Behind all refs, and behind the pulls alone, are the same commits.
    assert_eq!((&first[0], first[0] == first[1], found_by_refs(&repo)), (&named_by_git(&repo), true, 2));
    let writer = cache_of(&repo);
    // Where they lead is not kept yet, and one list is not known by what it leads to.
    writer.execute("DELETE FROM state WHERE number = 1", []).expect("it can be written");
    writer.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    for refs in asked {
        let told = answer(&repo, &["--no-commits", refs]);
        assert_eq!((cursor(&told), of_type(&told, "warning").len()), (first[0].clone(), 0), "{refs}");
    }
    drop(writer);
    for refs in asked {
        assert_eq!(cursor(&answer(&repo, &["--no-commits", refs])), first[0]);
    }
    assert_eq!(found_by_refs(&repo), 2);
    let placed = cache_of(&repo).query_row("SELECT count(*) FROM placed", [], |row| row.get::<_, i64>(0));
    assert_eq!(placed.expect("a number"), 2, "one doesn't take the other's place");
}
