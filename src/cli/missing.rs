//! `missing`: which branches are compared, and what is listed of what they lack.
//!
//! Owns the options and their values' syntax. Refuses their meaning.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format, threads};

/// List what branches lack: each change that the source has and the target hasn't, neither as itself nor as a pick, oldest first, in an
/// order in which they can be picked. Narrowed to paths by -- <path>... Of --requested, --security and --fixes all that are given must hold.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(
    subcommand,
    name = "missing",
    help_triggers("-h", "--help"),
    usage = "[<options>] (<branch>... | --gaps [<branch>...]) [-- <path>...]"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct MissingArgs {
    /// the branches to look at
    #[argh(positional, arg_name = "branch")]
    pub branches: Vec<RawArg>,
    /// compare with <branch>; by default with the one that most picks come from
    #[argh(option, arg_name = "branch")]
    pub from: Option<RawArg>,
    /// list what came after <when> alone: a revision, or a date
    #[argh(option, arg_name = "when")]
    pub since: Option<RawArg>,
    /// list what its message asks to be ported there: Cc: stable, Backpatch-through, "backport to 2.8"; or a label of its issues that
    /// enrich has brought and bhfuil.requestPattern matches
    #[argh(switch)]
    pub requested: bool,
    /// list what names a CVE or GHSA, or matches bhfuil.securityPattern
    #[argh(switch)]
    pub security: bool,
    /// list what mends something that the branch has
    #[argh(switch)]
    pub fixes: bool,
    /// try whether each would apply, after those above it that do; nothing is written
    #[argh(switch)]
    pub check: bool,
    /// list what each release line has and the next newer one lacks
    #[argh(switch)]
    pub gaps: bool,
    /// exit with 1 if something is missing, with 3 if that can't be known
    #[argh(switch)]
    pub exit_code: bool,
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

impl MissingArgs {
    /// What is missing or contradicts itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.gaps && self.from.is_some() {
            return Some("--gaps compares release lines with each other: --from can't be used with it");
        }
        (self.branches.is_empty() && !self.gaps).then_some("a branch is missing")
    }
}
