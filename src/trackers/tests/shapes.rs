//! What recorded answers of public servers have shown that their documentation doesn't, with data of our own.

use serde_json::Value;

use super::*;

#[test]
fn what_fails_of_one_issue_among_many_is_no_word_on_it_and_none_on_the_others() {
    let issue = |title: &str| serde_json::json!({"issueOrPullRequest": {"title": title, "state": "OPEN"}});
    let error = |kind: Value, path: Value| serde_json::json!({"type": kind, "path": path, "message": "no"});
    let data =
        serde_json::json!({"i0": issue("a"), "i1": null, "i2": {"issueOrPullRequest": null}, "i3": {}, "i5": null});
    let errors = [
        error("SERVICE_UNAVAILABLE".into(), serde_json::json!(["i1"])),
        error(Value::Null, serde_json::json!(["i2", "issueOrPullRequest", 7])),
        error("FORBIDDEN".into(), serde_json::json!(["i5"])),
    ];
    let answer = |errors: &[Value]| serde_json::json!({"data": data, "errors": errors}).to_string();
    let github::Batch::Parts(parts) = github::parts(answer(&errors).as_bytes(), 6) else { panic!("parts") };
    let words = parts.iter().map(|part| match part {
        github::Part::Told(_) => "told",
        github::Part::Missing => "missing",
        github::Part::Failed => "failed",
    });
    assert_eq!(words.collect::<Vec<_>>(), ["told", "failed", "failed", "failed", "failed", "missing"]);
    for path in [Value::Null, serde_json::json!([]), serde_json::json!([7])] {
        let all = answer(&[error("INTERNAL".into(), path)]);
        assert_eq!(github::parts(all.as_bytes(), 6), github::Batch::Nothing, "it concerns all of them: {all}");
    }
}

#[test]
fn a_record_without_a_summary_is_told_by_the_line_that_says_something() {
    for (details, title) in [
        (
            "In the kernel, this has been resolved:\n\nlists: don't read beyond the end\n\nLong",
            "lists: don't read beyond the end",
        ),
        ("\n## Lists end early\n\nDetails:\n", "Lists end early"),
        ("Crash type:\nState:\n", "Crash type:"),
    ] {
        let body = serde_json::json!({"id": "CVE-2024-1", "details": details}).to_string();
        let found = target(Software::Osv, "https://api.osv.dev", "CVE-2024-1").read(body.as_bytes());
        assert_eq!(found.expect("an answer").expect("a record").title.as_deref(), Some(title));
    }
}
