//! Queries of words: what is found is what a search of every message by another rule finds (a regular expression, `git log
//! --grep`), however the messages are written and however the index came to be.

mod support;

use std::collections::BTreeSet;
use std::process::Output;

use regex::{Regex, RegexBuilder};
use support::dag::{self, Commit, Dice};
use support::{Repo, bhfuil, events, of_type};

/// Each query's hits, in order, of one run. With plain containment every hit is a change of its own.
fn hits(repo: &Repo, queries: &[&str]) -> Vec<Vec<String>> {
    let output = ask(repo, queries, &[]);
    let events = events(&output);
    let of_query = |query: &&str| {
        let matches = of_type(&events, "match").into_iter().filter(|found| found["query"] == **query);
        matches.map(|found| found["id"].as_str().expect("an id").to_owned()).collect()
    };
    queries.iter().map(of_query).collect()
}

fn ask(repo: &Repo, queries: &[&str], options: &[&str]) -> Output {
    let mut command = bhfuil(repo);
    command.args(["where", "--format=jsonl", "--signals=same", "--max-count=-1", "--stdin"]).args(options);
    command.write_stdin(queries.join("\n")).output().expect("git-bhfuil runs")
}

/// The hits of one query, without further options, and the warnings' codes.
fn answer(repo: &Repo, args: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let output = bhfuil(repo).args(["where", "--format=jsonl"]).args(args).output().expect("git-bhfuil runs");
    let events = events(&output);
    let texts = |kind, field: &str| {
        of_type(&events, kind).into_iter().map(|event| event[field].as_str().expect("text").to_owned()).collect()
    };
    (texts("match", "id"), texts("candidate", "id"), texts("warning", "code"))
}

/// What the messages say, by git: id, message, in the order of the answer.
fn messages(repo: &Repo) -> Vec<(String, String)> {
    let log = repo.git(&["log", "--branches", "--tags", "--format=%ct %H%n%B%x00"]);
    let mut commits: Vec<(u64, String, String)> = log
        .split('\0')
        .filter_map(|entry| entry.trim_start_matches('\n').split_once('\n'))
        .map(|(head, message)| {
            let (time, id) = head.split_once(' ').expect("time and id");
            (time.parse().expect("a time"), id.to_owned(), message.to_owned())
        })
        .collect();
    commits.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    commits.into_iter().map(|(_, id, message)| (id, message)).collect()
}

/// A term as a regular expression that knows nothing of our rule. To an ASCII `\b`, Chinese letters are between words.
fn pattern(term: &str) -> Regex {
    let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let bound = |letter: Option<char>| if is_word(letter) { r"(?-u:\b)" } else { "" };
    let words: Vec<String> = term.split(' ').map(regex::escape).collect();
    let text = format!("{}{}{}", bound(term.chars().next()), words.join(r"\s+"), bound(term.chars().next_back()));
    RegexBuilder::new(&text).case_insensitive(true).build().expect("a pattern")
}

/// The hits of a query by reading every message.
fn brute_force(messages: &[(String, String)], query: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for (at, piece) in query.split('"').enumerate() {
        if at % 2 == 1 {
            terms.push(piece);
        } else {
            terms.extend(piece.split_whitespace());
        }
    }
    let patterns: Vec<Regex> = terms.into_iter().map(pattern).collect();
    let wanted = messages.iter().filter(|(_, message)| patterns.iter().all(|pattern| pattern.is_match(message)));
    wanted.map(|(id, _)| id.clone()).collect()
}

const VOCABULARY: [&str; 24] = [
    "fix",
    "Fix",
    "FIXES",
    "leak",
    "leak,",
    "foo_bar",
    "foo",
    "bar()",
    "x86-64",
    "x86",
    "64",
    "c++",
    "C",
    "-Werror",
    "net:",
    "src/net.c",
    "net",
    "修复",
    "内存 泄漏",
    "CVE-2021-12",
    "CVE-2021-1",
    "use\nafter\r\nfree",
    "use after free",
    "b@x.org",
];

