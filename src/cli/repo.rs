//! `repo`: which repositories are registered.
//!
//! Owns the options. Refuses their meaning: what a path or an address leads to, and which names there are.

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};
use super::scan::{Color, Format};

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
}

impl RepoCommand {
    /// What is missing.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Show(RepoShowArgs { names, .. }) | Self::Remove(RepoRemoveArgs { names, .. }) if names.is_empty() => {
                Some("a name is missing")
            }
            _ => None,
        }
    }
}

/// Register the repository at <path>, where it lies.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "add", help_triggers("-h", "--help"), usage = "[<options>] <path>")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoAddArgs {
    /// a folder in it, or the folder of a bare one
    #[argh(positional, arg_name = "path")]
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
    /// form of the output: jsonl, human or auto (human on a terminal, the default)
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
    /// form of the output: jsonl, human or auto (human on a terminal, the default)
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
    /// form of the output: jsonl, human or auto (human on a terminal, the default)
    #[argh(option, arg_name = "format", default = "Format::Auto")]
    pub format: Format,
    /// colour: auto (on a terminal), always or never; the default is configured, else auto
    #[argh(option, arg_name = "when")]
    pub color: Option<Color>,
    /// no colour
    #[argh(switch)]
    pub no_color: bool,
}

/// Forget the repositories of these names and what is set for them. They themselves, and what is cached of them, stay.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "remove", help_triggers("-h", "--help"), usage = "[<options>] <name>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct RepoRemoveArgs {
    /// their names
    #[argh(positional, arg_name = "name")]
    pub names: Vec<TextArg>,
    /// form of the output: jsonl, human or auto (human on a terminal, the default)
    #[argh(option, arg_name = "format", default = "Format::Auto")]
    pub format: Format,
    /// colour: auto (on a terminal), always or never; the default is configured, else auto
    #[argh(option, arg_name = "when")]
    pub color: Option<Color>,
    /// no colour
    #[argh(switch)]
    pub no_color: bool,
}
