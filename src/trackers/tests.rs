//! Answers in the shapes that the documentation of each interface shows (each fixture names its page), and what real servers make of them:
//! fields that nobody knows, `null` anywhere, other types, other words, no JSON at all.

use regex::Regex;
use serde_json::Value;

use super::which::{Configured, Home, Remote};
use super::*;
use crate::facts::issues::{IssueKind, IssueRef};

mod shapes;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/trackers/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

fn target(software: Software, base: &str, local: &str) -> Target {
    Target { tracker: Tracker { software, base: base.into() }, local: local.into() }
}

struct Case {
    software: Software,
    base: &'static str,
    local: &'static str,
    fixture: &'static str,
    asks: &'static str,
    key: &'static str,
    state: &'static str,
    title: &'static str,
    url: &'static str,
}

#[rustfmt::skip]
const CASES: [Case; 12] = [
    Case { software: Software::Github, base: "https://github.com", local: "owner/repo#12", fixture: "github-issue",
        asks: "https://api.github.com/repos/owner/repo/issues/12", key: "owner/repo#12",
        state: "closed", title: "Crash when the list is empty", url: "https://github.com/owner/repo/issues/12" },
    Case { software: Software::Github, base: "https://git.example.com", local: "owner/repo#13", fixture: "github-pull",
        asks: "https://git.example.com/api/v3/repos/owner/repo/issues/13", key: "git.example.com/owner/repo#13",
        state: "merged", title: "net: don't follow an empty list", url: "https://github.com/owner/repo/pull/13" },
    Case { software: Software::Github, base: "https://github.com", local: "GHSA-abcd-1234-wxyz", fixture: "github-advisory",
        asks: "https://api.github.com/advisories/GHSA-abcd-1234-wxyz", key: "GHSA-abcd-1234-wxyz",
        state: "published", title: "Reads beyond the end of a list", url: "https://github.com/advisories/GHSA-abcd-1234-wxyz" },
    Case { software: Software::Gitlab, base: "https://gitlab.com", local: "group/sub/project#12", fixture: "gitlab-issue",
        asks: "https://gitlab.com/api/v4/projects/group%2Fsub%2Fproject/issues/12", key: "group/sub/project#12",
        state: "opened", title: "Umlauts like ü are lost", url: "https://gitlab.com/group/sub/project/-/issues/12" },
    Case { software: Software::Gitlab, base: "https://gitlab.example.org", local: "group/sub/project!7", fixture: "gitlab-merge-request",
        asks: "https://gitlab.example.org/api/v4/projects/group%2Fsub%2Fproject/merge_requests/7", key: "gitlab.example.org/group/sub/project!7",
        state: "merged", title: "Keep umlauts", url: "https://gitlab.com/group/sub/project/-/merge_requests/7" },
    Case { software: Software::Launchpad, base: "https://bugs.launchpad.net", local: "1837877", fixture: "launchpad-bug-tasks",
        asks: "https://api.launchpad.net/1.0/bugs/1837877/bug_tasks", key: "1837877",
        state: "Fix Released", title: "Error message says \"too much\"", url: "https://bugs.launchpad.net/nova/+bug/1837877" },
    Case { software: Software::Bugzilla, base: "https://bugzilla.redhat.com", local: "35", fixture: "bugzilla-bug",
        asks: "https://bugzilla.redhat.com/rest/bug/35?include_fields=id,summary,status,resolution", key: "rhbz#35",
        state: "RESOLVED FIXED", title: "Wrong answer on the second call", url: "https://bugzilla.redhat.com/show_bug.cgi?id=35" },
    Case { software: Software::Bugzilla, base: "https://bugs.example.org/bz", local: "36", fixture: "bugzilla-open",
        asks: "https://bugs.example.org/bz/rest/bug/36?include_fields=id,summary,status,resolution", key: "bugs.example.org#36",
        state: "CONFIRMED", title: "Slow", url: "https://bugs.example.org/bz/show_bug.cgi?id=36" },
    Case { software: Software::Jira, base: "https://jira.example.com", local: "PROJ-12", fixture: "jira-issue",
        asks: "https://jira.example.com/rest/api/2/issue/PROJ-12?fields=summary,status,labels", key: "PROJ-12",
        state: "In Review", title: "The queue grows for ever", url: "https://jira.example.com/browse/PROJ-12" },
    Case { software: Software::Osv, base: "https://api.osv.dev", local: "CVE-2024-1234", fixture: "osv-vulnerability",
        asks: "https://api.osv.dev/v1/vulns/CVE-2024-1234", key: "CVE-2024-1234",
        state: "published", title: "A list is read beyond its end", url: "https://osv.dev/vulnerability/CVE-2024-1234" },
    Case { software: Software::Gitea, base: "https://codeberg.org", local: "owner/repo#12", fixture: "gitea-issue",
        asks: "https://codeberg.org/api/v1/repos/owner/repo/issues/12", key: "codeberg.org/owner/repo#12",
        state: "merged", title: "Say what is wrong", url: "https://codeberg.org/owner/repo/pulls/12" },
    Case { software: Software::Gerrit, base: "https://review.example.org", local: "I0123456789012345678901234567890123456789", fixture: "gerrit-changes",
        asks: "https://review.example.org/changes/?q=change:I0123456789012345678901234567890123456789&n=25", key: "I0123456789012345678901234567890123456789",
        state: "MERGED", title: "Say less to strangers", url: "https://review.example.org/c/openstack/nova/+/940" },
];

