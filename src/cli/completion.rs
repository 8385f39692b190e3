//! What may be typed next, for the scripts in `completions/`: they hand over the words of a command line, and show what comes back.
//!
//! Owns which commands, options and fixed values fit, and what kind of live value does where those don't tell. Refuses to look anything up:
//! that is `command`'s. A shell then knows nothing of options, and what it shows can't drift from what is understood.

use std::path::PathBuf;

use argh::{ArgsInfo as _, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

use super::help::{bare, find};
use super::where_is::SIGNALS;
use super::{GitBhfuil, prose};
use crate::config::keys::{KEYS, Name};
use crate::config::values::Type;

/// What may be typed for the last of some words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where: the `-C` options before, joined.
    pub dir: Option<PathBuf>,
    /// What each word begins with that stays as it is: `--repo=`, `v1.0..`. What is live is to be put behind it.
    pub stem: String,
    /// What was typed behind that.
    pub typed: String,
    /// Words that fit, stem and all.
    pub words: Vec<Word>,
    /// What else fits, and has to be looked up.
    pub live: Option<Live>,
}

/// A word that may be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word. One that ends in `=` wants a value right behind it.
    pub text: String,
    /// What it means, in half a line; may be empty.
    pub meaning: String,
}

/// What has to be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Branches, tags and other refs, by their short names.
    Refs,
    /// Branches of this repository and of its remotes.
    Branches,
    /// Repositories that are registered.
    Repositories,
    /// Those, and folders.
    RepositoriesAndFolders,
    /// Groups of repositories.
    Groups,
    /// Background tasks.
    Tasks,
    /// Settings, those of repositories and trackers that there are too.
    Keys,
    /// Files, which the shell knows best.
    Files,
    /// Folders, likewise.
    Folders,
}

/// What fits where a value stands.
enum Value {
    /// These words.
    Fixed(Vec<Word>),
    /// Some of these words, with commas between them.
    List(&'static [&'static str]),
    Live(Live),
    /// Revisions, ranges of them, and what is to be left out.
    Revisions,
    Unknown,
}

/// What may be typed for the last of `words`, which begin behind `git bhfuil`.
#[must_use]
pub fn complete(words: &[String]) -> Completion {
    let info = GitBhfuil::get_args_info();
    let Some((last, before)) = words.split_last() else { return Completion::default() };
    let line = Line::read(&info, before);
    let mut completion = Completion { dir: line.dir.clone(), typed: last.clone(), ..Completion::default() };
    let value = if let Some(flag) = line.open {
        of_option(&line, flag)
    } else if line.is_behind_dashes {
        Value::Live(Live::Files)
    } else if let Some((long, typed)) = last.split_once('=').filter(|(long, _)| long.starts_with("--")) {
        let Some(flag) = line.flag(long).filter(|flag| takes_value(flag)) else { return completion };
        completion.stem = format!("{long}=");
        typed.clone_into(&mut completion.typed);
        of_option(&line, flag)
    } else if last.starts_with('-') {
        Value::Fixed(line.options(last))
    } else {
        of_word(&info, &line, last)
    };
    completion.fill(value);
    completion
}

/// A command line as far as it is typed.
struct Line<'a> {
    info: &'a CommandInfoWithArgs,
    /// The command, with those that it belongs to before it; empty where there is none yet.
    name: String,
    command: &'a CommandInfoWithArgs,
    positionals: Vec<&'a str>,
    given: Vec<&'static str>,
    /// The option whose value comes next.
    open: Option<&'static FlagInfo<'static>>,
    is_behind_dashes: bool,
    dir: Option<PathBuf>,
}

impl<'a> Line<'a> {
    fn read(info: &'a CommandInfoWithArgs, words: &'a [String]) -> Self {
        let mut line = Self {
            info,
            name: String::new(),
            command: info,
            positionals: Vec::new(),
            given: Vec::new(),
            open: None,
            is_behind_dashes: false,
            dir: None,
        };
        for word in words {
            line.take(word);
        }
        line
    }

