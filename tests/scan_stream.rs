//! How `git bhfuil scan` behaves as a command: its frame, its exit codes, what it says on which stream, where it looks for the
//! repository, and how it ends when the reader or a signal ends it.

mod support;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use git_bhfuil::error::Kind;
use git_bhfuil::facts::Oid;
use git_bhfuil::git::{Handle, ObjectError, Repository};
use git_bhfuil::pipeline::stream::{Piece, Stream};
use git_bhfuil::pipeline::walker::{Item, Walker};
use git_bhfuil::pipeline::{Handles, Pool};
use git_bhfuil::shutdown::Token;
use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, bhfuil_running, commit_ids, events, ids_alone, of_type, wait_until_idle};

/// A line of commits, and a tag on the middle one.
fn line(count: usize) -> Repo {
    let parents = |number: usize| if number == 0 { vec![] } else { vec![number - 1] };
    let time = |number: usize| 1_700_000_000 + i64::try_from(number).expect("a small number");
    let commits: Vec<Commit> = (0..count).map(|number| Commit::new(&parents(number), time(number))).collect();
    dag::repository(&commits, &[("refs/heads/main", count - 1), ("refs/tags/half", count / 2)]).0
}

fn scan(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).arg("scan").args(args).output().expect("runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn end(events: &[Value]) -> &Value {
    events.last().expect("there is an `end`")
}

fn rev_list(repo: &Repo, args: &[&str]) -> Vec<String> {
    repo.git(&[&["rev-list"], args].concat()).lines().map(str::to_owned).collect()
}

fn usual(repo: &Repo) -> Vec<String> {
    rev_list(repo, &["HEAD", "--branches", "--remotes", "--tags"])
}