const QUERIES: [&str; 26] = [
    "fix leak",
    "fix c++",
    "leak foo_bar",
    "foo bar()",
    "bar() foo",
    "x86-64 fix",
    "x86 64",
    "\"x86 64\"",
    "c++ net:",
    "net: c",
    "-Werror fix",
    "src/net.c fix",
    "net.c leak",
    "\"use after free\"",
    "\"after free\" fix",
    "\"net: fix\"",
    "修复 fix",
    "复 漏",
    "\"内存 泄漏\"",
    "b@x.org c",
    "x.org 12",
    "fix fix FIX",
    "cve-2021-1 leak,",
    "\"fix leak\"",
    "++ fix",
    "nowhere fix",
];

fn with_messages(mut commits: Vec<Commit>, seed: u64) -> Vec<Commit> {
    let mut dice = Dice(seed);
    for commit in &mut commits {
        let mut message = String::new();
        for _ in 0..=dice.below(9) {
            message.push_str(VOCABULARY[dice.below(VOCABULARY.len())]);
            message.push_str([" ", " ", "\n", "\n\n", "\t", "-", ""][dice.below(7)]);
        }
        commit.message = message;
    }
    commits
}

fn assert_equal_to_brute_force(repo: &Repo, told: &[Vec<String>]) {
    let messages = messages(repo);
    let mut found = 0;
    for (query, told) in QUERIES.iter().zip(told) {
        let expected = brute_force(&messages, query);
        assert_eq!(*told, expected, "{query}");
        found += expected.len();
    }
    assert!(found > 100, "the queries find something: {found}");
}

