//! `cache`: what is kept, whether it is right, getting rid of it, and reading it with sqlite3.
//!
//! Owns the options. Refuses their meaning: which caches there are is `upkeep`'s.

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format};

/// Look after what is kept of repositories. All of it can be removed at any time: git is the truth.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "cache", help_triggers("-h", "--help"), usage = "<command> [<args>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct CacheArgs {
    /// the command
    #[argh(subcommand)]
    pub command: CacheCommand,
}

/// The commands of `cache`.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand)]
pub enum CacheCommand {
    /// Tells what is kept.
    Info(CacheInfoArgs),
    /// Compares it with git.
    Verify(CacheVerifyArgs),
    /// Drops what is of no use.
    Gc(CacheGcArgs),
    /// Removes it.
    Clear(CacheClearArgs),
    /// Prints views of it for sqlite3.
    Views(CacheViewsArgs),
}

impl CacheCommand {
    /// What can't be meant.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let (repo, all) = match self {
            Self::Gc(_) | Self::Views(_) => return None,
            Self::Info(CacheInfoArgs { repo, all, .. })
            | Self::Verify(CacheVerifyArgs { repo, all, .. })
            | Self::Clear(CacheClearArgs { repo, all, .. }) => (repo, *all),
        };
        (all && !repo.is_empty()).then_some("--all and --repo can't be used together")
    }
}

/// Tell what is kept of the repository you stand in, or of others: how much, of how many commits, and when it was last used.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "info", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct CacheInfoArgs {
    /// that of <repo>: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// every one that there is, also of repositories that are gone
    #[argh(switch)]
    pub all: bool,
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

/// Compare what is kept of the repository you stand in, or of others, with what git says: parents, times and texts of all commits, refs,
/// and of a sample what takes a diff or reading a message again. Exits with 1 if anything differs.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "verify", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct CacheVerifyArgs {
    /// that of <repo>: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// every one that there is
    #[argh(switch)]
    pub all: bool,
    /// no sample: all changed paths, patch-ids, keys and words
    #[argh(switch)]
    pub full: bool,
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

/// Drop the caches of repositories that are gone and what no run will use any more, then those that were not used for longest, until all
/// fit into bhfuil.cacheSize. What is in use stays.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "gc", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct CacheGcArgs {
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

/// Remove what is kept of the repository you stand in, or of others, with the cursors of its consumers. Who is reading it goes on and
/// ends as if nothing had been removed.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "clear", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct CacheClearArgs {
    /// that of <repo>: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// every one that there is, also of repositories that are gone
    #[argh(switch)]
    pub all: bool,
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

/// Print SQL that makes views of a cache, for reading it with sqlite3. They are of a connection, and leave nothing in the file.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq, Eq)]
#[argh(subcommand, name = "views", help_triggers("-h", "--help"), usage = "")]
pub struct CacheViewsArgs {}
