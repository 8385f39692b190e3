//! What people see of `where`: the table of `fixtures/backports` to the letter, with colour and without, wide and narrow.

mod support;

use std::process::Output;

use support::{Repo, bhfuil};

/// What stdout and stderr are for `git bhfuil where --format=human` in a sealed environment with `variables` in it.
fn asked(repo: &Repo, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = bhfuil(repo);
    for name in ["COLUMNS", "TERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").envs(variables.iter().copied());
    command.args(["where", "--format=human"]).args(args).output().expect("git-bhfuil runs")
}

fn shown(repo: &Repo, args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = asked(repo, args, variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `text` with `{name}` replaced by the first twelve digits of what the fixture told for `name`.
fn told(repo: &Repo, text: &str) -> String {
    let mut text = text.to_owned();
    for (name, id) in repo.truth() {
        text = text.replace(&format!("{{{name}}}"), id.get(..12).expect("a full id"));
    }
    text
}

#[test]
fn a_change_is_a_row_and_a_release_line_a_column() {
    let repo = Repo::fixture("backports");
    let expected = "{plain}  2023-11-14  A U Thor  a: plain fix

  1.0      2.0      mainline
  + 1.0.1  + 2.0.0  *

  * the commit itself   + an equivalent commit   name: first release with it

  Why:
  * {plain}  mainline  the commit itself
  + {plain@stable/2.0}  2.0       trailer  100%  exact  also patch-id, author-date,
                                                  subject, paths, lines
  + {plain@stable/1.0}  1.0       trailer  100%  exact  also patch-id, author-date,
                                                  subject, paths, lines
";
    assert_eq!(shown(&repo, &[repo.id("plain")], &[]), told(&repo, expected));
}

#[test]
fn what_was_undone_and_what_only_a_tag_has_are_told_from_what_is_missing() {
    let repo = Repo::fixture("backports");
    let table = |name: &str| {
        let text = shown(&repo, &[repo.id(name)], &[("LC_ALL", "C.UTF-8")]);
        let table = text.split_once("\n\n").and_then(|(_, rest)| rest.split_once("  Why:"));
        table.expect("a table between headline and reasons").0.to_owned()
    };
    let undone = "  1.0  2.0  mainline
  ↶    ✗    ●

  ● the commit itself   ↶ reverted   ✗ missing

";
    assert_eq!(table("undone"), undone);
    let twice = "  1.0  2.0  mainline
  ↷    ✗    ●

  ● the commit itself   ↷ reverted and reapplied   ✗ missing

";
    assert_eq!(table("twice"), twice);
    let hotfix = "  1.0          2.0  mainline
  ✗ but 1.0.2  ✗    ●

  ● the commit itself   ✗ missing   but name: only a tag has it

";
    assert_eq!(table("hotfix"), hotfix);
}

#[test]
fn a_narrow_window_gets_shorter_lines() {
    let repo = Repo::fixture("backports");
    let expected = "CVE-2024-12345
{references}  2023-11-14  A U Thor
              g: fix with references
              (#12)

  1.0  2.0  mainline
  -    +    *

  * the commit itself
  + an equivalent commit   - missing

  Why:
  * {references}  mainline
                  the commit itself
  + {references@stable/2.0}  2.0
                  trailer 100%
                  exact, also
                  patch-id,
                  author-date,
                  pull-request #12,
                  subject, paths,
                  lines
";
    assert_eq!(shown(&repo, &["CVE-2024-12345"], &[("COLUMNS", "36")]), told(&repo, expected));
}

#[test]
fn colour_is_asked_for_or_follows_the_conventions() {
    let repo = Repo::fixture("backports");
    let id = repo.id("plain");
    let plain = shown(&repo, &[id], &[]);
    assert!(!plain.contains('\u{1b}'), "stdout is no terminal: {plain:?}");
    let coloured = shown(&repo, &[id, "--color=always"], &[("NO_COLOR", "1"), ("TERM", "dumb")]);
    let expected = "  \u{1b}[36m+\u{1b}[m 1.0.1  \u{1b}[36m+\u{1b}[m 2.0.0  \u{1b}[32m*\u{1b}[m\n";
    assert!(coloured.contains(expected), "{coloured:?}");
    let codes = regex::Regex::new("\u{1b}\\[[0-9]*m").expect("a pattern");
    assert_eq!(codes.replace_all(&coloured, ""), plain, "colour changes nothing else");
    assert_eq!(shown(&repo, &[id], &[("CLICOLOR_FORCE", "1")]), coloured);
    for (args, variables) in [
        (&["--color=auto"][..], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")][..]),
        (&["--color=never"], &[("CLICOLOR_FORCE", "1")]),
        (&["--no-color"], &[("CLICOLOR_FORCE", "1")]),
        (&["--color=always", "--no-color"], &[]),
    ] {
        assert_eq!(shown(&repo, &[&[id], args].concat(), variables), plain, "{args:?} {variables:?}");
    }
}

#[test]
fn colour_is_configured_as_for_git_and_what_is_typed_or_no_color_comes_first() {
    let repo = Repo::fixture("backports");
    let id = repo.id("plain");
    let plain = shown(&repo, &[id], &[]);
    let coloured = shown(&repo, &[id, "--color=always"], &[]);
    let forced = ("CLICOLOR_FORCE", "1");
    // The values of color.ui and bhfuil.color, what is typed, the environment, and whether there is colour.
    for (ui, own, args, variables, is_coloured) in [
        ("always", "", &[][..], &[][..], true),
        ("ALWAYS", "", &[], &[], true),
        ("true", "", &[], &[], false),
        ("true", "", &[], &[forced], true),
        ("auto", "", &[], &[], false),
        ("auto", "", &[], &[forced], true),
        ("false", "", &[], &[forced], false),
        ("never", "", &[], &[forced], false),
        ("off", "", &[], &[forced], false),
        ("always", "never", &[], &[forced], false),
        ("never", "always", &[], &[], true),
        ("always", "auto", &[], &[], false),
        ("always", "", &["--color=never"], &[], false),
        ("always", "", &["--no-color"], &[], false),
        ("always", "", &["--color=auto"], &[], false),
        ("never", "never", &["--color=always"], &[], true),
        ("always", "always", &[], &[("NO_COLOR", "1")], false),
        ("always", "always", &[], &[("NO_COLOR", "")], true),
        ("never", "never", &[], &[("GIT_BHFUIL_COLOR", "always")], true),
    ] {
        for (key, value) in [("color.ui", ui), ("bhfuil.color", own)] {
            if value.is_empty() {
                repo.shell(&format!("git config --unset {key} || :"));
            } else {
                repo.git(&["config", key, value]);
            }
        }
        let expected = if is_coloured { &coloured } else { &plain };
        let case = format!("color.ui={ui} bhfuil.color={own} {args:?} {variables:?}");
        assert_eq!(shown(&repo, &[&[id], args].concat(), variables), *expected, "{case}");
    }
    // git doesn't take it either.
    repo.git(&["config", "bhfuil.color", "red"]);
    let output = asked(&repo, &[id], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(128) && said.contains("'red' for bhfuil.color"), "{said}");
    assert_eq!(shown(&repo, &[id, "--color=always"], &[]), coloured);
    // Programs are told the same in any colour.
    let stream = bhfuil(&repo).args(["where", id]).output().expect("git-bhfuil runs");
    assert!(stream.status.success() && !stream.stdout.contains(&0x1b));
}

#[test]
fn answers_stand_apart_and_what_is_not_found_is_said_on_stderr() {
    let repo = Repo::fixture("backports");
    let output = asked(&repo, &[repo.id("twin-1"), "CVE-1999-9999", repo.id("twin-2")], &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let second = told(&repo, "\n\n{twin-2}  2023-11-14  A U Thor  h: the other of two\n");
    assert!(text.starts_with(&told(&repo, "{twin-1}  2023-11-14  A U Thor  h: one of two\n\n")), "{text}");
    assert!(text.contains(&second), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning: 'CVE-1999-9999' was not found"));
}

#[test]
fn all_tags_are_a_list() {
    let repo = Repo::fixture("backports");
    let text = shown(&repo, &[repo.id("two"), "--tags=all"], &[]);
    assert!(text.ends_with("\n  Tags:\n  * 2.0.0, 2.0.0-rc1\n"), "{text}");
}

#[test]
fn width_and_colour_never_alter_json() {
    let repo = Repo::fixture("backports");
    let stream = |variables: &[(&str, &str)], args: &[&str]| {
        let output =
            bhfuil(&repo).args(["where", repo.id("plain")]).args(args).envs(variables.iter().copied()).output();
        let output = output.expect("git-bhfuil runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // The last two lines tell what the cache did and how long it took.
        text.lines()
            .filter(|line| !line.contains("\"end\"") && !line.contains("\"repo-end\""))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let plain = stream(&[], &[]);
    assert!(plain.contains("\"type\":\"presence\""), "{plain}");
    assert_eq!(stream(&[("COLUMNS", "30"), ("CLICOLOR_FORCE", "1")], &["--color=always"]), plain);
}

#[test]
fn a_mistyped_ref_is_suggested() {
    let repo = Repo::fixture("backports");
    for args in [&["where", "stable/1.1"][..], &["scan", "stable/1.1"], &["scan", "main", "main..stable/1.1"]] {
        let output = bhfuil(&repo).args(args).arg("--format=human").output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("hint: did you mean 'stable/1.0'?"), "{args:?}: {said}");
    }
    // Words are words, however near they come.
    let output = bhfuil(&repo).args(["where", "main stable/1.1", "--format=human"]).output().expect("it runs");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("did you mean 'stable"), "{output:?}");
}
