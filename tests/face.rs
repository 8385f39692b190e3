//! What a person meets: the manual, what `install` puts where, and completion in shells that run on a terminal.
//!
//! The pages in `man/` are written anew by `BHFUIL_WRITE=1 cargo test --test face`. What needs a program that may not be there (mandoc, man,
//! the shells) is ignored unless it is asked for: the gate installs them and asks.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use git_bhfuil::cli::manual;
use support::shells::Terminal;
use support::{Repo, copy_program, events, of_type};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_pages_in_man_are_those_of_the_program() {
    let pages = manual::pages();
    if std::env::var_os("BHFUIL_WRITE").is_some() {
        std::fs::create_dir_all(folder("man")).expect("man");
        for page in &pages {
            std::fs::write(folder("man").join(page.file()), &page.text).expect("a page");
        }
    }
    let kept = std::fs::read_dir(folder("man")).expect("man").map(|entry| entry.expect("an entry").file_name());
    let mut kept: Vec<String> = kept.map(|name| name.into_string().expect("UTF-8")).collect();
    let mut files: Vec<String> = pages.iter().map(manual::Page::file).collect();
    kept.sort();
    files.sort();
    assert_eq!(kept, files, "the files of man/");
    for page in &pages {
        let kept = std::fs::read_to_string(folder("man").join(page.file())).expect("a page");
        assert!(kept == page.text, "man/{} is old: BHFUIL_WRITE=1 cargo test --test face", page.file());
    }
}

