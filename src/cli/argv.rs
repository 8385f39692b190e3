//! From a command line as git users type it to the plain form that argh reads.
//!
//! Owns the syntax of gitcli(7): `--opt=v`, `-n5`, `-qv`, `-5`, unique prefixes, `--no-x`, the last one wins, `--`; and
//! arguments that are not UTF-8, which argh can't hold: their bytes are escaped with NUL, which no argument can contain.
//! Refuses what an option means; it knows only what `ArgsInfo` tells.

use std::ffi::{OsStr, OsString};

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, SubCommandInfo};

use crate::spelling::{did_you_mean, nearest};

/// The command that is meant where there is none.
const IMPLIED: &str = "where";
/// Stands before two hexadecimal digits that mean a byte.
const ESCAPE: char = '\0';

/// An argument byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawArg(pub OsString);

impl argh::FromArgValue for RawArg {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        Ok(Self(unescape(value)))
    }
}

/// An argument that must be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextArg(pub String);

impl argh::FromArgValue for TextArg {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        unescape(value).into_string().map(Self).map_err(|_| "expected UTF-8".to_owned())
    }
}

/// The short name of the one option of the program that may stand behind the command too: people add it to a line that is there.
const DIRECTORY: char = 'C';

/// A command line in argh's form.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Argv {
    /// The options by their long names, values apart; the command; its options; its positionals.
    pub(super) words: Vec<String>,
    /// The command, if there is one, with the names of those that it belongs to before it: `config set`.
    pub(super) command: Option<String>,
    /// Whether help was asked for, of the command if there is one.
    pub(super) help: bool,
    /// What followed `--`.
    pub(super) paths: Option<Vec<OsString>>,
    /// What is wrong if the first word, which is no command, isn't something to look for either.
    pub(super) implied: Option<String>,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The command in which it is wrong.
    pub(super) command: Option<String>,
    /// What is wrong.
    pub(super) message: String,
}

/// Brings `args` into argh's form by what `info` says of the program and its commands.
pub(super) fn normalise(info: &CommandInfoWithArgs, args: impl Iterator<Item = OsString>) -> Result<Argv, Refusal> {
    let mut before: Vec<OsString> = args.collect();
    let mut plain = Argv::default();
    if let Some(dashes) = before.iter().position(|arg| arg == "--") {
        plain.paths = Some(before.split_off(dashes).split_off(1));
    }
    let words: Vec<String> = before.iter().map(|arg| escape(arg)).collect();

    let mut top = Level::new(info.flags, &words);
    let in_top = |message| Refusal { command: None, message };
    let first = top.read_options().map_err(in_top)?;
    plain.words = top.options();
    plain.help = top.help;
    let rest = &words[top.next..];
    let (name, rest) = match first {
        Some("help") => {
            plain.help = true;
            match rest.split_first() {
                Some((name, rest)) => (name.as_str(), rest),
                None => return Ok(plain),
            }
        }
        Some(name) => (name, rest),
        None => return Ok(plain),
    };
    let (command, name, rest) = if let Some(command) = info.commands.iter().find(|it| it.name == name) {
        (command, name, rest)
    } else {
        let refusal = no_command(name, &info.commands, "");
        let implied = info.commands.iter().find(|it| it.name == IMPLIED).filter(|_| !plain.help);
        let Some(command) = implied else { return Err(in_top(refusal)) };
        plain.implied = Some(refusal);
        (command, IMPLIED, &words[top.next - 1..])
    };
    // argh takes the program's own options only in front of the command.
    let before = plain.words.len();
    let program = info.flags.iter().find(|flag| flag.short == Some(DIRECTORY));
    plain.words.push(name.to_owned());
    let found = plain.descend(&command.command, name, rest, program)?;
    let (command, name, rest) = (found.command, found.name, found.rest);
    plain.command = Some(name.clone());
    let behind = before + found.of_the_program.len();
    plain.words.splice(before..before, found.of_the_program);
    if plain.help {
        return Ok(plain);
    }

    let mut level = Level::new(command.flags, rest);
    level.of_the_program = program;
    let mut positionals = Vec::new();
    // Of a mistyped command that comes near one, the options are that command's and no help.
    let mistyped = plain.implied.clone().filter(|refusal| refusal.contains("did you mean"));
    let in_command = |message| match &mistyped {
        Some(refusal) => Refusal { command: None, message: refusal.clone() },
        None => Refusal { command: Some(name.clone()), message },
    };
    while let Some(positional) = level.read_options().map_err(in_command)? {
        positionals.push(positional);
    }
    plain.help = level.help;
    plain.words.splice(behind..behind, level.options_of_the_program());
    plain.words.extend(level.options());
    if command.positionals.is_empty()
        && !plain.help
        && let Some(extra) = positionals.first()
    {
        return Err(in_command(format!("'{name}' takes no arguments, not '{}'", shown(extra))));
    }
    plain.words.extend(positionals.into_iter().map(protect));
    Ok(plain)
}

