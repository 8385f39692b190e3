//! The README, kept true: every example runs, by `sh`, `git` and a jq in Rust, on the repository of `fixtures/backports`, and
//! the tables list what the code has.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::Value;

mod support;
use support::{Repo, bhfuil, events};

#[test]
fn every_example_answers_as_the_text_says() {
    let repo = Repo::fixture("backports");
    let (plain, pick) = (&repo.id("plain")[..12], &repo.id("plain@stable/1.0")[..12]);
    // For each example in turn some lines that must be among its answer, and one that must not.
    let origins = format!("{pick} {plain}");
    let hotfix = &repo.id("hotfix@1.0.2")[..12];
    let missing = format!("stable/2.0 {}", &repo.id("hotfix")[..12]);
    let tip = repo.git(&["rev-parse", "stable/1.0"]);
    let elsewhere = format!("{pick} {plain}");
    let asked = &format!("{} g: fix that stable is asked for", &repo.id("asked")[..12]);
    let answers: &[(&[&str], &str)] = &[
        (&["main present"], "main missing"),
        (&[&format!("{pick} trailer 1.0 exact")], ""),
        (&[&missing], hotfix),
        (&[&tip], plain),
        (&[&elsewhere], ""),
        (&["repo main present", "stable main present"], "repo main missing"),
        (&["refs/tags/1.0.1", "refs/heads/stable/1.0"], "refs/heads/main"),
        (&[repo.id("leaky-fix")], repo.id("two")),
        // It is asked for on 2.x alone: the example exits with 0.
        (&[], asked),
        (&[&origins], &format!("{plain} {pick}")),
        (&["h: fix from elsewhere"], "a: plain fix"),
        (&["CVE-2024-12345"], "CVE-2024-1234"),
        (&["f: stop the leak"], "f: fix that leaks"),
        (
            &[
                r#"{"subject":"g: fix that stable is asked for","requests":[{"kind":"backport-to","text":"2.x"},{"kind":"configured","text":"asked for"}]}"#,
            ],
            "",
        ),
        (&["e", "f"], "a"),
        (&["base: eight files"], "a: plain fix"),
        (&[plain, pick], ""),
        (&[r#"{"status":"ok","complete":true,"counts":{"#], ""),
        (&["osv CVE-2024-12345 null"], "osv CVE-2024-1234 null"),
    ];
    // The sister repository of one example.
    repo.git(&["clone", "--quiet", "--bare", ".", "../stable"]);
    let examples = &blocks("sh")[2..];
    assert_eq!(examples.len(), answers.len(), "an example without an answer: {examples:#?}");
    for (example, (there, not_there)) in examples.iter().zip(answers) {
        let answer = run(&repo, example);
        for wanted in *there {
            assert!(answer.iter().any(|line| line.starts_with(wanted)), "{wanted:?} is not in {answer:#?}\n{example}");
        }
        assert!(!answer.iter().any(|line| line == not_there), "{not_there:?} is in {answer:#?}\n{example}");
    }
    let again = run(&repo, examples.iter().find(|example| example.contains("--new=")).expect("an example of --new"));
    assert_eq!(again, [""; 0], "nothing is new the second time");
}

/// Programs that recipes stand on beside git and what every system has.
const FOREIGN: &[&str] = &["jq", "fzf", "sqlite3", "duckdb"];

#[test]
fn recipes_answer_as_they_show() {
    let answered = cook(|recipe| !FOREIGN.iter().any(|program| stands_on(recipe, program)));
    assert!(answered >= 3, "{answered} recipes need git alone");
}

#[test]
#[ignore = "needs jq, fzf, sqlite3 and duckdb: .ci/run installs them and runs this too"]
fn recipes_with_other_programs_answer_as_they_show() {
    let answered = cook(|recipe| FOREIGN.iter().any(|program| stands_on(recipe, program)));
    assert!(answered >= FOREIGN.len(), "{answered} recipes need other programs");
}

fn stands_on(recipe: &str, program: &str) -> bool {
    recipe.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.').any(|word| word == program)
}

/// Runs the recipes that are wanted, each in a repository of its own in which stable/1.0 is checked out, and compares what they write with the
/// block that follows or what is known of them; how many there were.
fn cook(is_wanted: impl Fn(&str) -> bool) -> usize {
    let text = section("## Recipes");
    let blocks: Vec<(&str, &str)> =
        text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect();
    let mut count = 0;
    for (at, (language, recipe)) in blocks.iter().enumerate() {
        if *language != "bash" || !is_wanted(recipe) {
            continue;
        }
        let repo = Repo::fixture("backports");
        repo.git(&["checkout", "--quiet", "stable/1.0"]);
        let mut shell = sealed_shell("bash", &repo);
        // What a finger would type into the picker.
        shell.env("FZF_DEFAULT_OPTS", "--filter=hotfix").env("TMPDIR", repo.home());
        let output = shell.args(["-euo", "pipefail", "-c", recipe]).output().expect("bash runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{recipe}: {said}");
        let answer = String::from_utf8(output.stdout).expect("UTF-8");
        match blocks.get(at + 1) {
            Some(("text", shown)) => assert_eq!(answer.trim_end().replace('\r', ""), *shown, "{recipe}"),
            _ => answers_well(&repo, recipe, &answer),
        }
        count += 1;
    }
    count
}

/// Looks at the answer of a recipe that shows none.
fn answers_well(repo: &Repo, recipe: &str, answer: &str) {
    let short = |name: &str| &repo.id(name)[..12];
    if recipe.contains("fzf") {
        let message = repo.git(&["log", "-1", "--format=%B"]);
        assert!(message.contains(&format!("(cherry picked from commit {})", repo.id("hotfix"))), "{message}");
        assert_eq!(repo.git(&["rev-list", "--count", &format!("{}..HEAD", repo.id("foreign"))]), "1");
    } else if recipe.contains("@csv") {
        let row = format!("\"{}\",\"missing\",\"present\"", short("leaky-fix"));
        assert!(answer.lines().any(|line| line == row), "{row} is not in\n{answer}");
    } else if recipe.contains("patch_ids") {
        let rows: Vec<BTreeSet<&str>> =
            answer.lines().filter_map(|line| Some(line.rsplit('|').next()?.split(' ').collect())).collect();
        let plain = BTreeSet::from([short("plain"), short("plain@stable/1.0"), short("plain@stable/2.0")]);
        assert!(rows.contains(&plain), "{plain:?} is not in {rows:#?}");
    } else {
        panic!("nothing is known of what this should answer: {recipe}");
    }
}

#[test]
fn the_job_fails_while_something_is_forgotten() {
    let text = section("## Recipes");
    let job = text.lines().find_map(|line| line.trim().strip_prefix("- run: ")).expect("a step that runs");
    // What a forge checks out: main alone has a branch here, the others are remote.
    let repo = Repo::fixture("backports");
    repo.git(&["clone", "--quiet", ".", "../checkout"]);
    let run = |branch: &str| {
        let mut shell = sealed_shell("bash", &repo);
        shell.args(["-euo", "pipefail", "-c", job]).env("BRANCH", branch).current_dir(repo.path().join("../checkout"));
        let output = shell.output().expect("bash runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), told + &String::from_utf8_lossy(&output.stderr))
    };
    let (code, told) = run("stable/2.0");
    assert!(code == Some(1) && told.contains("g: fix that stable is asked for"), "{code:?}: {told}");
    let dismissed = format!("{} stable/2.0 asked for by mistake", repo.id("asked"));
    std::fs::write(repo.path().join("../checkout/.bhfuil-dismissed"), dismissed).expect("a file");
    repo.git(&["-C", "../checkout", "add", ".bhfuil-dismissed"]);
    repo.git(&["-C", "../checkout", "commit", "--quiet", "-m", "not for 2.0"]);
    let (code, told) = run("stable/2.0");
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn the_two_commands_come_first() {
    let commands: Vec<String> = blocks("sh").into_iter().take(2).collect();
    assert_eq!(
        commands,
        ["cargo install --locked --path . && git bhfuil install && git bhfuil scan -n 20", "cargo test --locked"]
    );
    let repo = Repo::fixture("backports");
    let output = bhfuil(&repo).args(["scan", "-n", "20"]).output().expect("runs");
    assert_eq!(events(&output).len(), 20 + 4, "begin, repo, repo-end and end beside the commits");
}

#[test]
fn the_table_of_events_lists_types_of_the_schema() {
    let schema = printed(&["schema"]);
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let kinds = schema["oneOf"].as_array().expect("alternatives").iter();
    let kinds: BTreeSet<&str> = kinds.filter_map(|kind| kind["properties"]["type"]["const"].as_str()).collect();
    let listed = column("## Events");
    assert!(!listed.is_empty() && listed.iter().all(|kind| kinds.contains(kind.as_str())), "{listed:?} of {kinds:?}");
    // None that an example shows or a run makes is left out.
    let repo = Repo::fixture("backports");
    let output = bhfuil(&repo).args(["scan", "--show-refs", "--progress"]).output().expect("runs");
    for event in events(&output) {
        let kind = event["type"].as_str().expect("a type");
        assert!(listed.contains(kind), "{kind} is not in the table");
    }
}

#[test]
fn the_table_of_exit_codes_lists_those_of_the_code() {
    use git_bhfuil::error::exit::{ANSWERED, FATAL, INTERRUPTED, NEGATIVE, PARTIAL, USAGE};
    let codes = [ANSWERED, NEGATIVE, PARTIAL, FATAL, USAGE, INTERRUPTED].map(|code| code.to_string());
    assert_eq!(column("## Exit codes"), BTreeSet::from(codes));
}

#[test]
fn the_table_of_options_lists_those_of_the_help() {
    options_are_listed("scan", "## Options");
    options_are_listed("where", "## Options of `where`");
    options_are_listed("missing", "## Options of `missing`");
}

fn options_are_listed(command: &str, heading: &str) {
    let help = printed(&[command, "-h"]);
    let heads = help.lines().filter(|line| line.starts_with("  -")).flat_map(|line| words(line).take(4));
    let offered: BTreeSet<&str> = heads.filter(|word| word.starts_with("--") && word.len() > 2).collect();
    let section = section(heading);
    let own = section.replace("`git log --glob`", "");
    let listed: BTreeSet<&str> =
        words(&own).filter(|word| word.starts_with("--") && !word.starts_with("---")).collect();
    let unknown: Vec<_> = listed.difference(&offered).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not in the help");
    // Those with a short form are listed by that.
    let short = BTreeSet::from(["--help", "--max-count", "--null", "--quiet", "--verbose"]);
    let left_out: Vec<_> = offered.iter().filter(|it| !(listed.contains(*it) || short.contains(*it))).collect();
    assert_eq!(left_out, [] as [&&str; 0], "the help has them, the table hasn't");
}

#[test]
fn the_settings_named_are_read() {
    let repo = Repo::fixture("backports");
    let mut refused = bhfuil(&repo);
    refused.args(["scan", "-n", "1"]).env("GIT_BHFUIL_THREADS", "none").assert().code(128);
    for (setting, value) in [("bhfuil.threads", "none"), ("bhfuil.requestPattern", "("), ("bhfuil.jiraProject", "A")] {
        assert!(section("## Settings").contains(setting), "{setting} is not in the table");
        repo.git(&["config", setting, value]);
        let code = if value == "A" { 0 } else { 128 };
        bhfuil(&repo).args(["scan", "-n", "1"]).assert().code(code);
        repo.git(&["config", "--unset", setting]);
    }
    bhfuil(&repo).args(["scan", "--no-commits"]).assert().success();
    assert!(repo.home().join("bhfuil").is_dir(), "GIT_BHFUIL_CACHE is where the cache went");
}

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_git-bhfuil")).args(args).output().expect("runs");
    assert!(output.status.success(), "{args:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The lines that an example of the form `… git bhfuil scan … | jq -r '…'` writes, or has xargs read. What reaches jq must be a good stream.
fn run(repo: &Repo, example: &str) -> Vec<String> {
    let example = example.split_once(" | xargs ").map_or(example, |(lines, _)| lines);
    let (producer, consumer) = example.rsplit_once(" | jq -").unwrap_or_else(|| panic!("no jq at the end: {example}"));
    let (option, filter) = consumer.split_once(' ').expect("an option and a filter");
    let filter = filter.strip_prefix('\'').and_then(|filter| filter.strip_suffix('\'')).expect("a filter in quotes");
    let output = sealed_shell("sh", repo).args(["-euc", producer]).output().expect("sh runs");
    assert!(output.status.success(), "{producer}: {}", String::from_utf8_lossy(&output.stderr));
    let raw = option == "r";
    events(&output).iter().flat_map(|event| jq(filter, event, raw)).collect()
}

/// A shell in the repository, without a terminal.
fn sealed_shell(program: &str, repo: &Repo) -> Command {
    let mut shell = Command::new(program);
    // The environment in which the fixture's git runs, and git finds us as its subcommand.
    for (name, value) in repo.git_command().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let own = std::path::Path::new(env!("CARGO_BIN_EXE_git-bhfuil")).parent().expect("a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([own.to_owned()].into_iter().chain(std::env::split_paths(&path)));
    shell.env("PATH", path.expect("a path")).current_dir(repo.path()).stdin(Stdio::null());
    shell
}

/// What `jq -c <filter>` makes of one value, or `jq -r <filter>`.
fn jq(filter: &str, input: &Value, raw: bool) -> Vec<String> {
    use jaq_core::load::{Arena, File, Loader};
    use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
    use jaq_json::Val;

    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let program = File { code: filter, path: () };
    let Ok(modules) = Loader::new(defs).load(&arena, program) else { panic!("no filter: {filter}") };
    let compiled = Compiler::default().with_funs(funs).compile(modules);
    let Ok(compiled) = compiled else { panic!("a name that jq doesn't know: {filter}") };
    let input: Val = jaq_json::read::parse_single(input.to_string().as_bytes()).expect("JSON");
    let context = Ctx::<data::JustLut<Val>>::new(&compiled.lut, Vars::new([]));
    let answers = compiled.id.run((context, input)).map(unwrap_valr);
    let text = answers.map(|answer| answer.unwrap_or_else(|error| panic!("{error}: {filter}")).to_string());
    text.map(|text| match serde_json::from_str(&text) {
        Ok(Value::String(text)) if raw => text,
        _ => text,
    })
    .collect()
}

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md")
}

/// The fenced blocks of one language, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let parts = text.split("\n```");
    let blocks = parts.skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter(|(info, _)| *info == language).map(|(_, body)| body.to_owned()).collect()
}

/// What follows a heading, to the next of its kind.
fn section(heading: &str) -> String {
    let text = readme();
    let (_, rest) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap_or(rest).to_owned()
}

/// The first column of the table in a section, without its head.
fn column(heading: &str) -> BTreeSet<String> {
    let section = section(heading);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    rows.skip(1).map(|cell| cell.trim_matches('`').to_owned()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
}