#[test]
fn what_is_found_is_what_reading_every_message_finds() {
    let commits = with_messages(dag::random(3, 400, 2, 8), 4);
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 150), ("refs/heads/old", 120)]);
    assert_equal_to_brute_force(&repo, &hits(&repo, &QUERIES));
    // What came since is indexed as it comes.
    for tip in [200, 201, 399] {
        repo.git(&["update-ref", "refs/heads/main", &ids[tip]]);
        assert_equal_to_brute_force(&repo, &hits(&repo, &QUERIES));
    }
    // Without a cache every message is read.
    let mut command = bhfuil(&repo);
    command.args(["where", "--format=jsonl", "--signals=same", "--max-count=-1", "--stdin"]);
    let output = command.env("GIT_BHFUIL_CACHE", "/dev/null/no").write_stdin(QUERIES.join("\n")).output();
    let with_cache = ask(&repo, &QUERIES, &[]);
    let matches = |output: &Output| {
        of_type(&events(output), "match")
            .iter()
            .map(|found| (found["query"].clone(), found["id"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(matches(&output.expect("git-bhfuil runs")), matches(&with_cache));
}

#[test]
fn words_are_those_of_git_log_grep() {
    let commits = with_messages(dag::random(5, 300, 2, 8), 6);
    let (repo, _) = dag::repository(&commits, &[("refs/heads/main", 299), ("refs/tags/v1", 290)]);
    let pairs = [("fix", "leak"), ("foo", "net"), ("foo_bar", "fixes"), ("x86", "c")];
    let queries: Vec<String> = pairs.iter().map(|(one, other)| format!("{one} {other}")).collect();
    let told = hits(&repo, &queries.iter().map(String::as_str).collect::<Vec<_>>());
    for ((one, other), told) in pairs.iter().zip(told) {
        let (one, other) = (format!(r"--grep=\b{one}\b"), format!(r"--grep=\b{other}\b"));
        // In this locale, `\b` is that of ASCII.
        let script = format!("LC_ALL=C git rev-list --branches --tags -i -E --all-match '{one}' '{other}'");
        let log = repo.shell(&script);
        let expected: BTreeSet<&str> = log.lines().collect();
        assert!(!expected.is_empty());
        assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{one} {other}");
    }
}

/// Writes the commit with these headers after the committer and this message on top of main, and returns its id.
fn commit(repo: &Repo, author: &str, headers: &str, message: &[u8]) -> String {
    let tree = String::from_utf8(repo.git_with(&["mktree"], b"")).expect("an id");
    let parent = repo.git(&["for-each-ref", "--format=parent %(objectname)%0a", "refs/heads/main"]);
    let time = 1_700_000_000 + repo.git(&["rev-list", "--all", "--count"]).parse::<u64>().expect("a count");
    let head =
        format!("tree {tree}{parent}author {author} {time} +0000\ncommitter C <c@x.org> {time} +0000\n{headers}\n");
    let object = [head.as_bytes(), message].concat();
    let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--literally", "--stdin"], &object);
    let id = String::from_utf8(id).expect("an id").trim().to_owned();
    repo.git(&["update-ref", "refs/heads/main", &id]);
    id
}

#[test]
fn awkward_messages_are_read_as_git_shows_them() {
    let repo = Repo::new();
    let by = "A U Thor <author@example.com>";
    let latin = commit(&repo, by, "encoding ISO-8859-1\n", b"caf\xe9 latin\n");
    let broken = commit(&repo, by, "", b"bytes \xff\xfe between words\n");
    let huge = [vec![b'x'; 3 << 20], b" hugely padded\n".to_vec()].concat();
    let huge = commit(&repo, by, "", &huge);
    let crlf = commit(&repo, by, "", b"subject line\r\n\r\nuse\r\nafter free\r\n");
    let nul = commit(&repo, by, "", b"before nul\0behind nul\n");
    let chinese = commit(&repo, by, "", "修复内存泄漏 bug\n".as_bytes());
    let accents = commit(&repo, by, "", "nai\u{308}ve Ångström ΟΔΌΣ\n".as_bytes());
    let long = commit(&repo, by, "", b"one 0123456789abcdef0123456789 and 0123456789abcdef0\n");
    let empty = commit(&repo, by, "", b"");
    let cases = [
        ("café latin", vec![&latin]),
        ("cafe latin", vec![&latin]),
        ("bytes between", vec![&broken]),
        ("hugely padded", vec![&huge]),
        ("\"use after free\" subject:line", vec![&crlf]),
        ("subject:use after", vec![]),
        ("before nul", vec![&nul]),
        ("behind nul", vec![]),
        ("内存 bug", vec![&chinese]),
        ("naïve ANGSTROM", vec![&accents]),
        ("naive οδός", vec![&accents]),
        ("one 0123456789abcdef0123456789", vec![&long]),
        ("and 0123456789abcdef", vec![]),
        ("author:nobody", vec![]),
    ];
    let told = hits(&repo, &cases.iter().map(|(query, _)| *query).collect::<Vec<_>>());
    for ((query, expected), told) in cases.iter().zip(&told) {
        assert_eq!(told.iter().collect::<Vec<_>>(), *expected, "{query}");
    }
    let all = &hits(&repo, &["author:thor"])[0];
    assert!(all.contains(&empty) && all.len() == 9, "{all:?}");
}

#[test]
fn author_subject_and_path_narrow() {
    let repo = Repo::new();
    let kim = commit(&repo, "Kim Lee <kl@corp.example>", "", b"leak here\n");
    let lee = commit(&repo, "Lee <kim@home.example>", "", b"other\n\nleak in body\n");
    let jose = commit(&repo, "José Kimball <j@corp.example>", "", b"leak\n");
    repo.git(&["reset", "--quiet", "--hard", "main"]);
    let change = |path: &str| {
        let file = repo.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
        std::fs::write(file, path).expect("a file");
        repo.git(&["add", "."]);
        repo.git(&["commit", "--quiet", "-m", "leak"]);
        repo.git(&["rev-parse", "HEAD"])
    };
    let (net, core, odd) = (change("src/net/a.c"), change("src/core.c"), change("[x]"));
    repo.git(&["checkout", "--quiet", "-b", "side", "HEAD~2"]);
    let side = change("src/net/b.h");
    repo.git(&["merge", "--quiet", "--no-edit", "-m", "leak merged", "main"]);
    let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
    let cases = [
        ("leak author:kim", set(&[&kim, &lee])),
        ("leak author:\"Kim Lee\"", set(&[&kim])),
        ("leak author:kl@corp.example", set(&[&kim])),
        ("author:corp.example", set(&[&kim, &jose])),
        ("author:jose", set(&[&jose])),
        ("author:kim author:home", set(&[&lee])),
        ("subject:leak author:lee", set(&[&kim])),
        ("leak path:src", set(&[&net, &core, &side])),
        ("leak path:src/net/", set(&[&net, &side])),
        ("leak path:*.c", set(&[&net, &core])),
        ("path:src/n*.h", set(&[&side])),
        ("path:src/net", set(&[&net, &side])),
        ("path:src path:*.h", set(&[&side])),
        ("path:[x]", set(&[&odd])),
        ("path:sr", set(&[])),
    ];
    let told = hits(&repo, &cases.iter().map(|(query, _)| *query).collect::<Vec<_>>());
    for ((query, expected), told) in cases.into_iter().zip(told) {
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected, "{query}");
    }
    let refused = bhfuil(&repo).args(["where", "--format=jsonl", "path:/"]).output().expect("git-bhfuil runs");
    assert_eq!(refused.status.code(), Some(128));
}

#[test]
fn only_what_the_refs_reach_is_told() {
    let commits = [
        Commit::new(&[], 1_700_000_000).message("base"),
        Commit::new(&[0], 1_700_000_010).message("needle one"),
        Commit::new(&[0], 1_700_000_020).message("needle two"),
        Commit::new(&[0], 1_700_000_020).message("needle three"),
    ];
    let refs = [("refs/heads/main", 1), ("refs/heads/topic", 2), ("refs/heads/late", 3)];
    let (repo, ids) = dag::repository(&commits, &refs);
    repo.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    let told = |args: &[&str]| answer(&repo, &[args, &["--signals=same", "needle"]].concat()).0;
    assert_eq!(told(&[]).len(), 3, "a single word that git doesn't know is one to look for");
    assert_eq!(told(&["--refs=refs/heads/m*"]), [ids[1].clone()]);
    repo.git(&["update-ref", "refs/heads/topic", &ids[1]]);
    repo.git(&["update-ref", "-d", "refs/heads/late"]);
    assert_eq!(told(&[]), [ids[1].clone()], "pushed away");
    repo.git(&["reflog", "expire", "--expire=all", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(told(&[]), [ids[1].clone()], "and gone");
    assert_eq!(told(&["--no-update"]), [ids[1].clone()]);
}

#[test]
fn nothing_found_tells_what_lacks_one_word() {
    let message = |number: usize| if number.is_multiple_of(2) { "alpha beta" } else { "beta gamma" };
    let commits: Vec<Commit> = (0..20)
        .map(|number: usize| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            Commit::new(&parents, 1_700_000_000 + i64::try_from(number).expect("small")).message(message(number))
        })
        .collect();
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 19)]);
    let output = bhfuil(&repo).args(["where", "--format=jsonl", "alpha beta gamma"]).output().expect("git-bhfuil runs");
    assert_eq!(output.status.code(), Some(1));
    let (told, near, warnings) = answer(&repo, &["alpha beta gamma"]);
    assert_eq!((told.len(), warnings), (0, vec!["nothing-found".to_owned()]));
    assert_eq!(near, (15..20).rev().map(|number| ids[number].clone()).collect::<Vec<_>>());
    assert_eq!(answer(&repo, &["delta"]).1, [""; 0], "one word alone has no near miss");
}