/// The command that a command line leads to.
struct Found<'a> {
    command: &'a CommandInfoWithArgs,
    /// Its name, behind that of the command that it belongs to.
    name: String,
    rest: &'a [String],
    /// What stood between the names and belongs in front of them.
    of_the_program: Vec<String>,
}

impl Argv {
    /// Goes from the command `name` to that of its own commands which `rest` begins with, as long as there are any: from `config` to
    /// `config set`.
    fn descend<'a>(
        &mut self,
        command: &'a CommandInfoWithArgs,
        name: &str,
        rest: &'a [String],
        program: Option<&'static FlagInfo<'static>>,
    ) -> Result<Found<'a>, Refusal> {
        let mut found = Found { command, name: name.to_owned(), rest, of_the_program: Vec::new() };
        while !found.command.commands.is_empty() {
            let mut level = Level::new(found.command.flags, found.rest);
            level.of_the_program = program;
            let refused = |message| Refusal { command: Some(found.name.clone()), message };
            let word = level.read_options().map_err(refused)?;
            found.of_the_program.extend(level.options_of_the_program());
            self.help |= level.help;
            let Some(word) = word else {
                if self.help {
                    break;
                }
                let names: Vec<&str> = found.command.commands.iter().map(|it| it.name).collect();
                return Err(refused(format!("a command is missing: {}", one_of(&names))));
            };
            let Some(next) = found.command.commands.iter().find(|it| it.name == word) else {
                return Err(refused(no_command(word, &found.command.commands, &format!(" of '{}'", found.name))));
            };
            self.words.push(word.to_owned());
            found.name = format!("{} {word}", found.name);
            found.command = &next.command;
            found.rest = &found.rest[level.next..];
        }
        Ok(found)
    }
}

/// Names of which one is to be chosen: "a, b or c".
fn one_of(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

fn no_command(word: &str, known: &[SubCommandInfo], whose: &str) -> String {
    let hint = did_you_mean(nearest(word, known.iter().map(|it| it.name)));
    format!("'{}' is not a command{whose}{hint}", shown(word))
}

/// A positional that argh takes for neither an option nor a call for help.
fn protect(positional: &str) -> String {
    match positional.strip_prefix('-') {
        Some(rest) => format!("{ESCAPE}2d{rest}"),
        None => positional.to_owned(),
    }
}

/// An option as it was meant.
enum Meant<'a> {
    Flag(&'a FlagInfo<'static>),
    /// The opposite of a switch, which has no name of its own.
    Not(&'a FlagInfo<'static>),
}

/// The options of the program, or of one command.
struct Level<'a> {
    flags: &'static [FlagInfo<'static>],
    /// An option that belongs in front of the command, and is understood here as well.
    of_the_program: Option<&'static FlagInfo<'static>>,
    words: &'a [String],
    /// The next word to read.
    next: usize,
    /// What was read, in order, with what later words took back already taken out.
    read: Vec<(&'static str, Option<String>)>,
    help: bool,
}

