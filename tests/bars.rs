//! Bars, as a terminal shows them: one for each repository and one for all, no wider than the window, and never where nobody watches.
//! script(1) of util-linux makes the terminal.

mod support;

use std::process::Command;

use support::{Repo, bhfuil_command};

/// Two repositories that take a while even where nothing else is done.
fn two() -> (Repo, Repo) {
    (Repo::synthetic(12_000), Repo::synthetic(12_000))
}

/// What a terminal of so many columns shows of a run over both repositories, whose cache is removed before.
fn shown(columns: usize, before: &str, (one, other): &(Repo, Repo), options: &str) -> String {
    let own = bhfuil_command(one, &[]);
    let program = own.get_program().to_string_lossy().into_owned();
    let repos = [one, other].map(|repo| format!("--repo='{}'", repo.path().display())).join(" ");
    let run = format!(
        "stty rows 24 cols {columns}; rm -rf \"$GIT_BHFUIL_CACHE\"; {before} '{program}' scan --no-commits --format=human {repos} {options}"
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &run, "/dev/null"]);
    let output = one.seal(&mut command).env("TERM", "xterm").current_dir(one.path()).output();
    let output = output.expect("script(1) starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines that are written, without what moves the cursor or colours.
fn lines(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut letters = shown.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' && letters.peek() == Some(&'[') {
            letters.next();
            // A control sequence ends with a letter (ECMA-48).
            let end = letters.by_ref().find(|letter| ('@'..='~').contains(letter));
            // To another line, or the whole of this one away: what comes next is a line of its own.
            plain.push(if end == Some('m') { '\0' } else { '\n' });
        } else {
            plain.push(letter);
        }
    }
    plain.replace('\0', "").split(['\n', '\r']).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn each_repository_has_a_bar_and_all_have_one() {
    let both = two();
    let raw = shown(100, "", &both, "");
    let shown = lines(&raw);
    let bars = |word: &str| shown.iter().filter(|line| line.contains(word)).count();
    assert!(bars(": indexing: ") >= 2, "{shown:#?}");
    assert!(shown.iter().any(|line| line.starts_with("repositories: ") && line.ends_with("/2)")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("/s")), "a rate: {shown:#?}");
    let end = raw.rsplit("repositories: ").next().expect("the last bar");
    assert!(end.contains("\x1b[2K") || end.contains("\x1b[J"), "it is left standing: {end:?}");
}

#[test]
fn a_bar_fits_a_narrow_window() {
    let shown = lines(&shown(24, "", &two(), ""));
    let bars: Vec<&String> =
        shown.iter().filter(|line| line.contains("indexing") || line.starts_with("repositories")).collect();
    assert!(!bars.is_empty(), "{shown:#?}");
    assert!(bars.iter().all(|bar| bar.chars().count() < 24), "{bars:#?}");
}

#[test]
fn there_is_no_bar_where_it_would_be_in_the_way() {
    let both = two();
    for (before, options) in
        [("", "--no-progress"), ("", "--quiet"), ("TERM=dumb", ""), ("", "2>/dev/null"), ("", "2>&1 | cat")]
    {
        let shown = shown(100, before, &both, options);
        assert!(!shown.contains("indexing") && !shown.contains("repositories:"), "{before} {options}: {shown:?}");
    }
}