    fn take(&mut self, word: &'a str) {
        if let Some(flag) = self.open.take() {
            self.value(flag, word);
        } else if self.is_behind_dashes {
        } else if word == "--" {
            self.is_behind_dashes = true;
        } else if let Some((long, value)) = word.split_once('=').filter(|(long, _)| long.starts_with("--")) {
            if let Some(flag) = self.flag(long) {
                self.note(flag);
                self.value(flag, value);
            }
        } else if word.starts_with("--") {
            if let Some(flag) = self.flag(word) {
                self.note(flag);
                self.open = takes_value(flag).then_some(flag);
            }
        } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            self.cluster(cluster);
        } else if let Some(next) = self.next(word) {
            format!("{} {word}", self.name).trim_start().clone_into(&mut self.name);
            self.command = &next.command;
        } else {
            self.positionals.push(word);
        }
    }

    /// The command that a word leads to.
    fn next(&self, word: &str) -> Option<&'a argh::SubCommandInfo> {
        let wants_help = self.positionals.first() == Some(&"help");
        self.command.commands.iter().find(|it| it.name == word && !wants_help)
    }

    fn cluster(&mut self, cluster: &'a str) {
        for (at, letter) in cluster.char_indices() {
            let Some(flag) = self.flags().find(|flag| flag.short == Some(letter)) else { continue };
            self.note(flag);
            if !takes_value(flag) {
                continue;
            }
            let value = &cluster[at + letter.len_utf8()..];
            if value.is_empty() {
                self.open = Some(flag);
            } else {
                self.value(flag, value);
            }
            return;
        }
    }

    fn value(&mut self, flag: &FlagInfo<'static>, value: &str) {
        if flag.short == Some('C') && !value.is_empty() {
            self.dir = Some(self.dir.take().unwrap_or_default().join(value));
        }
    }

    /// Notes that an option was given, which need not be offered again.
    fn note(&mut self, flag: &'static FlagInfo<'static>) {
        if !matches!(flag.optionality, Optionality::Repeating) {
            self.given.push(flag.long);
        }
    }

    /// The options of the command, and that of the program which may follow it.
    fn flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> + use<> {
        let (own, info) = (self.command.flags, self.info);
        let program = info.flags.iter().filter(|flag| flag.short == Some('C'));
        let is_program = std::ptr::eq(self.command, info);
        own.iter().chain(program.filter(move |_| !is_program))
    }

    /// The option of that name, or the only one that begins so.
    fn flag(&self, long: &str) -> Option<&'static FlagInfo<'static>> {
        let mut near = self.flags().filter(|flag| flag.long.starts_with(long));
        let exact = self.flags().find(|flag| flag.long == long);
        exact.or_else(|| near.next().filter(|_| near.next().is_none()))
    }

    /// The options that begin so and aren't given yet; switches also by their opposites, once that is what is typed.
    fn options(&self, typed: &str) -> Vec<Word> {
        let shown = self.flags().filter(|flag| !flag.hidden && !self.given.contains(&flag.long));
        let mut words = Vec::new();
        for flag in shown {
            let sign = if takes_value(flag) { "=" } else { "" };
            words.push(word(&format!("{}{sign}", flag.long), flag.description));
            let opposite = format!("--no-{}", flag.long.trim_start_matches("--"));
            if typed.starts_with("--no-")
                && !takes_value(flag)
                && !flag.long.starts_with("--no-")
                && flag.long != "--help"
            {
                words.push(word(&opposite, "the opposite"));
            }
            if let Some(short) = flag.short.filter(|_| typed == "-") {
                words.push(word(&format!("-{short}"), flag.description));
            }
        }
        words
    }

    /// The positional that comes next; the last takes all that follow.
    fn positional(&self) -> Option<&'static PositionalInfo<'static>> {
        let all = self.command.positionals;
        let next = all.get(self.positionals.len());
        next.or_else(|| {
            all.last().filter(|last| matches!(last.optionality, Optionality::Repeating | Optionality::Greedy))
        })
    }
}