#[test]
fn each_tracker_is_asked_and_understood_as_its_documentation_says() {
    for case in &CASES {
        let target = target(case.software, case.base, case.local);
        let ask = target.ask(false).unwrap_or_else(|| panic!("{}", case.fixture));
        assert_eq!((ask.url.as_str(), target.key().as_str()), (case.asks, case.key));
        let found = target.read(&fixture(case.fixture)).expect(case.fixture).expect(case.fixture);
        let told = [&found.state, &found.title, &found.url].map(|part| part.as_deref().unwrap_or("nothing"));
        assert_eq!(told, [case.state, case.title, case.url], "{}", case.fixture);
    }
}

#[test]
fn each_fixture_names_the_page_that_it_is_made_from() {
    let folder = std::fs::read_dir(format!("{}/fixtures/trackers", env!("CARGO_MANIFEST_DIR"))).expect("a folder");
    let mut count = 0;
    for file in folder.flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a file");
        let value: Value = serde_json::from_str(text.trim_start_matches(")]}'")).expect("JSON");
        let page = value.get("_page").or_else(|| value.get(0)?.get("_page")).and_then(Value::as_str);
        assert!(page.is_some_and(|page| page.starts_with("https://")), "{}", file.path().display());
        count += 1;
    }
    assert!(count >= 17);
}

/// `value` with each value in it, one at a time, replaced by each of `others`.
fn spoilt(value: &Value, others: &[Value]) -> Vec<Value> {
    let mut all = others.to_vec();
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                for bad in spoilt(inner, others) {
                    let mut copy = fields.clone();
                    copy.insert(name.clone(), bad);
                    all.push(Value::Object(copy));
                }
                let mut without = fields.clone();
                without.remove(name);
                all.push(Value::Object(without));
            }
        }
        Value::Array(entries) => {
            for (at, inner) in entries.iter().enumerate() {
                for bad in spoilt(inner, others) {
                    let mut copy = entries.clone();
                    copy[at] = bad;
                    all.push(Value::Array(copy));
                }
            }
        }
        _ => {}
    }
    all
}

#[test]
fn whatever_is_null_missing_or_of_another_type_the_rest_is_told() {
    let others = [
        Value::Null,
        Value::from(7),
        Value::from(""),
        Value::from("javascript:alert(1)"),
        serde_json::json!({"a": [null]}),
        serde_json::json!([]),
    ];
    let mut kept = 0;
    for case in &CASES {
        let target = target(case.software, case.base, case.local);
        let text = String::from_utf8(fixture(case.fixture)).expect("UTF-8");
        let value: Value = serde_json::from_str(text.trim_start_matches(")]}'")).expect("JSON");
        for bad in spoilt(&value, &others) {
            let Ok(found) = target.read(bad.to_string().as_bytes()) else { continue };
            let Some(found) = found else { continue };
            assert!(found.url.as_deref().is_none_or(|url| url.starts_with("https://")), "{bad}");
            assert!([&found.state, &found.title].iter().all(|part| part.as_deref() != Some("")), "{bad}");
            kept += usize::from(found.title.as_deref() == Some(case.title));
        }
    }
    assert!(kept > 1000, "what is left alone is still told: {kept}");
}

