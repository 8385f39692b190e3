//! What `git bhfuil where` makes of what can't be answered as it was typed: it says so, names the thing and the way out, and answers
//! the rest.

mod support;

use std::process::Output;

use serde_json::Value;
use support::{Repo, bhfuil, commit_ids, events, of_type};

fn where_is(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).arg("where").args(args).output().expect("it runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn id(repo: &Repo, revision: &str) -> String {
    repo.git(&["rev-parse", &format!("{revision}^{{commit}}")])
}

#[test]
fn one_bad_query_among_others_is_an_error_and_the_others_are_answered() {
    let repo = Repo::fixture("backports");
    for bad in ["nowhere~3", "main..nowhere", "HEAD:a", "", "author:", "main~9999"] {
        for asked in [["main", bad, "1.0.1"], [bad, "main", "1.0.1"], ["main", "1.0.1", bad]] {
            let output = where_is(&repo, &[&["--signals=same"], &asked[..]].concat());
            assert_eq!(output.status.code(), Some(3), "{asked:?}: {}", stderr(&output));
            assert_eq!(stderr(&output), "", "{asked:?}");
            let told = events(&output);
            assert_eq!(commit_ids(&told), [id(&repo, "main"), id(&repo, "1.0.1")], "{asked:?}");
            let errors = of_type(&told, "error");
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!((&errors[0]["query"], &errors[0]["fatal"]), (&bad.into(), &false.into()));
            assert_ne!(text(errors[0], "hint"), "", "{errors:?}");
            let place = |of: &dyn Fn(&Value) -> bool| told.iter().position(of).expect("told");
            let order = asked.map(|query| place(&|event: &Value| event["query"] == query));
            assert!(order.is_sorted(), "in the order of the queries: {order:?}");
            assert_eq!(told.last().expect("an end")["status"], "partial");
        }
    }
    let output = where_is(&repo, &["--format=human", "nowhere~3", "main"]);
    assert!(stderr(&output).contains("error: 'nowhere~3'") && stderr(&output).contains("\nhint: "), "{output:?}");
    // A query that finds nothing is answered.
    assert_eq!(where_is(&repo, &["nowhere~3", "CVE-2000-12345"]).status.code(), Some(3));
}

#[test]
fn where_nothing_could_be_answered_it_is_fatal() {
    let repo = Repo::fixture("backports");
    for (asked, errors) in [(&["nowhere~3"][..], 1), (&["nowhere~3", "main..nowhere", ""], 3)] {
        let output = where_is(&repo, asked);
        assert_eq!(output.status.code(), Some(128), "{asked:?}");
        let told = events(&output);
        let found = of_type(&told, "error");
        let of: Vec<&str> = found.iter().map(|error| text(error, "query")).collect();
        assert_eq!(of, asked);
        let fatal = found.iter().map(|error| error["fatal"] == true).collect::<Vec<_>>();
        assert_eq!(fatal, [&vec![false; errors - 1][..], &[true]].concat());
        assert_eq!(told.last().expect("an end")["status"], "failed");
        assert!(stderr(&output).starts_with("fatal: "), "{}", stderr(&output));
    }
}
