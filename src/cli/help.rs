//! Help for a terminal of 80 columns: the program's, with its commands by what one wants, and that of each command, an example first.
//!
//! Made from what argh knows of options and what `prose` says of commands. Refuses to print.

use std::fmt::Write as _;

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, SubCommandInfo};

use super::prose;
#[cfg(test)]
use super::prose::Example;

/// Columns of a line.
const WIDTH: usize = 80;
/// Where the descriptions of options begin.
const OPTIONS_AT: usize = 27;
/// Where the descriptions of commands begin.
const COMMANDS_AT: usize = 13;

/// The options that several commands share, under what heading they stand: what is about this command alone comes first.
const SHARED: &[(&str, &[&str])] = &[
    ("Repositories", &["--repo", "--group", "--all-repos", "--shard", "--jobs"]),
    (
        "Output",
        &["--format", "--color", "--no-color", "--progress", "--no-progress", "--quiet", "--verbose", "--threads"],
    ),
];

/// A command with its name and those of the commands that it belongs to before it: `repo add`; of the program the name is empty.
pub(super) fn find<'a>(info: &'a CommandInfoWithArgs, name: &str) -> Option<&'a CommandInfoWithArgs> {
    name.split(' ').filter(|word| !word.is_empty()).try_fold(info, |command, word| {
        let found = command.commands.iter().find(|it| it.name == word);
        found.map(|found| &found.command)
    })
}

/// The help of the program, under its usage line.
pub(super) fn of_program(usage: &str, info: &CommandInfoWithArgs) -> String {
    let mut text = format!("{usage}\n\n{}\n", filled(prose::PURPOSE, 0));
    let widest = prose::FIRST.iter().map(|(_, line)| line.len()).max().unwrap_or(0);
    for (what, line) in prose::FIRST {
        let _ = write!(text, "\n  {line:widest$}   {what}");
    }
    text.push('\n');
    for (heading, commands) in prose::GROUPS {
        let _ = write!(text, "\n{heading}:\n");
        for name in commands.iter().copied() {
            let brief = prose::of(name).map_or("", |prose| prose.brief);
            text.push_str(&entry(name, brief, COMMANDS_AT));
        }
    }
    text.push_str(&options(info.flags));
    text.push_str("\n'git bhfuil help <command>' tells more of one, 'git help bhfuil' is the manual.\n");
    text
}

/// The help of the command `name`, under its usage line.
pub(super) fn of_command(usage: &str, name: &str, command: &CommandInfoWithArgs) -> String {
    let mut text = format!("{usage}\n");
    if let Some((what, line)) = prose::of(name).and_then(|prose| prose.examples.first()) {
        let _ = write!(text, "Example: {line}\n         ({what})\n");
    }
    let _ = write!(text, "\n{}\n", filled(command.description, 0));
    let positionals = command.positionals.iter().filter(|it| !it.hidden);
    let entries: String = positionals.map(|it| entry(&format!("<{}>", it.name), it.description, OPTIONS_AT)).collect();
    if !entries.is_empty() {
        let _ = write!(text, "\nArguments:\n{entries}");
    }
    if !command.commands.is_empty() {
        let _ = write!(text, "\nCommands:\n{}", nested(name, &command.commands));
    }
    text.push_str(&options(command.flags));
    text
}

fn nested(name: &str, commands: &[SubCommandInfo]) -> String {
    let brief = |it: &SubCommandInfo| prose::of(&format!("{name} {}", it.name)).map_or("", |prose| prose.brief);
    commands.iter().map(|it| entry(it.name, brief(it), COMMANDS_AT)).collect()
}

/// The options of a command, those that several commands share apart from its own.
pub(super) fn grouped(flags: &'static [FlagInfo<'static>]) -> Vec<(&'static str, Vec<&'static FlagInfo<'static>>)> {
    let shown = || flags.iter().filter(|flag| !flag.hidden && flag.long != "--help");
    let is_shared = |flag: &FlagInfo<'static>| SHARED.iter().any(|(_, longs)| longs.contains(&flag.long));
    let own = shown().filter(|flag| !is_shared(flag)).collect();
    let shared = SHARED.iter().map(|(heading, longs)| {
        (*heading, longs.iter().filter_map(|long| shown().find(|flag| flag.long == *long)).collect())
    });
    std::iter::once(("Options", own)).chain(shared).filter(|(_, flags): &(_, Vec<_>)| !flags.is_empty()).collect()
}

/// What is typed for an option: `-n, --max-count=<n>`.
pub(super) fn spelling(flag: &FlagInfo<'static>) -> String {
    let short = flag.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
    match flag.kind {
        FlagInfoKind::Switch => format!("{short}{}", flag.long),
        FlagInfoKind::Option { arg_name } => format!("{short}{}=<{}>", flag.long, bare(arg_name)),
    }
}

/// The name of a value without the brackets that argh puts round some.
pub(super) fn bare(arg_name: &str) -> &str {
    arg_name.trim_matches(['<', '>'])
}

fn options(flags: &'static [FlagInfo<'static>]) -> String {
    let mut text = String::new();
    for (heading, flags) in grouped(flags) {
        let _ = write!(text, "\n{heading}:\n");
        for flag in flags {
            text.push_str(&entry(&spelling(flag), flag.description, OPTIONS_AT));
        }
    }
    text
}

/// A word or two and what it means, beginning in the column `at`.
fn entry(head: &str, meaning: &str, at: usize) -> String {
    let meaning = filled(meaning, at);
    // Two blanks before it and two behind it have to fit.
    if head.chars().count() + 4 > at {
        return format!("  {head}\n{:at$}{meaning}\n", "");
    }
    format!("  {head:width$}{meaning}\n", width = at - 2)
}

/// `text` on lines that end before the last column, all but the first of them moved in by `indent`.
fn filled(text: &str, indent: usize) -> String {
    let mut filled = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width >= WIDTH {
            let _ = write!(filled, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            filled.push(' ');
            column += 1;
        }
        filled.push_str(word);
        column += width;
    }
    filled
}

/// The examples of the program and of all commands, with the command that each is of.
#[cfg(test)]
pub(super) fn examples() -> impl Iterator<Item = (&'static str, &'static Example)> {
    let of_commands = prose::PROSE.iter().flat_map(|prose| prose.examples.iter().map(|it| (prose.command, it)));
    prose::FIRST.iter().map(|example| ("", example)).chain(of_commands)
}
