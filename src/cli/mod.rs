//! What can be typed: commands, options, their help, and how a command line is read.
//!
//! Owns argh's structs and [`parse`]; man pages and completions are made from the same structs, so they can't drift.
//! Refuses behaviour: nothing is printed here, nothing ends the process, and no path or revision is looked at.

pub mod argv;
pub mod cache;
pub mod complete;
pub mod completion;
pub mod config;
pub mod dismiss;
pub mod enrich;
pub mod explain;
pub mod export;
pub mod followups;
mod help;
pub mod install;
pub mod manual;
pub mod matrix;
pub mod mcp;
pub mod missing;
pub mod osv;
mod prose;
pub mod repo;
pub mod scan;
pub mod schema;
pub mod status;
pub mod task;
pub mod verify;
pub mod watch;
pub mod where_is;

use std::{ffi::OsString, fmt, path::PathBuf};

use argh::{ArgsInfo, EarlyExit, FromArgs};

use self::argv::{Argv, RawArg};
pub use self::{
    cache::{CacheArgs, CacheCommand},
    complete::CompleteArgs,
    config::{ConfigArgs, ConfigCommand},
    dismiss::DismissArgs,
    enrich::EnrichArgs,
    explain::ExplainArgs,
    export::ExportArgs,
    followups::FollowupsArgs,
    install::InstallArgs,
    matrix::MatrixArgs,
    mcp::McpArgs,
    missing::MissingArgs,
    osv::{OsvArgs, OsvCommand},
    repo::{RepoArgs, RepoCommand},
    scan::ScanArgs,
    schema::SchemaArgs,
    status::StatusArgs,
    task::{TaskArgs, TaskCommand},
    verify::VerifyArgs,
    watch::WatchArgs,
    where_is::WhereArgs,
};

/// The words by which the program is called, as help and usage lines show them.
const PROGRAM: [&str; 2] = ["git", "bhfuil"];

/// Finds where a change is: in which branches, tags and releases, under its own id or picked, and where it is missing.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(help_triggers("-h", "--help"), usage = "[-C <path>] [--version] (<command> [<args>] | <query>...)")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct GitBhfuil {
    /// run as if started in <path>; several are joined as git does; may follow the command
    #[argh(option, short = 'C', arg_name = "path")]
    pub directory: Vec<RawArg>,
    /// print the version
    #[argh(switch)]
    pub version: bool,
    /// the command
    #[argh(subcommand)]
    pub command: Option<Subcommand>,
}

/// The commands, each with its arguments.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand)]
pub enum Subcommand {
    /// Looks after what is kept.
    Cache(CacheArgs),
    /// Tells a shell what may be typed.
    Complete(CompleteArgs),
    /// Shows and changes settings.
    Config(ConfigArgs),
    /// Notes what need not be ported.
    Dismiss(DismissArgs),
    /// Tells why two commits match or don't.
    Explain(ExplainArgs),
    /// Writes tables.
    Export(ExportArgs),
    /// Lists what follows up what a branch has.
    Followups(FollowupsArgs),
    /// Puts all parts in place.
    Install(InstallArgs),
    /// Shows which branches have which changes.
    Matrix(MatrixArgs),
    /// Answers by the Model Context Protocol.
    Mcp(McpArgs),
    /// Lists what a branch lacks.
    Missing(MissingArgs),
    /// Tells what trackers know of issues.
    Enrich(EnrichArgs),
    /// Checks advisories' records.
    Osv(OsvArgs),
    /// Registers repositories.
    Repo(RepoArgs),
    /// Streams commits and refs.
    Scan(ScanArgs),
    /// Prints the JSON Schema of the stream.
    Schema(SchemaArgs),
    /// Tells whether all is well.
    Status(StatusArgs),
    /// Works in the background.
    Task(TaskArgs),
    /// Tells whether trailers are true.
    Verify(VerifyArgs),
    /// Follows repositories.
    Watch(WatchArgs),
    /// Tells where a change is.
    Where(WhereArgs),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Print the version; whatever else was asked is ignored, as git does.
    Version,
    /// `cache` and one of its commands.
    Cache(CacheCommand),
    /// `complete`; the words are the paths of the invocation.
    Complete,
    /// `config` and one of its commands.
    Config(ConfigCommand),
    /// `dismiss`.
    Dismiss(DismissArgs),
    /// `explain`.
    Explain(ExplainArgs),
    /// `export`.
    Export(ExportArgs),
    /// `followups`.
    Followups(FollowupsArgs),
    /// `install`.
    Install(InstallArgs),
    /// `matrix`.
    Matrix(MatrixArgs),
    /// `mcp`.
    Mcp(McpArgs),
    /// `missing`.
    Missing(MissingArgs),
    /// `enrich`.
    Enrich(EnrichArgs),
    /// `osv` and one of its commands.
    Osv(OsvCommand),
    /// `repo` and one of its commands.
    Repo(RepoCommand),
    /// `scan`.
    Scan(ScanArgs),
    /// `schema`.
    Schema(SchemaArgs),
    /// `status`.
    Status(StatusArgs),
    /// `task` and one of its commands.
    Task(TaskCommand),
    /// `verify`.
    Verify(VerifyArgs),
    /// `watch`.
    Watch(WatchArgs),
    /// `where`.
    Where(WhereArgs),
}

