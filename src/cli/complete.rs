//! `complete`: the command line that a shell asks about.
//!
//! Owns no option: the words follow `--`. Refuses to say what may be typed (`completion`).

use argh::{ArgsInfo, FromArgs};

/// Print what may be typed for the last of some words, which follow -- and begin behind git bhfuil: for the scripts that shells load.
/// Each line is a word, and after a tab what it means.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq, Eq)]
#[argh(subcommand, name = "complete", help_triggers("-h", "--help"), usage = "-- <word>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct CompleteArgs {}
