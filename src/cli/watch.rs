//! `watch`: which repositories are followed, and what is told of what comes.
//!
//! Owns the options and their values' syntax. Refuses their meaning.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};
use super::scan::{Color, Format, jobs, threads};

/// Follow repositories: tell which refs move, and the commits that come with them, as it happens. What is there already is told by
/// scan. Ends with Ctrl-C or SIGTERM.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "watch", help_triggers("-h", "--help"), usage = "[<options>]")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct WatchArgs {
    /// follow this repository: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// follow the repositories of this group; may be repeated
    #[argh(option, arg_name = "group")]
    pub group: Vec<RawArg>,
    /// follow all repositories that are registered, those too that will be
    #[argh(switch)]
    pub all_repos: bool,
    /// follow the refs that match <glob>; may be repeated
    #[argh(option, arg_name = "glob")]
    pub refs: Vec<RawArg>,
    /// fetch those that were cloned from elsewhere every <time>: 15m, 1h
    #[argh(option, arg_name = "time")]
    pub sync: Option<TextArg>,
    /// tell where each new commit is, as where does
    #[argh(switch, long = "where")]
    pub locate: bool,
    /// look every <time> (2s, 1m), and don't ask the file system to say when something happens
    #[argh(option, arg_name = "time")]
    pub poll: Option<TextArg>,
    /// with the changed paths
    #[argh(switch)]
    pub paths: bool,
    /// with names and addresses by the mailmap
    #[argh(switch)]
    pub mailmap: bool,
    /// with patch-ids, as git patch-id --stable has them
    #[argh(switch)]
    pub patch_id: bool,
    /// look at most at <n> repositories at a time, and fetch as many
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
    /// say nothing but errors on standard error
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

impl WatchArgs {
    /// What contradicts itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let is_here = self.repo.is_empty() && self.group.is_empty() && !self.all_repos;
        (self.sync.is_some() && is_here)
            .then_some("--sync fetches repositories that are registered: give --repo, --group or --all-repos")
    }
}