/// A command line that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Where to run: the `-C` options joined; `None` for the current directory.
    pub dir: Option<PathBuf>,
    /// What to do.
    pub command: Command,
    /// Its name with those of the commands that it belongs to before it: `cache info`.
    pub name: String,
    /// What followed `--`, byte for byte; `None` without `--`, which is not the same as an empty list.
    pub paths: Option<Vec<OsString>>,
    /// There was no command, and `where` was put in for it: what to say if the first query names nothing.
    pub implied: Option<UsageError>,
}

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Help was asked for: this text, newline included, belongs on stdout.
    Help(String),
    /// The command line can't be understood.
    Usage(UsageError),
}

/// A command line that can't be understood: exit code 129, and both lines on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    /// What is wrong, without `fatal:` and without a newline; bytes that aren't UTF-8 are replaced.
    pub message: String,
    /// The usage line of the command in question, `Usage: ` and no newline.
    pub usage: String,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

/// Reads a command line; `args` come without the name of the program.
///
/// # Errors
/// [`Exit::Help`] for `-h`, `--help` and the command `help`; [`Exit::Usage`] for what can't be understood.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Invocation, Exit> {
    let plain = argv::normalise(&GitBhfuil::get_args_info(), args)
        .map_err(|refusal| usage_error(refusal.command.as_deref(), refusal.message))?;
    let Argv { words, command, help, paths, implied } = plain;
    if help {
        return Err(Exit::Help(help_text(command.as_deref())));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let parsed = GitBhfuil::from_args(&PROGRAM, &words).map_err(|exit| early_exit(command.as_deref(), exit))?;
    let name = command.clone().unwrap_or_default();
    let command = match parsed.command {
        _ if parsed.version => Command::Version,
        Some(asked) => match fault(&asked, &name, paths.as_deref().unwrap_or_default()) {
            Some(fault) => return Err(usage_error(command.as_deref(), fault)),
            None => asked.into(),
        },
        None => {
            let message = "a command or a query is missing; 'git bhfuil -h' tells of them";
            return Err(usage_error(None, message.to_owned()));
        }
    };
    let implied = implied.map(|message| UsageError { message, usage: usage(None) });
    Ok(Invocation { dir: joined(&parsed.directory), command, name, paths, implied })
}

/// What is missing in the command that is called `name`, or can't be meant, as a message.
fn fault(asked: &Subcommand, name: &str, paths: &[OsString]) -> Option<String> {
    let own = match asked {
        Subcommand::Scan(args) => return args.fault(paths),
        Subcommand::Missing(args) => return args.fault().map(str::to_owned),
        Subcommand::Where(args) => return args.fault().or_else(|| no_paths(name, paths)),
        Subcommand::Followups(FollowupsArgs { branches, .. }) | Subcommand::Matrix(MatrixArgs { branches, .. }) => {
            branches.is_empty().then_some("a branch is missing")
        }
        Subcommand::Verify(args) => args.ranges.is_empty().then_some("a range is missing"),
        Subcommand::Explain(args) => (args.commits.len() != 2).then_some("two commits are needed"),
        Subcommand::Export(args) => args.fault(),
        Subcommand::Watch(args) => args.fault(),
        Subcommand::Cache(args) => args.command.fault(),
        Subcommand::Osv(args) => args.command.fault(),
        Subcommand::Repo(args) => args.command.fault(),
        Subcommand::Task(args) => args.command.fault(),
        // What a shell is asked to complete may be anything.
        Subcommand::Complete(_) => return None,
        Subcommand::Schema(_)
        | Subcommand::Dismiss(_)
        | Subcommand::Install(_)
        | Subcommand::Mcp(_)
        | Subcommand::Config(_)
        | Subcommand::Enrich(_)
        | Subcommand::Status(_) => None,
    };
    no_paths(name, paths).or_else(|| own.map(str::to_owned))
}

fn no_paths(name: &str, paths: &[OsString]) -> Option<String> {
    let reason = if name == "where" { "; path: narrows words" } else { "" };
    (!paths.is_empty()).then(|| format!("'{name}' takes no paths{reason}"))
}

