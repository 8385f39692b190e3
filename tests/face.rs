//! What a person meets.

mod support;

use support::Repo;

#[test]
fn a_template_makes_a_line_of_each_event_that_has_its_fields() {
    let repo = Repo::fixture("backports");
    let lines = |args: &[&str]| {
        let output = support::bhfuil(&repo).args(args).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        output.stdout
    };
    // git is the oracle.
    let log = repo.git_bytes(&["log", "--branches", "--tags", "HEAD", "--format=%H%x09%P%x09%an%x09%s"]);
    assert_eq!(lines(&["scan", "--format=%(id)%09%(parents)%09%(author.name)%09%(subject)"]), log);
    let refs = repo.git_bytes(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"]);
    let told = lines(&["scan", "--show-refs", "--format=%(id) %(ref)"]);
    let sorted = |text: &[u8]| {
        let mut lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
        lines.retain(|line| !line.ends_with(" HEAD"));
        lines.sort();
        lines
    };
    assert_eq!(sorted(&told), sorted(&refs));
    let plain = repo.id("plain");
    let presences = lines(&["where", plain, "--format=%(short) %(state) %(first_tag)"]);
    let presences = String::from_utf8(presences).expect("UTF-8");
    assert!(presences.lines().any(|line| line.starts_with("main present ")), "{presences}");
    // The same of what passes through, and of a list.
    let stream = lines(&["scan", "--format=jsonl"]);
    let output = support::bhfuil(&repo).args(["enrich", "--offline", "--format=%(id)"]).write_stdin(stream).output();
    assert_eq!(
        output.expect("it runs").stdout,
        repo.git_bytes(&["log", "--branches", "--tags", "HEAD", "--format=%H"])
    );
    assert_eq!(lines(&["config", "get", "jobs", "--format=%(key)=%(value)"]), b"bhfuil.jobs=3\n");

    for (format, why) in [
        ("%(sbject)", "no event has a field 'sbject'; did you mean 'subject'?"),
        ("%(id", "%(id isn't closed by a bracket"),
    ] {
        let output = support::bhfuil(&repo).args(["scan", "--format", format]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(129), "{said}");
        assert!(said.starts_with(&format!("fatal: bad value '{format}' for --format: {why}\n")), "{said}");
    }
}

#[test]
fn a_template_keeps_a_terminal_from_what_a_commit_holds() {
    let repo = Repo::new();
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "a \u{1b}[31mred\n\none\ntwo"]);
    let run = |pager: &str| {
        let mut command = support::bhfuil(&repo);
        command.env("GIT_PAGER_IN_USE", pager).args(["scan", "--format=%(subject)%0a%(body)"]);
        String::from_utf8(command.output().expect("it runs").stdout).expect("UTF-8")
    };
    assert_eq!(run("false"), "a \u{1b}[31mred\none\ntwo\n", "a program gets what is there");
    assert_eq!(run("true"), "a <U+001B>[31mred\none\ntwo\n");
}
