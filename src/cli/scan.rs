//! `scan`: which commits and refs, which facts of them, and in what form.
//!
//! Owns the options and their values' syntax. Refuses their meaning: revisions, dates, globs and regular expressions are
//! passed on as typed.

use std::{ffi::OsString, num::NonZeroUsize, str::FromStr};

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};
use crate::template::Template;

/// The most threads that can be asked for, as in `bhfuil.threads`; this room uses no other, so the number stands here again.
const MOST_THREADS: usize = 64;
/// The most repositories at a time that can be asked for, as in `bhfuil.jobs`.
const MOST_JOBS: usize = 64;

/// Stream the commits of a revision range, newest first, with the facts read from each. Without a range: what the refs
/// chosen by --refs reach, by default all branches and tags. What follows -- limits to commits that touch these paths.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(
    subcommand,
    name = "scan",
    help_triggers("-h", "--help"),
    usage = "[<options>] [<revision-range>...] [-- <path>...]"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ScanArgs {
    /// revisions and ranges as in git log: main, v1..v2, ^old
    #[argh(positional, arg_name = "revision-range")]
    pub revisions: Vec<RawArg>,
    /// start from the refs that match <glob>; may be repeated
    #[argh(option, arg_name = "glob")]
    pub refs: Vec<RawArg>,
    /// only commits more recent than <date>
    #[argh(option, arg_name = "date")]
    pub since: Option<TextArg>,
    /// only commits older than <date>
    #[argh(option, arg_name = "date")]
    pub until: Option<TextArg>,
    /// only commits whose author matches <regex>; may be repeated, one must match
    #[argh(option, arg_name = "regex")]
    pub author: Vec<RawArg>,
    /// only commits whose message matches <regex>, ^ and $ at each line; may be repeated, one must match
    #[argh(option, arg_name = "regex")]
    pub grep: Vec<RawArg>,
    /// at most <n> commits, also written -<n>; negative for no limit
    #[argh(option, short = 'n', arg_name = "n", from_str_fn(max_count))]
    pub max_count: Option<i64>,
    /// oldest first
    #[argh(switch)]
    pub reverse: bool,
    /// no commits, only repositories and refs
    #[argh(switch)]
    pub no_commits: bool,
    /// read further revisions from standard input, one a line
    #[argh(switch)]
    pub stdin: bool,
    /// revisions on standard input end with NUL instead of a newline
    #[argh(switch, short = 'z')]
    pub null: bool,
    /// after the answer ask the trackers for the titles of the issues that it names
    #[argh(switch)]
    pub issues: bool,
    /// scan this repository: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// scan the repositories of this group; may be repeated
    #[argh(option, arg_name = "group")]
    pub group: Vec<RawArg>,
    /// scan all repositories that are registered
    #[argh(switch)]
    pub all_repos: bool,
    /// of the registered repositories that are meant only part <i> of <n>, from 1; which part one is in depends on its name alone
    #[argh(option, arg_name = "i/n")]
    pub shard: Option<Shard>,
    /// at most <n> repositories at a time
    #[argh(option, arg_name = "n", from_str_fn(jobs))]
    pub jobs: Option<NonZeroUsize>,
    /// read commits on <n> threads
    #[argh(option, arg_name = "n", from_str_fn(threads))]
    pub threads: Option<NonZeroUsize>,
    /// form of the output: jsonl, human, auto (human on a terminal, the default), or a line of your own for each event:
    /// '%(id) %(subject)'
    #[argh(option, arg_name = "format", default = "Format::Auto")]
    pub format: Format,
    /// colour: auto (on a terminal), always or never; the default is configured, else auto
    #[argh(option, arg_name = "when")]
    pub color: Option<Color>,
    /// no colour
    #[argh(switch)]
    pub no_color: bool,
    /// show progress on standard error, terminal or not
    #[argh(switch)]
    pub progress: bool,
    /// never show progress
    #[argh(switch)]
    pub no_progress: bool,
    /// say nothing but errors on standard error
    #[argh(switch, short = 'q')]
    pub quiet: bool,
    /// say more on standard error; may be repeated
    #[argh(switch, short = 'v')]
    pub verbose: u8,
    /// only what came since the scan that ended with <cursor>
    #[argh(option, arg_name = "cursor")]
    pub after: Option<TextArg>,
    /// only what came since the last scan under this <name>
    #[argh(option, arg_name = "name")]
    pub new: Option<TextArg>,
    /// with the changed paths
    #[argh(switch)]
    pub paths: bool,
    /// with names and addresses by the mailmap
    #[argh(switch)]
    pub mailmap: bool,
    /// with the refs
    #[argh(switch)]
    pub show_refs: bool,
    /// with the first tag that has each commit
    #[argh(switch)]
    pub tagged: bool,
    /// with patch-ids, as git patch-id --stable has them
    #[argh(switch)]
    pub patch_id: bool,
}

