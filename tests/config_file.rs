//! The text of a configuration file, read and changed by us, beside what git makes of it: random texts, each held to
//! `git config --file - --list -z`.

use std::borrow::Cow;
use std::process::{Output, Stdio};

use git_bhfuil::config::syntax::{Document, Entry};
use proptest::prelude::*;

mod support;
use support::Repo;

/// Name and value of everything that is set, or the line that is bad.
type Listed = Result<Vec<(Vec<u8>, Option<Vec<u8>>)>, usize>;

fn ours(text: &[u8]) -> Listed {
    let document = Document::parse(text).map_err(|error| error.line)?;
    let name = |stem: &[u8], key: &str, has_header: bool| {
        if has_header { [stem, b".", key.as_bytes()].concat() } else { key.as_bytes().to_vec() }
    };
    let lower = |entry: &Entry<'_>| entry.key.to_ascii_lowercase();
    let pair =
        |entry: Entry<'_>| (name(entry.stem, &lower(&entry), entry.has_header), entry.value().map(Cow::into_owned));
    Ok(document.entries().map(pair).collect())
}

fn git(text: &[u8]) -> Listed {
    let output = output(&["config", "--file", "-", "--list", "-z"], text);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if let Some((_, line)) = stderr.split_once("bad config line ") {
        let line: usize = line.split(' ').next().expect("a number").parse().expect("a number");
        // Of a header that ends with the text, git counts the end for a line.
        let lines = text.split_inclusive(|byte| *byte == b'\n').count();
        return Err(line.min(lines));
    }
    assert!(output.status.success(), "{stderr}\n{}", text.escape_ascii());
    let entries = output.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    let pair = |entry: &[u8]| {
        let mut parts = entry.splitn(2, |byte| *byte == b'\n');
        (parts.next().expect("a name").to_vec(), parts.next().map(<[u8]>::to_vec))
    };
    Ok(entries.map(pair).collect())
}

fn output(args: &[&str], input: &[u8]) -> Output {
    use std::io::Write as _;
    let mut command = std::process::Command::new("git");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C.UTF-8");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    // git may have seen enough before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("git ends")
}

/// Pieces of which texts are made that are often right and often nearly so.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "[a]", "[A.b]", "[a \"b\"]", "[bhfuil \"repo.x.y\"]", "[a \"\\\"\\\\q\"]", "[]", "[ a]", "[a b]", "[a\t \"b c\"]", "[a \"b\" ]",
        ]),
        6 => prop::sample::select(vec![
            "k", "K = v", "k=\"v\"", "key-1 = a  b \t c ", "k = \"a # b\" # c", "k = a ; b", "k = \"", "k=\\", "k = a\\tb\\nc\\\"d\\\\e",
            "k = a\\q", "1k = v", "-k = v", "k v", "k = é", "k = a = b", "k = \"a\"b\" c \"",
        ]),
        8 => prop::sample::select(vec!["\n", "\r\n", "\n\n", "\\\n", "\\\r\n", "\n\t", "\r"]),
        3 => prop::sample::select(vec![" ", "\t", "#", ";", "=", "\"", "\\", "x", ".", "[", "]", "\u{b}", "\u{feff}"]),
    ];
    (any::<bool>(), prop::collection::vec(piece, 0..12)).prop_map(|(marked, pieces)| {
        let mark = if marked { "\u{feff}" } else { "" };
        [mark.as_bytes(), pieces.concat().as_bytes()].concat()
    })
}

/// Bytes without NUL, which git has no way to write.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => b' '..b'~', 2 => prop::sample::select(b" \t\n\r\"\\#;=\x08".to_vec()), 1 => 1_u8..=255];
    prop::collection::vec(byte, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_means_what_it_means_to_git(text in pieces()) {
        prop_assert_eq!(ours(&text), git(&text), "{}", text.escape_ascii());
    }

    #[test]
    fn a_change_is_what_git_then_reads(
        text in pieces(),
        stem in prop::sample::select(vec!["a", "a.b", "bhfuil.repo.x.y", "new", "new.\"x\\y z\""]),
        values in prop::collection::vec(value(), 0..3),
    ) {
        let Ok(before) = git(&text) else { return Ok(()) };
        let document = Document::parse(&text).expect("git reads it");
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let changed = document.with(stem.as_bytes(), "k", &values);
        let name = format!("{stem}.k").into_bytes();
        let after = git(&changed).expect("still good");
        let of = |listed: &[(Vec<u8>, Option<Vec<u8>>)], is_it: bool| -> Vec<_> {
            listed.iter().filter(|(found, _)| (*found == name) == is_it).cloned().collect()
        };
        let set: Vec<_> = values.iter().map(|value| (name.clone(), Some(value.to_vec()))).collect();
        prop_assert_eq!(of(&after, true), set, "{}\n{}", text.escape_ascii(), changed.escape_ascii());
        prop_assert_eq!(of(&after, false), of(&before, false), "{}\n{}", text.escape_ascii(), changed.escape_ascii());
    }

    #[test]
    fn sections_go_without_a_trace(text in pieces(), stem in prop::sample::select(vec!["a", "a.b"])) {
        let Ok(before) = git(&text) else { return Ok(()) };
        let document = Document::parse(&text).expect("git reads it");
        let changed = document.without_sections(|found| found == stem.as_bytes());
        let section = |name: &[u8]| name.rsplitn(2, |byte| *byte == b'.').nth(1).map(<[u8]>::to_vec);
        let left: Vec<_> =
            before.into_iter().filter(|(name, _)| section(name).as_deref() != Some(stem.as_bytes())).collect();
        prop_assert_eq!(git(&changed), Ok(left), "{}\n{}", text.escape_ascii(), changed.escape_ascii());
    }
}

#[test]
fn a_value_that_git_writes_is_read_as_it_was() {
    let repo = Repo::new();
    for value in ["", " a ", "a\"b\\c", "a#b;c", "a\nb\tc", "é", "a  b", "\u{8}x"] {
        repo.git(&["config", "set", "--file", "f", "a.b.c", value]);
        let text = std::fs::read(repo.path().join("f")).expect("written");
        assert_eq!(ours(&text), Ok(vec![(b"a.b.c".to_vec(), Some(value.as_bytes().to_vec()))]), "{value:?}");
    }
}