#[test]
fn the_newest_changes_are_told_and_how_many_are_left() {
    let repo = Repo::fixture("backports");
    let (all, _, warnings) = answer(&repo, &["--max-count=-1", "author:thor"]);
    let changes: BTreeSet<&String> = all.iter().collect();
    assert_eq!((changes.len(), warnings.contains(&"more-found".to_owned())), (all.len(), false), "each commit once");
    let chain: Vec<Commit> = (0..150)
        .map(|number: usize| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            let content = format!("{number}\n");
            let message = format!("needle number {number}\n");
            let time = 1_700_000_000 + 60 * i64::try_from(number).expect("small");
            Commit::new(&parents, time).message(&message).file(&format!("file{number}"), &content)
        })
        .collect();
    let (repo, ids) = dag::repository(&chain, &[("refs/heads/main", 149)]);
    let newest = |count: usize| ids.iter().rev().take(count).cloned().collect::<Vec<_>>();
    let more = || vec!["more-found".to_owned()];
    let of = |args: &[&str]| {
        let (told, _, warnings) = answer(&repo, args);
        (told, warnings)
    };
    assert_eq!(of(&["needle number"]), (newest(100), more()));
    assert_eq!(of(&["-n", "150", "needle number"]), (newest(150), vec![]));
    assert_eq!(of(&["-n3", "subject:needle"]), (newest(3), more()));
    assert_eq!(of(&["--max-count=-1", "needle number"]).0.len(), 150);
    let output = bhfuil(&repo).args(["where", "--format=jsonl", "-n", "40", "needle number"]).output();
    let output = output.expect("git-bhfuil runs");
    let events = events(&output);
    let message = of_type(&events, "warning")[0]["message"].as_str().expect("text").to_owned();
    assert!(message.contains("110 more commits"), "{message}");
    assert_eq!(of_type(&events, "commit").len(), 40);
}

