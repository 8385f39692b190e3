//! `osv`: which records are looked at, and how.
//!
//! Owns the options. Refuses their meaning: what a record is belongs to `osv` of the library.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format, threads};

/// Check the commits of advisories' records in the OSV format against the repository, and add those that are missing.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "osv", help_triggers("-h", "--help"), usage = "<command> [<args>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct OsvArgs {
    /// the command
    #[argh(subcommand)]
    pub command: OsvCommand,
}

/// The commands of `osv`.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand)]
pub enum OsvCommand {
    /// Adds the fixes that a record lacks.
    Complete(OsvCompleteArgs),
    /// Tells whether a record is true.
    Verify(OsvVerifyArgs),
}

impl OsvCommand {
    /// What is missing, or can't be meant.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let is_stdin = |record: &RawArg| record.0 == "-";
        match self {
            Self::Verify(OsvVerifyArgs { records, .. }) | Self::Complete(OsvCompleteArgs { records, .. })
                if records.is_empty() =>
            {
                Some("a record is missing; - is standard input")
            }
            Self::Verify(OsvVerifyArgs { records, .. }) if records.iter().filter(|it| is_stdin(it)).count() > 1 => {
                Some("standard input can be read once")
            }
            Self::Complete(args) if args.in_place && args.records.iter().any(is_stdin) => {
                Some("standard input has no place: --in-place needs files")
            }
            Self::Complete(args) if !args.in_place && args.records.len() > 1 => {
                Some("of several records --in-place is needed")
            }
            _ => None,
        }
    }
}

/// Print a record with every commit added that is one change with a fixed commit of it and lies on a branch or tag. All else stays as it
/// is, byte for byte.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "complete", help_triggers("-h", "--help"), usage = "[<options>] <record>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct OsvCompleteArgs {
    /// files with a record each; - is standard input
    #[argh(positional, arg_name = "record")]
    pub records: Vec<RawArg>,
    /// write the records back to their files instead
    #[argh(switch)]
    pub in_place: bool,
    /// take every GIT range as one about this repository, whatever address it has
    #[argh(switch)]
    pub all_ranges: bool,
    /// read commits on <n> threads
    #[argh(option, arg_name = "n", from_str_fn(threads))]
    pub threads: Option<NonZeroUsize>,
}

/// Tell whether what records say of commits is so: each commit exists, each fix comes after an introducer, every pick is named, and the
/// branches, tags and versions affected are those that are. Exits with 1 if anything is wrong or missing.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "verify", help_triggers("-h", "--help"), usage = "[<options>] <record>...")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct OsvVerifyArgs {
    /// files with a record each; - is standard input
    #[argh(positional, arg_name = "record")]
    pub records: Vec<RawArg>,
    /// take every GIT range as one about this repository, whatever address it has
    #[argh(switch)]
    pub all_ranges: bool,
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
