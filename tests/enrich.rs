//! `enrich`: what trackers on loopback say of issues, that the stream passes untouched whatever they do, and that no secret shows.

#[path = "support/census.rs"]
mod census;
mod support;
#[path = "support/web.rs"]
mod web;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};
use support::dag::{Commit, repository};
use support::{Repo, bhfuil, bhfuil_command, events, of_type};
use web::{Asked, Reply, Web};

fn fixture(name: &str) -> Reply {
    let path = format!("{}/fixtures/trackers/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Reply::json(&std::fs::read_to_string(path).expect("a fixture")).with("ETag", &format!("\"{name}\""))
}

/// Settings as `git -c` has them, for a command line of `git-bhfuil` that is no child of git.
fn set(repo: &Repo, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        repo.git(&["config", "--add", key, value]);
    }
}

/// Trackers of every kind at `web`.
fn set_all(repo: &Repo, web: &Web) {
    let url = web.url();
    let project = format!("{url}/owner/repo");
    set(
        repo,
        &[
            ("bhfuil.tracker.hub.type", "github"),
            ("bhfuil.tracker.hub.url", &project),
            ("bhfuil.tracker.vuln.type", "osv"),
            ("bhfuil.tracker.vuln.url", &url),
            ("bhfuil.tracker.pad.type", "launchpad"),
            ("bhfuil.tracker.pad.url", &url),
            ("bhfuil.tracker.zilla.type", "bugzilla"),
            ("bhfuil.tracker.zilla.url", &url),
            ("bhfuil.tracker.j.type", "jira"),
            ("bhfuil.tracker.j.url", &url),
            ("bhfuil.jiraProject", "PROJ"),
            ("bhfuil.tracker.review.type", "gerrit"),
            ("bhfuil.tracker.review.url", &url),
            ("bhfuil.http.rate", "1000"),
            ("bhfuil.retry.http.firstWait", "1ms"),
            ("bhfuil.retry.http.longestWait", "1ms"),
        ],
    );
}

/// What they all say.
fn answers(asked: &Asked) -> Reply {
    if !asked.header("if-none-match").is_empty() {
        return Reply::status(304);
    }
    match asked.target.split('?').next().unwrap_or_default() {
        "/api/v3/repos/owner/repo/issues/12" => fixture("github-issue"),
        "/api/v3/repos/owner/repo/issues/13" => fixture("github-pull"),
        "/api/v3/advisories/GHSA-abcd-1234-wxyz" => fixture("github-advisory"),
        "/v1/vulns/CVE-2024-1234" => fixture("osv-vulnerability"),
        "/1.0/bugs/1837877/bug_tasks" => fixture("launchpad-bug-tasks"),
        "/rest/bug/35" => fixture("bugzilla-bug"),
        "/rest/api/2/issue/PROJ-12" => fixture("jira-issue"),
        "/changes/" => fixture("gerrit-changes"),
        _ => Reply::status(404),
    }
}

const CHANGE: &str = "I0123456789012345678901234567890123456789";

/// Two commits that name issues, and one that names none.
fn furnished() -> Repo {
    let commits = [
        Commit::new(&[], 1_700_000_000).message("Say nothing\n"),
        Commit::new(&[0], 1_700_000_001)
            .message(&format!("Fix CVE-2024-1234 (#12)\n\nCloses-Bug: #1837877\nChange-Id: {CHANGE}\n")),
        Commit::new(&[1], 1_700_000_002).message("Fix it again (#12)\n\nSee PROJ-12 and CVE-2024-1234.\n"),
    ];
    repository(&commits, &[("refs/heads/main", 2)]).0
}

fn run(repo: &Repo, args: &[&str], stdin: &[u8]) -> Output {
    bhfuil(repo).args(args).write_stdin(stdin).output().expect("it runs")
}

fn scanned(repo: &Repo) -> Vec<u8> {
    let output = run(repo, &["scan"], b"");
    assert!(output.status.success());
    output.stdout
}

/// Tracker, key, state and title of each `issue`, sorted.
fn issues(events: &[Value]) -> Vec<(String, String, String, String)> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or("null").to_owned();
    let mut all: Vec<_> = of_type(events, "issue")
        .into_iter()
        .map(|event| (text(event, "tracker"), text(event, "key"), text(event, "state"), text(event, "title")))
        .collect();
    all.sort();
    all
}

fn told(tracker: &str, key: &str, state: &str, title: &str) -> (String, String, String, String) {
    (tracker.into(), key.into(), state.into(), title.into())
}

/// The lines of a stream without its first and last and without what `enrich` adds.
fn passed(stream: &[u8]) -> Vec<&[u8]> {
    let lines = stream.split_inclusive(|byte| *byte == b'\n');
    let is_frame = |line: &&[u8]| {
        [&b"begin"[..], b"end", b"issue", b"warning"]
            .iter()
            .any(|kind| line.starts_with(&[b"{\"type\":\"", *kind, b"\""].concat()))
    };
    lines.filter(|line| !is_frame(line)).collect()
}

