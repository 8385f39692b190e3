//! What recorded answers of public servers have shown that their documentation doesn't, with data of our own, and every fixture spoilt in
//! every place.

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

#[test]
fn a_state_of_launchpad_s_own_comes_before_what_it_has_seen_elsewhere() {
    let task = |name: &str, status: &str, watch: Option<&str>| {
        serde_json::json!({"bug_target_name": name, "status": status, "bug_watch_link": watch,
            "title": format!("Bug #7 in {name}: \"Slow\""), "web_link": format!("https://bugs.launchpad.net/{name}/+bug/7")})
    };
    let elsewhere = Some("https://api.launchpad.net/1.0/bugs/7/+watch/1");
    let own = task("nova (Ubuntu)", "Triaged", None);
    for (tasks, status) in [
        (vec![task("nova", "Unknown", elsewhere), own.clone()], "Triaged"),
        (vec![task("debian", "New", elsewhere), task("nova/queens", "Won't Fix", None), own.clone()], "Won't Fix"),
        (vec![own, task("nova", "Fix Released", None)], "Fix Released"),
        (vec![task("nova (Debian)", "New", elsewhere), task("nova", "Unknown", elsewhere)], "Unknown"),
    ] {
        let body = serde_json::json!({"total_size": tasks.len(), "entries": tasks}).to_string();
        let found = target(Software::Launchpad, "https://bugs.launchpad.net", "7").read(body.as_bytes());
        let found = found.expect("an answer").expect("a bug");
        assert_eq!((found.state.as_deref(), found.title.as_deref()), (Some(status), Some("Slow")));
    }
}

#[test]
fn what_launchpad_keeps_to_itself_is_unknown() {
    let hidden = "tag:launchpad.net:2008:redacted";
    let task = serde_json::json!({"bug_target_name": hidden, "status": hidden, "title": hidden, "web_link": hidden, "bug_watch_link": hidden});
    let body = serde_json::json!({"total_size": 1, "entries": [task]}).to_string();
    let bug = target(Software::Launchpad, "https://bugs.launchpad.net", "7");
    assert_eq!(bug.read(body.as_bytes()).expect("an answer"), Some(Found::default()));
    let body = serde_json::json!({"display_name": "Lists", "title": hidden, "summary": hidden, "web_link": hidden, "active": hidden});
    let project = bug.tracker.read_project(body.to_string().as_bytes()).expect("an answer");
    assert_eq!(project, Project { description: Some("Lists".into()), ..Project::default() });
}

#[test]
fn no_answer_that_is_spoilt_anywhere_is_more_than_refused() {
    let others = [Value::Null, Value::from(7), Value::Bool(true), serde_json::json!([]), serde_json::json!({})];
    let (mut told, mut refused) = (0, 0);
    let folder = std::fs::read_dir(format!("{}/fixtures/trackers", env!("CARGO_MANIFEST_DIR"))).expect("a folder");
    for file in folder.flatten() {
        let name = file.file_name().into_string().expect("a name");
        let software = name.split('-').next().and_then(Software::named).expect("the software comes first");
        let target = target(software, "https://example.org", "7");
        let text = std::fs::read_to_string(file.path()).expect("a file");
        let value: Value = serde_json::from_str(text.trim_start_matches(")]}'")).expect("JSON");
        for bad in spoilt(&value, &others) {
            // As whatever it may be taken for.
            let body = bad.to_string().into_bytes();
            let read = [
                target.read(&body).map(drop),
                target.tracker.read_project(&body).map(drop),
                target.tracker.read_releases(&body).map(drop),
            ];
            for read in read {
                match read {
                    Ok(()) => told += 1,
                    Err(cause) => {
                        assert_eq!(crate::error::kind_of(&cause), Kind::BadAnswer, "{name}: {bad}");
                        refused += 1;
                    }
                }
            }
            if let github::Batch::Parts(parts) = github::parts(&body, 4) {
                assert_eq!(parts.len(), 4, "{name}: {bad}");
            }
        }
    }
    assert!(told > 1000 && refused > 1000, "{told} {refused}");
}
