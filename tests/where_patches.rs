//! `git bhfuil where --patch`: is this diff anywhere already? And a patch-id asked for by itself.

mod support;

use std::process::Output;

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

fn where_patch(repo: &Repo, args: &[&str], patch: &[u8]) -> Output {
    bhfuil(repo).args(["where", "--patch=-"]).args(args).write_stdin(patch).output().expect("it runs")
}

fn patch_id(repo: &Repo, patch: &[u8]) -> String {
    let told = String::from_utf8(repo.git_with(&["patch-id", "--stable"], patch)).expect("hex");
    told.split(' ').next().expect("an id").to_owned()
}

/// The commits that have the patch, as `git patch-id` says.
fn gits(repo: &Repo, id: &str) -> Vec<String> {
    let log = repo.git_bytes(&["log", "--all", "-p", "--no-renames", "--full-index", "--binary", "--format=commit %H"]);
    let told = String::from_utf8(repo.git_with(&["patch-id", "--stable"], &log)).expect("hex");
    let pairs = told.lines().filter_map(|line| line.split_once(' '));
    let mut found: Vec<String> = pairs.filter(|(patch, _)| *patch == id).map(|(_, commit)| commit.to_owned()).collect();
    found.sort();
    found
}

fn matched(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let told = events(output);
    let mut ids: Vec<String> =
        of_type(&told, "match").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Changes of every kind on main, each picked to `stable/1.0` without a trace.
fn repository() -> Repo {
    let repo = Repo::new();
    repo.shell(
        r#"set -e
        export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.com GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com
        clock=1700000000
        commit() { clock=$((clock + 60)); GIT_AUTHOR_DATE="@$clock +0000" GIT_COMMITTER_DATE="@$clock +0000" git commit -q -m "$1"; }
        mkdir -p sub/deep 'with space'; seq 1 40 >a; seq 1 40 >sub/deep/b; seq 1 40 >'with space/c d'; seq 1 40 >"$(printf 'caf\303\251')"
        printf 'one\0two' >blob; echo x >script; git add .; commit base; git branch stable/1.0
        sed -i 's/^20$/twenty/' a; git add .; commit text
        printf 'three\0four' >blob; git add .; commit binary
        seq 1 9 >sub/new; git add .; commit new-file
        chmod +x script; git add .; commit mode
        sed -i 's/^20$/twenty/' "$(printf 'caf\303\251')"; git add .; commit quoted
        sed -i 's/^20$/twenty/' 'with space/c d'; git add .; commit spaces
        sed -i 's/^20$/twenty/' sub/deep/b; git add .; commit deep
        git rm -q blob; commit deleted
        ln -s a link; git add .; commit symlink
        printf 'no newline' >'sub/bare'; git add .; commit no-newline
        sed -i '/^3[0-9]$/d' a sub/deep/b; git add .; commit two-files
        git checkout -q stable/1.0
        for id in $(git rev-list --reverse stable/1.0..main); do
            git cherry-pick -n "$id"; clock=$((clock + 60))
            GIT_AUTHOR_DATE="@$clock +0000" GIT_COMMITTER_DATE="@$clock +0000" git commit -q -m "other words $clock"
        done
        git checkout -q main"#,
    );
    repo
}

#[test]
fn a_patch_of_any_kind_is_found_wherever_it_is() {
    let repo = repository();
    let subjects = repo.git(&["log", "--reverse", "--format=%H %s", "stable/1.0..main"]);
    for (id, subject) in subjects.lines().filter_map(|line| line.split_once(' ')) {
        let patch = repo.git_bytes(&["diff-tree", "-p", "--no-renames", "--full-index", "--binary", id]);
        // git knows no patch-id of a change of nothing but the mode.
        let git = patch_id(&repo, &patch);
        let expected = gits(&repo, &git);
        assert!(expected.len() == 2 && expected.contains(&id.to_owned()), "{subject}: {expected:?}");
        assert_eq!(matched(&where_patch(&repo, &[], &patch)), expected, "{subject}");
        // Without a cache of it, and from a folder of the work tree.
        let sub = repo.path().join("sub/deep");
        let mut command = bhfuil(&repo);
        command.current_dir(&sub).env("GIT_BHFUIL_CACHE", repo.home().join(subject)).args(["where", "--patch=-"]);
        assert_eq!(matched(&command.write_stdin(patch.clone()).output().expect("it runs")), expected, "{subject}");
        // The query that is told is the patch-id, and asking for that gives the same.
        let told = events(&where_patch(&repo, &[], &patch));
        assert!(of_type(&told, "match").iter().all(|event| event["query"] == git.as_str()), "{subject}");
        let output = bhfuil(&repo).args(["where", &git]).output().expect("it runs");
        assert_eq!(matched(&output), expected, "{subject}");
    }
}

#[test]
fn a_diff_is_taken_as_git_diff_writes_it_by_default() {
    let repo = repository();
    repo.shell("sed -i 's/^20$/twenty/' a && git checkout -q --detach main~11 && git checkout -q main -- a && git stash -q || true");
    for subject in ["text", "quoted", "deep", "new-file", "two-files"] {
        let id = repo.git(&["log", "-1", "--format=%H", "--grep", subject, "main"]);
        for options in
            [&["show", "--format="][..], &["show"], &["format-patch", "--stdout", "-1"], &["diff-tree", "-p"]]
        {
            let patch = repo.git_bytes(&[options, &[id.as_str()]].concat());
            assert_eq!(matched(&where_patch(&repo, &[], &patch)).len(), 2, "{subject}: {options:?}");
        }
    }
    let file = repo.home().join("the.patch");
    std::fs::write(&file, repo.git_bytes(&["show", "main"])).expect("writes");
    let argument = format!("--patch={}", file.display());
    let output = bhfuil(&repo).args(["where", &argument]).output().expect("it runs");
    assert_eq!(matched(&output).len(), 2);
    let output =
        bhfuil(&repo).current_dir(repo.home()).arg("-C").arg(repo.path()).args(["where", "--patch=the.patch"]).output();
    assert_eq!(output.expect("it runs").status.code(), Some(128), "a file is meant from the folder that -C names");
}

#[test]
fn a_diff_is_taken_whatever_stands_before_its_paths() {
    let repo = repository();
    let subjects = repo.git(&["log", "--reverse", "--format=%H %s", "stable/1.0..main"]);
    let subjects: Vec<(&str, &str)> = subjects.lines().filter_map(|line| line.split_once(' ')).collect();
    for prefixes in [
        &["-c", "diff.noprefix=true"][..],
        &["-c", "diff.mnemonicPrefix=true"],
        &["-c", "diff.srcPrefix=x/y/", "-c", "diff.dstPrefix=z/"],
        &["-c", "diff.srcPrefix=old-", "-c", "diff.dstPrefix=new-"],
        &["-c", "diff.srcPrefix=same/", "-c", "diff.dstPrefix=same/"],
        &["--src-prefix=1/", "--dst-prefix=2/"],
        &["--src-prefix=", "--dst-prefix=other/"],
        &["--no-prefix"],
    ] {
        let (config, options): (&[&str], &[&str]) = if prefixes[0] == "-c" { (prefixes, &[]) } else { (&[], prefixes) };
        // What is configured counts for whoever reads it, too.
        for setting in config.iter().filter(|word| **word != "-c") {
            let (key, value) = setting.split_once('=').expect("a setting");
            repo.git(&["config", key, value]);
        }
        for (id, subject) in &subjects {
            let show = [&["show", "--no-renames", "--full-index", "--binary", "--format=%B"], options, &[*id]].concat();
            let patch = repo.git_bytes(&show);
            let plain = repo.git_bytes(
                &[
                    &[
                        "-c",
                        "diff.noprefix=false",
                        "-c",
                        "diff.mnemonicPrefix=false",
                        "-c",
                        "diff.srcPrefix=a/",
                        "-c",
                        "diff.dstPrefix=b/",
                    ],
                    &show[..show.len() - options.len() - 1],
                    &[*id],
                ]
                .concat(),
            );
            let output = where_patch(&repo, &[], &patch);
            // git's word is that of the diff as it is without any of this.
            let git = patch_id(&repo, &plain);
            assert_eq!(matched(&output).len(), 2, "{subject}: {prefixes:?}");
            let told = events(&output);
            assert!(
                of_type(&told, "match").iter().all(|event| event["query"] == git.as_str()),
                "{subject}: {prefixes:?}"
            );
        }
        for setting in config.iter().filter(|word| **word != "-c") {
            repo.git(&["config", "--unset", setting.split_once('=').expect("a setting").0]);
        }
    }
}

#[test]
fn each_patch_of_a_mailbox_is_a_query() {
    let repo = repository();
    let mailbox =
        repo.git_bytes(&["format-patch", "--stdout", "--binary", "--full-index", "--no-renames", "stable/1.0..main"]);
    // Which is about files that a patch is applied to, and here none is.
    repo.git(&["config", "apply.whitespace", "error"]);
    let output = where_patch(&repo, &[], &mailbox);
    let all = repo.git(&["rev-list", "stable/1.0...main"]);
    assert_eq!(matched(&output).len(), all.lines().count());
    let told = events(&output);
    let mut queries: Vec<&str> =
        of_type(&told, "match").iter().map(|event| event["query"].as_str().expect("text")).collect();
    queries.dedup();
    let git = String::from_utf8(repo.git_with(&["patch-id", "--stable"], &mailbox)).expect("hex");
    assert_eq!(queries, git.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>());
}

#[test]
fn a_patch_that_is_nowhere_exits_with_1_and_no_patch_is_an_error() {
    let repo = repository();
    let patch = repo.git(&["show", "main"]).replace("-31", "-thirty-one");
    let output = where_patch(&repo, &[], format!("{patch}\n").as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let told = events(&output);
    let warning = of_type(&told, "warning")[0];
    assert!(warning["code"] == "nothing-found" && warning["message"].to_string().contains("patch-id"), "{warning}");
    for input in [&b""[..], b"no patch\n", b"From: somebody\n\nHello\n"] {
        let output = where_patch(&repo, &[], input);
        assert_eq!(output.status.code(), Some(128), "{input:?}");
        let told: Vec<Value> = events(&output);
        assert_eq!((&told[2]["type"], &told[2]["code"]), (&"error".into(), &"bad-value".into()), "{told:?}");
    }
    let output = bhfuil(&repo).args(["where", "--patch=no-such-file"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(128));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-file"));
    // Where the patch is reported to a folder that it doesn't touch.
    let output = where_patch(&repo, &["--refs=refs/heads/stable/*"], &repo.git_bytes(&["show", "main"]));
    assert_eq!(matched(&output).len(), 1, "sought where it was asked for");
}
