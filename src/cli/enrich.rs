//! `enrich`: what trackers know of issues.
//!
//! Owns the options. Refuses their meaning: which references there are, and which tracker one means.

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format};

/// Tell the titles, states and addresses of issues: of those that are named (CVE-2024-1234, owner/repo#12, LP: #12, a URL, a
/// Change-Id), or without any of those that the commits of another run name, whose stream comes on standard input and is passed
/// on unchanged. What was asked before is kept for a while. Beside this, only --issues and 'task start prefetch' ask a tracker.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "enrich", help_triggers("-h", "--help"), usage = "[<options>] [<reference>...]")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct EnrichArgs {
    /// issues to ask about
    #[argh(positional, arg_name = "reference")]
    pub references: Vec<RawArg>,
    /// make no request: tell what is kept
    #[argh(switch)]
    pub offline: bool,
    /// exit with 3 if a tracker could not be asked or knows no such issue
    #[argh(switch)]
    pub strict: bool,
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
