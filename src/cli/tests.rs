use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::{
    argv::TextArg,
    scan::{Color, Format},
    *,
};

fn parse_bytes(args: &[&[u8]]) -> Result<Invocation, Exit> {
    parse(args.iter().map(|arg| OsStr::from_bytes(arg).to_owned()))
}

fn parse_line(line: &str) -> Result<Invocation, Exit> {
    parse(line.split_whitespace().map(OsString::from))
}

fn scan(line: &str) -> ScanArgs {
    match parse_line(line) {
        Ok(Invocation { command: Command::Scan(args), .. }) => args,
        other => panic!("{line}: {other:?}"),
    }
}

/// What is said of a line; where `where` was put in for a missing command, what is said if that has nothing to look for.
fn refusal(line: &str) -> UsageError {
    match parse_line(line) {
        Err(Exit::Usage(error)) | Ok(Invocation { implied: Some(error), .. }) => error,
        other => panic!("{line}: {other:?}"),
    }
}

fn raw(words: &[&str]) -> Vec<RawArg> {
    words.iter().map(|word| RawArg(word.into())).collect()
}

#[test]
fn different_spellings_mean_the_same() {
    for (plain, others) in [
        ("scan --max-count 5", &["scan --max-count=5", "scan -n 5", "scan -n5", "scan -5", "scan --max=5"][..]),
        ("scan --max-count 12", &["scan -12", "scan -n1 -12", "scan -3 -n 4 --max-count=12"]),
        ("scan --max-count -1", &["scan -n -1", "scan -n-1", "scan --max-count=-1"]),
        ("scan --reverse", &["scan --rev", "scan --reverse --reverse", "scan --no-rev --reverse"]),
        ("scan", &["scan --reverse --no-reverse", "scan --no-commits --commits", "scan -q --no-quiet"]),
        ("scan --quiet --verbose", &["scan -q -v", "scan -qv", "scan -vq"]),
        ("scan --verbose --verbose", &["scan -vv", "scan -v -v", "scan -v --verb"]),
        ("scan --verbose", &["scan -vv --no-verbose -v"]),
        ("scan --quiet --max-count 5", &["scan -qn5", "scan -qn 5"]),
        ("scan --progress", &["scan --no-progress --progress", "scan --no-progress --prog"]),
        ("scan --no-progress", &["scan --progress --no-progress", "scan --no-pr"]),
        ("scan --no-commits", &["scan --no-com"]),
        ("scan --grep a --grep b=c", &["scan --grep=a --grep=b=c"]),
        ("scan --since x", &["scan --since=w --since=x", "scan --since=x"]),
        ("scan --reverse main", &["scan main --reverse"]),
        ("scan --null --stdin", &["scan --stdin -z", "scan -z --stdin"]),
        ("-C a scan -q", &["scan -C a -q", "scan -q -Ca", "scan -qCa", "scan --directory=a -q", "scan -q --dir a"]),
        ("-C a -C b -C c scan", &["-C a scan -C b -C c", "scan -C a -Cb -C c", "-C a -C b scan -C c"]),
        ("-C a schema", &["schema -C a"]),
    ] {
        for other in others {
            assert_eq!(parse_line(other), parse_line(plain), "{other}");
        }
        assert!(parse_line(plain).is_ok(), "{plain}");
    }
}

