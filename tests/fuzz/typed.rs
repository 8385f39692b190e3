//! What a user types, and what stands in files of configuration.

use std::process::{Command, Stdio};

use git_bhfuil::config::syntax::Document;
use git_bhfuil::config::{Color, Name, values};
use git_bhfuil::facts::diff_prefix::with_usual_prefixes;
use git_bhfuil::facts::patterns::Patterns;
use git_bhfuil::locate::query::{Query, Words, empty_field, revisions};
use git_bhfuil::template::Template;
use proptest::prelude::*;

use super::mutations::{config, mutated};

fn git(args: &[&str], input: &[u8]) -> std::process::Output {
    use std::io::Write as _;
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C.UTF-8");
    command.args(args).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("git ends")
}

/// Name and value of everything in a text of configuration, as git lists it; `None` if it is no such text.
fn listed(text: &[u8]) -> Option<Vec<u8>> {
    let output = git(&["config", "--file", "-", "--list", "-z"], text);
    output.status.success().then_some(output.stdout)
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_text_of_configuration_means_what_it_means_to_git(text in mutated("config")) {
        let ours = Document::parse(&text).ok().map(|document| {
            let mut all = Vec::new();
            for entry in document.entries() {
                if entry.has_header {
                    all.extend_from_slice(entry.stem);
                    all.push(b'.');
                }
                all.extend(entry.key.to_ascii_lowercase().into_bytes());
                if let Some(value) = entry.value() {
                    all.push(b'\n');
                    all.extend_from_slice(&value);
                }
                all.push(0);
            }
            all
        });
        // A NUL ends a value for git, which tells us no more of it.
        if !text.contains(&0) {
            prop_assert_eq!(ours.map(|it| it.escape_ascii().to_string()), listed(&text).map(|it| it.escape_ascii().to_string()), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn values_are_those_of_git(value in mutated("values")) {
        let Ok(value) = String::from_utf8(value) else { return Ok(()) };
        // What a command line can't hold, a file can't either.
        if value.contains(['\0', '\n']) {
            return Ok(());
        }
        let of_type = |kind: &str| {
            let output = git(&["-c", &format!("a.b={value}"), "config", "--type", kind, "a.b"], b"");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        };
        if let Some(number) = values::number(&value) {
            let is_ours = value.trim_end().ends_with(['t', 'T']) || value.ends_with(char::is_whitespace) || i64::try_from(number).is_err();
            prop_assert!(is_ours || of_type("int") == Some(number.to_string()), "{value:?}: {number} {:?}", of_type("int"));
        }
        if let Some(color) = values::color(&value)
            && value.trim() == value
            && color != Color::Always
            && !value.eq_ignore_ascii_case("auto")
            && !value.eq_ignore_ascii_case("never")
        {
            let expected = if color == Color::Auto { "true" } else { "false" };
            prop_assert_eq!(of_type("bool"), Some(expected.to_owned()), "{:?}", value);
        }
        let _ = (values::time(&value), values::name_fault(&value));
        if let Ok(name) = Name::parse(&value) {
            prop_assert_eq!(Name::parse(&name.to_string()).expect("its own name").to_string(), name.to_string());
        }
    }

    #[test]
    fn a_query_is_what_it_is_with_blanks_around_it(text in mutated("queries")) {
        let text = String::from_utf8_lossy(&text);
        let patterns = Patterns::compile(&[], &["PROJ".to_owned()]).expect("patterns");
        let query = Query::parse(&text, &patterns);
        prop_assert_eq!(&Query::parse(&format!("  {text}\n"), &patterns), &query);
        match &query {
            Query::ChangeId(id) => {
                prop_assert!((8..=41).contains(&id.len()));
                prop_assert_eq!(&Query::parse(id, &patterns), &query);
            }
            Query::Issue(issue) => prop_assert!(!issue.key.is_empty() && issue.key.len() <= text.len() + 8),
            Query::Name(name) => prop_assert_eq!(name, text.trim()),
            Query::Words(words) => prop_assert_eq!(words, &Words::parse(text.trim())),
        }
        let words = Words::parse(&text);
        let all = [&words.anywhere, &words.subject, &words.author, &words.paths];
        prop_assert!(all.iter().all(|list| list.iter().all(|word| !word.is_empty() && !word.contains('"'))));
        prop_assert!(revisions(&text).is_none_or(|all| all.len() > 1 && all.join(" ").len() <= text.len()));
        let _ = empty_field(&text);
    }

    #[test]
    fn a_template_writes_what_stands_in_it(text in mutated("templates")) {
        let text = String::from_utf8_lossy(&text).into_owned();
        let event = serde_json::json!({"type": "commit", "repo": "r", "id": "ab", "subject": "s", "issues": [{"kind": "cve", "key": "k"}]});
        let Ok(template) = Template::parse(&text) else { return Ok(()) };
        let mut line = Vec::new();
        template.write(&event, None, &mut line);
        prop_assert!(line.is_empty() || line.ends_with(b"\n"));
        // With `%%` for each `%` in front of it, a text is itself.
        let plain = text.replace('%', "%%");
        let mut line = Vec::new();
        Template::parse(&format!("{plain}%(id)")).expect("a template").write(&event, None, &mut line);
        prop_assert_eq!(String::from_utf8_lossy(&line), format!("{text}ab\n"));
    }

    #[test]
    fn a_diff_with_the_usual_prefixes_stays_as_it_is(diff in mutated("diffs")) {
        let usual = with_usual_prefixes(&diff, &[]).into_owned();
        prop_assert_eq!(with_usual_prefixes(&usual, &[]).escape_ascii().to_string(), usual.escape_ascii().to_string(), "{}", diff.escape_ascii());
        // Nothing but headers is rewritten.
        let lines = |text: &[u8]| text.split(|&byte| byte == b'\n').count();
        prop_assert_eq!(lines(&usual), lines(&diff));
    }
}
