//! `matrix`: which branches are compared.
//!
//! Owns the options and their values' syntax. Refuses their meaning.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format, or_html, threads};

/// Show which branches have which changes: a row for each change that the source has and one of them lacks or has picked.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "matrix", help_triggers("-h", "--help"), usage = "[<options>] <branch>...")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct MatrixArgs {
    /// the branches to look at
    #[argh(positional, arg_name = "branch")]
    pub branches: Vec<RawArg>,
    /// compare with <branch>; by default with the one that most picks come from
    #[argh(option, arg_name = "branch")]
    pub from: Option<RawArg>,
    /// read commits on <n> threads
    #[argh(option, arg_name = "n", from_str_fn(threads))]
    pub threads: Option<NonZeroUsize>,
    /// form of the output: jsonl, human, html (a page for browsers, complete in itself), auto (human on a terminal, the
    /// default), or a line of your own for each event: '%(id) %(subject)'
    #[argh(option, arg_name = "format", default = "Format::Auto", from_str_fn(or_html))]
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
