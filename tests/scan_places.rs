//! Where a scan looks: folders, and names that are meant from a folder, as git takes them.

mod support;

use std::process::Output;

use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, commit_ids, events};

/// Commits that write `top`, `sub/inner`, and both, in turns.
fn repository() -> Repo {
    let commits: Vec<Commit> = (0..9_usize)
        .map(|number| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            let text = number.to_string();
            let commit = Commit::new(&parents, 1_700_000_000 + i64::try_from(number).expect("small"));
            let commit = if number % 3 == 1 { commit } else { commit.file("top", &text) };
            if number % 3 == 0 { commit } else { commit.file("sub/inner", &text) }
        })
        .collect();
    let (repo, _) = dag::repository(&commits, &[("refs/heads/main", 8), ("refs/tags/old", 4)]);
    repo.git(&["reset", "--hard", "--quiet"]);
    repo
}

/// The events of a scan that answers.
fn answer(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    events(output)
}

/// What git lists, run in `folder` of the repository.
fn listed(repo: &Repo, folder: &str, args: &[&str]) -> Vec<String> {
    let args = [&["-C", folder, "rev-list"], args].concat();
    repo.git(&args).lines().map(str::to_owned).collect()
}

#[test]
fn a_folder_is_named_before_the_command_or_after_it() {
    let repo = repository();
    for args in [
        &["scan", "-C", "repo/sub", "--", "inner"][..],
        &["scan", "-Crepo", "-C", "sub", "--", "inner"],
        &["-C", "repo", "scan", "-C", "sub", "--", "inner"],
        &["-C", "repo/sub", "scan", "--", "inner"],
    ] {
        let output = bhfuil(&repo).current_dir(repo.path().join("..")).args(args).output().expect("runs");
        assert_eq!(commit_ids(&answer(&output)), listed(&repo, "sub", &["main", "--", "inner"]), "{args:?}");
    }
}

#[test]
fn what_the_environment_names_is_meant_from_the_folder() {
    let repo = repository();
    let home = repo.home();
    for (folder, git_dir) in [("../repo/sub", "../.git"), ("../repo", ".git"), ("../repo/.git", ".")] {
        let mut git = repo.git_command();
        let told = git.current_dir(&home).env("GIT_DIR", git_dir).args(["-C", folder, "rev-list", "main"]).output();
        assert!(told.expect("git runs").status.success(), "{folder}");
        for args in [["-C", folder, "scan", "main"], ["scan", "-C", folder, "main"]] {
            let output = bhfuil(&repo).current_dir(&home).env("GIT_DIR", git_dir).args(args).output().expect("runs");
            assert_eq!(commit_ids(&answer(&output)), listed(&repo, ".", &["main"]), "{args:?}");
        }
    }
    // From where it is run there is none.
    let output = bhfuil(&repo).current_dir(&home).env("GIT_DIR", "../.git").arg("scan").output().expect("runs");
    assert_eq!(output.status.code(), Some(128));
}

#[test]
fn revisions_and_paths_are_meant_from_the_folder() {
    let repo = repository();
    let worktree = repo.stored_as("worktree");
    for repo in [&repo, &worktree] {
        for (folder, args) in [
            ("sub", &["HEAD", "HEAD:./inner"][..]),
            ("sub", &["HEAD", "^HEAD~3", "--", "inner"]),
            ("sub", &["HEAD", "--", ":/top"]),
            ("sub", &["HEAD", "--", ":(top)top", "./inner"]),
            (".", &["HEAD~2", "HEAD:./sub/inner", "--", "sub"]),
        ] {
            let place = repo.path().join(folder);
            let output = bhfuil(repo).current_dir(&place).arg("scan").args(args).output().expect("runs");
            assert_eq!(commit_ids(&answer(&output)), listed(repo, folder, args), "{folder}: {args:?}");
        }
    }
    // As for git, the folder is the top of the work tree where GIT_DIR says where the repository is.
    let sub = repo.path().join("sub");
    let args = ["HEAD", "--", "top"];
    let mut git = repo.git_command();
    let told = git.current_dir(&sub).env("GIT_DIR", "../.git").arg("rev-list").args(args).output().expect("git runs");
    let output = bhfuil(&repo).current_dir(&sub).env("GIT_DIR", "../.git").arg("scan").args(args).output();
    let ids = commit_ids(&answer(&output.expect("runs")));
    assert_eq!(ids, String::from_utf8_lossy(&told.stdout).lines().collect::<Vec<_>>());
}