fn takes_value(flag: &FlagInfo<'static>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

fn word(text: &str, meaning: &str) -> Word {
    Word { text: text.to_owned(), meaning: meaning.to_owned() }
}

fn fixed(words: &[&str]) -> Value {
    Value::Fixed(words.iter().map(|text| word(text, "")).collect())
}

/// What fits as the value of an option.
fn of_option(line: &Line<'_>, flag: &FlagInfo<'static>) -> Value {
    let FlagInfoKind::Option { arg_name } = flag.kind else { return Value::Unknown };
    match (flag.long, bare(arg_name)) {
        ("--directory" | "--prefix", _) | (_, "folder") => Value::Live(Live::Folders),
        ("--format", "form") => fixed(&["parquet", "jsonl"]),
        ("--sql", _) => fixed(&["duckdb", "spark"]),
        ("--format", _) => fixed(&["auto", "jsonl", "human"]),
        ("--color", _) => fixed(&["auto", "always", "never"]),
        ("--tags", _) => fixed(&["first", "all", "none"]),
        ("--priority", _) => fixed(&["low", "normal", "high"]),
        ("--signals", _) => Value::List(SIGNALS),
        ("--group", _) => Value::Live(Live::Groups),
        ("--repo", _) if line.name.starts_with("config") => Value::Live(Live::Repositories),
        ("--repo", _) => Value::Live(Live::RepositoriesAndFolders),
        ("--since", "when") => Value::Revisions,
        (_, "file") => Value::Live(Live::Files),
        (_, "glob") => Value::Live(Live::Refs),
        (_, "branch") => Value::Live(Live::Branches),
        _ => Value::Unknown,
    }
}

/// What fits where no option stands: a command, or what the command is about.
fn of_word(info: &CommandInfoWithArgs, line: &Line<'_>, typed: &str) -> Value {
    let wants_help = line.name.is_empty() && line.positionals.first() == Some(&"help");
    if wants_help {
        let name = line.positionals[1..].join(" ");
        return find(info, &name).map_or(Value::Unknown, |command| Value::Fixed(commands(command, &name)));
    }
    if !line.command.commands.is_empty() && line.positionals.is_empty() {
        let mut words = commands(line.command, &line.name);
        if line.name.is_empty() {
            words.push(word("help", "tell more of a command"));
        }
        let fits = words.iter().any(|it| it.text.starts_with(typed));
        // Without a command something is looked for.
        return if fits || !line.name.is_empty() { Value::Fixed(words) } else { Value::Revisions };
    }
    if line.name.is_empty() {
        return Value::Revisions;
    }
    let Some(positional) = line.positional() else { return Value::Unknown };
    match positional.name {
        "revision-range" | "query" | "range" | "commit" | "change" => Value::Revisions,
        "branch" => Value::Live(Live::Branches),
        "name" => Value::Live(Live::Repositories),
        "repo" => Value::Live(Live::RepositoriesAndFolders),
        "path-or-url" => Value::Live(Live::Folders),
        "id" => Value::Live(Live::Tasks),
        "kind" => fixed(&["scan", "patch-ids", "prefetch", "sync", "gc"]),
        "key" => Value::Live(Live::Keys),
        "value" => line.positionals.first().map_or(Value::Unknown, |key| of_setting(key)),
        _ => Value::Unknown,
    }
}

/// The commands of one, or of the program; none that is for programs.
fn commands(command: &CommandInfoWithArgs, name: &str) -> Vec<Word> {
    let told = command.commands.iter().filter_map(|it| {
        let prose = prose::of(format!("{name} {}", it.name).trim_start())?;
        Some(word(it.name, prose.brief))
    });
    told.collect()
}

/// The words that a setting takes, if it takes no others.
fn of_setting(key: &str) -> Value {
    match Name::parse(key).map(|name| name.key.kind) {
        Ok(Type::Choice(words)) => fixed(words),
        Ok(Type::Color) => fixed(&["auto", "always", "never"]),
        Ok(Type::Credential) => fixed(&["env:", "git"]),
        _ => Value::Unknown,
    }
}

/// The settings that there are whatever is registered, those of repositories and trackers under the names that there are.
#[must_use]
pub fn keys<'n>(repositories: &[&'n str], trackers: &[&'n str]) -> Vec<Word> {
    let mut words = Vec::new();
    for key in KEYS {
        let names: Vec<String> = if key.is_of_repository {
            repositories.iter().map(|repo| format!("bhfuil.repo.{repo}.{}", key.name)).collect()
        } else if key.name.contains("<name>") {
            trackers.iter().map(|tracker| format!("bhfuil.{}", key.name.replace("<name>", tracker))).collect()
        } else {
            vec![format!("bhfuil.{}", key.name)]
        };
        words.extend(names.iter().map(|name| word(name, key.doc)));
    }
    words
}

