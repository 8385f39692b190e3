//! Repositories that mean harm, and systems that give little: what they can't do.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::dag;
use support::{Repo, bhfuil, commit_ids, events, of_type};

fn run(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).args(args).timeout(std::time::Duration::from_mins(2)).output().expect("runs")
}

/// What a shell runs in the repository, `$bhfuil` being the program.
fn shell(repo: &Repo, script: &str) -> Output {
    let mut command = Command::new("bash");
    repo.seal(&mut command).env("bhfuil", env!("CARGO_BIN_EXE_git-bhfuil")).current_dir(repo.path());
    command.args(["-c", script]).output().expect("bash runs")
}

fn codes<'e>(events: &'e [Value], kind: &str) -> Vec<&'e str> {
    of_type(events, kind).iter().filter_map(|event| event["code"].as_str()).collect()
}

fn rev_list(repo: &Repo) -> Vec<String> {
    repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect()
}

/// Everything in a configuration that names a program.
const PROGRAMS: [&str; 34] = [
    "core.fsmonitor",
    "core.sshCommand",
    "core.pager",
    "core.editor",
    "core.askPass",
    "core.alternateRefsCommand",
    "core.gitProxy",
    "diff.external",
    "diff.own.command",
    "diff.own.textconv",
    "filter.own.clean",
    "filter.own.smudge",
    "filter.own.process",
    "merge.own.driver",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.x509.program",
    "credential.helper",
    "uploadpack.packObjectsHook",
    "sequence.editor",
    "interactive.diffFilter",
    "pager.log",
    "pager.rev-list",
    "pager.rev-parse",
    "pager.config",
    "pager.bhfuil",
    "trailer.x.command",
    "trailer.x.cmd",
    "remote.origin.uploadpack",
    "remote.origin.vcs",
    "gc.recentObjectsHook",
    "alias.rev-parse",
    "alias.rev-list",
    "alias.config",
];