#[test]
fn a_repository_of_somebody_else_is_refused_as_git_refuses_it() {
    let repo = repository();
    let bare = repo.stored_as("bare");
    // Git's own way to play that the owner is another.
    let other = ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true");
    for repo in [&repo, &bare] {
        let path = std::fs::canonicalize(repo.path()).expect("a path");
        let path = path.to_str().expect("UTF-8");
        let both = |args: &[&str], env: &[(&str, &str)]| {
            let envs = || env.iter().copied().chain([other]);
            let mut git = repo.git_command();
            git.envs(envs()).args(args).arg("-C").arg(repo.path()).args(["rev-list", "--count", "main"]);
            let git = git.output().expect("git runs");
            let mut ours = repo.git_command();
            ours.env("PATH", path_with_bhfuil()).envs(envs()).args(args);
            let ours = ours.arg("-C").arg(repo.path()).args(["bhfuil", "scan"]).output().expect("runs");
            assert_eq!(ours.status.success(), git.status.success(), "{args:?} {env:?}");
            (git, ours)
        };
        let (git, ours) = both(&[], &[]);
        assert_eq!((git.status.code(), ours.status.code()), (Some(128), Some(128)));
        let said = String::from_utf8_lossy(&ours.stderr).into_owned();
        let reason = String::from_utf8_lossy(&git.stderr).lines().next().expect("a reason").to_owned();
        assert!(reason.contains("dubious ownership"), "{reason}");
        assert_eq!(said.lines().next(), Some(reason.as_str()));
        assert!(said.contains(&format!("git config --global --add safe.directory {path}")), "{said}");
        let events = events(&ours);
        assert_eq!((&events[1]["type"], &events[1]["code"]), (&"error".into(), &"repo-open".into()));
        // What is read from the repository itself doesn't count, the rest does.
        repo.git(&["config", "safe.directory", "*"]);
        assert!(!both(&[], &[]).1.status.success());
        both(&["-c", "safe.directory=*"], &[]);
        both(&["-c", "safe.directory=/elsewhere"], &[]);
        both(&["-c", &format!("safe.directory={path}")], &[]);
        both(&["-c", &format!("safe.directory={path}"), "-c", "safe.directory="], &[]);
        let config = repo.home().join(".gitconfig");
        std::fs::write(&config, format!("[safe]\n\tdirectory = {path}\n")).expect("writes");
        assert!(both(&[], &[]).1.status.success());
        std::fs::remove_file(&config).expect("it was there");
        // One that is named is taken as it is.
        let git_dir = repo.git(&["rev-parse", "--absolute-git-dir"]);
        assert!(both(&[], &[("GIT_DIR", &git_dir)]).1.status.success());
    }
}

