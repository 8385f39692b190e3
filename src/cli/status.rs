//! `status`: what there is and whether all is well.
//!
//! Owns the options. Refuses the checks, which are `health`'s.

use argh::{ArgsInfo, FromArgs};

use super::scan::{Color, Format};

/// Tell what is registered and kept, how operations have fared, which errors were met, and whether all is well. Exits with 1 if
/// something is to be done.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "status", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct StatusArgs {
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
