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
