//! `where`: what is asked, about which refs, and by which evidence.
//!
//! Owns the options and their values' syntax. Refuses their meaning: queries are passed on as typed.

use std::{num::NonZeroUsize, str::FromStr};

use argh::{ArgsInfo, FromArgs};

use super::{
    argv::{RawArg, TextArg},
    scan::{Color, Format, SHARD_OF_WHAT, Shard, is_of_registry, jobs, or_osv, threads},
};

/// The signals that may be used, as `--signals` lists them.
pub const SIGNALS: &[&str] = &["same", "trailer", "change-id", "patch-id", "author-date", "pull-request", "subject"];

/// Tell where a change is: which branches and tags have it, as itself or as a pick, where it was reverted, and which
/// release lines lack it. Each query is a revision or range, a Change-Id, an issue (CVE-2024-1234, #12, LP: #12), or words,
/// all of which must stand in the message: whole words and phrases ("use after free"), upper or lower case, accents or none.
/// author:<word> must stand in the author's name or address, subject:<word> in the subject; path:<path> is a file that the
/// commit changes, a folder above it, or a glob. Changes found by words are told newest first.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "where", help_triggers("-h", "--help"), usage = "[<options>] <query>...")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct WhereArgs {
    /// what to look for
    #[argh(positional, arg_name = "query")]
    pub queries: Vec<RawArg>,
    /// look for the patch in <file>, - for standard input: git diff --no-renames | git bhfuil where --patch=-
    #[argh(option, arg_name = "file")]
    pub patch: Option<RawArg>,
    /// ask about the refs that match <glob>; may be repeated
    #[argh(option, arg_name = "glob")]
    pub refs: Vec<RawArg>,
    /// ask about branches
    #[argh(switch)]
    pub branches: bool,
    /// ask about remote branches
    #[argh(switch)]
    pub remotes: bool,
    /// tags to tell: first (of each release line, the default), all or none
    #[argh(option, arg_name = "which")]
    pub tags: Option<Tags>,
    /// tell every ref that lacks the change, not only branches of release lines
    #[argh(switch)]
    pub missing: bool,
    /// tell the merge that brought the change into each ref
    #[argh(switch)]
    pub via: bool,
    /// use these signals alone: same, trailer, change-id, patch-id, author-date, pull-request, subject
    #[argh(option, arg_name = "list")]
    pub signals: Option<TextArg>,
    /// tell what only resembles the change too, marked as weak or hint
    #[argh(switch)]
    pub similar: bool,
    /// leave out matches below this confidence, from 0 to 1
    #[argh(option, arg_name = "confidence", from_str_fn(confidence))]
    pub min_confidence: Option<f64>,
    /// tell at most <n> changes of each query (default: all, but 100 where words are looked for); negative for no limit
    #[argh(option, short = 'n', arg_name = "n", from_str_fn(max_count))]
    pub max_count: Option<i64>,
    /// answer from the cache as it is
    #[argh(switch)]
    pub no_update: bool,
    /// read further queries from standard input, one a line, or the commit events of another run
    #[argh(switch)]
    pub stdin: bool,
    /// queries on standard input end with NUL instead of a newline
    #[argh(switch, short = 'z')]
    pub null: bool,
    /// after the answer ask the trackers for the titles of the issues that it names
    #[argh(switch)]
    pub issues: bool,
    /// while queries on standard input are waited for, work out ahead what comparing likely picks takes
    #[argh(switch)]
    pub warm: bool,
    /// ask this repository: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// ask the repositories of this group; may be repeated
    #[argh(option, arg_name = "group")]
    pub group: Vec<RawArg>,
    /// ask all repositories that are registered
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
    /// form of the output: jsonl, human, auto (human on a terminal, the default), osv (the record of an advisory that the change
    /// fixes, to be gone on with by hand), or a line of your own for each event: '%(id) %(subject)'
    #[argh(option, arg_name = "format", default = "Format::Auto", from_str_fn(or_osv))]
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
}

impl WhereArgs {
    /// Whether it may be about more than one repository.
    #[must_use]
    pub fn is_about_several(&self) -> bool {
        self.all_repos || !self.group.is_empty() || self.repo.len() > 1
    }

    /// What is missing or contradicts itself, as a message.
    pub(super) fn fault(&self) -> Option<String> {
        if self.stdin && self.patch.as_ref().is_some_and(|file| file.0 == "-") {
            return Some("--stdin and --patch=- can't be used together".to_owned());
        }
        if self.queries.is_empty() && !self.stdin && self.patch.is_none() {
            return Some("a query is missing".to_owned());
        }
        if self.warm && (!self.stdin || !self.repo.is_empty() || self.is_about_several()) {
            return Some("--warm is for --stdin and the repository you stand in".to_owned());
        }
        let several = self.is_about_several();
        if several && self.patch.is_some() {
            return Some("--patch is looked for in one repository at a time".to_owned());
        }
        if several && self.format == Format::Osv {
            return Some("--format=osv is of one repository at a time".to_owned());
        }
        if (self.issues || self.warm) && self.format == Format::Osv {
            let other = if self.issues { "--issues" } else { "--warm" };
            return Some(format!("{other} and --format=osv can't be used together"));
        }
        if self.shard.is_some() && !is_of_registry(&self.repo, &self.group, self.all_repos) {
            return Some(SHARD_OF_WHAT.to_owned());
        }
        if !self.refs.is_empty() && (self.branches || self.remotes) {
            return Some("--refs and --branches or --remotes can't be used together".to_owned());
        }
        None
    }
}

/// Which tags are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// The first of each release line that has the change.
    First,
    /// All that have it.
    All,
    /// None.
    None,
}

impl FromStr for Tags {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "first" => Ok(Self::First),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err("expected first, all or none"),
        }
    }
}

fn max_count(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| *number != 0);
    number.ok_or_else(|| "expected a whole number other than 0".to_owned())
}

fn confidence(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}