#[test]
fn what_is_no_answer_is_told_as_such() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&[u8], &str); 7] = [
        (b"<!DOCTYPE html><title>Log in</title>", "a page for people, not data"),
        (b"", "what is no JSON"),
        (b"{\"title\": \"cut", "what is no JSON"),
        (b"\xff\xfe{}", "what is no JSON"),
        (b"\"text\"", "JSON that says nothing of an issue"),
        (b"{\"message\": \"hello\"}", "JSON that says nothing of an issue"),
        (deep.as_bytes(), "what is no JSON"),
    ];
    for (body, why) in cases {
        let cause = target(Software::Github, "https://github.com", "o/r#1").read(body).expect_err(why);
        assert_eq!(cause.to_string(), format!("github.com has answered {why}"));
        assert_eq!(crate::error::kind_of(&cause), Kind::BadAnswer);
    }
}

#[test]
fn that_there_is_no_such_issue_is_an_answer() {
    let none = |software, local: &str, body: &[u8]| {
        target(software, "https://example.org", local).read(body).expect("an answer")
    };
    assert_eq!(none(Software::Bugzilla, "35", &fixture("bugzilla-none")), None);
    assert_eq!(none(Software::Bugzilla, "35", b"{\"bugs\":[]}"), None);
    assert_eq!(none(Software::Gerrit, "I01234567", b")]}'\n[]"), None);
    assert_eq!(none(Software::Launchpad, "35", b"{\"total_size\":0,\"start\":0,\"entries\":[]}"), None);
    let refused = target(Software::Bugzilla, "https://example.org", "35").read(b"{\"error\":true,\"code\":102}");
    assert!(refused.is_err(), "not authorised is another thing");
}

#[test]
fn what_is_no_name_of_an_issue_is_not_asked_for() {
    for (software, local) in [
        (Software::Github, "owner/repo"),
        (Software::Github, "repo#12"),
        (Software::Github, "owner/../../user#12"),
        (Software::Github, "owner/repo#12/comments"),
        (Software::Github, "GHSA-a/b"),
        (Software::Gitlab, "..!12"),
        (Software::Launchpad, "12/x"),
        (Software::Bugzilla, "12&x=y"),
        (Software::Jira, "PROJ"),
        (Software::Jira, "PR/OJ-12"),
        (Software::Osv, "CVE-2024-1/.."),
        (Software::Gerrit, "I0123 owner:x"),
        (Software::Gitea, "owner//repo#1"),
    ] {
        assert_eq!(target(software, "https://example.org", local).ask(false), None, "{local}");
    }
    let odd = target(Software::Github, "https://github.com", "own er/re?po#12").ask(false).expect("it may be one");
    assert_eq!(odd.url, "https://api.github.com/repos/own%20er/re%3Fpo/issues/12");
    let change = target(Software::Gerrit, "https://r.example", "I0123456789").ask(true).expect("it is one");
    assert_eq!(change.url, "https://r.example/a/changes/?q=change:I0123456789&n=25");
}