#[test]
fn issues_that_are_typed_are_told_with_state_and_title() {
    let web = Web::start(|asked, _| answers(asked));
    let repo = Repo::new();
    set_all(&repo, &web);
    let zilla = format!("{}/show_bug.cgi?id=35", web.url());
    let typed =
        ["CVE-2024-1234", "#12", "owner/repo#13", "GHSA-abcd-1234-wxyz", "LP: #1837877", &zilla, "PROJ-12", CHANGE];
    let output = run(&repo, &[&["enrich"], &typed[..]].concat(), b"");
    let events = events(&output);
    let host = web.host();
    let mut expected = [
        told("osv", "CVE-2024-1234", "published", "A list is read beyond its end"),
        told("github", &format!("{host}/owner/repo#12"), "closed", "Crash when the list is empty"),
        told("github", &format!("{host}/owner/repo#13"), "merged", "net: don't follow an empty list"),
        told("github", &format!("{host}/GHSA-abcd-1234-wxyz"), "published", "Reads beyond the end of a list"),
        told("launchpad", "1837877", "Fix Released", "Error message says \"too much\""),
        told("bugzilla", &format!("{host}#35"), "RESOLVED FIXED", "Wrong answer on the second call"),
        told("jira", "PROJ-12", "In Review", "The queue grows for ever"),
        told("gerrit", CHANGE, "MERGED", "Say less to strangers"),
    ];
    expected.sort();
    assert_eq!(issues(&events), expected);
    let end = &events[events.len() - 1];
    assert_eq!((&end["status"], &end["exit_code"], &end["counts"]), (&json!("ok"), &json!(0), &json!({"issue": 8})));
    let people = run(&repo, &["enrich", "--format=human", "#12"], b"");
    let text = String::from_utf8_lossy(&people.stdout);
    assert_eq!(
        text,
        format!(
            "github {host}/owner/repo#12 [closed] Crash when the list is empty\n    https://github.com/owner/repo/issues/12\n"
        )
    );
}

#[test]
fn the_stream_passes_unchanged_and_each_issue_is_asked_for_once() {
    let web = Web::start(|asked, _| answers(asked));
    let repo = furnished();
    set_all(&repo, &web);
    let stream = scanned(&repo);
    let output = run(&repo, &["enrich"], &stream);
    let first = events(&output);
    assert_eq!(passed(&output.stdout), passed(&stream), "every line, byte for byte and in order");
    let host = web.host();
    assert_eq!(
        issues(&first),
        [
            told("gerrit", CHANGE, "MERGED", "Say less to strangers"),
            told("github", &format!("{host}/owner/repo#12"), "closed", "Crash when the list is empty"),
            told("jira", "PROJ-12", "In Review", "The queue grows for ever"),
            told("launchpad", "1837877", "Fix Released", "Error message says \"too much\""),
            told("osv", "CVE-2024-1234", "published", "A list is read beyond its end"),
        ]
    );
    assert_eq!(web.requests(), 5);
    let end = &first[first.len() - 1];
    assert_eq!((&end["status"], &end["complete"], &end["counts"]["commit"]), (&json!("ok"), &json!(true), &json!(3)));
    let upstream: Value =
        serde_json::from_slice(stream.split(|byte| *byte == b'\n').rev().nth(1).expect("end")).expect("JSON");
    assert_eq!(end["cursor"], upstream["cursor"], "it is complete, and may be gone on from");
    let by_number =
        of_type(&first, "issue").into_iter().find(|issue| issue["tracker"] == "github").expect("it is told");
    assert_eq!(
        (&by_number["repo"], &by_number["reference"]),
        (&json!("repo"), &json!({"kind": "number", "key": "12"}))
    );
    assert_eq!((&by_number["cached"], &by_number["stale"]), (&json!(false), &json!(false)));

    // Fresh for an hour, and then asked about.
    let again = events(&run(&repo, &["enrich"], &stream));
    assert_eq!((issues(&again), web.requests()), (issues(&first), 5));
    assert!(of_type(&again, "issue").iter().all(|issue| issue["cached"] == true));
    set(&repo, &[("bhfuil.http.ttl", "1ms")]);
    let later = events(&run(&repo, &["enrich"], &stream));
    assert_eq!(issues(&later), issues(&first));
    let asked = web.asked();
    assert_eq!(asked.len(), 10);
    assert!(asked[5..].iter().all(|asked| !asked.header("if-none-match").is_empty()), "revalidations alone");

    // Without a network what is kept is told, as stale.
    let offline = events(&run(&repo, &["enrich", "--offline"], &stream));
    assert_eq!((issues(&offline), web.requests()), (issues(&first), 10));
    assert!(of_type(&offline, "issue").iter().all(|issue| issue["stale"] == true));
    assert_eq!(of_type(&offline, "warning").len(), 0);
    // A second time in a row nothing is told twice.
    let twice = run(&repo, &["enrich"], &output.stdout);
    assert_eq!(passed(&twice.stdout), passed(&stream));
}

