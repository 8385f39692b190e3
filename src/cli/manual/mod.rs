//! The manual: a page for the program, for each command, for the events and for the settings, made from what the program itself goes by.
//!
//! Owns how a page is laid out. Refuses to know anything: options come from argh, words from `prose`, events from their schema, settings from
//! their table. The pages are kept in `man/` for whoever has no program yet; a test compares them.

mod config;
mod events;
mod roff;

use argh::{ArgsInfo as _, CommandInfoWithArgs, FlagInfo};

use self::roff::Page as Roff;
use super::help::{find, grouped, spelling};
use super::{GitBhfuil, prose, usage};

/// The date that pages bear, changed when what they say does: they are to be the same wherever they are made.
const DATE: &str = "2026-11-27";

/// A page of the manual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its name: `git-bhfuil-where`.
    pub name: String,
    /// The section of the manual that it belongs to (man(1)): 1 for commands, 5 for formats.
    pub section: u8,
    /// What it says, in the macros of man(7).
    pub text: String,
}

impl Page {
    /// The name of its file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// How other pages refer to it.
    #[cfg(test)]
    fn reference(&self) -> String {
        format!("{}({})", self.name, self.section)
    }
}

/// All pages, that of the program first.
#[must_use]
pub fn pages() -> Vec<Page> {
    let info = GitBhfuil::get_args_info();
    let documented = || info.commands.iter().filter(|it| prose::of(it.name).is_some());
    let names: Vec<&str> = documented().map(|it| it.name).collect();
    let mut pages = vec![of_program(&info, &names)];
    pages.extend(documented().map(|it| of_command(&info, it.name, &it.command)));
    pages.extend([events::page_of_events(), config::page_of_settings()]);
    pages
}

fn page(name: &str, section: u8, brief: &str, write: impl FnOnce(&mut Roff)) -> Page {
    let mut roff = Roff::new(name, section);
    roff.section("NAME");
    roff.name(name, brief);
    write(&mut roff);
    Page { name: name.to_owned(), section, text: roff.finish() }
}

fn of_program(info: &CommandInfoWithArgs, names: &[&str]) -> Page {
    page("git-bhfuil", 1, "find where a change is", |roff| {
        roff.section("SYNOPSIS");
        roff.synopsis(&[synopsis("")]);
        roff.section("DESCRIPTION");
        roff.paragraphs([prose::PURPOSE].into_iter().chain(prose::PROGRAM.iter().copied()));
        roff.section("EXAMPLES");
        examples(prose::FIRST, roff);
        roff.section("COMMANDS");
        for (heading, commands) in prose::GROUPS {
            roff.part(heading);
            for name in *commands {
                let brief = prose::of(name).map_or("", |prose| prose.brief);
                roff.entry(&format!("git-bhfuil-{name}(1)"), &sentence(brief));
            }
        }
        roff.section("OPTIONS");
        options(&info.flags.iter().collect::<Vec<_>>(), roff);
        roff.section("ENVIRONMENT");
        entries(prose::ENVIRONMENT, roff);
        roff.section("FILES");
        entries(prose::FILES, roff);
        roff.section("EXIT STATUS");
        exits(None, roff);
        roff.section("SEE ALSO");
        let all = names.iter().map(|name| format!("git-bhfuil-{name}(1)"));
        see(all.chain(["git-bhfuil-events(5)", "git-bhfuil-config(5)", "git(1)"].map(str::to_owned)), roff);
    })
}

