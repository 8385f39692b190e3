//! `export`: what becomes a table, where, and in what form.
//!
//! Owns the options. Refuses their meaning: queries and globs are passed on as typed.

use std::num::NonZeroUsize;
use std::str::FromStr;

use argh::{ArgsInfo, FromArgs};

use super::argv::RawArg;
use super::scan::{SHARD_OF_WHAT, Shard, is_of_registry, jobs, threads};

/// Write commits and refs as tables, a file each, for DuckDB, Spark and whatever else reads Parquet: commits, refs, and for the queries that are
/// given, as 'where' takes them, matches and presence (what every ref has of each change). The columns are the fields of the events. Files of an
/// earlier export in the same form are replaced. With --sql print views instead, which ask the tables what a fleet is asked.
#[derive(FromArgs, ArgsInfo, Debug, Clone, PartialEq)]
#[argh(
    subcommand,
    name = "export",
    help_triggers("-h", "--help"),
    usage = "[<options>] --output=<folder> [<query>...]"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[expect(clippy::doc_markdown, reason = "argh shows these docs as help, where names stand bare")]
#[allow(rustdoc::invalid_html_tags, reason = "argh shows these docs as help, where <n> names a value")]
pub struct ExportArgs {
    /// what to look for besides
    #[argh(positional, arg_name = "query")]
    pub queries: Vec<RawArg>,
    /// put the files into <folder>, each in one piece once it is whole
    #[argh(option, arg_name = "folder")]
    pub output: Option<RawArg>,
    /// form of the files: parquet (the default) or jsonl
    #[argh(option, arg_name = "form", default = "FileForm::Parquet")]
    pub format: FileForm,
    /// print views for this engine, duckdb or spark, of what is in --output, which may have * in it
    #[argh(option, arg_name = "engine")]
    pub sql: Option<SqlEngine>,
    /// of the refs that match <glob>; may be repeated
    #[argh(option, arg_name = "glob")]
    pub refs: Vec<RawArg>,
    /// with patch-ids, as git patch-id --stable has them
    #[argh(switch)]
    pub patch_id: bool,
    /// with the first tag that has each commit
    #[argh(switch)]
    pub tagged: bool,
    /// with the changed paths
    #[argh(switch)]
    pub paths: bool,
    /// with names and addresses by the mailmap
    #[argh(switch)]
    pub mailmap: bool,
    /// read further queries from standard input, one a line
    #[argh(switch)]
    pub stdin: bool,
    /// export this repository: one that is registered, or a path; may be repeated
    #[argh(option, arg_name = "repo")]
    pub repo: Vec<RawArg>,
    /// export the repositories of this group; may be repeated
    #[argh(option, arg_name = "group")]
    pub group: Vec<RawArg>,
    /// export all repositories that are registered
    #[argh(switch)]
    pub all_repos: bool,
    /// of the registered repositories that are meant only part <i> of <n>, from 1; which part one is in depends on its name alone
    #[argh(option, arg_name = "i/n")]
    pub shard: Option<Shard>,
    /// at most <n> repositories at a time
    #[argh(option, arg_name = "n", from_str_fn(jobs))]
    pub jobs: Option<NonZeroUsize>,
    /// read commits on <n> threads
    #[argh(option, arg_name = "n", from_str_fn(threads))]
    pub threads: Option<NonZeroUsize>,
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

impl ExportArgs {
    /// What is missing or contradicts itself, as a message.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let Some(output) = self.output.as_ref().filter(|output| !output.0.is_empty()) else {
            return Some("--output is missing");
        };
        if self.sql.is_some() && (!self.queries.is_empty() || self.stdin) {
            return Some("--sql and queries can't be used together");
        }
        let says_what = self.patch_id || self.tagged || self.paths || self.mailmap || !self.refs.is_empty();
        let says_of_what = self.all_repos || !self.repo.is_empty() || !self.group.is_empty() || self.shard.is_some();
        if self.sql.is_some() && (says_what || says_of_what) {
            return Some("--sql is about what was exported: beside it only --output says anything");
        }
        if self.sql.is_none() && output.0.to_string_lossy().contains('*') {
            return Some("--output may have * in it beside --sql alone");
        }
        if self.sql.is_some() && self.format == FileForm::Jsonl {
            return Some("--sql is for --format=parquet");
        }
        if self.shard.is_some() && !is_of_registry(&self.repo, &self.group, self.all_repos) {
            return Some(SHARD_OF_WHAT);
        }
        None
    }
}

/// The form of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// Apache Parquet.
    Parquet,
    /// JSON Lines.
    Jsonl,
}

impl FromStr for FileForm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "parquet" => Ok(Self::Parquet),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err("expected parquet or jsonl"),
        }
    }
}

/// What reads the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlEngine {
    /// `DuckDB`.
    DuckDb,
    /// Spark.
    Spark,
}

impl FromStr for SqlEngine {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "duckdb" => Ok(Self::DuckDb),
            "spark" => Ok(Self::Spark),
            _ => Err("expected duckdb or spark"),
        }
    }
}
