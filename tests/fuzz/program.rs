//! The program beside git: revisions, refs as they are stored, lines on standard input.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::mutations::{config, mutated};
use super::support::{Repo, bhfuil, commit_ids, events, of_type};

fn backports() -> &'static Repo {
    static REPO: OnceLock<Repo> = OnceLock::new();
    REPO.get_or_init(|| Repo::fixture("backports"))
}

/// What `git rev-list` says of one revision, if it is one.
fn rev_list(repo: &Repo, revision: &std::ffi::OsStr) -> Option<Vec<String>> {
    let mut command = repo.git_command();
    command.arg("-C").arg(repo.path()).args(["rev-list", "--end-of-options"]).arg(revision).arg("--");
    let output = command.output().expect("git runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn a_revision_means_what_it_means_to_git(typed in mutated("revisions")) {
        // No command line holds these, and what begins with a dash is an option of ours.
        if typed.contains(&0) || typed.starts_with(b"-") || typed.is_empty() {
            return Ok(());
        }
        // `^main^!` is nothing to rev-list, and no revision to rev-parse, which we ask.
        if typed.starts_with(b"^") && (typed.ends_with(b"^!") || typed.ends_with(b"^@")) {
            return Ok(());
        }
        // The folder above, to git, unless `--` follows.
        if typed == b".." {
            return Ok(());
        }
        let (repo, revision) = (backports(), std::ffi::OsStr::from_bytes(&typed));
        let output = bhfuil(repo).args(["scan"]).arg(revision).output().expect("it runs");
        let stream = events(&output);
        let expected = rev_list(repo, revision);
        let ours = (output.status.code() == Some(0)).then(|| commit_ids(&stream));
        prop_assert!(ours.is_some() || output.status.code() == Some(128), "{:?}", output.status);
        prop_assert_eq!(ours, expected, "{}", typed.escape_ascii());
    }

    #[test]
    fn packed_refs_are_those_that_git_lists(name in mutated("names"), other in mutated("names")) {
        let repo = Repo::new();
        repo.git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
        let id = repo.git(&["rev-parse", "HEAD"]);
        // A newline or a NUL makes it another file, and not one that git reads the rest of.
        let is_line = |name: &[u8]| !name.contains(&b'\n') && !name.contains(&0);
        if !is_line(&name) || !is_line(&other) {
            return Ok(());
        }
        let mut lines: Vec<Vec<u8>> = [&b"refs/heads/"[..], b"refs/tags/"].iter().zip([&name, &other])
            .map(|(prefix, name)| [id.as_bytes(), b" ", prefix, name, b"\n"].concat()).collect();
        lines.sort();
        let text = [b"# pack-refs with: peeled fully-peeled sorted \n".to_vec(), lines.concat()].concat();
        std::fs::write(repo.path().join(".git/packed-refs"), text).expect("written");
        let mut command = repo.git_command();
        command.arg("-C").arg(repo.path()).args(["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"]);
        let listed = command.output().expect("git runs");
        prop_assume!(listed.status.success());
        let output = bhfuil(&repo).args(["scan", "--show-refs"]).output().expect("it runs");
        let stream = events(&output);
        let ours: Vec<Vec<u8>> = of_type(&stream, "ref").into_iter().map(|event| super::support::exact(event, "ref"))
            .filter(|name| name != b"HEAD").collect();
        let gits: Vec<Vec<u8>> = listed.stdout.split(|&byte| byte == b'\n').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
        let told = |names: &[Vec<u8>]| names.iter().map(|name| name.escape_ascii().to_string()).collect::<Vec<_>>();
        prop_assert_eq!(told(&ours), told(&gits), "{}", String::from_utf8_lossy(&listed.stderr));
    }

    #[test]
    fn whatever_is_on_standard_input_the_answer_is_whole(lines in mutated("events")) {
        for command in ["scan", "where"] {
            let output = bhfuil(backports()).args([command, "--stdin"]).write_stdin(lines.clone()).output();
            let output = output.expect("it runs");
            let stream = events(&output);
            let code = output.status.code().unwrap_or(-1);
            prop_assert!([0, 1, 3, 128].contains(&code), "{command}: {code} {}", String::from_utf8_lossy(&output.stderr));
            let end = &stream[stream.len() - 1];
            prop_assert_eq!(end["exit_code"].as_i64(), Some(code.into()));
            let asked = stream[0]["queries"].as_array().map_or(0, Vec::len);
            prop_assert!(asked <= lines.split(|&byte| byte == b'\n').count());
        }
    }

    #[test]
    fn a_file_of_dismissals_is_read_or_its_line_is_named(text in mutated("dismissed")) {
        let repo = backports();
        // A file of its own for each thread of a long run isn't needed: the cases of one test follow each other.
        let file = repo.home().join("dismissed");
        std::fs::write(&file, &text).expect("written");
        let setting = format!("bhfuil.dismissedFile={}", file.display());
        let mut command = bhfuil(repo);
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "bhfuil.dismissedFile").env("GIT_CONFIG_VALUE_0", &file);
        let output = command.args(["missing", "stable/1.0", "--from=main"]).output().expect("it runs");
        let stream = events(&output);
        match output.status.code() {
            Some(0) => {}
            Some(128) => {
                let told = of_type(&stream, "error")[0]["message"].as_str().unwrap_or_default().to_owned();
                let line = told.rsplit(": ").find_map(|part| part.rsplit_once("dismissed:")?.1.parse::<usize>().ok());
                let line = line.or_else(|| told.split("dismissed:").nth(1)?.split(':').next()?.parse().ok());
                prop_assert!(line.is_some_and(|line| (1..=text.split(|&byte| byte == b'\n').count()).contains(&line)), "{told}");
            }
            other => prop_assert!(false, "{other:?} {setting}"),
        }
    }
}
