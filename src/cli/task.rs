//! `task`: work in the background.
//!
//! Owns the options. Refuses their meaning: what a task's life is belongs to `tasks`.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};

use super::argv::{RawArg, TextArg};
use super::scan::{Color, Format, jobs, threads};

/// Work in the background, in processes that outlive the terminal: start some, see how they stand, wait for them, stop them.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "task", help_triggers("-h", "--help"), usage = "<command> [<args>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskArgs {
    /// the command
    #[argh(subcommand)]
    pub command: TaskCommand,
}

/// The commands of `task`.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand)]
pub enum TaskCommand {
    /// Starts one.
    Start(TaskStartArgs),
    /// Lists them.
    List(TaskListArgs),
    /// Tells of some.
    Show(TaskShowArgs),
    /// Waits for some.
    Wait(TaskWaitArgs),
    /// Stops some.
    Cancel(TaskCancelArgs),
    /// Forgets those that have ended.
    Clean(TaskCleanArgs),
}

impl TaskCommand {
    /// What is missing, or can't be meant.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Show(TaskShowArgs { ids, .. })
            | Self::Wait(TaskWaitArgs { ids, .. })
            | Self::Cancel(TaskCancelArgs { ids, .. })
                if ids.is_empty() =>
            {
                Some("the id of a task is missing")
            }
            Self::Start(args) => args.fault(),
            _ => None,
        }
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// Brings indexes up to date.
    Scan,
    /// Works patch-ids out.
    PatchIds,
    /// Asks trackers ahead.
    Prefetch,
    /// Clones and fetches.
    Sync,
    /// Drops what is of no use.
    Gc,
}

impl TaskKind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::PatchIds => "patch-ids",
            Self::Prefetch => "prefetch",
            Self::Sync => "sync",
            Self::Gc => "gc",
        }
    }
}

fn kind(value: &str) -> Result<TaskKind, String> {
    let all = [TaskKind::Scan, TaskKind::PatchIds, TaskKind::Prefetch, TaskKind::Sync, TaskKind::Gc];
    let found = all.into_iter().find(|kind| kind.word() == value);
    found.ok_or_else(|| "expected scan, patch-ids, prefetch, sync or gc".to_owned())
}

/// Which of those that wait goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPriority {
    /// After the others.
    Low,
    /// As usual.
    Normal,
    /// Before the others.
    High,
}

fn priority(value: &str) -> Result<TaskPriority, String> {
    match value {
        "low" => Ok(TaskPriority::Low),
        "normal" => Ok(TaskPriority::Normal),
        "high" => Ok(TaskPriority::High),
        _ => Err("expected low, normal or high".to_owned()),
    }
}

/// Start a task in the background and tell its id: scan (bring the index up to date), patch-ids (work out ahead what where needs to
/// compare likely picks, the newest first), prefetch (ask the trackers ahead for releases and for the issues that the newest commits name,
/// and count who has commits), sync (clone and fetch, as repo sync), or gc (as cache gc). It is about the repository you stand in, or
/// about those that are named.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(
    subcommand,
    name = "start",
    help_triggers("-h", "--help"),
    usage = "[<options>] (scan | patch-ids | prefetch | sync | gc) [<name or path>...]"
)]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskStartArgs {
    /// what is to be done
    #[argh(positional, arg_name = "kind", from_str_fn(kind))]
    pub kind: TaskKind,
    /// repositories by their names or paths
    #[argh(positional, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// those of the group <name>; may be repeated
    #[argh(option, arg_name = "name")]
    pub group: Vec<RawArg>,
    /// all that are registered
    #[argh(switch)]
    pub all_repos: bool,
    /// low, normal (the default) or high: which of those that wait goes first
    #[argh(option, arg_name = "which", from_str_fn(priority), default = "TaskPriority::Normal")]
    pub priority: TaskPriority,
    /// at most <n> repositories at a time
    #[argh(option, arg_name = "n", from_str_fn(jobs))]
    pub jobs: Option<NonZeroUsize>,
    /// read commits on <n> threads
    #[argh(option, arg_name = "n", from_str_fn(threads))]
    pub threads: Option<NonZeroUsize>,
    /// be the process of the task <id>, which is registered; for this program's own use
    #[argh(option, arg_name = "id", hidden_help)]
    pub carry_out: Option<TextArg>,
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

impl TaskStartArgs {
    fn fault(&self) -> Option<&'static str> {
        let names_none = self.repo.is_empty() && self.group.is_empty() && !self.all_repos;
        match self.kind {
            TaskKind::Gc if !names_none => Some("gc is about all caches and takes no repositories"),
            TaskKind::Sync if names_none => Some("a name, --group or --all-repos is missing"),
            _ => None,
        }
    }
}

/// List the tasks of all terminals, the oldest first: those that wait or run, and those that have ended until they expire.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskListArgs {
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

/// Tell how some tasks stand. An id may be cut short, at its beginning or its end, where only one is left.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "show", help_triggers("-h", "--help"), usage = "[<options>] <id>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskShowArgs {
    /// their ids
    #[argh(positional, arg_name = "id")]
    pub ids: Vec<TextArg>,
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

/// Wait until some tasks have ended, and tell how. Exits with 0 if all of them are completed, else with 1.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "wait", help_triggers("-h", "--help"), usage = "[<options>] <id>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskWaitArgs {
    /// their ids
    #[argh(positional, arg_name = "id")]
    pub ids: Vec<TextArg>,
    /// wait no longer than <time>, 90s or 5m say
    #[argh(option, arg_name = "time")]
    pub timeout: Option<TextArg>,
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
    /// show progress, terminal or not
    #[argh(switch)]
    pub progress: bool,
    /// never show progress
    #[argh(switch)]
    pub no_progress: bool,
}

/// Stop some tasks. What they have kept stays; one that doesn't stop when told to is ended.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "cancel", help_triggers("-h", "--help"), usage = "[<options>] <id>...")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskCancelArgs {
    /// their ids
    #[argh(positional, arg_name = "id")]
    pub ids: Vec<TextArg>,
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

/// Forget the tasks that have ended, with their results and logs. By itself that is done when they expire.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(subcommand, name = "clean", help_triggers("-h", "--help"), usage = "[<options>]")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct TaskCleanArgs {
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