#[test]
fn a_stream_that_is_cut_off_or_failed_makes_ours_partial() {
    let web = Web::start(|asked, _| answers(asked));
    let repo = furnished();
    set_all(&repo, &web);
    let stream = scanned(&repo);
    let without_end = stream.len() - stream.split_inclusive(|byte| *byte == b'\n').next_back().expect("end").len();
    for (input, said) in [
        (stream[..without_end].to_vec(), "the stream on standard input has no `end`: it was cut off"),
        (stream[..without_end - 20].to_vec(), "the stream on standard input has no `end`: it was cut off"),
        (
            String::from_utf8_lossy(&stream)
                .replace("\"status\":\"ok\",\"complete\":true", "\"status\":\"partial\",\"complete\":false")
                .into_bytes(),
            "the run whose stream is on standard input has ended as partial",
        ),
        (
            [b"{\"type\":\"commit\"\n", &stream[..]].concat(),
            "a line on standard input begins as an event and is none: {\"type\":\"commit\"",
        ),
    ] {
        let output = run(&repo, &["enrich"], &input);
        let last: Value = serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').rev().nth(1).expect("end"))
            .expect("JSON");
        assert_eq!(
            (output.status.code(), &last["status"], &last["complete"]),
            (Some(3), &json!("partial"), &json!(false)),
            "{said}"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let error = text.lines().find(|line| line.starts_with("{\"type\":\"error\"")).expect("an error");
        let error: Value = serde_json::from_str(error).expect("JSON");
        assert_eq!(error["message"], said);
    }
    let nothing = run(&repo, &["enrich"], b"");
    assert_eq!((nothing.status.code(), events(&nothing).len()), (Some(0), 2));
}

#[test]
fn whatever_a_server_does_is_one_warning_and_the_stream_goes_on() {
    let commits: Vec<Commit> = (0..5)
        .map(|number| {
            let parents: Vec<usize> = (number > 0).then(|| number - 1).into_iter().collect();
            Commit::new(&parents, 1_700_000_000 + i64::try_from(number).expect("few"))
                .message(&format!("Fix CVE-2024-100{number}\n"))
        })
        .collect();
    let repo = repository(&commits, &[("refs/heads/main", 4)]).0;
    let stream = scanned(&repo);
    let location = |to: &str| Reply::status(302).with("Location", to);
    let cases: Vec<(&str, Reply, &str)> = vec![
        ("bad request", Reply::status(400), "remote"),
        ("unauthorised", Reply::status(401), "authentication"),
        ("forbidden", Reply::status(403), "authentication"),
        ("not found", Reply::status(404), "remote-not-found"),
        ("rate limit", Reply::status(429).with("Retry-After", "3600"), "rate-limited"),
        (
            "github's rate limit",
            Reply::status(403).with("X-RateLimit-Remaining", "0").with("X-RateLimit-Reset", "99999999999"),
            "rate-limited",
        ),
        ("server error", Reply::status(500), "network"),
        ("malformed", Reply::json("{\"summary\": "), "bad-answer"),
        ("enormous", Reply::json(&"[".repeat(9 << 20)), "bad-answer"),
        ("deep", Reply::json(&"[".repeat(1 << 20)), "bad-answer"),
        ("a page", Reply::json("<!DOCTYPE html><title>Sign in</title>"), "bad-answer"),
        ("other JSON", Reply::json("{\"hello\": 1}"), "bad-answer"),
        ("a loop", location("/v1/vulns/CVE-2024-1000"), "remote"),
        ("elsewhere", location("https://evil.example/"), "remote"),
        ("never ends", Reply::Endless, "bad-answer"),
        ("breaks", Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec()), "network"),
        ("nonsense", Reply::Raw(b"\x16\x03\x01 what?\r\n\r\n".to_vec()), "network"),
        ("silent", Reply::Silence, "timeout"),
    ];
    for (what, reply, code) in cases {
        let web = Web::start(move |_, _| reply.clone());
        let home = Repo::new();
        set_all(&home, &web);
        set(&home, &[("bhfuil.http.firstByteTimeout", "300ms"), ("bhfuil.http.breakerThreshold", "1000")]);
        // The repository of the stream has no settings: what holds where one stands is what counts.
        let text = String::from_utf8_lossy(&stream)
            .lines()
            .filter(|line| !line.starts_with("{\"type\":\"repo\""))
            .fold(String::new(), |text, line| text + line + "\n");
        let output = run(&home, &["enrich"], text.as_bytes());
        let all = events(&output);
        assert_eq!(passed(&output.stdout), passed(text.as_bytes()), "{what}");
        let warnings = of_type(&all, "warning");
        assert_eq!(
            warnings.iter().map(|it| it["code"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
            [code],
            "{what}: {warnings:?}"
        );
        assert_eq!(warnings[0]["count"], 5, "{what}");
        assert!(warnings[0]["message"].as_str().is_some_and(|text| text.contains(&web.host())), "{what}: {warnings:?}");
        assert!(
            issues(&all).iter().all(|(_, _, state, title)| (state.as_str(), title.as_str()) == ("null", "null")),
            "{what}"
        );
        assert_eq!(
            (output.status.code(), of_type(&all, "issue").len(), &all[all.len() - 1]["status"]),
            (Some(0), 5, &json!("ok")),
            "{what}"
        );
        let strict = run(&home, &["enrich", "--strict", "CVE-2024-1000"], b"");
        assert_eq!((strict.status.code(), &events(&strict)[2]["code"]), (Some(3), &json!(code)), "{what}");
    }
}

#[test]
fn a_server_that_is_down_leaves_what_is_kept() {
    let repo = furnished();
    let stream = scanned(&repo);
    let first = {
        let web = Web::start(|asked, _| answers(asked));
        set_all(&repo, &web);
        let first = events(&run(&repo, &["enrich"], &stream));
        assert_eq!(of_type(&first, "warning").len(), 0);
        first
    };
    set(&repo, &[("bhfuil.http.ttl", "1ms")]);
    let output = run(&repo, &["enrich"], &stream);
    let later = events(&output);
    assert_eq!((issues(&later), output.status.code()), (issues(&first), Some(0)));
    assert!(of_type(&later, "issue").iter().all(|issue| issue["stale"] == true));
    let warnings = of_type(&later, "warning");
    assert!(!warnings.is_empty());
    for warning in warnings {
        assert!(["network", "left-alone"].contains(&warning["code"].as_str().unwrap_or_default()), "{warning}");
        assert!(warning["message"].as_str().is_some_and(|text| text.contains("can't be reached")), "{warning}");
    }
    // Five requests of four tries each have failed: it is left alone, and status says so.
    let status = run(&repo, &["status", "--format=jsonl"], b"");
    let health = events(&status);
    let servers = of_type(&health, "health").into_iter().find(|check| check["check"] == "servers").expect("a check");
    assert!(servers["message"].as_str().is_some_and(|text| text.contains("open")), "{servers}");
}

#[test]
fn no_secret_is_written_anywhere() {
    for source in ["env:TRACKER_TOKEN", "git"] {
        let web = Web::start(|asked, _| match asked.target.as_str() {
            "/v1/vulns/CVE-2024-1234" => answers(asked),
            "/v1/vulns/CVE-2024-2222" => Reply::status(401),
            "/v1/vulns/CVE-2024-3333" => Reply::status(302).with("Location", "https://evil.example/"),
            "/v1/vulns/CVE-2024-4444" => Reply::status(500),
            // It gives back what it was sent.
            _ => Reply::json(&format!(
                "{{\"id\":\"CVE-2024-5555\",\"echo\":\"{}\"}}",
                asked.header("authorization").replace("hunter2", "")
            )),
        });
        let repo = furnished();
        set_all(&repo, &web);
        let helper = "!f() { echo \"$1\" >>\"$HOME/verbs\"; cat >>\"$HOME/told\"; echo username=me; echo password=hunter2-xyzzy; }; f";
        set(&repo, &[("bhfuil.tracker.vuln.credential", source), ("credential.helper", helper)]);
        let log = repo.home().join("log");
        let typed = ["CVE-2024-1234", "CVE-2024-2222", "CVE-2024-3333", "CVE-2024-4444", "CVE-2024-5555"];
        let mut command = bhfuil(&repo);
        command
            .args([&["enrich"], &typed[..]].concat())
            .env("TRACKER_TOKEN", "hunter2-xyzzy")
            .env("GIT_BHFUIL_LOG", &log);
        let output = command.output().expect("it runs");
        let all = events(&output);
        assert_eq!(of_type(&all, "issue").len(), 5, "{all:?}");
        assert!(web.asked().iter().all(|asked| asked.header("authorization") == "Bearer hunter2-xyzzy"), "it was sent");
        let mut written = vec![output.stdout, output.stderr, std::fs::read(&log).expect("a log")];
        gather(&repo.home().join("bhfuil"), &mut written);
        assert!(written.len() > 4, "the cache is among them");
        for bytes in &written {
            assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", String::from_utf8_lossy(bytes));
        }
        if source == "git" {
            let verbs = std::fs::read_to_string(repo.home().join("verbs")).expect("it was asked");
            assert_eq!(verbs.lines().filter(|verb| *verb == "get").count(), 1, "once for all: {verbs}");
        }
    }
}

fn gather(folder: &Path, written: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            gather(&entry.path(), written);
        } else {
            written.push(std::fs::read(entry.path()).expect("a file"));
        }
    }
}