#[test]
fn many_issues_of_github_are_asked_for_at_once() {
    let (url, body) = github::batch("https://github.com", &["owner/repo#12", "ow\"ner/repo#13"]);
    assert_eq!(url, "https://api.github.com/graphql");
    let query: Value = serde_json::from_slice(&body).expect("JSON");
    let query = query["query"].as_str().expect("a query");
    assert!(
        query.contains("i0: repository(owner: \"owner\", name: \"repo\") { issueOrPullRequest(number: 12)"),
        "{query}"
    );
    assert!(query.contains("i1: repository(owner: \"ow\\\"ner\", name: \"repo\")"), "{query}");
    assert_eq!(github::batch("https://git.example.com", &[]).0, "https://git.example.com/api/graphql");
    assert!(github::is_batched("owner/repo#12") && !github::is_batched("GHSA-abcd-1234-wxyz"));
    assert!(!github::is_batched("owner/repo#9999999999"), "too large a number spoils the whole question");
    let github::Batch::Parts(parts) = github::parts(&fixture("github-graphql"), 4) else { panic!("parts") };
    let read = |part: &github::Part| {
        let github::Part::Told(body) = part else { return None };
        let found = target(Software::Github, "https://github.com", "owner/repo#1").read(body).expect("an answer");
        found.and_then(|found| Some((found.state?, found.title?, found.url?)))
    };
    let told = |state: &str, title: &str, url: &str| Some((state.to_owned(), title.to_owned(), url.to_owned()));
    assert_eq!(
        parts.iter().map(read).collect::<Vec<_>>(),
        [
            told("closed", "Crash when the list is empty", "https://github.com/owner/repo/issues/12"),
            told("merged", "net: don't follow an empty list", "https://github.com/owner/repo/pull/13"),
            None,
            None,
        ]
    );
    assert_eq!(parts[2..], [github::Part::Missing, github::Part::Missing]);
    assert_eq!(github::parts(&fixture("github-graphql-limited"), 4), github::Batch::Limited);
    let undocumented = b"{\"errors\":[{\"type\":\"RATE_LIMIT\",\"code\":\"too_many\",\"message\":\"wait\"}]}";
    assert_eq!(github::parts(undocumented, 4), github::Batch::Limited);
    for nothing in ["{\"data\":null}", "[]", "{\"data\":{},\"errors\":[{\"message\":\"syntax\"}]}", "<html>"] {
        assert_eq!(github::parts(nothing.as_bytes(), 1), github::Batch::Nothing, "{nothing}");
    }
}

#[test]
fn releases_are_told_with_their_dates() {
    let release = |tag: &str, at: Option<&str>, url: Option<&str>| Release {
        tag: tag.into(),
        published_at: at.map(str::to_owned),
        url: url.map(str::to_owned),
    };
    let github = Tracker { software: Software::Github, base: "https://github.com".into() };
    assert_eq!(
        github.read_releases(&fixture("github-releases")).expect("a list"),
        (
            vec![
                release("v1.1", Some("2024-04-02T00:00:00Z"), Some("https://github.com/owner/repo/releases/tag/v1.1")),
                release("v1.0", None, None),
            ],
            false
        )
    );
    let gitlab = Tracker { software: Software::Gitlab, base: "https://gitlab.com".into() };
    assert_eq!(
        gitlab.releases("group/project", 2).expect("an address").url,
        "https://gitlab.com/api/v4/projects/group%2Fproject/releases?per_page=100&page=2"
    );
    let (of_gitlab, _) = gitlab.read_releases(&fixture("gitlab-releases")).expect("a list");
    assert_eq!(
        of_gitlab,
        [release("v0.2", Some("2024-01-03T01:56:19.539Z"), Some("https://gitlab.com/group/project/-/releases/v0.2"))]
    );
    assert!(gitlab.read_releases(b"{\"message\":\"404\"}").is_err());
    let full = Value::Array(vec![serde_json::json!({"tag_name": "v1"}); 100]).to_string();
    assert!(github.read_releases(full.as_bytes()).expect("a list").1, "there may be more");
}

