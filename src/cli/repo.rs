//! `repo`: which repositories are registered.
//!
//! Owns the options. Refuses their meaning: what a path or an address leads to, and which names there are.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};
use super::scan::{Color, Format, Shard, jobs, threads};

/// Register repositories under names, by which they can be asked about from anywhere.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "repo", help_triggers("-h", "--help"), usage = "<command> [<args>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoArgs {
    /// the command
    #[argh(subcommand)]
    pub command: RepoCommand,
}

/// The commands of `repo`.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand)]
pub enum RepoCommand {
    /// Registers one.
    Add(RepoAddArgs),
    /// Lists them.
    List(RepoListArgs),
    /// Tells of some.
    Show(RepoShowArgs),
    /// Forgets some.
    Remove(RepoRemoveArgs),
    /// Brings them up to date.
    Sync(RepoSyncArgs),
}

impl RepoCommand {
    /// What is missing.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Show(RepoShowArgs { names, .. }) | Self::Remove(RepoRemoveArgs { names, .. }) if names.is_empty() => {
                Some("a name is missing")
            }
            Self::Sync(RepoSyncArgs { names, all: false, group, .. }) if names.is_empty() && group.is_empty() => {
                Some("a name, --group or --all is missing")
            }
            Self::Sync(RepoSyncArgs { names, shard: Some(_), .. }) if !names.is_empty() => {
                Some("--shard is of --group or --all: a name says enough")
            }
            _ => None,
        }
    }
}

/// Register the repository at <path>, where it lies, or a clone of <url>, which is made.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "add", help_triggers("-h", "--help"), usage = "[<options>] (<path> | <url>)")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoAddArgs {
    /// a folder in it, the folder of a bare one, or an address as git clone takes it
    #[argh(positional, arg_name = "path-or-url")]
    pub source: RawArg,
    /// call it <name>; by default the last part of its path, with more of it if another has that name
    #[argh(option, arg_name = "name")]
    pub name: Option<TextArg>,
    /// ask about the refs of it that match <glob>; may be repeated
    #[argh(option, arg_name = "glob")]
    pub refs: Vec<TextArg>,
    /// put it into the group <name>; may be repeated
    #[argh(option, arg_name = "name")]
    pub group: Vec<TextArg>,
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
}

/// List the repositories that are registered.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoListArgs {
    /// those of the group <name>; may be repeated
    #[argh(option, arg_name = "name")]
    pub group: Vec<TextArg>,
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
}

/// Tell where the repositories of these names lie, and what is registered of them.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "show", help_triggers("-h", "--help"), usage = "[<options>] <name>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoShowArgs {
    /// their names
    #[argh(positional, arg_name = "name")]
    pub names: Vec<TextArg>,
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
}

/// Forget the repositories of these names and what is set for them. Those that lie elsewhere stay where they are; clones made by
/// repo add are removed.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "remove", help_triggers("-h", "--help"), usage = "[<options>] <name>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoRemoveArgs {
    /// their names
    #[argh(positional, arg_name = "name")]
    pub names: Vec<TextArg>,
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
}

/// Clone or fetch the repositories that are registered by their addresses, and index all that are meant. Those that are registered
/// where they lie are their owner's to fetch.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "sync", help_triggers("-h", "--help"), usage = "[<options>] (<name>... | --all)")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct RepoSyncArgs {
    /// their names
    #[argh(positional, arg_name = "name")]
    pub names: Vec<TextArg>,
    /// those of the group <name>; may be repeated
    #[argh(option, arg_name = "name")]
    pub group: Vec<TextArg>,
    /// all that are registered
    #[argh(switch)]
    pub all: bool,
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
}