/// A stream of `count` commits that name `distinct` issues of GitHub among them, in the shape that scan has.
fn synthetic(count: usize, distinct: usize) -> String {
    let people = r#"{"name":"A","email":"a@example.com","date":"2024-01-01T00:00:00Z"}"#;
    let lines = (0..count).map(|number| {
        let issue = number % distinct + 1;
        format!(
            r#"{{"type":"commit","repo":"x","id":"{number:040}","parents":[],"tree":"{number:040}","subject":"s","body":"","author":{people},"committer":{people},"trailers":[],"issues":[{{"kind":"github","key":"owner/repo#{issue}"}}],"origins":[],"reverts":[],"relands":[],"fixes":[],"requests":[]}}"#
        )
    });
    let begin = r#"{"type":"begin","schema":1,"version":"0.1.0","command":"scan"}"#.to_owned();
    let end = r#"{"type":"end","status":"ok","complete":true,"exit_code":0,"counts":{},"elapsed_ms":1}"#.to_owned();
    std::iter::once(begin).chain(lines).chain([end]).fold(String::new(), |text, line| text + &line + "\n")
}

/// GitHub's answer to a question of GraphQL: every issue has the title `t`.
fn graphql(asked: &Asked) -> Reply {
    let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
    let query = body["query"].as_str().expect("a query");
    let parts = query.matches("issueOrPullRequest").count();
    let data: serde_json::Map<String, Value> = (0..parts)
        .map(|at| (format!("i{at}"), json!({"issueOrPullRequest": {"number": at, "title": "t", "state": "OPEN", "url": "https://example.com/"}})))
        .collect();
    Reply::json(&json!({"data": data}).to_string())
}

#[test]
fn ten_thousand_references_to_a_thousand_issues_make_a_thousand_requests_and_far_fewer_at_once() {
    let stream = synthetic(10_000, 1000);
    let one_by_one = |asked: &Asked| match asked.header("if-none-match") {
        "" => Reply::json("{\"title\":\"t\",\"state\":\"open\"}").with("ETag", "\"e\""),
        _ => Reply::status(304),
    };
    let web = Web::start(move |asked, _| if asked.method == "POST" { graphql(asked) } else { one_by_one(asked) });
    let repo = Repo::new();
    set_all(&repo, &web);
    set(&repo, &[("bhfuil.http.rate", "100000"), ("bhfuil.http.ttl", "1ms")]);
    let count = |output: &Output, word: &str| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.starts_with(&format!("{{\"type\":\"{word}\""))).count()
    };
    let first = run(&repo, &["enrich"], stream.as_bytes());
    assert_eq!((count(&first, "commit"), count(&first, "issue"), web.requests()), (10_000, 1000, 1000));
    let second = run(&repo, &["enrich"], stream.as_bytes());
    let asked = web.asked();
    assert_eq!((count(&second, "issue"), asked.len()), (1000, 2000));
    assert!(asked[1000..].iter().all(|asked| asked.header("if-none-match") == "\"e\""), "revalidations alone");
    // With a login they are asked for together.
    set(&repo, &[("bhfuil.tracker.hub.credential", "env:TRACKER_TOKEN")]);
    let mut command = bhfuil(&repo);
    let together =
        command.arg("enrich").env("TRACKER_TOKEN", "x").write_stdin(stream.as_bytes()).output().expect("it runs");
    let (requests, told) = (web.requests() - 2000, count(&together, "issue"));
    assert_eq!(told, 1000);
    assert!(requests < 100, "{requests}");
    let open =
        String::from_utf8_lossy(&together.stdout).lines().filter(|line| line.contains("\"state\":\"open\"")).count();
    assert_eq!(open, 1000);
}