impl<'a> Level<'a> {
    fn new(flags: &'static [FlagInfo<'static>], words: &'a [String]) -> Self {
        Self { flags, of_the_program: None, words, next: 0, read: Vec::new(), help: false }
    }

    fn flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> + use<> {
        self.flags.iter().chain(self.of_the_program)
    }

    /// Reads up to and including the next word that is no option, and returns that.
    fn read_options(&mut self) -> Result<Option<&'a str>, String> {
        while let Some(word) = self.take() {
            if let Some(long) = word.strip_prefix("--") {
                self.read_long(long)?;
            } else if let Some(short) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
                self.read_short(short)?;
            } else {
                return Ok(Some(word));
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// `--opt`, `--opt=value`, `--opt value`, without the dashes.
    fn read_long(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        match self.find_long(name)? {
            Meant::Flag(flag) if is_switch(flag) && value.is_some() => {
                Err(format!("option '{}' takes no value", flag.long))
            }
            Meant::Flag(flag) if is_switch(flag) => {
                self.set(flag, None);
                Ok(())
            }
            Meant::Flag(flag) => self.set_value(flag, flag.long, value),
            Meant::Not(flag) if value.is_some() => Err(format!("option '{}' takes no value", opposite(flag.long))),
            Meant::Not(flag) => {
                self.read.retain(|(long, _)| *long != flag.long);
                Ok(())
            }
        }
    }

    /// `-q`, `-qv`, `-n5`, `-n 5`, `-qn5`, `-5`, without the dash.
    fn read_short(&mut self, word: &str) -> Result<(), String> {
        if word.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(flag) = self.flags.iter().find(|flag| flag.short == Some('n'))
        {
            return self.set_value(flag, "-n", Some(word));
        }
        let mut rest = word.chars();
        while let Some(letter) = rest.next() {
            if letter == 'h' {
                self.help = true;
                continue;
            }
            let Some(flag) = self.flags().find(|flag| flag.short == Some(letter)) else {
                let shown = shown(&format!("-{word}"));
                // Somebody who writes -reverse means --reverse.
                let hint = did_you_mean(self.flags.iter().map(|it| it.long).find(|long| long[2..] == *word));
                return Err(format!("unknown option '{shown}'{hint}"));
            };
            if !is_switch(flag) {
                let value = Some(rest.as_str()).filter(|value| !value.is_empty());
                return self.set_value(flag, &format!("-{letter}"), value);
            }
            self.set(flag, None);
        }
        Ok(())
    }

    /// The option of that name, or the only one that begins so.
    fn find_long(&self, name: &str) -> Result<Meant<'static>, String> {
        let mut known: Vec<(String, Meant<'static>)> = Vec::new();
        for flag in self.flags() {
            known.push((flag.long.to_owned(), Meant::Flag(flag)));
            let not = opposite(flag.long);
            if is_switch(flag) && flag.long != "--help" && !self.flags.iter().any(|it| it.long == not) {
                known.push((not, Meant::Not(flag)));
            }
        }
        let word = format!("--{name}");
        if let Some(exact) = known.iter().position(|(long, _)| *long == word) {
            return Ok(known.swap_remove(exact).1);
        }
        let found: Vec<usize> = (0..known.len()).filter(|&at| known[at].0.starts_with(&word)).collect();
        match found[..] {
            [only] => Ok(known.swap_remove(only).1),
            [] => {
                let hint = did_you_mean(nearest(&word, known.iter().map(|(long, _)| long.as_str())));
                Err(format!("unknown option '{}'{hint}", shown(&word)))
            }
            _ => {
                let names: Vec<&str> = found.iter().map(|&at| known[at].0.as_str()).collect();
                Err(format!("option '{word}' is ambiguous: {}", names.join(", ")))
            }
        }
    }

    /// Notes an option with its value, the next word unless there is one already; `typed` names it in a message.
    fn set_value(&mut self, flag: &'static FlagInfo<'static>, typed: &str, value: Option<&str>) -> Result<(), String> {
        let value = match value {
            Some(value) => value,
            None => self.take().ok_or_else(|| format!("option '{typed}' needs a value"))?,
        };
        self.set(flag, Some(value.to_owned()));
        Ok(())
    }

    fn set(&mut self, flag: &'static FlagInfo<'static>, value: Option<String>) {
        if flag.long == "--help" {
            self.help = true;
            return;
        }
        let not = opposite(flag.long);
        let once = !is_switch(flag) && !matches!(flag.optionality, Optionality::Repeating);
        self.read.retain(|(long, _)| *long != not && !(once && *long == flag.long));
        self.read.push((flag.long, value));
    }

    fn options(&mut self) -> Vec<String> {
        as_words(std::mem::take(&mut self.read))
    }

    /// Those that belong in front of the command.
    fn options_of_the_program(&mut self) -> Vec<String> {
        let theirs = self.of_the_program.map(|flag| flag.long);
        as_words(self.read.extract_if(.., |(long, _)| Some(*long) == theirs).collect())
    }
}

fn as_words(read: Vec<(&'static str, Option<String>)>) -> Vec<String> {
    read.into_iter().flat_map(|(long, value)| [Some(long.to_owned()), value]).flatten().collect()
}

fn is_switch(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Switch)
}

/// `--no-x` for `--x`, and the other way round.
fn opposite(long: &str) -> String {
    match long.strip_prefix("--no-") {
        Some(name) => format!("--{name}"),
        None => format!("--no-{}", long.trim_start_matches("--")),
    }
}

/// An escaped word, or a message with such words in it, for people: what isn't UTF-8 is replaced.
pub(super) fn shown(escaped: &str) -> String {
    unescape(escaped).to_string_lossy().into_owned()
}

#[cfg(unix)]
fn escape(arg: &OsStr) -> String {
    use std::{fmt::Write, os::unix::ffi::OsStrExt};

    let mut escaped = String::with_capacity(arg.len());
    for chunk in arg.as_bytes().utf8_chunks() {
        escaped.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string can't fail.
            let _ = write!(escaped, "{ESCAPE}{byte:02x}");
        }
    }
    escaped
}

#[cfg(unix)]
fn unescape(escaped: &str) -> OsString {
    use std::os::unix::ffi::OsStringExt;

    let mut pieces = escaped.split(ESCAPE);
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(piece.as_bytes()),
        }
    }
    OsString::from_vec(bytes)
}

// Elsewhere an argument is not made of bytes; what isn't Unicode is replaced.
#[cfg(not(unix))]
fn escape(arg: &OsStr) -> String {
    arg.to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn unescape(escaped: &str) -> OsString {
    escaped.replace(&format!("{ESCAPE}2d"), "-").into()
}
