//! The first signal ends a run at once, whatever it waits for: a git that never answers, a reader that never ends, a cache that
//! somebody else holds. The last line is written, and no child is left.
//!
//! Nothing is timed here. What is waited for never comes, so that a run which waits for it never ends, and neither does its test. (A
//! cache that is held is given up after half a minute.)

mod support;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command};

/// A `git` that says on a pipe that it was asked `verb`, and then never answers; what else it is asked real git answers.
struct Stuck {
    folder: PathBuf,
}

impl Stuck {
    fn at(repo: &Repo, verb: &str) -> Self {
        let folder = repo.home().join(format!("stuck-{verb}"));
        std::fs::create_dir(&folder).expect("a folder");
        for pipe in ["asked", "never"] {
            let made = Command::new("mkfifo").arg(folder.join(pipe)).status().expect("mkfifo runs");
            assert!(made.success());
        }
        let git = which_git();
        // The pipe is open as long as the stand-in lives. No shell is left to outlive it.
        let script = format!(
            "#!/bin/sh\nfor word; do if [ \"$word\" = {verb} ]; then\n\
             exec 3>'{0}/asked'; echo asked >&3; exec cat '{0}/never'\nfi; done\nexec {git} \"$@\"\n",
            folder.display()
        );
        let file = folder.join("git");
        std::fs::write(&file, script).expect("writes");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("the owner may");
        Self { folder }
    }

    fn path(&self) -> OsString {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.clone()).chain(std::env::split_paths(&inherited));
        std::env::join_paths(folders).expect("paths")
    }

    /// Waits until it was asked; what is returned ends when it is gone.
    fn asked(&self) -> BufReader<File> {
        let mut pipe = BufReader::new(File::open(self.folder.join("asked")).expect("the pipe opens"));
        let mut line = String::new();
        pipe.read_line(&mut line).expect("a line");
        assert_eq!(line, "asked\n");
        pipe
    }
}

fn which_git() -> String {
    let found = Command::new("sh").args(["-c", "command -v git"]).output().expect("sh runs");
    String::from_utf8(found.stdout).expect("UTF-8").trim().to_owned()
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// The rest of a run that was interrupted: whole lines, and an end that says so.
#[track_caller]
fn assert_cancelled(mut child: Child, case: &str) -> Vec<Value> {
    let mut rest = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{case}: {rest}");
    let events: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(events.first().expect("lines")["type"], "begin", "{case}");
    let end = events.last().expect("lines");
    assert_eq!((&end["type"], &end["status"], &end["complete"]), (&"end".into(), &"cancelled".into(), &false.into()));
    assert_eq!(end["exit_code"], 130, "{case}");
    events
}

#[test]
fn a_git_that_never_answers_is_ended_with_the_run() {
    let repo = Repo::fixture("backports");
    let reftable = Repo::fixture_in("tags", &[("GIT_DEFAULT_REF_FORMAT", "reftable")]);
    std::fs::write(repo.home().join("patch"), repo.git_bytes(&["show", "main"])).expect("writes");
    let patch = format!("--patch={}", repo.home().join("patch").display());
    let mut number = 0;
    for (repo, verb, args) in [
        (&repo, "rev-parse", &["where", "main~3"][..]),
        (&repo, "rev-parse", &["main~3"]),
        (&repo, "rev-list", &["where", "1.0.0..1.0.1"]),
        (&repo, "rev-list", &["where", "path:a"]),
        (&repo, "patch-id", &["where", &patch]),
        (&repo, "rev-list", &["where", &patch]),
        (&repo, "rev-list", &["where", "--similar", "main"]),
        (&repo, "rev-parse", &["scan", "main~3"]),
        (&repo, "rev-parse", &["scan", "--since=yesterday"]),
        (&repo, "rev-list", &["scan", "--", "a"]),
        (&reftable, "for-each-ref", &["where", "main"]),
        (&reftable, "for-each-ref", &["scan"]),
    ] {
        number += 1;
        let case = format!("{verb}: {args:?}");
        let folder = repo.home().join(number.to_string());
        let stuck = Stuck::at(repo, verb);
        let mut command = bhfuil_command(repo, args);
        command.env("PATH", stuck.path()).env("GIT_BHFUIL_CACHE", folder);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut alive = stuck.asked();
        interrupt(&child);
        assert_cancelled(child, &case);
        // Nobody holds the other end any more.
        let mut rest = String::new();
        alive.read_to_string(&mut rest).expect("the end");
        assert_eq!(rest, "", "{case}");
        std::fs::remove_dir_all(&stuck.folder).expect("it was there");
    }
}

#[test]
fn a_standard_input_that_never_ends_is_not_waited_for() {
    let repo = Repo::fixture("backports");
    for args in [&["where", "--patch=-"][..], &["where", "--stdin"], &["scan", "--stdin"]] {
        let mut child =
            bhfuil_command(&repo, args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdin = child.stdin.take();
        // It has told the repository, and has nothing more to do.
        support::wait_until_idle(child.id());
        interrupt(&child);
        let told = assert_cancelled(child, &format!("{args:?}"));
        assert!(told.iter().any(|event| event["type"] == "repo"), "{told:?}");
        drop(stdin);
    }
}

#[test]
fn a_cache_that_somebody_else_holds_is_not_waited_for() {
    let repo = Repo::fixture("backports");
    let cold = ["where", "--signals=same", "main"];
    assert!(bhfuil(&repo).args(cold).output().expect("it runs").status.success());
    let files = std::fs::read_dir(repo.home().join("bhfuil")).expect("the folder");
    let mut names = files.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.find(|name| name.starts_with("repo-") && name.ends_with(".db")).expect("a cache");
    let holder = rusqlite::Connection::open(repo.home().join("bhfuil").join(name)).expect("opens");
    holder.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    // What was indexed has not been filed, nor have words been indexed.
    for args in [&["where", "plain fix"][..], &["where", repo.id("plain")]] {
        let child = bhfuil_command(&repo, args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        support::wait_until_idle(child.id());
        interrupt(&child);
        assert_cancelled(child, &format!("{args:?}"));
    }
    holder.execute_batch("ROLLBACK").expect("it was begun");
    // Nothing that was half done is there.
    for query in ["plain fix", repo.id("plain")] {
        let output = bhfuil(&repo).args(["where", query]).output().expect("it runs");
        let told = support::events(&output);
        let found =
            support::of_type(&told, "match").into_iter().any(|event| event["id"] == repo.id("plain@stable/1.0"));
        assert!(found, "{query}: {told:?}");
    }
}