impl From<Subcommand> for Command {
    fn from(asked: Subcommand) -> Self {
        match asked {
            Subcommand::Scan(args) => Self::Scan(args),
            Subcommand::Where(args) => Self::Where(args),
            Subcommand::Missing(args) => Self::Missing(args),
            Subcommand::Complete(_) => Self::Complete,
            Subcommand::Install(args) => Self::Install(args),
            Subcommand::Dismiss(args) => Self::Dismiss(args),
            Subcommand::Explain(args) => Self::Explain(args),
            Subcommand::Export(args) => Self::Export(args),
            Subcommand::Followups(args) => Self::Followups(args),
            Subcommand::Matrix(args) => Self::Matrix(args),
            Subcommand::Mcp(args) => Self::Mcp(args),
            Subcommand::Verify(args) => Self::Verify(args),
            Subcommand::Schema(args) => Self::Schema(args),
            Subcommand::Status(args) => Self::Status(args),
            Subcommand::Watch(args) => Self::Watch(args),
            Subcommand::Config(args) => Self::Config(args.command),
            Subcommand::Enrich(args) => Self::Enrich(args),
            Subcommand::Cache(args) => Self::Cache(args.command),
            Subcommand::Osv(args) => Self::Osv(args.command),
            Subcommand::Repo(args) => Self::Repo(args.command),
            Subcommand::Task(args) => Self::Task(args.command),
        }
    }
}

/// The directories one after another, an absolute one starting anew and an empty one changing nothing (git(1), `-C`).
fn joined(directories: &[RawArg]) -> Option<PathBuf> {
    let mut named = directories.iter().map(|it| &it.0).filter(|it| !it.is_empty());
    let first = PathBuf::from(named.next()?);
    Some(named.fold(first, |path, next| path.join(next)))
}

fn early_exit(command: Option<&str>, exit: EarlyExit) -> Exit {
    if exit.status.is_ok() {
        return Exit::Help(exit.output);
    }
    let said: Vec<&str> = exit.output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = argv::shown(&said.join(" "));
    let words = lacking(&said).or_else(|| bad_value(&shown));
    usage_error(command, words.unwrap_or_else(|| uncapitalised(&shown)))
}

/// What argh says of arguments and options that are missing, in lists with a line each: as the usage line below has them.
fn lacking(said: &[&str]) -> Option<String> {
    let mut names = Vec::new();
    let mut is_option = None;
    for line in said {
        match (*line, is_option) {
            ("Required positional arguments not provided:", _) => is_option = Some(false),
            ("Required options not provided:", _) => is_option = Some(true),
            (name, Some(false)) => names.push(format!("<{name}>")),
            (name, Some(true)) => names.push(name.to_owned()),
            (_, None) => return None,
        }
    }
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("{last} is missing"),
        others => format!("{} and {last} are missing", others.join(", ")),
    })
}

/// What argh says of a value that an option or argument doesn't take, in git's words.
fn bad_value(said: &str) -> Option<String> {
    let option = said.strip_prefix("Error parsing option '").map(|rest| ("", rest, ""));
    let named = option.or_else(|| said.strip_prefix("Error parsing positional argument '").map(|it| ("<", it, ">")));
    let (open, rest, close) = named?;
    let (name, rest) = rest.split_once("' with value '")?;
    // The value is anybody's, the reason is one of this room and has no quote in it.
    let (value, why) = rest.rsplit_once("': ")?;
    Some(format!("bad value '{value}' for {open}{name}{close}: {why}"))
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn usage_error(command: Option<&str>, message: String) -> Exit {
    Exit::Usage(refusal(command, message))
}

/// What is wrong with a command line of `command`; public for what only the command itself can tell.
#[must_use]
pub fn refusal(command: Option<&str>, message: String) -> UsageError {
    UsageError { message, usage: usage(command) }
}

/// The usage line of `command`, or of the program: argh alone knows it.
fn usage(command: Option<&str>) -> String {
    let words: Vec<&str> = command.into_iter().flat_map(|names| names.split(' ')).chain(["--help"]).collect();
    let help = GitBhfuil::from_args(&PROGRAM, &words).err().map(|exit| exit.output).unwrap_or_default();
    help.lines().next().unwrap_or_default().trim_end().to_owned()
}

/// The help of `command`, or of the program.
fn help_text(command: Option<&str>) -> String {
    let info = GitBhfuil::get_args_info();
    let found = command.and_then(|name| Some((name, help::find(&info, name)?)));
    match found {
        Some((name, command)) => help::of_command(&usage(Some(name)), name, command),
        None => help::of_program(&usage(None), &info),
    }
}

#[cfg(test)]
mod tests;
