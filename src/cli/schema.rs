//! `schema`: no options, one document.

use argh::{ArgsInfo, FromArgs};

/// Print the JSON Schema of one line of the stream.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq, Eq)]
#[argh(subcommand, name = "schema", help_triggers("-h", "--help"), usage = "")]
pub struct SchemaArgs {}