#[test]
fn every_option_arrives() {
    let args = scan(
        "scan a ^b --refs r --refs s --since 1 --until 2 --author A --author B --grep g -n 7 --reverse --no-commits \
         -z --threads 2 --format jsonl --color always --progress -q -vvv --paths --mailmap --show-refs \
         --patch-id --tagged --group g --all-repos --shard 3/4 --jobs 4",
    );
    let text = |text: &str| Some(TextArg(text.to_owned()));
    let expected = ScanArgs {
        issues: false,
        revisions: raw(&["a", "^b"]),
        refs: raw(&["r", "s"]),
        since: text("1"),
        until: text("2"),
        author: raw(&["A", "B"]),
        grep: raw(&["g"]),
        max_count: Some(7),
        reverse: true,
        no_commits: true,
        stdin: false,
        null: true,
        repo: raw(&[]),
        group: raw(&["g"]),
        all_repos: true,
        jobs: std::num::NonZeroUsize::new(4),
        threads: std::num::NonZeroUsize::new(2),
        format: Format::Jsonl,
        color: Some(Color::Always),
        no_color: false,
        progress: true,
        no_progress: false,
        quiet: true,
        verbose: 3,
        after: None,
        new: None,
        paths: true,
        mailmap: true,
        show_refs: true,
        tagged: true,
        shard: Some(super::scan::Shard { part: 3, of: 4 }),
        patch_id: true,
    };
    assert_eq!(args, expected);
    // These contradict some of the others.
    assert_eq!(scan("scan --after c").after, text("c"));
    assert_eq!(scan("scan --new n").new, text("n"));
    assert!(scan("scan --stdin").stdin);
    assert_eq!(scan("scan --repo x --repo ../y").repo, raw(&["x", "../y"]));
    assert!(scan("scan --color=always --no-color").no_color);
    assert!(!scan("scan --no-color --color=always").no_color);
    assert_eq!((scan("scan").format, scan("scan").color), (Format::Auto, None));
}

#[test]
fn bytes_that_are_not_utf8_survive() {
    for word in [&b"\xff"[..], b"a\xffb", b"\xc3", b"\xc3\xa9\xa9", b"\xff\xfe", "é\u{fffd}".as_bytes()] {
        let expected = vec![RawArg(OsStr::from_bytes(word).to_owned())];
        let joined = [b"--grep=", word].concat();
        for args in [&[b"scan", word][..], &[b"scan", b"--grep", word], &[b"scan", &joined]] {
            let Ok(Invocation { command: Command::Scan(args), .. }) = parse_bytes(args) else {
                panic!("{word:?}");
            };
            assert!(args.revisions == expected || args.grep == expected, "{word:?}");
        }
        let after = parse_bytes(&[b"-C", word, b"scan", b"--", word]).expect("understood");
        assert_eq!(after.paths, Some(vec![expected[0].0.clone()]));
        assert_eq!(after.dir, Some(PathBuf::from(&expected[0].0)));
    }
}

#[test]
fn text_options_and_messages_with_other_bytes_stay_readable() {
    for (args, expected) in [
        (&[&b"scan"[..], b"--since=\xff"][..], "bad value '\u{fffd}' for --since: expected UTF-8"),
        (&[b"scan", b"--\xff"], "unknown option '--\u{fffd}'"),
        (&[b"scan", b"-\xff"], "unknown option '-\u{fffd}'"),
        (&[b"scan", b"-n\xff"], "bad value '\u{fffd}' for --max-count: expected a whole number"),
    ] {
        let Err(Exit::Usage(error)) = parse_bytes(args) else { panic!("{args:?}") };
        assert!(error.message.contains(expected), "{}", error.message);
    }
}

#[test]
fn everything_after_two_dashes_is_a_path() {
    for (line, revisions, paths) in [
        ("scan", &[][..], None),
        ("scan --", &[], Some(&[][..])),
        ("scan a -- b", &["a"], Some(&["b"])),
        ("scan -- -n --help -- x", &[], Some(&["-n", "--help", "--", "x"])),
        ("scan help -", &["help", "-"], None),
        ("scan --grep help help", &["help"], None),
    ] {
        let invocation = parse_line(line).expect(line);
        let paths = paths.map(|paths| paths.iter().map(OsString::from).collect());
        assert_eq!(invocation.paths, paths, "{line}");
        assert_eq!(scan(line).revisions, raw(revisions), "{line}");
    }
}

