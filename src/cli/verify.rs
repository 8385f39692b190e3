//! `verify`: whose trailers are looked at.
//!
//! Owns the options and their values' syntax. Refuses their meaning.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format, threads};

/// Tell whether what trailers say is so: each commit that one names must exist, lie on a branch or tag, and be the change. Exits with 1 if
/// one is false.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "verify", help_triggers("-h", "--help"), usage = "[<options>] <range>...")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct VerifyArgs {
    /// the commits to look at: main..stable/1.0
    #[argh(positional, arg_name = "range")]
    pub ranges: Vec<RawArg>,
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