#[test]
fn begin_opens_the_stream_and_end_closes_it_with_the_counts() {
    let repo = line(30);
    let output = scan(&repo, &["--show-refs"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
    let events = events(&output);
    assert_eq!(events[0]["command"], "scan");
    assert_eq!(events[0]["schema"], 1);
    assert_eq!(commit_ids(&events), usual(&repo));
    let end = end(&events);
    assert_eq!((&end["status"], &end["complete"], &end["exit_code"]), (&"ok".into(), &true.into(), &0.into()));
    for kind in ["commit", "ref"] {
        assert_eq!(end["counts"][kind].as_u64(), Some(of_type(&events, kind).len() as u64), "{kind}");
    }
    let repo_end = of_type(&events, "repo-end")[0];
    assert_eq!(
        (&repo_end["status"], &repo_end["index"], &repo_end["new"]),
        (&"ok".into(), &"built".into(), &30.into())
    );
    assert_eq!(of_type(&events, "repo")[0]["ref_count"].as_u64(), Some(of_type(&events, "ref").len() as u64));
}

#[test]
fn what_cant_be_answered_is_fatal_and_the_stream_is_whole_all_the_same() {
    let repo = line(3);
    for (args, code, words) in [
        (&["nowhere..main"][..], "bad-revision", "nowhere..main"),
        (&["main", "nowhere"], "bad-revision", "'nowhere'"),
        (&["--grep=(", "main"], "bad-value", "--grep"),
        (&["--author=[z-a]"], "bad-value", "'[z-a]' for --author"),
        (&["--after=0123"], "bad-cursor", "0123"),
    ] {
        let output = scan(&repo, args);
        assert_eq!(output.status.code(), Some(128), "{args:?}");
        let said = stderr(&output);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("fatal: ") && lines[0].contains(words), "{args:?}: {said}");
        assert!(lines[1].starts_with("hint: ") && lines.len() == 2, "{args:?}: {said}");
        let events = events(&output);
        let error = of_type(&events, "error")[0];
        assert_eq!((&error["code"], &error["fatal"], &error["class"]), (&code.into(), &true.into(), &"user".into()));
        assert!(error["message"].as_str().expect("text").contains(words), "{error}");
        let end = end(&events);
        assert_eq!((&end["status"], &end["complete"]), (&"failed".into(), &false.into()));
        assert_eq!(end["exit_code"], 128);
        assert!(end.get("cursor").is_none(), "{end}");
    }
}

#[test]
fn without_a_repository_a_hint_says_what_to_do() {
    let repo = Repo::new();
    for (variable, dir) in [(None, None), (Some("/nowhere"), None), (None, Some("no/such/folder"))] {
        let mut command = bhfuil(&repo);
        command.current_dir(repo.home());
        if let Some(value) = variable {
            command.env("GIT_DIR", value);
        }
        command.args(dir.map_or(["-C", "."], |dir| ["-C", dir])).arg("scan");
        let output = command.output().expect("runs");
        assert_eq!(output.status.code(), Some(128));
        let said = stderr(&output);
        assert!(said.starts_with("fatal: ") && said.contains("\nhint: "), "{said}");
        assert!(said.contains(variable.or(dir).unwrap_or("not a git repository")), "{said}");
        let events = events(&output);
        assert_eq!(of_type(&events, "error")[0]["code"], "no-repository");
        assert_eq!(end(&events)["status"], "failed");
    }
}

#[test]
fn a_usage_error_gives_the_usage_and_no_stream() {
    let repo = line(3);
    for (args, words) in [
        (&["scan", "--format=xml"][..], "xml"),
        (&["scan", "--threads=0"], "--threads"),
        (&["scan", "--threads=100000"], "64"),
        (&["scan", "--threads", "many"], "fatal: bad value 'many' for --threads: expected a whole number"),
        (&["scan", "-n", "few"], "few"),
        (&["scan", "-n"], "needs a value"),
        (&["scan", "--quiet=yes"], "--quiet"),
        (&["scan", "--reverze"], "did you mean '--reverse'"),
        (&["scan", "--show-ref", "--pahts"], "did you mean '--paths'"),
        (&["scan", "--no"], "ambiguous"),
        (&["scan", "-x"], "'-x'"),
        (&["scna"], "did you mean 'scan'"),
        (&[], "command"),
        (&["scan", "--after=a", "--new=b"], "--after and --new"),
        (&["scan", "--after=a", "main"], "--after"),
        (&["scan", "--new=a", "--stdin"], "--stdin"),
        (&["scan", "--new=a", "-n3"], "--new"),
        (&["scan", "--new=a", "--since=yesterday"], "--new"),
        (&["scan", "--stdin", "--", "file"], "--stdin"),
        (&["scan", "--stdin", "main"], "--stdin"),
        (&["scan", "--new=a", "--", "file"], "--new"),
    ] {
        let output = bhfuil(&repo).args(args).output().expect("runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(129), "{args:?}: {said}");
        assert_eq!(output.stdout, b"", "{args:?}");
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("fatal: ") && said.contains(words), "{args:?}: {said}");
        assert!(lines.len() == 2 && lines[1].starts_with("Usage: git bhfuil"), "{args:?}: {said}");
    }
}

#[test]
fn options_may_be_spelt_in_each_of_gits_ways() {
    let repo = line(9);
    let five = rev_list(&repo, &["-n5", "--all"]);
    for args in [
        &["-n5"][..],
        &["-5"],
        &["-n", "5"],
        &["--max-count=5"],
        &["--max-count", "5"],
        &["--max-c=5"],
        &["-qn5"],
        &["-n9", "--reverse", "-n5", "--no-reverse"],
        &["main", "-n5"],
    ] {
        assert_eq!(commit_ids(&events(&scan(&repo, args))), five, "{args:?}");
    }
    assert_eq!(commit_ids(&events(&scan(&repo, &["-n-1"]))).len(), 9);
    assert_eq!(commit_ids(&events(&scan(&repo, &["-n0"]))), Vec::<String>::new());
    let globs = events(&scan(&repo, &["--refs=tags/*", "--refs", "nothing/*"]));
    assert_eq!(commit_ids(&globs), rev_list(&repo, &["half"]));
}

#[test]
fn arguments_need_not_be_utf_8() {
    let (repo, _) = dag::repository(
        &[Commit::new(&[], 1).file("plain", "1"), Commit::new(&[0], 2).file("other", "2")],
        &[("refs/heads/main", 1)],
    );
    let name = OsStr::from_bytes(b"refs/heads/caf\xe9");
    assert!(
        repo.git_command()
            .arg("-C")
            .arg(repo.path())
            .arg("update-ref")
            .arg(name)
            .arg("main~1")
            .status()
            .is_ok_and(|s| s.success())
    );
    let output = bhfuil(&repo).arg("scan").arg(OsStr::from_bytes(b"caf\xe9")).output().expect("runs");
    assert_eq!(commit_ids(&events(&output)), rev_list(&repo, &["main~1"]));
    let glob = bhfuil(&repo).arg("scan").arg(OsStr::from_bytes(b"--refs=heads/caf\xe9*")).output().expect("runs");
    assert_eq!(commit_ids(&events(&glob)), rev_list(&repo, &["main~1"]));
    let unknown = bhfuil(&repo).arg("scan").arg(OsStr::from_bytes(b"th\xe9")).output().expect("runs");
    assert_eq!(unknown.status.code(), Some(128));
    assert!(stderr(&unknown).contains("th\u{fffd}"));
    let path = bhfuil(&repo).args(["scan", "--"]).arg(OsStr::from_bytes(b"no\xff")).output().expect("runs");
    assert_eq!((path.status.code(), commit_ids(&events(&path)).len()), (Some(0), 0));
}

#[test]
fn the_repository_is_found_as_git_finds_it() {
    let repo = line(5);
    let all = usual(&repo);
    let sub = repo.path().join("deep/er");
    std::fs::create_dir_all(&sub).expect("a folder");
    let git_dir = repo.path().join(".git");
    let ids = |command: &mut assert_cmd::Command| {
        let output = command.output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        commit_ids(&events(&output))
    };
    assert_eq!(ids(bhfuil(&repo).current_dir(&sub).arg("scan")), all);
    assert_eq!(ids(bhfuil(&repo).current_dir(repo.home()).arg("-C").arg(&sub).arg("scan")), all);
    assert_eq!(ids(bhfuil(&repo).current_dir(repo.home()).args(["-C", "..", "-C", "repo", "scan"])), all);
    assert_eq!(ids(bhfuil(&repo).current_dir(repo.home()).env("GIT_DIR", &git_dir).arg("scan")), all);
    assert_eq!(ids(bhfuil(&repo).current_dir(repo.home()).env("GIT_DIR", &git_dir).args(["scan", "main"])), all);
    assert_eq!(ids(bhfuil(&repo).current_dir(&git_dir).arg("scan")), all);
    for variant in ["bare", "worktree", "detached", "alternates"] {
        let stored = repo.stored_as(variant);
        assert_eq!(ids(bhfuil(&stored).arg("scan")), usual(&stored), "{variant}");
        assert_eq!(ids(bhfuil(&stored).args(["scan", "HEAD~1"])), rev_list(&stored, &["HEAD~1"]), "{variant}");
    }
}

#[test]
fn an_unborn_head_is_an_empty_answer() {
    let repo = Repo::new();
    for _ in 0..2 {
        let output = scan(&repo, &[]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
        let events = events(&output);
        assert_eq!(commit_ids(&events), Vec::<String>::new());
        assert_eq!((&end(&events)["status"], &end(&events)["complete"]), (&"ok".into(), &true.into()));
    }
    assert_eq!(scan(&repo, &["HEAD"]).status.code(), Some(128), "asked by name it is an error, as for git log");
}

#[test]
fn no_commits_brings_the_cache_up_to_date_and_streams_none() {
    let repo = line(40);
    let first = events(&scan(&repo, &["--no-commits"]));
    assert_eq!(of_type(&first, "commit").len(), 0);
    assert_eq!(of_type(&first, "repo-end")[0]["index"], "built");
    let second = events(&scan(&repo, &[]));
    assert_eq!(of_type(&second, "repo-end")[0]["index"], "fresh");
    assert_eq!(commit_ids(&second), usual(&repo));
}

#[test]
fn quiet_silences_warnings_for_people_and_no_event() {
    let repo = Repo::fixture("broken-refs");
    let loud = scan(&repo, &["--format=human"]);
    assert!(stderr(&loud).contains("warning: "), "{}", stderr(&loud));
    let quiet = scan(&repo, &["--format=human", "--quiet"]);
    assert_eq!(stderr(&quiet), "");
    assert_eq!(quiet.stdout, loud.stdout);
    let json = scan(&repo, &["-q"]);
    assert!(!of_type(&events(&json), "warning").is_empty());
    assert_eq!(stderr(&scan(&repo, &[])), "", "in JSON warnings are events");
}

/// What a terminal would act on: C0 but for the line end, DEL, C1, and the bidirectional marks.
fn acts_on_a_terminal(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || ['\u{061c}', '\u{200e}', '\u{200f}'].contains(&letter)
        || ('\u{202a}'..='\u{202e}').contains(&letter)
        || ('\u{2066}'..='\u{2069}').contains(&letter)
}

#[test]
fn nothing_that_a_terminal_acts_on_is_let_through() {
    let repo = Repo::fixture("odd-commits");
    repo.git(&["update-ref", "refs/heads/mark\u{202e}ed", "main"]);
    for args in [&["--format=human", "--show-refs"][..], &["--format=jsonl", "--show-refs"]] {
        let output = scan(&repo, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
        let bad: Vec<&str> = text.lines().filter(|line| line.contains(acts_on_a_terminal)).collect();
        assert!(bad.is_empty(), "{args:?}: {bad:?}");
    }
    let bad = scan(&repo, &["no\u{1b}[2Jwhere\u{202e}"]);
    assert!(!stderr(&bad).contains(acts_on_a_terminal), "{:?}", stderr(&bad));
    let usage = scan(&repo, &["--no\u{1b}[2Jwhere\u{202e}"]);
    assert!(!stderr(&usage).contains(acts_on_a_terminal), "{:?}", stderr(&usage));
}

#[test]
fn credentials_in_urls_are_never_part_of_a_key() {
    let message = "fix\n\nhttps://user:s3cret@github.com/o/r/issues/12\n\
        Closes: https://s3cret@gitlab.example.com/a/b/-/issues/3\nLink: https://u:s3cret@bugs.launchpad.net/bugs/77\n\
        https://u:s3cret@bugzilla.example.org/show_bug.cgi?id=5\nSee https://u:s3cret@jira.example.org/browse/PROJ-9\n";
    let (repo, _) = dag::repository(&[Commit::new(&[], 1).message(message)], &[("refs/heads/main", 0)]);
    let commits = events(&scan(&repo, &[]));
    let issues = &of_type(&commits, "commit")[0]["issues"];
    assert!(issues.as_array().is_some_and(|issues| !issues.is_empty()), "{issues}");
    assert!(!issues.to_string().contains("s3cret"), "{issues}");
}

#[test]
fn settings_come_from_git_config_and_bad_ones_are_named() {
    let repo = line(300);
    let by_git = |value: &str| {
        let mut command = repo.git_command();
        let path = std::path::Path::new(env!("CARGO_BIN_EXE_git-bhfuil")).parent().expect("a folder").to_owned();
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(path).chain(std::env::split_paths(&old))).expect("a PATH");
        command.env("PATH", path).arg("-C").arg(repo.path()).args(["-c", value, "bhfuil", "scan"]);
        command.output().expect("runs")
    };
    let all = usual(&repo);
    assert_eq!(commit_ids(&events(&by_git("bhfuil.threads=1"))), all);
    repo.git(&["config", "bhfuil.threads", "2"]);
    assert_eq!(commit_ids(&events(&scan(&repo, &[]))), all);
    let bad = by_git("bhfuil.threads=lots");
    let variable = bhfuil(&repo).env("GIT_BHFUIL_THREADS", "-3").arg("scan").output().expect("runs");
    repo.git(&["config", "bhfuil.threads", "many"]);
    let plain = scan(&repo, &[]);
    assert_eq!(commit_ids(&events(&by_git("bhfuil.threads=1"))), all, "the last one wins");
    repo.git(&["config", "--unset", "bhfuil.threads"]);
    repo.git(&["config", "bhfuil.requestPattern", "("]);
    let pattern = scan(&repo, &[]);
    for (output, key, value) in [
        (bad, "bhfuil.threads", "'lots'"),
        (plain, "bhfuil.threads", "'many'"),
        (variable, "GIT_BHFUIL_THREADS", "'-3'"),
        (pattern, "bhfuil.requestPattern", "'('"),
    ] {
        assert_eq!(output.status.code(), Some(128), "{key}");
        let said = stderr(&output);
        assert!(said.contains(key) && said.contains(value) && said.contains("\nhint: "), "{said}");
        assert_eq!(of_type(&events(&output), "error")[0]["code"], "bad-value");
    }
}

/// So many commits that they fit neither the pipe nor all the queues before it.
const MANY: usize = 9000;

fn begun(repo: &Repo, lines: usize) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = bhfuil_running(repo, &["scan"]);
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        assert!(reader.read_line(&mut line).is_ok_and(|read| read > 0), "the stream ended early");
    }
    // Every queue is full now.
    wait_until_idle(child.id());
    (child, reader)
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success()), "{kill}");
}