#[test]
fn a_bare_repository_that_is_only_come_across_is_refused_as_git_refuses_it() {
    let repo = repository();
    let bare = repo.stored_as("bare");
    let bare_path = std::fs::canonicalize(bare.path()).expect("a path");
    repo.git(&["clone", "--quiet", "--bare", ".", "sub/inner.git"]);
    repo.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./sub/inner.git", "module"]);
    repo.git(&["worktree", "add", "--quiet", "--detach", "linked"]);
    let explicit = ["-c", "safe.bareRepository=explicit"];
    let both = |place: &std::path::Path, options: &[&str], env: &[(&str, &str)], verb: &[&str]| {
        let run = |args: &[&str]| {
            let mut command = repo.git_command();
            command.env("PATH", path_with_bhfuil()).envs(env.iter().copied()).args(options).arg("-C").arg(place);
            command.args(args).output().expect("git runs")
        };
        let (git, ours) = (run(&["rev-list", "--count", "HEAD"]), run(verb));
        let case =
            format!("{} {options:?} {env:?} {verb:?}: {}", place.display(), String::from_utf8_lossy(&git.stderr));
        assert_eq!(ours.status.code(), git.status.code(), "{case}");
        (git, ours)
    };
    let verbs = [&["bhfuil", "scan"][..], &["bhfuil", "where", "HEAD"], &["bhfuil", "HEAD"]];
    let top = repo.path();
    for verb in verbs {
        for folder in
            ["", "sub", ".git", ".git/refs", "linked", ".git/worktrees/linked", "module", ".git/modules/module"]
        {
            both(&top.join(folder), &explicit, &[], verb);
        }
        for place in [bare_path.clone(), top.join("sub/inner.git"), top.join("sub/inner.git/refs")] {
            let (git, ours) = both(&place, &explicit, &[], verb);
            let reason = String::from_utf8_lossy(&git.stderr).lines().next().expect("a reason").to_owned();
            assert!(reason.contains("safe.bareRepository"), "{reason}");
            let said = String::from_utf8_lossy(&ours.stderr).into_owned();
            assert_eq!(said.lines().next(), Some(reason.as_str()));
            assert!(said.contains("hint: ") && said.contains("--git-dir="), "{said}");
            let events = events(&ours);
            assert_eq!((&events[1]["type"], &events[1]["code"]), (&"error".into(), &"repo-open".into()));
            // The last one counts, and one that is named is taken as it is.
            assert!(
                both(&place, &[&explicit[..], &["-c", "safe.bareRepository=all"]].concat(), &[], verb)
                    .1
                    .status
                    .success()
            );
        }
        let named = ["--git-dir", bare_path.to_str().expect("UTF-8")];
        assert!(both(top, &[&explicit[..], &named].concat(), &[], verb).1.status.success());
        assert!(both(top, &explicit, &[("GIT_DIR", named[1])], verb).1.status.success());
    }
    // What is read from the repository itself doesn't count, the user's own configuration does.
    bare.git(&["config", "safe.bareRepository", "explicit"]);
    assert!(both(&bare_path, &[], &[], verbs[0]).1.status.success());
    std::fs::write(repo.home().join(".gitconfig"), "[safe]\n\tbareRepository = explicit\n").expect("writes");
    assert!(!both(&bare_path, &[], &[], verbs[0]).1.status.success());
}

fn path_with_bhfuil() -> std::ffi::OsString {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_git-bhfuil")).parent().expect("a folder").to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(binary).chain(std::env::split_paths(&inherited))).expect("paths")
}

#[test]
fn replacements_are_looked_for_where_the_environment_says() {
    let repo = repository();
    repo.git(&["tag", "--delete", "old"]);
    let (old, new) = (repo.git(&["rev-parse", "main~3"]), repo.git(&["rev-parse", "main~6"]));
    let default = listed(&repo, ".", &["main"]);
    repo.git(&["update-ref", &format!("refs/other/{old}"), &new]);
    let mut git = repo.git_command();
    git.arg("-C").arg(repo.path()).env("GIT_REPLACE_REF_BASE", "refs/other/").args(["rev-list", "main"]);
    let told = git.output().expect("git runs");
    let replaced: Vec<String> = String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect();
    assert_eq!(replaced.len(), default.len() - 3, "what was between is gone");
    for _ in 0..2 {
        let mut scan = bhfuil(&repo);
        let output = scan.arg("scan").env("GIT_REPLACE_REF_BASE", "refs/other/").output();
        assert_eq!(commit_ids(&answer(&output.expect("runs"))), replaced);
        let output = bhfuil(&repo).arg("scan").output().expect("runs");
        assert_eq!(commit_ids(&answer(&output)), default);
    }
}