#[test]
fn directories_join_as_in_git() {
    for (line, expected) in [
        ("scan", None),
        ("-C a scan", Some("a")),
        ("-Ca scan", Some("a")),
        ("-C a -C b scan", Some("a/b")),
        ("-C a -C /b -C c scan", Some("/b/c")),
    ] {
        assert_eq!(parse_line(line).expect(line).dir, expected.map(PathBuf::from), "{line}");
    }
    let empty = parse_bytes(&[b"-C", b"a", b"-C", b"", b"scan"]).expect("understood");
    assert_eq!(empty.dir, Some(PathBuf::from("a")));
}

#[test]
fn mistakes_are_named() {
    for (line, message) in [
        ("", "a command or a query is missing; 'git bhfuil -h' tells of them"),
        ("-- scan", "a command or a query is missing; 'git bhfuil -h' tells of them"),
        ("explain HEAD", "two commits are needed"),
        ("dismiss", "<change>, --on and --because are missing"),
        ("dismiss HEAD --on=x", "--because is missing"),
        ("task start walk", "bad value 'walk' for <kind>: expected scan, patch-ids, prefetch, sync or gc"),
        ("cache", "a command is missing: info, verify, gc, clear or views"),
        ("sacn", "'sacn' is not a command; did you mean 'scan'?"),
        ("frobnicate", "'frobnicate' is not a command"),
        ("--verison", "unknown option '--verison'; did you mean '--version'?"),
        ("scan --revrse", "unknown option '--revrse'; did you mean '--reverse'?"),
        ("scan --frobnicate=1", "unknown option '--frobnicate'"),
        ("scan -x", "unknown option '-x'"),
        ("scan -qx", "unknown option '-qx'"),
        ("scan -reverse", "unknown option '-reverse'; did you mean '--reverse'?"),
        ("scan --re", "option '--re' is ambiguous: --refs, --reverse, --repo"),
        ("scan --reverse=1", "option '--reverse' takes no value"),
        ("scan --no-reverse=1", "option '--no-reverse' takes no value"),
        ("scan -n", "option '-n' needs a value"),
        ("scan --grep", "option '--grep' needs a value"),
        ("scan --grep -- x", "option '--grep' needs a value"),
        ("scan --no-grep", "unknown option '--no-grep'"),
        ("scan -n abc", "bad value 'abc' for --max-count: expected a whole number"),
        ("scan -n ':", "bad value '':' for --max-count: expected a whole number"),
        ("scan --threads 0", "bad value '0' for --threads: expected a whole number from 1 to 64"),
        ("scan --color=red", "bad value 'red' for --color: expected auto, always or never"),
        (
            "scan --format=xml",
            "bad value 'xml' for --format: expected auto, jsonl, human or a template such as '%(id)'",
        ),
        ("schema x", "'schema' takes no arguments, not 'x'"),
        ("schema -- x", "'schema' takes no paths"),
    ] {
        let error = refusal(line);
        assert_eq!(error.message, message, "{line}");
        let command =
            ["scan", "schema", "explain", "dismiss", "task start", "cache"].into_iter().find(|it| line.starts_with(it));
        let usage = command.map_or("Usage: git bhfuil [-C".to_owned(), |it| format!("Usage: git bhfuil {it}"));
        assert!(error.usage.starts_with(&usage), "{line}: {}", error.usage);
        assert!(!error.usage.contains('\n'));
    }
}

#[test]
fn help_is_a_text_of_the_right_command() {
    for (line, usage) in [
        ("-h", "Usage: git bhfuil [-C <path>]"),
        ("--help", "Usage: git bhfuil [-C <path>]"),
        ("help", "Usage: git bhfuil [-C <path>]"),
        ("help scan", "Usage: git bhfuil scan [<options>]"),
        ("--help scan", "Usage: git bhfuil scan [<options>]"),
        ("scan -h", "Usage: git bhfuil scan [<options>]"),
        ("scan --help", "Usage: git bhfuil scan [<options>]"),
        ("scan a -n 1 --he", "Usage: git bhfuil scan [<options>]"),
        ("scan -n abc -qh", "Usage: git bhfuil scan [<options>]"),
        ("schema -h", "Usage: git bhfuil schema"),
    ] {
        let Err(Exit::Help(text)) = parse_line(line) else { panic!("{line}: {:?}", parse_line(line)) };
        assert!(text.starts_with(usage), "{line}: {text}");
        assert!(text.ends_with('\n'), "{line}");
    }
}