#[test]
fn a_reader_that_has_enough_ends_the_run_quietly() {
    let repo = line(MANY);
    for lines in [1, 500] {
        let (child, reader) = begun(&repo, lines);
        drop(reader);
        let output = child.wait_with_output().expect("ends");
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "after {lines} lines");
    }
    let cache = std::fs::read_dir(repo.home().join("bhfuil")).expect("the cache").count();
    assert!(cache > 0);
    let next = events(&scan(&repo, &["--no-commits"]));
    assert_eq!(of_type(&next, "repo-end")[0]["index"], "built", "it was prompt: nothing was read to its end");
}

#[test]
fn after_a_signal_nothing_new_is_begun() {
    let repo = line(MANY);
    for warm in [false, true] {
        if warm {
            scan(&repo, &["--no-commits"]);
        }
        let (child, mut reader) = begun(&repo, 1);
        signal(&child, "INT");
        wait_until_idle(child.id());
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("UTF-8");
        assert_eq!(child.wait_with_output().expect("ends").status.code(), Some(130));
        let commits = rest.lines().filter(|line| line.starts_with(r#"{"type":"commit""#)).count();
        // Steps grow from 16 to 512 commits. The small ones fill the pipe, then one is being written, four wait for it, and one
        // waits to be handed over: those were finished when the signal came, and nothing else is.
        assert!(commits <= 16 + 32 + 64 + 128 + 256 + 5 * 512, "{commits} more commits, warm: {warm}");
    }
}

#[test]
fn the_first_signal_ends_the_stream_in_order_and_the_second_at_once() {
    let repo = line(MANY);
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let (child, mut reader) = begun(&repo, 20);
        signal(&child, name);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).expect("UTF-8");
        let output = child.wait_with_output().expect("ends");
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(code), ""));
        let lines: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect();
        let (last, ending) = (&lines[lines.len() - 2], &lines[lines.len() - 1]);
        assert_eq!((&last["type"], &last["status"]), (&"repo-end".into(), &"cancelled".into()));
        assert_eq!((&ending["type"], &ending["status"]), (&"end".into(), &"cancelled".into()));
        assert_eq!((&ending["complete"], &ending["exit_code"]), (&false.into(), &code.into()));
        assert!(lines.len() < MANY, "it went on to the end");

        let (mut child, reader) = begun(&repo, 20);
        signal(&child, name);
        wait_until_idle(child.id());
        assert!(child.try_wait().expect("asks").is_none(), "the first signal waits for the reader");
        signal(&child, name);
        assert_eq!(child.wait().expect("ends").code(), Some(code));
        drop(reader);
    }
    assert_eq!(ids_alone(&scan(&repo, &[])), usual(&repo), "and nothing is left behind");
}