#[test]
fn labels_are_read_in_every_shape_that_they_have() {
    let github = || target(Software::Github, "https://github.com", "o/r#1");
    let gitlab = || target(Software::Gitlab, "https://gitlab.com", "g/p#1");
    let gitea = || target(Software::Gitea, "https://codeberg.org", "o/r#1");
    let jira = || target(Software::Jira, "https://j.example", "PROJ-1");
    let many: Vec<String> = (0..500).map(|number| format!("\"l{number}\"")).collect();
    let many = format!(r#"{{"title":"t","labels":[{}]}}"#, many.join(","));
    let cases: [(Target, &str, Option<&[&str]>); 9] = [
        (
            github(),
            r#"{"title":"t","labels":[{"name":"bug"},{"name":" to 2.8 "},"old",{"name":null},null,7]}"#,
            Some(&["bug", "to 2.8", "old"]),
        ),
        (github(), r#"{"title":"t","labels":{"nodes":[{"name":"a"},null]}}"#, Some(&["a"])),
        (github(), r#"{"title":"t","labels":null}"#, None),
        (github(), r#"{"title":"t"}"#, None),
        (gitlab(), r#"{"title":"t","labels":["a","b"]}"#, Some(&["a", "b"])),
        (gitlab(), r#"{"title":"t","labels":[]}"#, Some(&[])),
        (gitea(), r#"{"title":"t","labels":[{"id":1,"name":"a"}]}"#, Some(&["a"])),
        (jira(), r#"{"key":"PROJ-1","fields":{"labels":["a"]}}"#, Some(&["a"])),
        (target(Software::Osv, "https://o.example", "CVE-2024-1"), r#"{"id":"CVE-2024-1","labels":["a"]}"#, None),
    ];
    for (target, body, expected) in cases {
        let found = target.read(body.as_bytes()).expect(body).expect(body);
        let expected = expected.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect());
        assert_eq!(found.labels, expected, "{body}");
    }
    let found = github().read(many.as_bytes()).expect("read").expect("there");
    assert_eq!(found.labels.map(|labels| labels.len()), Some(100), "there is an end");
}

#[test]
fn what_a_forge_says_of_a_project_is_told() {
    let cases = [
        (
            (Software::Github, "https://github.com", "owner/repo", "github-repository"),
            "https://api.github.com/repos/owner/repo",
            [
                Some("Keeps lists in order"),
                Some("main"),
                Some("https://github.com/owner/repo"),
                Some("2024-05-06T07:08:09Z"),
            ],
            Some(false),
        ),
        (
            (Software::Gitlab, "https://gitlab.com", "group/sub/project", "gitlab-project"),
            "https://gitlab.com/api/v4/projects/group%2Fsub%2Fproject",
            [None, Some("main"), Some("https://gitlab.com/group/sub/project"), None],
            Some(true),
        ),
        (
            (Software::Gitea, "https://codeberg.org", "owner/repo", "gitea-repository"),
            "https://codeberg.org/api/v1/repos/owner/repo",
            [None, Some("trunk"), Some("https://codeberg.org/owner/repo"), None],
            Some(false),
        ),
        (
            (Software::Launchpad, "https://bugs.launchpad.net", "nova", "launchpad-project"),
            "https://api.launchpad.net/1.0/nova",
            [Some("Keeps lists in order, for launchers."), None, Some("https://launchpad.net/nova"), None],
            Some(false),
        ),
    ];
    for ((software, base, key, name), asks, told, archived) in cases {
        let tracker = Tracker { software, base: base.into() };
        assert_eq!(tracker.project(key).expect("an address").url, asks);
        let found = tracker.read_project(&fixture(name)).expect(name);
        let parts = [&found.description, &found.default_branch, &found.url, &found.pushed_at];
        assert_eq!((parts.map(Option::as_deref), found.archived), (told, archived), "{name}");
        // Whatever else is said: no panic, no address that is none.
        let value: Value = serde_json::from_slice(&fixture(name)).expect("JSON");
        for bad in spoilt(&value, &[Value::Null, Value::from(7), Value::from("javascript:x"), serde_json::json!([])]) {
            let Ok(found) = tracker.read_project(bad.to_string().as_bytes()) else { continue };
            assert!(found.url.is_none_or(|url| url.starts_with("https://")), "{bad}");
        }
        let cause = tracker.read_project(b"{\"message\":\"Not Found\"}").expect_err("it is none");
        assert!(cause.to_string().ends_with("JSON that says nothing of a project"), "{cause}");
    }
    assert_eq!(Tracker { software: Software::Jira, base: "https://j.example".into() }.project("x"), None);
    for bad in ["../x", "a/../b", ""] {
        assert_eq!(
            Tracker { software: Software::Github, base: "https://github.com".into() }.project(bad),
            None,
            "{bad}"
        );
    }
    let home = Home {
        configured: vec![
            set(Software::Launchpad, "https://bugs.launchpad.net/nova/"),
            set(Software::Osv, "https://o.example"),
        ],
        remotes: vec![Remote { host: "github.com".into(), project: "openstack/nova".into() }],
    };
    let projects: Vec<_> = home.projects().into_iter().map(|(tracker, key)| (tracker.base, key)).collect();
    let expected = [("https://github.com", "openstack/nova"), ("https://bugs.launchpad.net", "nova")];
    assert_eq!(projects, expected.map(|(base, key)| (base.to_owned(), key.to_owned())));
    let bug = home.target(&reference(IssueKind::Launchpad, "7")).expect("it is set");
    assert_eq!(bug.ask(false).expect("an address").url, "https://api.launchpad.net/1.0/bugs/7/bug_tasks");
    let number = home.target(&reference(IssueKind::Number, "7")).expect("by the remote");
    assert_eq!(number.local, "openstack/nova#7", "Launchpad has no numbers of its own");
}

fn reference(kind: IssueKind, key: &str) -> IssueRef {
    IssueRef { kind, key: key.into() }
}

fn set(software: Software, url: &str) -> Configured {
    Configured::new(software.word(), software, Some(url), Vec::new())
}

type Meant<'m> = (&'m Home, IssueKind, &'m str, Option<(&'m str, &'m str)>);

#[test]
fn a_reference_means_what_it_says_what_is_set_or_where_the_repository_comes_from() {
    let remote = |host: &str, project: &str| Remote { host: host.into(), project: project.into() };
    let nowhere = Home::default();
    let github = Home { remotes: vec![remote("github.com", "openstack/nova")], ..Home::default() };
    let gitlab = Home { remotes: vec![remote("gitlab.gnome.org", "GNOME/glib")], ..Home::default() };
    let opendev = Home {
        configured: vec![
            set(Software::Launchpad, "https://bugs.launchpad.net"),
            set(Software::Gerrit, "https://review.opendev.org/"),
        ],
        remotes: vec![remote("opendev.org", "openstack/nova")],
    };
    let own = Home {
        configured: vec![
            set(Software::Github, "https://git.example.com/team/app"),
            set(Software::Jira, "https://jira.example.com/"),
            set(Software::Osv, "http://127.0.0.1:8080"),
        ],
        ..Home::default()
    };
    let cases: [Meant<'_>; 25] = [
        (&nowhere, IssueKind::Number, "12", None),
        (&github, IssueKind::Number, "12", Some(("https://github.com", "openstack/nova#12"))),
        (&gitlab, IssueKind::Number, "12", Some(("https://gitlab.gnome.org", "GNOME/glib#12"))),
        (&opendev, IssueKind::Number, "12", None),
        (&own, IssueKind::Number, "12", Some(("https://git.example.com", "team/app#12"))),
        (&nowhere, IssueKind::Github, "o/r#1", Some(("https://github.com", "o/r#1"))),
        (&own, IssueKind::Github, "o/r#1", Some(("https://git.example.com", "o/r#1"))),
        (&nowhere, IssueKind::Ghsa, "GHSA-a", Some(("https://github.com", "GHSA-a"))),
        (&nowhere, IssueKind::Cve, "CVE-2024-1", Some(("https://api.osv.dev", "CVE-2024-1"))),
        (&own, IssueKind::Cve, "CVE-2024-1", Some(("http://127.0.0.1:8080", "CVE-2024-1"))),
        (&nowhere, IssueKind::Launchpad, "7", Some(("https://bugs.launchpad.net", "7"))),
        (&nowhere, IssueKind::Bug, "7", None),
        (&opendev, IssueKind::Bug, "7", Some(("https://bugs.launchpad.net", "7"))),
        (&nowhere, IssueKind::Bugzilla, "rhbz#7", Some(("https://bugzilla.redhat.com", "7"))),
        (&nowhere, IssueKind::Bugzilla, "bugs.example.org#7", Some(("https://bugs.example.org", "7"))),
        (&nowhere, IssueKind::Jira, "PROJ-7", None),
        (&own, IssueKind::Jira, "PROJ-7", Some(("https://jira.example.com", "PROJ-7"))),
        (&nowhere, IssueKind::Gitlab, "g/p#7", Some(("https://gitlab.com", "g/p#7"))),
        (&nowhere, IssueKind::Gitlab, "gitlab.example.org/g/s/p!7", Some(("https://gitlab.example.org", "g/s/p!7"))),
        (&gitlab, IssueKind::Gitlab, "!7", Some(("https://gitlab.gnome.org", "GNOME/glib!7"))),
        (&github, IssueKind::Gitlab, "!7", None),
        (&nowhere, IssueKind::Debian, "7", None),
        (&nowhere, IssueKind::Url, "https://codeberg.org/o/r/pulls/7", Some(("https://codeberg.org", "o/r#7"))),
        (&nowhere, IssueKind::Url, "https://unknown.example/o/r/issues/7", None),
        (&own, IssueKind::Url, "https://git.example.com/o/r/pull/7", Some(("https://git.example.com", "o/r#7"))),
    ];
    for (home, kind, key, expected) in cases {
        let found = home.target(&reference(kind, key));
        let found = found.as_ref().map(|target| (target.tracker.base.as_str(), target.local.as_str()));
        assert_eq!(found, expected, "{kind:?} {key}");
    }
    let change = opendev.change("I01234567").expect("a Gerrit is set");
    assert_eq!((change.tracker.base.as_str(), change.local.as_str()), ("https://review.opendev.org", "I01234567"));
    assert_eq!(nowhere.change("I01234567"), None);
}

#[test]
fn patterns_find_what_no_rule_knows() {
    let pattern = |text: &str| vec![Regex::new(text).expect("a pattern")];
    let home = Home {
        configured: vec![
            Configured::new("q", Software::Bugzilla, Some("https://bugs.example.org"), pattern(r"(?m)^Quality: (\d+)")),
            Configured::new(
                "g",
                Software::Gitlab,
                Some("https://git.example.org/g/p"),
                pattern(r"issue-\d+|ticket (#\d+)"),
            ),
            Configured::new("j", Software::Jira, Some("https://jira.example.org"), pattern(r"TASK-\d+")),
        ],
        remotes: Vec::new(),
    };
    let found = home.in_message("Fix it\n\nQuality: 7\nticket #9, TASK-3, TASK-3\n");
    let told: Vec<(String, &str)> = found.iter().map(|(target, text)| (target.key(), text.as_str())).collect();
    let fits_nothing = Configured::new("e", Software::Jira, Some("https://jira.example.org"), pattern("x*"));
    let fits_nothing = Home { configured: vec![fits_nothing], remotes: Vec::new() };
    assert_eq!((fits_nothing.in_message("Mend it"), fits_nothing.by_pattern(" ")), (Vec::new(), None));
    assert_eq!(home.by_pattern("TASK-3").map(|target| target.key()).as_deref(), Some("TASK-3"));
    assert_eq!(home.by_pattern("do TASK-3"), None, "it is a part");
    let expected = [("bugs.example.org#7", "7"), ("git.example.org/g/p#9", "#9"), ("TASK-3", "TASK-3")];
    assert_eq!(told, expected.map(|(key, text)| (key.to_owned(), text)));
}

#[test]
fn addresses_of_remotes_say_where_a_repository_comes_from() {
    for (url, expected) in [
        ("https://github.com/openstack/nova.git", Some(("github.com", "openstack/nova"))),
        ("https://me:hunter2@GitHub.com/openstack/nova/", Some(("github.com", "openstack/nova"))),
        ("git@github.com:openstack/nova.git", Some(("github.com", "openstack/nova"))),
        ("ssh://git@review.opendev.org:29418/openstack/nova", Some(("review.opendev.org", "openstack/nova"))),
        ("http://127.0.0.1:8080/g/s/p", Some(("127.0.0.1:8080", "g/s/p"))),
        ("git://git.example.org/a/b", Some(("git.example.org", "a/b"))),
        ("/srv/git/nova.git", None),
        ("../nova", None),
        ("./a:b/c", None),
        ("file:///srv/nova", None),
        ("https://example.org/nova", None),
    ] {
        let found = Remote::parse(url);
        assert_eq!(found.as_ref().map(|it| (it.host.as_str(), it.project.as_str())), expected, "{url}");
    }
}