/// A repository whose configuration, hooks and refs do all that they can, and the file that its programs write.
fn hostile() -> (Repo, std::path::PathBuf) {
    let repo = Repo::new();
    repo.shell(
        "printf '*.own merge=own filter=own diff=own\\n' >.gitattributes
         c() { git add . && git -c user.name=A -c user.email=a@example.com commit -q \"$@\"; }
         echo 1 >a.own; echo x >\"$(printf 'new\\nline')\"; c -m root; git branch stable/1.0
         echo 2 >a.own; c -m 'CVE-2024-1 fix'
         git checkout -q stable/1.0; echo 3 >a.own; c -m \"$(printf 'bidi \\342\\200\\256 escape \\033[31m')\"; git checkout -q main
         for name in -x --upload-pack=touch --output=out stable/--exec=ls; do git update-ref \"refs/heads/$name\" stable/1.0; done",
    );
    let mark = repo.path().join(".git").join("it-ran");
    let hooks = repo.path().join(".git").join("own-hooks");
    std::fs::create_dir(&hooks).expect("a folder");
    for hook in [
        "post-checkout",
        "reference-transaction",
        "pre-auto-gc",
        "post-index-change",
        "fsmonitor-watchman",
        "pre-commit",
    ] {
        std::fs::write(hooks.join(hook), format!("#!/bin/sh\necho {hook} >>'{}'\n", mark.display())).expect("written");
    }
    repo.shell("chmod +x .git/own-hooks/*");
    repo.git(&["config", "core.hooksPath", &hooks.display().to_string()]);
    repo.git(&["config", "log.showSignature", "true"]);
    repo.git(&["config", "include.path", "nowhere"]);
    for name in PROGRAMS {
        let bang = if name.starts_with("alias.") { "!" } else { "" };
        repo.git(&["config", name, &format!("{bang}echo {name} >>'{}'", mark.display())]);
    }
    let _ = std::fs::remove_file(&mark);
    (repo, mark)
}

#[test]
fn no_program_that_a_repository_names_is_run_by_any_command() {
    let (repo, mark) = hostile();
    let place = repo.path().display().to_string();
    for (args, code) in [
        (&["scan", "--paths", "--patch-id", "--mailmap", "--show-refs"][..], 0),
        (&["scan", "main", "--", "a.own"], 0),
        // Git reads the index for this, and asks core.fsmonitor about it.
        (&["scan", ":a.own"], 0),
        (&["scan", ":/root"], 0),
        (&["scan", "refs/heads/-x"], 0),
        (&["scan", "-x"], 129),
        (&["scan", "--", "-x"], 0),
        (&["where", "refs/heads/-x"], 0),
        (&["where", "heads/--upload-pack=touch"], 0),
        (&["where", "--upload-pack=touch"], 129),
        (&["where", "main~1..main"], 0),
        (&["where", ":a.own"], 128),
        (&["where", "path:a.own"], 0),
        (&["missing", "stable/1.0", "--from=main", "--check"], 0),
        (&["missing", "refs/heads/-x", "--from=main", "--check"], 0),
        (&["missing", "stable/--exec=ls", "--from=refs/heads/--output=out", "--check"], 0),
        (&["missing", "--gaps", "--check"], 0),
        (&["followups", "stable/1.0", "--from=main"], 0),
        (&["matrix", "refs/heads/--upload-pack=touch", "--from=main"], 0),
        (&["verify", "main"], 0),
        (&["explain", "main", "refs/heads/-x"], 1),
        (&["dismiss", "main", "--on=stable/*", "--because=x"], 0),
        (&["repo", "add", &place, "--name=own"], 0),
        (&["repo", "sync", "--all"], 0),
        (&["scan", "--all"], 0),
        (&["status"], 0),
        (&["config", "list"], 0),
        // It asks git what is in the objects, and the index for what is dismissed.
        (&["cache", "verify"], 0),
        (&["cache", "gc"], 0),
        (&["task", "list"], 0),
    ] {
        let output = run(&repo, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ran = std::fs::read_to_string(&mark).unwrap_or_default();
        assert_eq!(ran, "", "{args:?}");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        if code != 129 && args[0] != "dismiss" {
            events(&output);
        }
    }
    // They do run where git is asked as its user asks it, so that the test can fail. It may be that git doesn't like what they say.
    let _ = repo.git_command().args(["status", "--porcelain"]).current_dir(repo.path()).output().expect("git runs");
    assert!(mark.exists());
    assert!(!repo.path().join("out").exists() && !repo.path().join("touch").exists());
}

#[test]
fn with_too_few_open_files_it_is_said_and_nothing_half_told() {
    let repo = Repo::fixture("backports");
    let expected = rev_list(&repo);
    for few in [6, 8, 10, 12, 14, 16, 24, 64, 127] {
        let output = shell(&repo, &format!("ulimit -n {few} && exec \"$bhfuil\" scan"));
        assert_eq!(output.status.code(), Some(128), "{few}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!("only {few} files")) && said.contains("hint: ulimit"), "{few}: {said}");
        assert_eq!(output.stdout, b"");
    }
    // Where the hard limit is higher, it is made use of.
    for limit in ["ulimit -n 128", "ulimit -S -n 10"] {
        for args in ["scan --threads=64 --patch-id", "scan"] {
            let output = shell(&repo, &format!("{limit} && exec \"$bhfuil\" {args}"));
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{limit}");
            assert_eq!(commit_ids(&events(&output)), expected, "{limit} {args}");
        }
    }
}

#[test]
fn where_no_file_may_grow_the_answer_is_whole_and_the_next_run_mends_it() {
    let (repo, _) = dag::repository(&dag::random(11, 3000, 2, 20), &[("refs/heads/main", 2999)]);
    let expected = rev_list(&repo);
    let cache = repo.home().join("bhfuil");
    let mut warned = 0;
    // In KiB: what a database has at its begin, a part of it, nearly all of it.
    for limit in [0, 16, 64, 160, 400] {
        for args in ["scan", "where main~5"] {
            let _ = std::fs::remove_dir_all(&cache);
            let output = shell(&repo, &format!("ulimit -c 0; ulimit -f {limit} && exec \"$bhfuil\" {args}"));
            let told = events(&output);
            assert_eq!(output.status.code(), Some(0), "{limit} {args}: {}", String::from_utf8_lossy(&output.stderr));
            if args.starts_with("scan") {
                assert_eq!(commit_ids(&told), expected, "{limit} {args}");
                assert_eq!(told[told.len() - 1]["complete"], true);
            } else {
                assert_eq!(of_type(&told, "match").len(), 1, "{limit}");
            }
            let codes = codes(&told, "warning");
            let is_known = |code: &&str| ["cache-unavailable", "cache-unwritten", "cache-rebuilt"].contains(code);
            assert!(codes.len() <= 1 && codes.iter().all(is_known), "{limit} {args}: {codes:?}");
            warned += codes.len();
            let next = events(&run(&repo, &["scan"]));
            assert_eq!(
                (commit_ids(&next), self::codes(&next, "warning")),
                (expected.clone(), vec![]),
                "{limit} {args}"
            );
            let last = events(&run(&repo, &["scan"]));
            assert_eq!(of_type(&last, "repo-end")[0]["index"], "fresh", "{limit} {args}");
        }
    }
    assert!(warned > 3, "{warned} of ten had too little room");
}

/// The owner makes gix careful: it would read 32 packs and objects of 16 MiB.
#[test]
fn of_another_owner_who_is_trusted_everything_is_read() {
    let commits: Vec<dag::Commit> = (0..45_usize)
        .map(|number| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            dag::Commit::new(&parents, 1_700_000_000 + i64::try_from(number).expect("small"))
        })
        .collect();
    let repo = dag::repository(&commits, &[("refs/heads/main", 44)]).0.stored_as("loose");
    let ids = repo.git(&["rev-list", "--objects", "--all"]);
    let ids: Vec<&str> = ids.lines().map(|line| &line[..40]).collect();
    for id in &ids {
        repo.git_with(&["pack-objects", "-q", ".git/objects/pack/pack"], format!("{id}\n").as_bytes());
    }
    repo.git(&["prune-packed", "-q"]);
    let large = format!("large\n\n{}\n", "x".repeat(17 << 20));
    repo.git_with(&["commit", "--quiet", "--allow-empty", "-F", "-"], large.as_bytes());
    repo.git(&["config", "--file", &repo.home().join(".gitconfig").display().to_string(), "safe.directory", "*"]);
    assert!(ids.len() > 40, "{}", ids.len());
    let expected = rev_list(&repo);
    // Only root can give a repository to somebody else; to others it stays their own.
    let _ = chown(&repo.path().join(".git")).and_then(|()| chown(repo.path()));
    let output = run(&repo, &["scan"]);
    assert_eq!(support::ids_alone(&output), expected);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let found = events(&run(&repo, &["where", "main~3"]));
    assert!(!of_type(&found, "match").is_empty());
}

fn chown(path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::chown(path, Some(65_534), None)
}

#[test]
fn what_is_too_large_is_an_error_or_null_and_the_rest_goes_on() {
    let (repo, ids) = dag::repository(
        &[
            dag::Commit::new(&[], 1_700_000_000),
            dag::Commit::new(&[0], 1_700_000_001).file("big", &"line\n".repeat(600_000)),
        ],
        &[("refs/heads/main", 1)],
    );
    let tree = repo.git(&["rev-parse", "main^{tree}"]);
    let commit = format!(
        "tree {tree}\nparent {}\nauthor A <a@example.com> 1700000002 +0000\ncommitter A <a@example.com> 1700000002 +0000\n\nhuge\n\n{}\n",
        ids[1],
        "word ".repeat(600_000),
    );
    let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], commit.as_bytes());
    let id = String::from_utf8_lossy(&id).trim().to_owned();
    repo.git(&["update-ref", "refs/heads/huge", &id]);
    repo.git(&["config", "core.bigFileThreshold", "1m"]);
    let expected = rev_list(&repo);
    let output = run(&repo, &["scan", "--patch-id"]);
    assert_eq!((output.status.code(), commit_ids(&events(&output))), (Some(0), expected.clone()));
    std::fs::remove_dir_all(repo.home().join("bhfuil")).expect("the cache, which has the text");
    // A smaller limit than the usual one: objects of half a gigabyte take their time.
    let output = bhfuil(&repo).env("GIT_ALLOC_LIMIT", "1m").args(["scan", "--patch-id"]).output().expect("runs");
    let told = events(&output);
    assert_eq!(commit_ids(&told), expected.iter().filter(|one| **one != id).cloned().collect::<Vec<_>>());
    assert!(
        of_type(&told, "commit").iter().any(|commit| commit["id"] == ids[1].as_str() && commit["patch_id"].is_null())
    );
    assert_eq!((codes(&told, "warning").contains(&"huge-blobs"), output.status.code()), (true, Some(3)), "{told:?}");
    assert!(of_type(&told, "error").iter().any(|error| error["id"] == id.as_str()));
}