/// GitHub's answer where the first issue is there, the second isn't, and the third can't be told, asked for alone or together.
fn one_fails(asked: &Asked) -> Reply {
    let issue = json!({"title": "t", "state": "OPEN"});
    if asked.method != "POST" {
        return match asked.target.rsplit('/').next() {
            Some("1") => Reply::json(&issue.to_string()),
            Some("2") => Reply::status(404),
            _ => Reply::json("{}"),
        };
    }
    let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
    let numbers = body["query"].as_str().expect("a query").split("(number: ").skip(1);
    let (mut data, mut errors) = (json!({}), Vec::new());
    for (at, number) in numbers.enumerate() {
        let alias = format!("i{at}");
        let (part, error) = match &number[..1] {
            "1" => (json!({"issueOrPullRequest": issue}), None),
            "2" => (Value::Null, Some("NOT_FOUND")),
            _ => (Value::Null, Some("SERVICE_UNAVAILABLE")),
        };
        errors.extend(error.map(|kind| json!({"type": kind, "path": [alias]})));
        data[alias] = part;
    }
    Reply::json(&json!({"data": data, "errors": errors}).to_string())
}

#[test]
fn what_fails_of_one_issue_among_many_is_asked_for_again_and_the_others_are_told() {
    let web = Web::start(|asked, _| one_fails(asked));
    let repo = Repo::new();
    set_all(&repo, &web);
    set(&repo, &[("bhfuil.tracker.hub.credential", "env:TRACKER_TOKEN")]);
    let enrich = || {
        let mut command = bhfuil(&repo);
        let command = command.arg("enrich").env("TRACKER_TOKEN", "x").write_stdin(synthetic(3, 3));
        events(&command.output().expect("it runs"))
    };
    let first = enrich();
    let titles: Vec<String> = issues(&first).into_iter().map(|(_, _, _, title)| title).collect();
    let mut codes: Vec<_> = of_type(&first, "warning").iter().filter_map(|it| it["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(titles.iter().filter(|title| *title == "t").count(), 1, "{titles:?}");
    assert_eq!(codes, ["bad-answer", "remote-not-found"]);
    let before = web.requests();
    enrich();
    let again: Vec<_> = web.asked().into_iter().skip(before).map(|asked| asked.target.clone()).collect();
    assert!(matches!(&again[..], [path] if path.ends_with("/issues/3")), "{again:?}");
}

fn start(repo: &Repo, args: &[&str], stdin: &[u8]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = bhfuil_command(repo, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let stdin = stdin.to_vec();
    std::thread::spawn(move || pipe.write_all(&stdin));
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, stdout)
}

#[test]
fn two_hundred_servers_that_keep_silent_hold_up_no_line_and_an_interrupt_ends_it() {
    // All of 127.0.0.0/8 is this machine, so that one listener is many servers.
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    let web = Web::on(listener, |_, _| Reply::Silence);
    let repo = Repo::new();
    let stream = {
        let text = synthetic(2000, 2000);
        let mut number = 0;
        let renamed = text.lines().map(|line| {
            number += 1;
            let server = format!("127.0.{}.{}:{port}", number % 2, number % 100 + 1);
            line.replace(
                "\"kind\":\"github\",\"key\":\"owner/repo#",
                &format!("\"kind\":\"bugzilla\",\"key\":\"{server}#"),
            ) + "\n"
        });
        renamed.collect::<String>()
    };
    let (mut child, mut stdout) = start(&repo, &["enrich"], stream.as_bytes());
    let mut passed = 0;
    let mut line = String::new();
    // Not one server has answered when the last line is here.
    while passed < 2000 {
        line.clear();
        assert!(stdout.read_line(&mut line).expect("reads") > 0, "{passed}");
        assert!(!line.starts_with("{\"type\":\"issue\""), "{line}");
        passed += usize::from(line.starts_with("{\"type\":\"commit\""));
    }
    assert!(census::wait_until(|| web.connections() > 50), "they are asked, all at a time");
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("an id");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it lives");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).expect("reads");
    let last: Value = serde_json::from_str(rest.lines().last().expect("an end")).expect("JSON");
    assert_eq!((&last["type"], &last["status"], &last["exit_code"]), (&json!("end"), &json!("cancelled"), &json!(130)));
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(census::wait_until(|| web.closed() == web.connections()), "no socket is left");
}

#[test]
fn a_line_is_passed_on_before_the_next_comes() {
    let web = Web::start(|_, _| Reply::Held(Box::new(Reply::status(404))));
    let repo = Repo::new();
    set_all(&repo, &web);
    let text = synthetic(2, 2);
    let lines: Vec<&str> = text.lines().collect();
    let mut command = bhfuil_command(&repo, &["enrich"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let (mut stdin, mut stdout) =
        (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")));
    let mut next = || {
        let mut line = String::new();
        stdout.read_line(&mut line).expect("reads");
        line.trim_end().to_owned()
    };
    assert!(next().starts_with("{\"type\":\"begin\""));
    for line in &lines[..3] {
        stdin.write_all(format!("{line}\n").as_bytes()).expect("writes");
        if line.starts_with("{\"type\":\"commit\"") {
            assert_eq!(next(), *line, "as it is, while its issue is being asked for");
        }
    }
    drop(stdin);
    web.release();
    while !next().is_empty() {}
    assert_eq!(child.wait().expect("it ends").code(), Some(3), "the stream has no end");
}

#[test]
fn requests_go_by_the_proxy_of_the_environment() {
    let proxy = Web::start(|asked, _| match asked.target.as_str() {
        "http://osv.example/v1/vulns/CVE-2024-1234" => fixture("osv-vulnerability"),
        target => panic!("{target}"),
    });
    let repo = Repo::new();
    set(&repo, &[("bhfuil.tracker.vuln.type", "osv"), ("bhfuil.tracker.vuln.url", "http://osv.example")]);
    let output =
        bhfuil(&repo).args(["enrich", "CVE-2024-1234"]).env("http_proxy", proxy.url()).output().expect("it runs");
    assert_eq!(issues(&events(&output)), [told("osv", "CVE-2024-1234", "published", "A list is read beyond its end")]);
    assert_eq!(proxy.requests(), 1);
}

#[test]
fn what_names_nothing_known_is_said_and_nothing_is_asked() {
    let repo = Repo::new();
    let output = run(&repo, &["enrich", "bug 12", "some words"], b"");
    let all = events(&output);
    assert_eq!(of_type(&all, "error").iter().map(|it| &it["query"]).collect::<Vec<_>>(), ["bug 12", "some words"]);
    assert_eq!(output.status.code(), Some(3));
    let commits = [Commit::new(&[], 1_700_000_000).message("Fix (#12), bug 13\n")];
    let repo = repository(&commits, &[("refs/heads/main", 0)]).0;
    let output = run(&repo, &["enrich"], &scanned(&repo));
    let all = events(&output);
    let warning = of_type(&all, "warning")[0];
    assert_eq!(
        (&warning["code"], &warning["message"], &warning["count"]),
        (&json!("no-tracker"), &json!("no tracker is known of number 12, bug 13"), &json!(2))
    );
    assert_eq!((output.status.code(), of_type(&all, "issue").len()), (Some(0), 0));
}

#[test]
fn scan_and_where_tell_the_issues_after_their_own_answer() {
    let web = Web::start(|asked, _| answers(asked));
    let repo = furnished();
    set_all(&repo, &web);
    let host = web.host();
    let number = told("github", &format!("{host}/owner/repo#12"), "closed", "Crash when the list is empty");
    let vulnerability = told("osv", "CVE-2024-1234", "published", "A list is read beyond its end");
    let places = |events: &[Value], kind: &str| -> Vec<usize> {
        events.iter().enumerate().filter(|(_, event)| event["type"] == kind).map(|(at, _)| at).collect()
    };
    let output = run(&repo, &["where", "CVE-2024-1234", "--issues"], b"");
    let all = events(&output);
    assert!(issues(&all).contains(&vulnerability) && issues(&all).contains(&number), "{:?}", issues(&all));
    assert!(places(&all, "repo-end").iter().max() < places(&all, "issue").iter().min());
    let plain = run(&repo, &["where", "CVE-2024-1234"], b"");
    let without: Vec<&Value> = all
        .iter()
        .filter(|event| !["issue", "begin", "end"].contains(&event["type"].as_str().unwrap_or_default()))
        .collect();
    let local = events(&plain);
    let local: Vec<&Value> =
        local.iter().filter(|event| !["begin", "end"].contains(&event["type"].as_str().unwrap_or_default())).collect();
    let timeless = |events: &[&Value]| -> Vec<Value> {
        events
            .iter()
            .map(|event| {
                let mut event = (*event).clone();
                if let Some(fields) = event.as_object_mut() {
                    fields.remove("index");
                    fields.remove("new");
                }
                event
            })
            .collect()
    };
    assert_eq!(timeless(&without), timeless(&local), "the answer is the same");
    assert_eq!(output.status.code(), Some(0));

    let scanned = run(&repo, &["scan", "--issues"], b"");
    let scanned = events(&scanned);
    assert_eq!(issues(&scanned).len(), 5, "{:?}", issues(&scanned));
    let sister = repo.path().display().to_string();
    let elsewhere = Repo::new();
    let several = bhfuil(&elsewhere).args(["scan", "--issues", "--repo", &sister]).output().expect("it runs");
    let several = events(&several);
    assert!(issues(&several).contains(&number), "its own settings count: {:?}", issues(&several));
    // A server that is down changes nothing of the answer, nor of the exit code.
    drop(web);
    set(&repo, &[("bhfuil.http.ttl", "1ms")]);
    let output = run(&repo, &["where", "CVE-2024-1234", "--issues"], b"");
    assert_eq!(
        (output.status.code(), of_type(&events(&output), "presence").len()),
        (Some(0), of_type(&all, "presence").len())
    );
}

#[test]
fn a_task_fetches_ahead_and_where_then_tells_titles_and_dates_without_a_request() {
    let web = Web::start(|asked, _| match asked.target.split('?').next().unwrap_or_default() {
        "/api/v3/repos/owner/repo/releases" => fixture("github-releases"),
        "/api/v3/repos/owner/repo" => fixture("github-repository"),
        "/v1/vulns/CVE-2024-1234" => Reply::status(500),
        _ => answers(asked),
    });
    let repo = furnished();
    set_all(&repo, &web);
    repo.git(&["tag", "v1.1", "main"]);
    let started = run(&repo, &["task", "start", "prefetch"], b"");
    let id = of_type(&events(&started), "task")[0]["id"].as_str().expect("an id").to_owned();
    let waited = run(&repo, &["task", "wait", "--timeout=60s", &id], b"");
    let waited = events(&waited);
    let task = of_type(&waited, "task")[0];
    assert_eq!((&task["kind"], &task["state"]), (&json!("prefetch"), &json!("completed")), "{task}");
    let detail = task["detail"].as_str().expect("a result");
    let host = web.host();
    assert_eq!(
        detail,
        format!(
            "1 projects, 2 releases, 1 contributors and 4 issues; failed: tried 4 times: {host} has answered with status 500"
        )
    );
    let log = std::fs::read_to_string(task["log"].as_str().expect("a log")).expect("a log");
    let logged: Vec<Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut project = of_type(&logged, "metadata")[0].clone();
    assert!(project.as_object_mut().and_then(|fields| fields.remove("fetched_at")).is_some_and(|at| at.is_string()));
    assert_eq!(
        project,
        json!({
            "type": "metadata", "repo": "repo", "tracker": "github", "key": "owner/repo",
            "description": "Keeps lists in order", "default_branch": "main", "url": "https://github.com/owner/repo",
            "archived": false, "pushed_at": "2024-05-06T07:08:09Z",
        })
    );
    let person = of_type(&logged, "contributor")[0];
    let counted = repo.git(&["shortlog", "-sne", "main"]);
    assert_eq!(
        counted.trim(),
        format!(
            "{}\t{} <{}>",
            person["commits"],
            person["name"].as_str().unwrap_or_default(),
            person["email"].as_str().unwrap_or_default()
        )
    );
    let release = |event: &Value| (event["tag"].clone(), event["published_at"].clone());
    let releases: Vec<_> = of_type(&logged, "release").into_iter().map(release).collect();
    assert_eq!(releases, [(json!("v1.1"), json!("2024-04-02T00:00:00Z")), (json!("v1.0"), Value::Null)]);

    let before = web.requests();
    let answer = events(&run(&repo, &["where", "#12", "--issues"], b""));
    let told: Vec<_> = of_type(&answer, "release").into_iter().map(release).collect();
    assert_eq!(told, [(json!("v1.1"), json!("2024-04-02T00:00:00Z"))], "those of the answer alone");
    assert!(issues(&answer).iter().any(|(_, _, _, title)| title == "Crash when the list is empty"));
    let asked: Vec<String> = web.asked()[before..].iter().map(|asked| asked.target.clone()).collect();
    assert!(asked.iter().all(|target| target.starts_with("/v1/vulns/")), "none but of what failed: {asked:?}");
}

#[test]
fn what_a_pattern_finds_is_told_wherever_issues_are() {
    let web = Web::start(|asked, _| match asked.target.split('?').next().unwrap_or_default() {
        "/rest/api/2/issue/WORK-7" => {
            Reply::json(r#"{"key":"WORK-7","fields":{"summary":"It is slow","status":{"name":"Open"}}}"#)
        }
        _ => answers(asked),
    });
    let commits = [Commit::new(&[], 1_700_000_000).message("Be faster\n\nThat is WORK-7.\n")];
    let repo = repository(&commits, &[("refs/heads/main", 0)]).0;
    set_all(&repo, &web);
    set(&repo, &[("bhfuil.tracker.j.pattern", r"\bWORK-\d+\b")]);
    let work = told("jira", "WORK-7", "Open", "It is slow");
    let stream = scanned(&repo);
    for (args, stdin) in [
        (&["enrich"][..], &stream[..]),
        (&["enrich", "WORK-7"], b""),
        (&["scan", "--issues"], b""),
        (&["where", "main", "--issues"], b""),
        (&["where", "WORK-7", "--issues"], b""),
        (&["where", "--stdin", "--issues"], b"WORK-7\n"),
        (&["where", "--stdin", "--issues"], &stream[..]),
    ] {
        assert_eq!(issues(&events(&run(&repo, args, stdin))), std::slice::from_ref(&work), "{args:?}");
    }
    let started = run(&repo, &["task", "start", "prefetch"], b"");
    let id = of_type(&events(&started), "task")[0]["id"].as_str().expect("an id").to_owned();
    let waited = events(&run(&repo, &["task", "wait", "--timeout=60s", &id], b""));
    let detail = of_type(&waited, "task")[0]["detail"].as_str().expect("a result").to_owned();
    assert!(detail.contains(" 1 issues"), "{detail}");
}

#[test]
fn what_is_looked_for_is_asked_about_in_the_repositories_that_are_asked() {
    let web = Web::start(|asked, _| answers(asked));
    let commits = [Commit::new(&[], 1_700_000_000).message("Say nothing\n")];
    let repo = repository(&commits, &[("refs/heads/main", 0)]).0;
    set_all(&repo, &web);
    let number = told("github", &format!("{}/owner/repo#12", web.host()), "closed", "Crash when the list is empty");
    let vulnerability = told("osv", "CVE-2024-1234", "published", "A list is read beyond its end");
    let both = [number.clone(), vulnerability];
    let typed = run(&repo, &["where", "CVE-2024-1234", "#12", "--issues"], b"");
    assert_eq!(issues(&events(&typed)), both);
    let read = run(&repo, &["where", "--stdin", "--issues"], b"CVE-2024-1234\nmain\n#12\n#12\n");
    assert_eq!(issues(&events(&read)), both);
    // A number is one of the repository that is asked, and not of the one where one stands.
    let elsewhere = Repo::new();
    set(
        &elsewhere,
        &[("bhfuil.tracker.hub.type", "github"), ("bhfuil.tracker.hub.url", &format!("{}/other/project", web.url()))],
    );
    let sister = repo.path().display().to_string();
    for (args, stdin) in [
        (&["where", "#12", "--issues", "--repo", &sister][..], &b""[..]),
        (&["where", "--stdin", "--issues", "--repo", &sister], b"#12\n"),
    ] {
        assert_eq!(issues(&events(&run(&elsewhere, args, stdin))), std::slice::from_ref(&number), "{args:?}");
    }
    assert!(web.asked().iter().all(|asked| !asked.target.contains("other/project")));
}

#[test]
fn however_many_issues_are_named_so_many_wait_and_the_others_are_counted() {
    use git_bhfuil::{enrich, report::Strand, shutdown::Token};

    const ROOM: usize = 50;
    const ALONE: &str = "GIT_BHFUIL_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // In a process that knows nothing of the user.
        let name = "however_many_issues_are_named_so_many_wait_and_the_others_are_counted";
        support::run_anew(&Repo::new(), name, |command| {
            command.env(ALONE, "1");
        });
        return;
    }
    // Nobody answers until the stream has passed.
    let web = Web::start(|_, _| Reply::Held(Box::new(Reply::status(404))));
    let repo = Repo::new();
    set_all(&repo, &web);
    let lines = (0..10 * ROOM).fold(String::new(), |lines, number| {
        let repeated = number % (9 * ROOM);
        lines
            + &format!("{{\"type\":\"commit\",\"issues\":[{{\"kind\":\"cve\",\"key\":\"CVE-2024-{repeated:07}\"}}]}}\n")
    });
    let lines = lines + "{\"type\":\"end\",\"status\":\"ok\",\"complete\":true}\n";
    let dir = repo.path().to_owned();
    let options = |strict| enrich::Options { dir: dir.clone(), strict, room: Some(ROOM), ..enrich::Options::default() };
    for strict in [false, true] {
        let (mut strand, token, before) = (Strand::mute(), Token::new(), web.requests());
        let input = smol::io::Cursor::new(lines.clone());
        smol::block_on(smol::future::zip(
            async { enrich::stream(input, options(strict), &mut strand, &token).await.expect("it ends") },
            async {
                while web.requests() == before {
                    smol::Timer::after(std::time::Duration::from_millis(1)).await;
                }
                web.release();
            },
        ));
        let counts = strand.counts();
        assert_eq!(counts["commit"], 10 * ROOM as u64, "the stream passes whole");
        // All of it came in one piece, before anybody could ask.
        assert_eq!((counts["issue"], counts["warning"]), (ROOM as u64, 2), "{counts:?}");
        assert_eq!(strand.is_partial(), strict);
    }
}

#[test]
fn a_label_that_was_brought_is_a_request_for_the_line_that_it_names() {
    let title = |number: usize, label: &str| json!({"number": number, "title": "t", "state": "OPEN", "url": "https://example.com/", "label": label});
    let labelled = [title(12, "backport-1.0"), title(13, "backport-2.0"), title(14, "bug")];
    for source in [None, Some("env:TRACKER_TOKEN"), Some("git")] {
        let labelled = labelled.clone();
        // One by one, or by GraphQL together.
        let web = Web::start(move |asked, _| {
            let issue = |issue: &Value| {
                let labels = match asked.method.as_str() {
                    "POST" => json!({"nodes": [{"name": issue["label"]}]}),
                    _ => json!([{"name": issue["label"]}]),
                };
                let mut issue = issue.clone();
                issue["labels"] = labels;
                issue
            };
            if asked.method == "POST" {
                let query = String::from_utf8_lossy(&asked.body).into_owned();
                let parts = query.split("number: ").skip(1).enumerate().map(|(at, rest)| {
                    let number: usize =
                        rest.split(')').next().and_then(|number| number.parse().ok()).expect("a number");
                    (format!("i{at}"), json!({"issueOrPullRequest": issue(&labelled[number - 12])}))
                });
                return Reply::json(&json!({"data": parts.collect::<serde_json::Map<_, _>>()}).to_string());
            }
            let number = asked.target.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
            number.map_or(Reply::status(404), |number| Reply::json(&issue(&labelled[number - 12]).to_string()))
        });
        let commits: Vec<Commit> = (0..4)
            .map(|number: usize| {
                let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
                let message = if number == 0 { "Root\n".into() } else { format!("Mend it (#{})\n", 11 + number) };
                Commit::new(&parents, 1_700_000_000 + i64::try_from(number).expect("few")).message(&message)
            })
            .collect();
        let (repo, ids) = repository(&commits, &[("refs/heads/main", 3), ("refs/heads/stable/1.0", 0)]);
        set_all(&repo, &web);
        set(&repo, &[("bhfuil.requestPattern", r"^backport-(\d\S*)$")]);
        if let Some(source) = source {
            let helper = "!f() { echo asked >>\"$HOME/asked\"; echo username=me; echo password=x; }; f";
            set(&repo, &[("bhfuil.tracker.hub.credential", source), ("credential.helper", helper)]);
        }
        let with_secret = |args: &[&str], stdin: &[u8]| {
            let mut command = bhfuil(&repo);
            command.args(args).env("TRACKER_TOKEN", "x").write_stdin(stdin).output().expect("it runs")
        };
        let requested = || {
            let output = with_secret(&["missing", "stable/1.0", "--from=main", "--requested"], b"");
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let told = |event: &Value| (event["id"].clone(), event["because"].clone());
            of_type(&events(&output), "missing").into_iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!((requested(), web.requests()), (Vec::new(), 0), "nothing is known yet, and nobody is asked");
        let enriched = events(&with_secret(&["enrich"], &scanned(&repo)));
        let labels: Vec<&Value> = of_type(&enriched, "issue").iter().map(|issue| &issue["labels"][0]).collect();
        assert_eq!(labels.len(), 3, "{enriched:?}");
        assert!(labels.contains(&&json!("backport-2.0")), "{labels:?}");
        let asked = || (web.requests(), std::fs::read_to_string(repo.home().join("asked")).unwrap_or_default());
        let before = asked();
        let id = &ids[1];
        assert_eq!(requested(), [(json!(id), json!("asked for by the label backport-1.0 of number 12"))], "{source:?}");
        assert_eq!(asked(), before, "neither a server nor a helper is asked");
    }
}

#[test]
fn a_credential_helper_that_does_not_answer_is_given_up_and_the_others_are_asked() {
    let web = Web::start(|asked, _| answers(asked));
    let repo = Repo::new();
    set_all(&repo, &web);
    set(&repo, &[("bhfuil.tracker.vuln.credential", "git"), ("credential.helper", "!sleep 1000 #")]);
    let mut command = bhfuil(&repo);
    command.args(["enrich", "CVE-2024-1234", "CVE-2024-2222", "#12"]).env("GIT_BHFUIL_TIMEOUT_GIT", "1s");
    let all = events(&command.output().expect("it runs"));
    assert!(issues(&all).iter().any(|(tracker, _, state, _)| tracker == "github" && state == "closed"), "{all:?}");
    let warnings = of_type(&all, "warning");
    assert_eq!((warnings.len(), &warnings[0]["code"], &warnings[0]["count"]), (1, &json!("timeout"), &json!(2)));
    assert_eq!(warnings[0]["hint"], "bhfuil.timeout.git sets how long it may take");
    assert!(web.asked().iter().all(|asked| !asked.target.contains("CVE")), "not without a login");
}