impl Completion {
    fn fill(&mut self, value: Value) {
        match value {
            Value::Fixed(words) => {
                let stem = &self.stem;
                let fitting = words.into_iter().filter(|word| word.text.starts_with(&self.typed));
                self.words = fitting.map(|word| Word { text: format!("{stem}{}", word.text), ..word }).collect();
            }
            Value::List(known) => {
                self.cut(",");
                let given: Vec<String> = self.stem.split([',', '=']).map(str::to_owned).collect();
                let left: Vec<&str> =
                    known.iter().copied().filter(|it| !given.iter().any(|given| given == it)).collect();
                self.fill(fixed(&left));
            }
            Value::Live(live) => self.live = Some(live),
            Value::Revisions => {
                self.cut("..");
                // Of three dots the third, and what leaves a revision out.
                for sign in [".", "^"] {
                    if let Some(rest) = self.typed.strip_prefix(sign) {
                        self.stem.push_str(sign);
                        self.typed = rest.to_owned();
                    }
                }
                self.live = Some(Live::Refs);
            }
            Value::Unknown => {}
        }
    }

    /// Moves what stands up to the last `sign` to the stem.
    fn cut(&mut self, sign: &str) {
        if let Some((before, typed)) = self.typed.rsplit_once(sign) {
            self.stem = format!("{}{before}{sign}", self.stem);
            self.typed = typed.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Completion {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        complete(&words)
    }

    fn words(line: &str) -> Vec<String> {
        of(line).words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn commands_options_and_fixed_values_are_offered() {
        for (line, fitting) in [
            ("wh", &["where"][..]),
            ("wa", &["watch"]),
            ("compl", &[]),
            ("-C dir wh", &["where"]),
            ("help wh", &["where"]),
            ("help cache g", &["gc"]),
            ("cache ", &["info", "verify", "gc", "clear", "views"]),
            ("where --sig", &["--signals="]),
            ("where --repo=x --rep", &["--repo="]),
            ("where --via --vi", &[]),
            ("where --no-v", &["--no-via", "--no-verbose"]),
            ("where --tags=", &["--tags=first", "--tags=all", "--tags=none"]),
            ("where --tags f", &["first"]),
            ("where --signals=same,change-", &["--signals=same,change-id"]),
            ("export --format=", &["--format=parquet", "--format=jsonl"]),
            ("export --sql d", &["duckdb"]),
            ("where --color a", &["auto", "always"]),
            ("config set color al", &["always"]),
            ("config set tracker.bugs.type gitl", &["gitlab"]),
            ("task start pre", &["prefetch"]),
            ("task start --carry", &[]),
        ] {
            assert_eq!(words(line), fitting, "{line}");
        }
        assert!(of("wh").words[0].meaning.contains("where a change is"));
    }

    #[test]
    fn what_has_to_be_looked_up_is_named_with_what_stays_before_it() {
        for (line, live, stem, typed) in [
            ("where v1", Live::Refs, "", "v1"),
            ("scan v1..ma", Live::Refs, "v1..", "ma"),
            ("scan v1...ma", Live::Refs, "v1...", "ma"),
            ("scan ^ma", Live::Refs, "^", "ma"),
            ("v1", Live::Refs, "", "v1"),
            ("scan --refs=re", Live::Refs, "--refs=", "re"),
            ("missing --from sta", Live::Branches, "", "sta"),
            ("where --repo=no", Live::RepositoriesAndFolders, "--repo=", "no"),
            ("repo show no", Live::Repositories, "", "no"),
            ("repo list --group=o", Live::Groups, "--group=", "o"),
            ("task wait 3", Live::Tasks, "", "3"),
            ("task start scan no", Live::RepositoriesAndFolders, "", "no"),
            ("config get bh", Live::Keys, "", "bh"),
            ("where --patch=a", Live::Files, "--patch=", "a"),
            ("export --output=fl", Live::Folders, "--output=", "fl"),
            ("scan main -- s", Live::Files, "", "s"),
            ("-C ", Live::Folders, "", ""),
        ] {
            let completion = of(line);
            let found = (completion.live, completion.stem.as_str(), completion.typed.as_str());
            assert_eq!(found, (Some(live), stem, typed), "{line}");
        }
    }

    #[test]
    fn directories_are_joined_wherever_they_stand() {
        assert_eq!(of("-C a where -Cb ").dir, Some(PathBuf::from("a/b")));
        assert_eq!(of("where --directory=a ").dir, Some(PathBuf::from("a")));
        assert_eq!(of("where ").dir, None);
    }

    #[test]
    fn no_command_line_is_too_odd() {
        for line in
            ["", "-", "--", "-- ", "--=", "--x=y z", "where -", "-C", "help help ", "config set nonsense ", "é ="]
        {
            let _ = of(line);
        }
        assert_eq!(complete(&[]), Completion::default());
    }
}