fn of_command(info: &CommandInfoWithArgs, name: &str, command: &CommandInfoWithArgs) -> Page {
    let told = prose::of(name).map_or(("", &[][..], &[][..], &[][..]), |it| (it.brief, it.examples, it.more, it.exits));
    let (brief, lines, more, own_exits) = told;
    let own = format!("git-bhfuil-{name}");
    page(&own, 1, brief, |roff| {
        roff.section("SYNOPSIS");
        let nested: Vec<String> = command.commands.iter().map(|it| format!("{name} {}", it.name)).collect();
        let all: Vec<String> = if nested.is_empty() { vec![name.to_owned()] } else { nested };
        roff.synopsis(&all.iter().map(|name| synopsis(name)).collect::<Vec<_>>());
        roff.section("DESCRIPTION");
        roff.paragraphs([command.description].into_iter().chain(more.iter().copied()));
        roff.section("EXAMPLES");
        examples(lines, roff);
        if command.commands.is_empty() {
            roff.section("OPTIONS");
            arguments(command, roff);
        } else {
            roff.section("COMMANDS");
            for name in &all {
                let Some(command) = find(info, name) else { continue };
                roff.part(name);
                roff.text(command.description);
                arguments(command, roff);
            }
        }
        if name == "cache" {
            roff.section("VIEWS");
            roff.paragraphs(prose::VIEWS_PROMISE.iter().copied());
            let (what, line) = prose::VIEWS_EXAMPLE;
            roff.example(what, line, false);
            entries(prose::VIEWS, roff);
        }
        roff.section("EXIT STATUS");
        exits(Some(own_exits), roff);
        roff.section("SEE ALSO");
        see(["git-bhfuil(1)", "git-bhfuil-events(5)", "git-bhfuil-config(5)"].map(str::to_owned).into_iter(), roff);
    })
}

/// How `name` is called, without what usage lines begin with.
fn synopsis(name: &str) -> String {
    let usage = usage(Some(name).filter(|name| !name.is_empty()));
    let call = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let words = format!("git bhfuil {name}");
    let words = words.trim_end();
    match call.strip_prefix(words) {
        Some(rest) => format!("`{words}`{rest}"),
        None => call.to_owned(),
    }
}

fn examples(lines: &[prose::Example], roff: &mut Roff) {
    for (at, (what, line)) in lines.iter().enumerate() {
        let sign = if what.ends_with('?') { "" } else { ":" };
        roff.example(&format!("{}{sign}", capital(what)), line, at == 0);
    }
}

/// The positionals and options of a command.
fn arguments(command: &CommandInfoWithArgs, roff: &mut Roff) {
    for positional in command.positionals.iter().filter(|it| !it.hidden) {
        roff.entry(&format!("<{}>", positional.name), &sentence(positional.description));
    }
    let flags: Vec<&FlagInfo<'static>> = grouped(command.flags).into_iter().flat_map(|(_, flags)| flags).collect();
    options(&flags, roff);
    roff.entry("-h, --help", "Print help.");
}

fn options(flags: &[&FlagInfo<'static>], roff: &mut Roff) {
    for flag in flags.iter().filter(|flag| !flag.hidden && flag.long != "--help") {
        roff.entry(&spelling(flag), &sentence(flag.description));
    }
}

fn entries(entries: &[(&str, &str)], roff: &mut Roff) {
    for (head, text) in entries {
        roff.entry(&format!("`{head}`"), text);
    }
}

/// What the exit codes mean: the usual ones, and what they mean for one command.
fn exits(own: Option<&[(u8, &str)]>, roff: &mut Roff) {
    let is_usual = |code: &u8| own.is_none() || !prose::VARIED.contains(code);
    let own = own.unwrap_or_default();
    let usual = prose::EXITS.iter().filter(|(code, _)| is_usual(code) && !own.iter().any(|(known, _)| known == code));
    let mut all: Vec<_> = own.iter().chain(usual).collect();
    all.sort_by_key(|(code, _)| *code);
    for (code, meaning) in all {
        roff.entry(&format!("`{code}`"), meaning);
    }
}

fn see(pages: impl Iterator<Item = String>, roff: &mut Roff) {
    roff.text(&pages.collect::<Vec<_>>().join(", "));
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What help says in half a sentence, as one.
fn sentence(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_refer_to_pages_that_there_are() {
        let pages = pages();
        let known: Vec<String> = pages.iter().map(Page::reference).collect();
        for page in &pages {
            let plain = page.text.replace("\\fB", "").replace("\\fP", "").replace("\\-", "-");
            let words = plain.split(|letter: char| letter.is_whitespace() || letter == ',');
            let words = words.map(|word| word.trim_end_matches(['.', ';', ':']));
            for word in words.filter(|word| word.starts_with("git-bhfuil") && word.ends_with(')')) {
                assert!(known.iter().any(|known| known == word), "{word} in {}", page.name);
            }
        }
    }
}
