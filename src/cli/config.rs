//! `config`: what is set and where, and changing our own file.
//!
//! Owns the options. Refuses their meaning: which settings there are is `config`'s.

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};
use super::scan::{Color, Format};

/// Show and change settings. What counts comes from the defaults, our own file, git's configuration (bhfuil.*) and the environment,
/// later ones winning. Only our own file is written; git config writes git's.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "config", help_triggers("-h", "--help"), usage = "<command> [<args>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigArgs {
    /// the command
    #[argh(subcommand)]
    pub command: ConfigCommand,
}

/// The commands of `config`.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand)]
pub enum ConfigCommand {
    /// Lists what holds.
    List(ConfigListArgs),
    /// Tells one setting.
    Get(ConfigGetArgs),
    /// Sets one.
    Set(ConfigSetArgs),
    /// Takes one out.
    Unset(ConfigUnsetArgs),
    /// Tells what is wrong.
    Validate(ConfigValidateArgs),
    /// Writes a new file.
    Init(ConfigInitArgs),
    /// Prints where the file is.
    Path(ConfigPathArgs),
}

/// List every setting that has a value, with where it comes from: file and line, variable or default.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigListArgs {
    /// what holds for the repository <name>
    #[argh(option, arg_name = "name")]
    pub repo: Option<TextArg>,
    /// go on, and tell what changes
    #[argh(switch)]
    pub watch: bool,
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

/// Tell the value of a setting that counts, with where it comes from; of a list each. Exits with 1 where there is none.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "get", help_triggers("-h", "--help"), usage = "[<options>] <key>")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigGetArgs {
    /// the setting: bhfuil.threads, or threads for short
    #[argh(positional, arg_name = "key")]
    pub key: TextArg,
    /// what holds for the repository <name>
    #[argh(option, arg_name = "name")]
    pub repo: Option<TextArg>,
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

/// Set a setting in our own file. Comments and everything else in it stay as they are.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "set", help_triggers("-h", "--help"), usage = "[<options>] <key> <value>")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigSetArgs {
    /// the setting: bhfuil.threads, or threads for short
    #[argh(positional, arg_name = "key")]
    pub key: TextArg,
    /// its value; of a list, empty to take back what was set before
    #[argh(positional, arg_name = "value")]
    pub value: RawArg,
    /// for the repository <name> alone
    #[argh(option, arg_name = "name")]
    pub repo: Option<TextArg>,
    /// add to a list, instead of replacing it
    #[argh(switch)]
    pub add: bool,
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

/// Take a setting out of our own file. Exits with 1 where it isn't in it.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "unset", help_triggers("-h", "--help"), usage = "[<options>] <key>")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigUnsetArgs {
    /// the setting: bhfuil.threads, or threads for short
    #[argh(positional, arg_name = "key")]
    pub key: TextArg,
    /// for the repository <name> alone
    #[argh(option, arg_name = "name")]
    pub repo: Option<TextArg>,
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

/// Tell every bad value and unknown setting, by file and line. Exits with 1 if there is one.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "validate", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigValidateArgs {
    /// form of the output: jsonl, human, auto (human on a terminal, the default), or a line of your own for each event:
    /// '%(id) %(subject)'
    #[argh(option, arg_name = "format", default = "Format::Auto")]
    pub format: Format,
}

/// Write our own file anew, with every setting and its default in it, commented out. One that is there is left alone.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "init", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ConfigInitArgs {
    /// form of the output: jsonl, human, auto (human on a terminal, the default), or a line of your own for each event:
    /// '%(id) %(subject)'
    #[argh(option, arg_name = "format", default = "Format::Auto")]
    pub format: Format,
}

/// Print the path of our own file, there or not.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq, Eq)]
#[argh(subcommand, name = "path", help_triggers("-h", "--help"), usage = "")]
pub struct ConfigPathArgs {}
