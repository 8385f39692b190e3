//! `install`: where the parts go that git, man and shells look for.
//!
//! Owns the options. Refuses to look at any folder.

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{Color, Format};

/// Put the manual pages, the completions and the program itself where git, man, bash, zsh and fish find them. Done again it changes
/// nothing but what has changed, and a file that it didn't write is left alone.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "install", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct InstallArgs {
    /// put them under <dir>, /usr say; by default under ~/.local and where the program lies
    #[argh(option, arg_name = "dir")]
    pub prefix: Option<RawArg>,
    /// take away what was put there
    #[argh(switch)]
    pub uninstall: bool,
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