#[test]
fn patterns_that_would_grow_without_bound_are_refused_with_their_setting() {
    let repo = Repo::fixture("backports");
    for (key, command) in
        [("bhfuil.securityPattern", "scan"), ("bhfuil.requestPattern", "scan"), ("bhfuil.requestPattern", "where")]
    {
        for pattern in ["((a{500}){500}){500}", "(", "\\p{L}{100000}", "(?P<n", "a**b++{9999999}"] {
            let mut program = bhfuil(&repo);
            program.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", key).env("GIT_CONFIG_VALUE_0", pattern);
            let output = program.args([command, "main"]).output().expect("runs");
            let told = events(&output);
            let said = of_type(&told, "error")
                .iter()
                .chain(&of_type(&told, "warning"))
                .any(|event| event.to_string().contains(key));
            assert!(said && output.status.code() == Some(128), "{key} {pattern}: {output:?}");
        }
        // What makes others try every way to match is read once, and in its length.
        let mut program = bhfuil(&repo);
        program
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", key)
            .env("GIT_CONFIG_VALUE_0", "(a*)*(b|b)*(.*)*$x");
        assert_eq!(program.args([command, "main"]).output().expect("runs").status.code(), Some(0), "{key}");
    }
}

#[test]
fn where_and_missing_answer_about_commits_of_any_make() {
    let repo = Repo::fixture("odd-commits");
    repo.git(&["branch", "stable/1.0", "main~40"]);
    let all: Vec<String> = rev_list(&repo).into_iter().step_by(3).collect();
    let asked = bhfuil(&repo).args(["where", "--stdin"]).write_stdin(all.join("\n")).output().expect("runs");
    let told = events(&asked);
    assert_eq!((asked.status.code(), codes(&told, "error").len()), (Some(0), 0), "{:?}", codes(&told, "warning"));
    let older: Vec<String> = repo.git(&["rev-list", "stable/1.0"]).lines().map(str::to_owned).collect();
    for id in &all {
        let own = |event: &&Value| event["query"] == id.as_str();
        let matches = of_type(&told, "match").into_iter().filter(own);
        assert!(matches.into_iter().any(|event| event["id"] == id.as_str()), "{id}");
        let has = |name: &str| {
            let mut places = of_type(&told, "presence").into_iter().filter(own);
            places.any(|event| event["ref"] == name && event["state"] == "present" && event["id"] == id.as_str())
        };
        assert!(has("refs/heads/main"), "{id}");
        assert_eq!(has("refs/heads/stable/1.0"), older.contains(id), "{id}");
    }
    // Oldest first, and nothing but what git says is not there.
    let output = run(&repo, &["missing", "stable/1.0", "--from=main"]);
    let told = events(&output);
    assert_eq!((output.status.code(), codes(&told, "error").len()), (Some(0), 0), "{told:?}");
    let lacking: Vec<String> =
        repo.git(&["rev-list", "--reverse", "stable/1.0..main"]).lines().map(str::to_owned).collect();
    let listed: Vec<&str> = of_type(&told, "missing").into_iter().filter_map(|event| event["id"].as_str()).collect();
    let expected: Vec<&str> = lacking.iter().map(String::as_str).filter(|id| listed.contains(id)).collect();
    assert_eq!(listed, expected);
    assert!(listed.len() > 20, "{} of {}", listed.len(), lacking.len());
}