impl ScanArgs {
    /// Whether it may be about more than one repository.
    #[must_use]
    pub fn is_about_several(&self) -> bool {
        self.all_repos || !self.group.is_empty() || self.repo.len() > 1
    }

    /// What contradicts itself, as a message; `paths` is what followed `--`.
    pub(super) fn fault(&self, paths: &[OsString]) -> Option<String> {
        if self.shard.is_some() && !is_of_registry(&self.repo, &self.group, self.all_repos) {
            return Some(SHARD_OF_WHAT.to_owned());
        }
        self.clash(paths).map(|(one, other)| format!("{one} and {other} can't be used together"))
    }

    /// Two options, or an option and something else, that contradict each other.
    fn clash(&self, paths: &[OsString]) -> Option<(&'static str, &'static str)> {
        let follows = if self.after.is_some() { "--after" } else { "--new" };
        let bounded = self.since.is_some() || self.until.is_some();
        let limited = self.max_count.is_some_and(|count| count >= 0) || bounded || !paths.is_empty();
        let several = self.is_about_several();
        let clashes = [
            // A cursor is of one repository, and standard input can be read once.
            (several && self.after.is_some(), "--after", "several repositories"),
            (several && self.stdin, "--stdin", "several repositories"),
            (self.after.is_some() && self.new.is_some(), "--after", "--new"),
            (!self.revisions.is_empty() && (self.after.is_some() || self.new.is_some()), follows, "a revision range"),
            (self.stdin && (self.after.is_some() || self.new.is_some()), follows, "--stdin"),
            (self.no_commits && (self.after.is_some() || self.new.is_some()), follows, "--no-commits"),
            // Such a stream is never complete: the consumer would never move on.
            (self.new.is_some() && limited, "--new", "-n, --since, --until or paths"),
            (self.stdin && !self.revisions.is_empty(), "--stdin", "a revision range"),
            (self.stdin && !paths.is_empty(), "--stdin", "paths"),
        ];
        clashes.into_iter().find(|(clash, ..)| *clash).map(|(_, one, other)| (one, other))
    }
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Human` on a terminal, otherwise `Jsonl`.
    Auto,
    /// JSON Lines.
    Jsonl,
    /// For people.
    Human,
    /// One page for a browser: of tables alone.
    Html,
    /// The record of an advisory.
    Osv,
    /// A line of one's own for each event. It lives as long as the process, as the command line does that it was typed on.
    Template(&'static Template),
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "jsonl" => Ok(Self::Jsonl),
            "human" => Ok(Self::Human),
            template if template.contains('%') => {
                let template = Template::parse(&super::argv::shown(template))?;
                Ok(Self::Template(Box::leak(Box::new(template))))
            }
            _ => Err("expected auto, jsonl, human or a template such as '%(id)'".to_owned()),
        }
    }
}

/// The format of a command that has a table for browsers too.
pub(super) fn or_html(text: &str) -> Result<Format, String> {
    if text == "html" {
        return Ok(Format::Html);
    }
    text.parse().map_err(|_| "expected auto, jsonl, human or html".to_owned())
}

/// The format of a command that finds what an advisory's record is begun with.
pub(super) fn or_osv(text: &str) -> Result<Format, String> {
    if text == "osv" {
        return Ok(Format::Osv);
    }
    text.parse().map_err(|message: String| message.replacen("human or", "human, osv or", 1))
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl FromStr for Color {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err("expected auto, always or never"),
        }
    }
}

/// A part of the repositories that are registered, as `--shard=<i>/<n>` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub part: u32,
    /// Of how many, at least as many.
    pub of: u32,
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let numbers = text.split_once('/').and_then(|(part, of)| Some((number(part)?, number(of)?)));
        let (part, of) = numbers.ok_or("expected <i>/<n>, such as 1/4")?;
        match of {
            0 => Err("there are no parts"),
            of if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err("<i> counts the parts from 1 to <n>"),
        }
    }
}

/// What is wrong where `--shard` is a part of nothing.
pub(super) const SHARD_OF_WHAT: &str = "--shard is a part of --all-repos or --group, without --repo";

/// Whether the repositories that are meant are registered ones, which names tell apart for good.
pub(super) fn is_of_registry(repo: &[RawArg], group: &[RawArg], all: bool) -> bool {
    repo.is_empty() && (all || !group.is_empty())
}

fn max_count(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned())
}

pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    up_to(MOST_THREADS, text)
}

pub(super) fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    up_to(MOST_JOBS, text)
}

fn up_to(most: usize, text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= most);
    number.ok_or_else(|| format!("expected a whole number from 1 to {most}"))
}
