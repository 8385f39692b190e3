use super::{IssueKind::*, *};

fn read(text: &str) -> Vec<(IssueKind, String)> {
    let patterns = Patterns::compile(&[], &["PROJ".to_owned()]).expect("no patterns");
    issues(text, &patterns).into_iter().map(|issue| (issue.kind, issue.key)).collect()
}

#[test]
fn each_notation_has_its_kind_and_key() {
    for (text, kind, key) in [
        ("Fixes #12.", Number, "12"),
        ("Fixes: #12 and more", Number, "12"),
        ("fix (#12)", Number, "12"),
        ("add an option (#1234)", Number, "1234"),
        ("reword a comment (#12)", Number, "12"),
        ("Fixes:#12", Number, "12"),
        ("#1234 is fixed", Number, "1234"),
        ("GH-12: foo", Number, "12"),
        ("issue 12: foo", Number, "12"),
        ("Fixes o-w/re.po#12.", Github, "o-w/re.po#12"),
        ("https://github.com/o/r/pull/12#issuecomment-34.", Github, "o/r#12"),
        ("(https://user:secret@github.com/o/r/issues/12)", Github, "o/r#12"),
        ("cve-2024-1234", Cve, "CVE-2024-1234"),
        ("(CVE-2024-12345)", Cve, "CVE-2024-12345"),
        ("https://nvd.nist.gov/vuln/detail/CVE-2024-1234", Cve, "CVE-2024-1234"),
        ("GHSA-ABCD-12cd-ef34", Ghsa, "GHSA-abcd-12cd-ef34"),
        ("https://github.com/o/r/security/advisories/GHSA-abcd-12cd-ef34", Ghsa, "GHSA-abcd-12cd-ef34"),
        ("Fixes bug 12345.", Bug, "12345"),
        ("Bug: 12", Bug, "12"),
        ("BZ 12", Bug, "12"),
        ("Fix bug #12", Bug, "12"),
        ("Bug#12", Bug, "12"),
        ("bug/12345", Bug, "12345"),
        ("LP: #12", Launchpad, "12"),
        ("Fixes LP bug 1234", Launchpad, "1234"),
        ("Closes-Bug:#12", Launchpad, "12"),
        ("Closes-bug: 12", Launchpad, "12"),
        ("Related-Bug: #12", Launchpad, "12"),
        ("LP#12", Launchpad, "12"),
        ("Fixes lp123456.", Launchpad, "123456"),
        ("LP1234567", Launchpad, "1234567"),
        ("Fixes-Bug: #12", Launchpad, "12"),
        ("Resolves-bug: 1234567", Launchpad, "1234567"),
        ("Closed-Bug: 1234567", Launchpad, "1234567"),
        ("https://bugs.launchpad.net/ubuntu/+source/x/+bug/12/comments/4", Launchpad, "12"),
        ("https://launchpad.net/123456", Launchpad, "123456"),
        ("https://bugs.launchpad.net/nova/+bug/12", Launchpad, "12"),
        ("https://launchpad.net/bugs/12.", Launchpad, "12"),
        ("rhbz#12", Bugzilla, "rhbz#12"),
        ("RHBZ #12", Bugzilla, "rhbz#12"),
        ("https://bugzilla.redhat.com/show_bug.cgi?id=12.", Bugzilla, "rhbz#12"),
        ("https://bugzilla.redhat.com/12", Bugzilla, "rhbz#12"),
        ("https://bugs.freedesktop.org/show_bug.cgi?id=12#c3", Bugzilla, "bugs.freedesktop.org#12"),
        ("PROJ-12", Jira, "PROJ-12"),
        ("https://issues.example.com/browse/OTHER-12", Jira, "OTHER-12"),
        ("https://gitlab.com/g/s/p/-/issues/12", Gitlab, "g/s/p#12"),
        ("https://gitlab.example.com/g/p/merge_requests/12", Gitlab, "gitlab.example.com/g/p!12"),
        ("See merge request g/p!12", Gitlab, "g/p!12"),
        ("https://bugs.debian.org/cgi-bin/bugreport.cgi?bug=12", Debian, "12"),
        ("http://bugs.debian.org/12", Debian, "12"),
        ("http://bugs.debian.org/cgi-bin/bugreport.cgi?bug=%2312", Debian, "12"),
        ("Closes Debian bug #12", Debian, "12"),
        ("Debian #123456", Debian, "123456"),
        ("build it on Debian (#1234)", Number, "1234"),
        ("a CVE 2024-1234", Cve, "CVE-2024-1234"),
        ("https://example.com/o/r/issues/12/a-title-5", Url, "https://example.com/o/r/issues/12"),
        ("https://example.com/v2/issue/12/34.", Url, "https://example.com/v2/issue/12/34"),
        ("https://me:pw@codeberg.org/o/r/issues/12#x", Url, "https://codeberg.org/o/r/issues/12"),
        ("https://example.com/o/r/issues/12\u{1b}[0m", Url, "https://example.com/o/r/issues/12"),
    ] {
        assert_eq!(read(text), [(kind, key.to_owned())], "{text}");
    }
}

#[test]
fn what_only_looks_like_an_issue_is_none() {
    for text in [
        "#include <x>",
        "#1 first thing\n#2 second",
        "  #12 0x1234 in main ()",
        "color: #123456;",
        "\"#123456\"",
        "#12ab34",
        "bug 2 of 3",
        "C#7",
        "[x](#1-anchor",
        "it&#39;s",
        "step #2",
        "LP64",
        "Debian 13",
        "alp123456",
        "nc -lp8080",
        "https://code.example.net/nova/lp123456/+merge/12",
        "https://example.com/issues/new",
        "https://example.com/issues/a/12",
        "CID#12345",
        "OTHER-12",
        "UTF-8",
        "debug 12",
        "#0",
        "https://example.com/x#12",
        "https://review.example.org/#/c/12",
        "a CVE-2024-x",
        "x!12",
        "bug 2.5",
        "v1.2-12",
        "## 12",
    ] {
        assert_eq!(read(text), [], "{text}");
    }
}

#[test]
fn issues_come_in_order_and_once() {
    let found = read("Fix #3 (#2)\n\nFixes #3, #1234 and LP: #5\nhttps://github.com/o/r/issues/3");
    let keys: Vec<_> = found.iter().map(|(_, key)| key.as_str()).collect();
    assert_eq!(keys, ["3", "2", "1234", "5", "o/r#3"]);
}

#[test]
fn a_pull_request_is_named_by_subject_or_merge() {
    for (subject, message, number) in [
        ("Fix (#12)", "", Some(12)),
        ("[2.x] Fix (#12) (#34)", "", Some(34)),
        ("Merge pull request #12 from o/b", "Merge pull request #12 from o/b\n\nFix", Some(12)),
        ("Fix #12", "Fix #12", None),
        ("Fix (#x)", "", None),
    ] {
        assert_eq!(pull_request_number(subject, message), number, "{subject}");
    }
}