#[test]
fn output_that_cant_be_written_is_fatal() {
    let repo = line(600);
    let redirected = |redirection: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" scan {redirection}"), env!("CARGO_BIN_EXE_git-bhfuil")]);
        command.current_dir(repo.path()).env("GIT_BHFUIL_CACHE", repo.home().join("bhfuil"));
        command.stdin(Stdio::null()).output().expect("runs")
    };
    let full = redirected(">/dev/full");
    assert_eq!(full.status.code(), Some(128));
    assert!(stderr(&full).starts_with("fatal: writing the output: ") && stderr(&full).lines().count() == 1);

    // A closed stdout is /dev/null to a Rust program; what matters is that no file takes its number.
    let closed = redirected(">&-");
    assert_eq!((closed.status.code(), stderr(&closed).as_str()), (Some(0), ""));
    assert_eq!(
        of_type(&events(&scan(&repo, &[])), "warning").len(),
        0,
        "nothing was written into the cache by mistake"
    );
}

/// What no test can find: a commit at which the program fails costs its own line, and is told; the others come once each and in order.
#[test]
fn a_commit_at_which_a_worker_panics_costs_no_other_its_line() {
    let repo = line(300);
    let listed = repo.git(&["rev-list", "main"]);
    let ids: Vec<Oid> = listed.lines().map(|id| Oid::from_hex(id.as_bytes()).expect("an id")).collect();
    for bad in [&[0][..], &[299], &[17, 18, 140], &[5, 200, 201, 202]] {
        let bad: Vec<Oid> = bad.iter().map(|&at| ids[at]).collect();
        let (handles, poison) =
            (Handles::new(Arc::new(Repository::discover(repo.path()).expect("it is there"))), bad.clone());
        let render = move |_: &Handle, items: &[Item]| {
            let mut piece = Piece { seen: items.len(), ..Piece::default() };
            for item in items {
                assert!(!poison.contains(&item.id), "no luck with {}", item.id);
                piece.bytes.extend_from_slice(item.id.as_bytes());
                piece.ends.push(piece.bytes.len());
            }
            piece
        };
        let pool = Pool::new(2).expect("threads");
        let mut stream = Stream::new(
            pool,
            handles,
            Walker::list(ids.iter().map(|id| (*id, None)).collect()),
            Arc::new(render),
            Token::new(),
        );
        let (mut told, mut broken) = (Vec::new(), Vec::new());
        while let Some(piece) = smol::block_on(stream.next()).expect("the stream goes on") {
            told.extend(piece.bytes.chunks(20).map(|id| Oid::from_bytes(id).expect("an id")));
            broken.extend(piece.broken);
        }
        let expected: Vec<Oid> = ids.iter().copied().filter(|id| !bad.contains(id)).collect();
        assert_eq!(told, expected);
        assert_eq!(broken.iter().map(ObjectError::id).collect::<Vec<_>>(), bad);
        let message = broken[0].to_string();
        assert!(message.contains(&format!("no luck with {}", bad[0])), "{message}");
        assert_eq!(broken[0].kind(), Kind::Internal);
    }
}
