//! `mcp`: no options, a protocol.

use argh::{ArgsInfo, FromArgs};

/// Answer by the Model Context Protocol on standard input and output, for programs that give tools to a model: where, missing, followups
/// and explain, of the repository one stands in or any other.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq, Eq)]
#[argh(subcommand, name = "mcp", help_triggers("-h", "--help"), usage = "")]
pub struct McpArgs {}
