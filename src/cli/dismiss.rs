//! `dismiss`: what need not be ported, where to, and why.
//!
//! Owns the options and their values' syntax. Refuses their meaning.

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};

/// Note that a change need not be ported, in the file .bhfuil-dismissed at the top of the work tree: missing, followups and matrix then
/// leave it out. Commit the file on the branch that changes are taken from.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "dismiss", help_triggers("-h", "--help"), usage = "--on=<glob> --because=<reason> <change>")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct DismissArgs {
    /// the change: a commit, or a Change-Id
    #[argh(positional, arg_name = "change")]
    pub change: RawArg,
    /// the branch, or those that <glob> matches, that need not have it
    #[argh(option, arg_name = "glob")]
    pub on: RawArg,
    /// why
    #[argh(option, arg_name = "reason")]
    pub because: TextArg,
}