#[test]
fn every_command_is_explained_and_grouped_unless_it_is_for_programs() {
    let mut names = Vec::new();
    for it in &GitBhfuil::get_args_info().commands {
        names.push(it.name.to_owned());
        names.extend(it.command.commands.iter().map(|nested| format!("{} {}", it.name, nested.name)));
    }
    names.retain(|name| name != "complete");
    let mut told: Vec<&str> = prose::PROSE.iter().map(|prose| prose.command).collect();
    names.sort();
    told.sort_unstable();
    assert_eq!(names, told);
    let mut grouped: Vec<&str> = prose::GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    grouped.sort_unstable();
    assert_eq!(grouped, names.iter().filter(|name| !name.contains(' ')).collect::<Vec<_>>());
}

/// The words of a simple command line of a shell, as far as quotes go.
fn shell_words(line: &str) -> Vec<OsString> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in line.chars() {
        match (quote, letter) {
            (None, ' ') => words.push(String::new()),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (_, letter) => words.last_mut().expect("a word").push(letter),
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).map(OsString::from).collect()
}

#[test]
fn every_example_is_understood() {
    for (command, (what, line)) in help::examples() {
        let calls = line.split(" | ").filter_map(|part| {
            let call = part.split_once("git bhfuil").or_else(|| part.split_once("git-bhfuil"))?.1;
            Some(call.trim_end_matches([')', '"']))
        });
        let calls: Vec<&str> = calls.collect();
        assert!(!calls.is_empty(), "{line}");
        for call in calls {
            let parsed = parse(shell_words(call).into_iter());
            assert!(parsed.is_ok(), "{command}: {line}: {parsed:?}");
        }
        assert!(!what.ends_with('.') && line.len() <= 125, "{what}: {line}");
    }
}

#[test]
fn help_leads_with_an_example_and_fits_80_columns() {
    let names = prose::PROSE.iter().map(|prose| prose.command);
    for name in names {
        let text = help_text(Some(name));
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("Example: ")), "{text}");
        // A command line isn't broken.
        let wide = text.lines().filter(|line| line.chars().count() > 80 && !line.starts_with("Example: "));
        assert_eq!(wide.filter(|line| !line.starts_with("Usage: ")).collect::<Vec<_>>(), [""; 0], "{name}");
    }
    let text = help_text(None);
    assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
    assert!(["Ask:", "Stream:", "Repositories:", "Keep:"].iter().all(|group| text.contains(group)), "{text}");
}

#[test]
fn version_needs_no_command() {
    for line in ["--version", "--vers", "--version scan"] {
        assert_eq!(parse_line(line).expect(line).command, Command::Version, "{line}");
    }
    assert_eq!(parse_line("schema").expect("understood").command, Command::Schema(SchemaArgs {}));
}

#[test]
fn a_query_without_a_command_is_one_of_where() {
    for (line, queries, refusal) in [
        ("where CVE-2024-1", &["CVE-2024-1"][..], None),
        ("CVE-2024-1 --missing", &["CVE-2024-1"], Some("'CVE-2024-1' is not a command")),
        ("-C a v1.0 v2.0", &["v1.0", "v2.0"], Some("'v1.0' is not a command")),
        ("wher", &["wher"], Some("'wher' is not a command; did you mean 'where'?")),
    ] {
        let Ok(Invocation { command: Command::Where(args), implied, .. }) = parse_line(line) else { panic!("{line}") };
        assert_eq!((args.queries, implied.map(|error| error.message)), (raw(queries), refusal.map(str::to_owned)));
    }
    assert_eq!(refusal("sacn --reverse").message, "'sacn' is not a command; did you mean 'scan'?");
    assert!(refusal("CVE-2024-1 --bogus").message.starts_with("unknown option '--bogus'"));
    assert_eq!(refusal("where").message, "a query is missing");
}