#[test]
#[ignore = "needs mandoc: .ci/run installs it and runs this too"]
fn mandoc_has_nothing_to_say_of_any_page() {
    let pages = std::fs::read_dir(folder("man")).expect("man").map(|entry| entry.expect("an entry").path());
    let output = Command::new("mandoc").args(["-T", "lint"]).args(pages).output().expect("mandoc runs");
    let said = String::from_utf8_lossy(&output.stdout);
    // The pages of git aren't in its own database where git has none installed; that isn't about ours.
    assert_eq!(said, "", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_page_has_what_one_looks_for() {
    for page in manual::pages() {
        let headings: Vec<&str> = page.text.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let mut wanted = vec!["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "SEE ALSO"];
        if page.section == 1 {
            let nested =
                ["cache", "config", "osv", "repo", "task"].iter().any(|name| page.name == format!("git-bhfuil-{name}"));
            wanted.insert(4, if nested { "COMMANDS" } else { "OPTIONS" });
        }
        let mut left = headings.iter().map(|heading| heading.trim_matches('"'));
        for heading in wanted {
            assert!(left.any(|it| it == heading), "{heading} is not in its place in {}: {headings:?}", page.file());
        }
        assert!(page.text.is_ascii(), "{}", page.file());
    }
}

/// A repository with branches, tags, a registered repository, a group and a task, and everything installed for its user.
fn furnished() -> Repo {
    let repo = Repo::fixture("backports");
    for args in [
        &["install"][..],
        &["repo", "add", ".", "--name=nova", "--group=openstack"],
        &["config", "set", "tracker.bugs.type", "bugzilla"],
    ] {
        installed(&repo).args(args).assert().success();
    }
    repo
}

/// The program as a user has it, in a folder of their home that is in `PATH`.
fn installed(repo: &Repo) -> assert_cmd::Command {
    let program = repo.home().join("cargo/bin/git-bhfuil");
    if !program.exists() {
        copy_program(&program);
    }
    let mut command = assert_cmd::Command::new(program);
    for (name, value) in repo.sealed_env() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("PATH", path(repo)).current_dir(repo.path());
    command
}

/// A `PATH` on which that program is.
fn path(repo: &Repo) -> std::ffi::OsString {
    let own = repo.home().join("cargo/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).expect("a path")
}

/// A shell on a terminal, which says its line when Ctrl-X p is typed.
struct Shell {
    terminal: Terminal,
}

impl Shell {
    fn start(repo: &Repo, line: &str, setup: &[&str]) -> Self {
        let mut terminal = Terminal::start(line, |command| {
            repo.seal(command).env("PATH", path(repo)).env("XDG_RUNTIME_DIR", repo.home()).current_dir(repo.path());
        });
        for line in setup {
            terminal.keys(&format!("{line}\n"));
        }
        terminal.keys("echo rea''dy\n");
        terminal.until("ready");
        Self { terminal }
    }

    /// What the line becomes when `typed` is typed into an empty one.
    fn line(&mut self, typed: &str) -> String {
        self.terminal.keys(typed);
        self.terminal.keys("\u{18}p");
        self.terminal.until("<<");
        let line = self.terminal.until(">>");
        // Ctrl-U empties it.
        self.terminal.keys("\u{15}");
        line
    }

    /// Waits until `wanted` is shown after `typed` is typed into an empty line, and empties it.
    fn lists(&mut self, typed: &str, wanted: &[&str]) {
        self.terminal.keys(typed);
        for wanted in wanted {
            self.terminal.until(wanted);
        }
        self.terminal.keys("\u{15}");
    }
}

/// What is typed before a tab, and what it becomes, in any shell.
const COMPLETED: &[(&str, &str)] = &[
    ("git bhfuil wh\t", "git bhfuil where "),
    ("git-bhfuil wh\t", "git-bhfuil where "),
    ("git bhfuil cache cl\t", "git bhfuil cache clear "),
    ("git bhfuil where --sig\t", "git bhfuil where --signals="),
    ("git bhfuil where --signals=same,chan\t", "git bhfuil where --signals=same,change-id "),
    ("git bhfuil where --tags=f\t", "git bhfuil where --tags=first "),
    ("git bhfuil where --format js\t", "git bhfuil where --format jsonl "),
    ("git bhfuil where stable/2\t", "git bhfuil where stable/2.0 "),
    ("git bhfuil scan 1.0.1..1.0.2\t", "git bhfuil scan 1.0.1..1.0.2 "),
    ("git bhfuil missing --from=ma\t", "git bhfuil missing --from=main "),
    ("git bhfuil repo show no\t", "git bhfuil repo show nova "),
    ("git bhfuil where --repo=nov\t", "git bhfuil where --repo=nova "),
    ("git bhfuil repo list --group op\t", "git bhfuil repo list --group openstack "),
    ("git bhfuil config get bhfuil.tracker.bugs.u\t", "git bhfuil config get bhfuil.tracker.bugs.url "),
    ("git bhfuil config set color al\t", "git bhfuil config set color always "),
    ("git bhfuil -C sub wh\t", "git bhfuil -C sub where "),
];

fn completes(shell: &mut Shell, more: &[(&str, &str)]) {
    for (typed, line) in COMPLETED.iter().chain(more) {
        assert_eq!(shell.line(typed), *line, "{typed:?}");
    }
}

/// What git's own completion hands on of the folder that git was told to go to.
const ELSEWHERE: &[(&str, &str)] = &[
    ("git -C sub bhfuil wh\t", "git -C sub bhfuil where "),
    ("git -C ../other bhfuil where onl\t", "git -C ../other bhfuil where only-here "),
];

fn elsewhere(repo: &Repo) {
    std::fs::create_dir(repo.path().join("sub")).expect("a folder");
    repo.git(&["init", "--quiet", "../other"]);
    repo.git(&["-C", "../other", "commit", "--quiet", "--allow-empty", "-m", "one"]);
    repo.git(&["-C", "../other", "branch", "only-here"]);
}

#[test]
#[ignore = "needs bash-completion: .ci/run installs it and runs this too"]
fn bash_completes_under_gits_own_completion_and_alone() {
    let all = "/usr/share/bash-completion/bash_completion";
    let repo = furnished();
    elsewhere(&repo);
    let mut shell = Shell::start(
        &repo,
        "bash --norc --noprofile -i",
        &[&format!(". {all}"), "bind -x '\"\\C-xp\": echo \"<<$READLINE_LINE>>\"'", "bind 'set bell-style none'"],
    );
    completes(&mut shell, ELSEWHERE);
    completes(&mut shell, &[("git bhfuil enrich CVE\t", "git bhfuil enrich CVE")]);
    // What words mean, where a list is all that is wanted.
    shell.lists("git bhfuil w\t\t", &["watch  (follow repositories as they move)", "where  (tell where a change is)"]);
    std::fs::write(repo.path().join("a-patch"), "").expect("a file");
    assert_eq!(shell.line("git bhfuil where --patch=a-p\t"), "git bhfuil where --patch=a-patch ");
}

#[test]
#[ignore = "needs zsh: .ci/run installs it and runs this too"]
fn zsh_completes_under_its_completion_of_git_and_alone() {
    let repo = furnished();
    elsewhere(&repo);
    let mut shell = Shell::start(
        &repo,
        "zsh -f -i",
        &[
            "unsetopt ZLE_BRACKETED_PASTE BEEP; PS1='% '; fpath=($XDG_DATA_HOME/zsh/site-functions $fpath)",
            "autoload -Uz compinit; compinit -u -D; say() { print -r -- \"<<$BUFFER>>\" }; zle -N say; bindkey '^Xp' say",
        ],
    );
    completes(&mut shell, ELSEWHERE);
    shell.lists("git bhfuil w\t", &["watch", "follow repositories as they move", "where", "tell where a change is"]);
    shell.lists("git bhfuil repo show \t", &["nova"]);
}

#[test]
#[ignore = "needs fish: .ci/run installs it and runs this too"]
fn fish_completes_git_and_the_program_alone() {
    let repo = furnished();
    elsewhere(&repo);
    let mut shell = Shell::start(
        &repo,
        "fish --interactive",
        &[
            "set -g fish_greeting; set -U fish_autosuggestion_enabled 0; function fish_prompt; echo '% '; end",
            "function say; echo '<<'(commandline)'>>'; end; bind \\cxp say",
        ],
    );
    completes(&mut shell, ELSEWHERE);
    shell.lists("git bhfuil w\t", &["watch", "follow repositories as they move", "where", "tell where a change is"]);
}

/// The files that a run tells of, with what has become of each.
fn told(output: &std::process::Output) -> Vec<(PathBuf, String)> {
    let events = events(output);
    let files = of_type(&events, "installed").into_iter();
    let text = |event: &serde_json::Value, field: &str| event[field].as_str().expect("a text").to_owned();
    files.map(|event| (text(event, "path").into(), text(event, "state"))).collect()
}

#[test]
fn install_does_it_once_and_uninstall_takes_away_what_it_did() {
    let repo = Repo::new();
    let run = |args: &[&str]| {
        let output = installed(&repo).arg("install").args(args).output().expect("it runs");
        (output.status.code(), told(&output))
    };
    let (code, first) = run(&[]);
    assert_eq!(code, Some(0));
    assert!(first.len() == manual::pages().len() + 4, "{first:#?}");
    assert!(first.iter().all(|(path, state)| state == "written" && path.is_file()), "{first:#?}");
    let page = repo.home().join("cargo/share/man/man1/git-bhfuil-where.1");
    let script = repo.home().join("data/bash-completion/completions/git-bhfuil");
    assert!(first.iter().any(|(path, _)| *path == page) && script.is_file());

    let (_, again) = run(&[]);
    assert!(again.iter().all(|(_, state)| state == "unchanged"), "{again:#?}");
    // What is older is replaced; what a later version doesn't have any more is taken away.
    let old = std::fs::read_to_string(&page).expect("a page").replace("a change is", "it is");
    std::fs::write(&page, &old).expect("a page");
    let list = repo.home().join("data/git-bhfuil/installed");
    let gone = repo.home().join("cargo/share/man/man1/git-bhfuil-gone.1");
    std::fs::write(&gone, &old).expect("a page");
    let listed = std::fs::read_to_string(&list).expect("a list");
    std::fs::write(&list, format!("{listed}{}\n", gone.display())).expect("a list");
    let (_, mended) = run(&[]);
    let changed: Vec<_> = mended.into_iter().filter(|(_, state)| state != "unchanged").collect();
    assert_eq!(changed, [(page.clone(), "written".to_owned()), (gone.clone(), "removed".to_owned())]);

    // Somebody else's page of that name stays.
    std::fs::write(&page, "mine").expect("a page");
    let (code, left) = run(&["--uninstall"]);
    assert_eq!(code, Some(3));
    assert!(left.len() == first.len() - 1 && left.iter().all(|(path, state)| state == "removed" && !path.exists()));
    assert_eq!(std::fs::read_to_string(&page).expect("a page"), "mine");
    let (code, none) = run(&[]);
    assert_eq!((code, none.len()), (Some(3), first.len() - 1));
    std::fs::remove_file(&page).expect("it goes");
    assert_eq!(run(&[]).0, Some(0));
    assert_eq!(run(&["--uninstall"]).0, Some(0));
    assert!(!list.exists());
    assert!(Path::new(installed(&repo).get_program()).is_file(), "the program wasn't put there by it");
    assert_eq!(run(&["--uninstall"]), (Some(0), Vec::new()));
}

#[test]
fn a_program_that_git_does_not_find_is_put_where_it_does() {
    let repo = Repo::new();
    let bin = repo.home().join(".local/bin");
    let path = std::env::join_paths([bin.clone(), "/usr/bin".into(), "/bin".into()]).expect("a path");
    let mut command = support::bhfuil(&repo);
    command.env("PATH", &path).arg("install").assert().success();
    let program = bin.join("git-bhfuil");
    let mut git = repo.git_command();
    let git = git.env("PATH", &path).current_dir(repo.path()).args(["bhfuil", "install"]);
    let output = git.output().expect("git runs");
    assert!(told(&output).iter().all(|(_, state)| state == "unchanged"), "{output:?}");
    let output = repo.git_command().env("PATH", &path).args(["bhfuil", "install", "--uninstall"]).output();
    let output = output.expect("git runs");
    assert!(told(&output).contains(&(program.clone(), "removed".to_owned())) && !program.exists(), "{output:?}");
}

#[test]
fn a_packager_gets_the_usual_folders_under_destdir() {
    let repo = Repo::new();
    let root = repo.home().join("root");
    let install =
        |args: &[&str]| installed(&repo).env("DESTDIR", &root).arg("install").args(args).output().expect("it runs");
    let output = install(&["--prefix=/usr"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let files = told(&output);
    for file in [
        "bin/git-bhfuil",
        "share/man/man1/git-bhfuil.1",
        "share/man/man5/git-bhfuil-config.5",
        "share/bash-completion/completions/git-bhfuil",
        "share/zsh/site-functions/_git-bhfuil",
        "share/fish/vendor_completions.d/git-bhfuil.fish",
        "share/fish/vendor_conf.d/git-bhfuil.fish",
    ] {
        assert!(files.contains(&(root.join("usr").join(file), "written".to_owned())), "{file} is not in {files:#?}");
    }
    let mode = |file: &str| root.join(file).metadata().expect("it is there").permissions().mode() & 0o111;
    assert_eq!((mode("usr/bin/git-bhfuil"), mode("usr/share/man/man1/git-bhfuil.1")), (0o111, 0));
    assert!(!root.join("usr/share/git-bhfuil").exists(), "a package has its own list");
    assert_eq!(install(&[]).status.code(), Some(128), "DESTDIR without a prefix");
    assert_eq!(told(&install(&["--prefix=/usr", "--uninstall"])).len(), files.len() - 1, "all but the program");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_once() {
    let repo = Repo::new();
    std::fs::write(repo.home().join("file"), "").expect("a file");
    let prefix = format!("--prefix={}", repo.home().join("file").display());
    let output = installed(&repo).args(["install", &prefix]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    let events = events(&output);
    let errors = of_type(&events, "error");
    // man1, man5, bash, zsh, fish twice, bin and the list.
    assert_eq!(errors.len(), 8, "{errors:#?}");
    assert!(errors.iter().all(|error| error["code"] == "io" && error["hint"].is_string()), "{errors:#?}");
}

#[test]
#[ignore = "needs man: .ci/run installs it and runs this too"]
fn man_and_git_help_find_the_pages() {
    let repo = Repo::new();
    installed(&repo).arg("install").assert().success();
    let page = |args: &[&str]| {
        let mut man = Command::new("man");
        let output =
            repo.seal(&mut man).env("PATH", path(&repo)).env_remove("MANPATH").args(args).output().expect("man runs");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    let folder = repo.home().join("cargo/share/man");
    assert_eq!(page(&["-w", "git-bhfuil"]), folder.join("man1/git-bhfuil.1").display().to_string());
    assert_eq!(page(&["-w", "5", "git-bhfuil-events"]), folder.join("man5/git-bhfuil-events.5").display().to_string());
    let mut git = repo.git_command();
    git.env("PATH", path(&repo)).env_remove("MANPATH").env("MANPAGER", "cat").env("MANWIDTH", "80");
    let output = git.args(["help", "bhfuil"]).output().expect("git runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("find where a change is") && text.contains("COMMANDS"), "{output:?}");
}

#[test]
fn a_template_makes_a_line_of_each_event_that_has_its_fields() {
    let repo = Repo::fixture("backports");
    let lines = |args: &[&str]| {
        let output = support::bhfuil(&repo).args(args).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        output.stdout
    };
    // git is the oracle.
    let log = repo.git_bytes(&["log", "--branches", "--tags", "HEAD", "--format=%H%x09%P%x09%an%x09%s"]);
    assert_eq!(lines(&["scan", "--format=%(id)%09%(parents)%09%(author.name)%09%(subject)"]), log);
    let refs = repo.git_bytes(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"]);
    let told = lines(&["scan", "--show-refs", "--format=%(id) %(ref)"]);
    let sorted = |text: &[u8]| {
        let mut lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
        lines.retain(|line| !line.ends_with(" HEAD"));
        lines.sort();
        lines
    };
    assert_eq!(sorted(&told), sorted(&refs));
    let plain = repo.id("plain");
    let presences = lines(&["where", plain, "--format=%(short) %(state) %(first_tag)"]);
    let presences = String::from_utf8(presences).expect("UTF-8");
    assert!(presences.lines().any(|line| line.starts_with("main present ")), "{presences}");
    // The same of what passes through, and of a list.
    let stream = lines(&["scan", "--format=jsonl"]);
    let output = support::bhfuil(&repo).args(["enrich", "--offline", "--format=%(id)"]).write_stdin(stream).output();
    assert_eq!(
        output.expect("it runs").stdout,
        repo.git_bytes(&["log", "--branches", "--tags", "HEAD", "--format=%H"])
    );
    assert_eq!(lines(&["config", "get", "jobs", "--format=%(key)=%(value)"]), b"bhfuil.jobs=3\n");

    for (format, why) in [
        ("%(sbject)", "no event has a field 'sbject'; did you mean 'subject'?"),
        ("%(id", "%(id isn't closed by a bracket"),
    ] {
        let output = support::bhfuil(&repo).args(["scan", "--format", format]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(129), "{said}");
        assert!(said.starts_with(&format!("fatal: bad value '{format}' for --format: {why}\n")), "{said}");
    }
}

#[test]
fn people_see_below_a_commit_what_it_says_of_others() {
    let repo = Repo::fixture("backports");
    let short = |name: &str| &repo.id(name)[..12];
    let run = |name: &str| {
        let output =
            support::bhfuil(&repo).args(["scan", "-n", "1", "--paths", "--format=human", repo.id(name)]).output();
        String::from_utf8(output.expect("it runs").stdout).expect("UTF-8")
    };
    let expected = format!(
        "{} 2023-11-14 A U Thor: g: fix with references (#12)
    names #12
    names CVE-2024-12345
    names GHSA-2wrh-6pvc-2jm9
    names launchpad 1234567
    names launchpad 7654321
    names github example/project#13
    M g
",
        short("references")
    );
    assert_eq!(run("references"), expected);
    let text = run("plain@stable/1.0");
    assert!(text.contains(&format!("\n    cherry-pick {}\n", repo.id("plain"))), "{text}");
}

#[test]
fn a_template_keeps_a_terminal_from_what_a_commit_holds() {
    let repo = Repo::new();
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "a \u{1b}[31mred\n\none\ntwo"]);
    let run = |pager: &str| {
        let mut command = support::bhfuil(&repo);
        command.env("GIT_PAGER_IN_USE", pager).args(["scan", "--format=%(subject)%0a%(body)"]);
        String::from_utf8(command.output().expect("it runs").stdout).expect("UTF-8")
    };
    assert_eq!(run("false"), "a \u{1b}[31mred\none\ntwo\n", "a program gets what is there");
    assert_eq!(run("true"), "a <U+001B>[31mred\none\ntwo\n");
}

/// A stream as a later version may write it: further fields in every object, types and values that nobody knows.
fn of_a_later_version(stream: &[u8]) -> Vec<u8> {
    fn grown(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                // The names in counts are types.
                fields.iter_mut().filter(|(name, _)| *name != "counts").for_each(|(_, value)| grown(value));
                fields.insert("later".to_owned(), serde_json::json!({"a": [1, null]}));
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(grown),
            _ => {}
        }
    }
    let unknown = r#"{"type":"later","repo":"nova","id":"aa","status":"later"}"#;
    let mut lines = Vec::new();
    for line in String::from_utf8_lossy(stream).lines() {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        grown(&mut event);
        for (list, field) in [("issues", "kind"), ("origins", "kind"), ("requests", "kind"), ("paths", "status")] {
            if let Some(all) = event.get_mut(list).and_then(serde_json::Value::as_array_mut) {
                all.push(serde_json::json!({field: "later", "key": "7", "text": "7", "id": null, "path": "p"}));
            }
        }
        if event["type"] == "repo" {
            event["object_format"] = "later".into();
        }
        if event["type"] == "repo-end" {
            event["index"] = "later".into();
        }
        // Which field comes first says nothing, but ours have the type there.
        lines.extend([event.to_string(), unknown.to_owned()]);
    }
    // `end` is the last line of any version.
    lines.pop();
    lines.join("\n").into_bytes()
}

#[test]
fn an_older_consumer_survives_what_a_later_version_adds() {
    let repo = Repo::fixture("backports");
    let stream = support::bhfuil(&repo).args(["scan", "--paths"]).output().expect("it runs").stdout;
    let later = [of_a_later_version(&stream), b"\n".to_vec()].concat();
    let answer = |args: &[&str], input: &[u8]| {
        let output = support::bhfuil(&repo).args(args).write_stdin(input).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        output
    };
    // The same commits are asked for, and the same issues.
    let told = |args: &[&str], input: &[u8], types: &[&str]| {
        let output = answer(args, input);
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        let lines =
            lines.lines().filter(|line| types.iter().any(|kind| line.contains(&format!("\"type\":\"{kind}\""))));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        // Trackers are asked side by side.
        lines.sort();
        lines
    };
    let where_is = ["where", "--stdin"];
    let places = told(&where_is, &stream, &["match", "presence", "error", "warning"]);
    assert!(places.len() > 20, "{places:#?}");
    assert_eq!(told(&where_is, &later, &["match", "presence", "error", "warning"]), places);
    let enrich = ["enrich", "--offline"];
    let issues = told(&enrich, &stream, &["issue", "error", "warning"]);
    assert!(!issues.is_empty());
    assert_eq!(told(&enrich, &later, &["issue", "error", "warning"]), issues);
    // What passes through is what came.
    let passed = answer(&enrich, &later).stdout;
    let passed: Vec<&[u8]> = passed.split(|byte| *byte == b'\n').collect();
    let came = later.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let frame = |line: &[u8]| {
        let event: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        event["type"] == "begin" || event["type"] == "end"
    };
    for line in came.filter(|line| !frame(line)) {
        assert!(passed.contains(&line), "{}", String::from_utf8_lossy(line));
    }
    // And it is told in every form.
    for format in ["human", "%(id) %(subject)", "%(type)"] {
        answer(&["enrich", "--offline", "--format", format], &later);
    }
}

#[test]
fn people_page_what_they_read_as_git_has_it_and_programs_do_not() {
    let repo = Repo::fixture("backports");
    let program = installed(&repo).get_program().to_owned();
    // What a terminal shows of a line of a shell, in which "bhfuil" is the program.
    let shown = |line: &str| {
        let run = format!("bhfuil() {{ '{}' \"$@\"; }}; stty cols 100; {line}", program.display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &run, "/dev/null"]);
        let sealed = repo.seal(&mut command).env("PATH", path(&repo)).env("TERM", "xterm").env("NO_COLOR", "1");
        let output = sealed.env_remove("PAGER").env_remove("LESS").current_dir(repo.path()).output();
        String::from_utf8_lossy(&output.expect("script(1) starts").stdout).replace('\r', "")
    };
    let page = "sed s/^/page:/";
    repo.git(&["config", "core.pager", page]);
    let paged = |text: &str| text.lines().filter(|line| line.starts_with("page:")).count();
    assert_eq!(paged(&shown("bhfuil scan -n 3 --format='%(subject)'")), 3);
    assert!(paged(&shown("bhfuil where main")) > 3);
    assert_eq!(paged(&shown("GIT_PAGER='sed s/^/other:/' bhfuil where main")), 0);
    assert_eq!(
        shown("PAGER=false GIT_PAGER='echo $LESS >&2; cat' bhfuil scan -n 1 --format='one%(type)'"),
        "FRX\nonecommit\n"
    );
    for unpaged in [
        "bhfuil scan -n 3 --format=jsonl",
        "bhfuil scan -n 3 | cat",
        "GIT_PAGER=cat bhfuil where main",
        "git --no-pager bhfuil where main",
        "git -c bhfuil.pager=cat bhfuil where main",
        "git -c pager.bhfuil=false bhfuil where main",
        "bhfuil config path",
        // It came to nothing.
        "bhfuil where no-such-branch",
    ] {
        assert_eq!(paged(&shown(unpaged)), 0, "{unpaged}");
    }
    // What is said beside it is read there too if it runs already, and the exit code is that of the run.
    let both = shown("bhfuil enrich --offline --strict CVE-2024-1234; echo $?");
    assert!(both.contains("page:osv CVE-2024-1234") && both.contains("warning: nothing is kept"), "{both}");
    assert!(both.trim_end().ends_with('3'), "{both}");
    // git has put its own there: the text is for people, and is paged once.
    let once = shown("git -p bhfuil where main");
    assert!(paged(&once) > 3 && !once.contains("page:page:"), "{once}");
    // Who leaves it early is done, and a pager that isn't there does no harm.
    assert_eq!(shown("GIT_PAGER=true bhfuil scan; echo $?"), "0\n");
    assert!(shown("GIT_PAGER=no-such-pager bhfuil where main").contains("main"));
}

/// What `fixtures/picture` leaves at the left, and how wide it draws a letter, in pixels.
const MARGIN: f64 = 20.0;
const CELL: f64 = 8.4;

/// The text of a picture, a line for each of its lines, and what it says that it shows.
fn drawn(svg: &str) -> (Vec<String>, String) {
    let plain =
        |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'");
    let mut lines: Vec<(String, String)> = Vec::new();
    for element in svg.lines().filter(|line| line.starts_with("<text ")) {
        let field = |name: &str| element.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        let (x, y) = (field("x").expect("a place"), field("y").expect("a place").to_owned());
        let column = (x.parse::<f64>().expect("a number") - MARGIN) / CELL;
        let text = element.split_once('>').and_then(|(_, rest)| rest.strip_suffix("</text>")).expect("a text");
        let place = lines.iter().position(|(row, _)| *row == y).unwrap_or_else(|| {
            lines.push((y.clone(), String::new()));
            lines.len() - 1
        });
        let line = &mut lines[place].1;
        let column: usize = format!("{column:.0}").parse().expect("a whole number");
        line.extend(std::iter::repeat_n(' ', column - line.chars().count()));
        line.push_str(&plain(text).replace("&amp;", "&"));
    }
    let title = svg.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).expect("a title");
    (lines.into_iter().map(|(_, line)| line).collect(), plain(title))
}

#[test]
fn the_picture_is_what_its_script_says_that_it_draws() {
    let svg = std::fs::read_to_string(folder("fixtures/picture.svg")).expect("a picture");
    let script = std::fs::read_to_string(folder("fixtures/picture")).expect("a script");
    let (lines, title) = drawn(&svg);
    let commands: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(title, format!("A terminal that shows {}", commands.join(" and ")));
    assert!(commands.iter().all(|command| script.contains(&format!("'{command}'"))), "{commands:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    let readme = std::fs::read_to_string(folder("README.md")).expect("README.md");
    assert!(readme.contains("](fixtures/picture.svg)"));
}

#[test]
#[ignore = "needs Python: .ci/run installs it and runs this too"]
fn a_picture_shows_what_a_terminal_does() {
    let repo = Repo::fixture("backports");
    let program = installed(&repo).get_program().to_owned();
    let args = ["where", "subject:\"plain fix\"", "--color=never", "--format=human"];
    let mut plain = Command::new(program);
    repo.seal(&mut plain).args(args).env("COLUMNS", "80").env("LC_ALL", "C.UTF-8").current_dir(repo.path());
    let plain = String::from_utf8(plain.output().expect("it runs").stdout).expect("UTF-8");
    let command = "git bhfuil where 'subject:\"plain fix\"'";
    let mut picture = Command::new(folder("fixtures/picture"));
    repo.seal(&mut picture).env("PATH", path(&repo)).arg(repo.path()).arg(command);
    let output = picture.output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = String::from_utf8(output.stdout).expect("UTF-8");
    let wanted: Vec<String> = [format!("$ {command}")]
        .into_iter()
        .chain(plain.lines().filter(|it| !it.is_empty()).map(str::to_owned))
        .collect();
    assert_eq!(drawn(&svg).0, wanted);
    assert!(svg.contains("fill=\"#6bc46d\""), "colour is there");
}