#[test]
fn a_pick_is_told_with_its_change_and_not_again() {
    let repo = Repo::new();
    let commit = |branch: &str, message: &str, file: &str| {
        std::fs::write(repo.path().join(file), message).expect("a file");
        repo.git(&["add", "."]);
        repo.git(&["commit", "--quiet", "-m", message]);
        repo.git(&["rev-parse", branch])
    };
    commit("HEAD", "base", "base");
    repo.git(&["branch", "stable"]);
    let origin = commit("HEAD", "needle in hay", "hay");
    repo.git(&["checkout", "--quiet", "stable"]);
    commit("HEAD", "other", "other");
    repo.git(&["cherry-pick", "-x", &origin]);
    let pick = repo.git(&["rev-parse", "HEAD"]);
    let output = bhfuil(&repo).args(["where", "--format=jsonl", "needle hay"]).output().expect("git-bhfuil runs");
    let events = events(&output);
    let commits = support::commit_ids(&events);
    let matched: BTreeSet<&str> = of_type(&events, "match").iter().filter_map(|found| found["id"].as_str()).collect();
    assert_eq!((commits, matched), (vec![origin.clone()], BTreeSet::from([origin.as_str(), pick.as_str()])));
}

#[test]
fn processes_that_index_at_once_find_the_same() {
    let commits = with_messages(dag::random(7, 9000, 2, 8), 8);
    let (repo, _) = dag::repository(&commits, &[("refs/heads/main", 8999)]);
    // The graph first, so that all begin with the words.
    bhfuil(&repo).args(["where", "--format=jsonl", "--signals=same", "HEAD"]).output().expect("git-bhfuil runs");
    let expected = brute_force(&messages(&repo), "fix leak");
    assert!(expected.len() > 20);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| hits(&repo, &["fix leak"]).remove(0))).collect();
        for told in asked {
            assert_eq!(told.join().expect("it runs"), expected);
        }
    });
    assert_eq!(hits(&repo, &["fix leak"]), [expected]);
}

#[test]
fn a_damaged_index_is_set_aside_and_the_answer_is_right() {
    let commits = with_messages(dag::random(9, 300, 2, 8), 10);
    let (repo, _) = dag::repository(&commits, &[("refs/heads/main", 299)]);
    let expected = hits(&repo, &["fix leak"]);
    assert!(expected[0].len() > 3);
    let cache =
        std::fs::read_dir(repo.home().join("bhfuil")).expect("the caches").map(|entry| entry.expect("a file").path());
    let cache = cache.into_iter().find(|path| {
        let is_state = path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("state"));
        path.extension().is_some_and(|end| end == "db") && !is_state
    });
    let database = rusqlite::Connection::open(cache.expect("the cache")).expect("opens");
    let changed = database.execute("UPDATE word_data SET block = x'00ff00ff' WHERE id > 10", []).expect("writes");
    assert!(changed > 0);
    drop(database);
    let output = ask(&repo, &["fix leak"], &[]);
    let events = events(&output);
    let told: Vec<&str> = of_type(&events, "match").iter().filter_map(|found| found["id"].as_str()).collect();
    assert_eq!(told, expected[0]);
    assert_eq!(of_type(&events, "warning")[0]["code"], "cache-rebuilt");
    assert_eq!(hits(&repo, &["fix leak"]), expected, "the next run begins a new one");
}
