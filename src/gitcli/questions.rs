//! What gix can't answer as git does: dates and revisions in all their spellings, history limited to paths, reftables.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::disarm::Disarmed;
use super::failure::last_words;
use super::process::{self, Work};
use super::program::{Bounds, Program, forget_repository};
use crate::clock::{Clock, Deadline};
use crate::error::Kind;
use crate::facts::Oid;
use crate::git::Repository;
use crate::git::config::{ConfigValue, Scope};
use crate::shutdown::Token;

/// What is asked about revisions on a command line, as git understood it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Objects to begin at (`false`) and objects to leave out with all that they reach (`true`), in the order given.
    pub tips: Vec<(Oid, bool)>,
}

/// Resolves revisions and ranges in every spelling that gitrevisions(7) knows.
///
/// # Errors
/// [`Kind::BadRevision`] naming the one that git doesn't know.
pub async fn rev_parse(repository: &Repository, revisions: &[OsString]) -> anyhow::Result<Revisions> {
    // One that looks like an option would be taken for one: git has no revision that begins with a dash.
    if let Some(option) = revisions.iter().find(|word| word.as_bytes().starts_with(b"-")) {
        return Err(bad_revision(option, ""));
    }
    let mut args: Vec<OsString> = vec!["rev-parse".into()];
    args.extend(revisions.iter().cloned());
    // With `--` behind, git never takes a word for a path.
    args.push("--".into());
    let output = run(repository, &args).await?;
    if !output.success {
        for revision in revisions {
            let alone = run(repository, &["rev-parse".into(), revision.clone(), "--".into()]).await?;
            if !alone.success {
                return Err(bad_revision(revision, alone.last_words()));
            }
        }
        return Err(Kind::Git.error(format!("git rev-parse failed: {}", output.last_words())));
    }
    let mut tips = Vec::new();
    for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && *line != b"--") {
        let (excluded, hex) = line.strip_prefix(b"^").map_or((false, line), |hex| (true, hex));
        let said = || Kind::Git.error(format!("git rev-parse gave '{}', not an id", String::from_utf8_lossy(line)));
        tips.push((Oid::from_hex(hex).ok_or_else(said)?, excluded));
    }
    Ok(Revisions { tips })
}

/// What the `git` on PATH says of its version within `limit`: `2.47.3`, or more words where its builder has added some.
///
/// # Errors
/// [`Kind::Git`] if there is none, or it says nothing of the kind; [`Kind::Timeout`].
pub async fn version(limit: Duration) -> anyhow::Result<String> {
    let output = run_with(Program::default().command(), &["version".into()], &[], limit).await?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match said.strip_prefix("git version ") {
        Some(version) if output.success => Ok(version.to_owned()),
        _ => Err(Kind::Git.error(format!("'git version' says no version: {said}{}", output.last_words()))),
    }
}

/// Asks git whether it would work in a repository that somebody else owns, or a bare one that it has only come across:
/// `safe.directory` and `safe.bareRepository` are configuration that only counts where the repository itself can't have set it.
/// Costs nothing where neither is in question.
///
/// # Errors
/// [`Kind::RepoOpen`] if git refuses.
pub async fn check_safe(repository: &Repository) -> anyhow::Result<()> {
    if repository.trusted && !repository.doubtful {
        return Ok(());
    }
    let mut command = Program::default().command();
    // One that is told where the repository is takes it as it is.
    command.current_dir(&repository.dir);
    if repository.alone {
        forget_repository(&mut command);
    }
    let output =
        run_with(reading(command), &["rev-parse".into(), "--git-dir".into()], &[], repository.git_limit()).await?;
    if output.success {
        return Ok(());
    }
    let why = output.last_words().trim_start_matches("fatal: ").to_owned();
    if why.contains("safe.bareRepository") {
        let place = repository.git_dir.display();
        return Err(
            Kind::RepoOpen.hinted(why, format!("if it can be trusted, name it: git --git-dir={place} bhfuil …"))
        );
    }
    let place = repository.work_tree.as_ref().unwrap_or(&repository.git_dir);
    let advice = output.stderr.lines().map(str::trim).find(|line| line.starts_with("git config --global --add"));
    let advice =
        advice.map_or_else(|| format!("git config --global --add safe.directory {}", place.display()), str::to_owned);
    Err(Kind::RepoOpen.hinted(why, format!("if its owner can be trusted: {advice}")))
}

fn bad_revision(revision: &OsStr, words: &str) -> anyhow::Error {
    let name = String::from_utf8_lossy(revision.as_bytes());
    let why = words.strip_prefix("fatal: ").filter(|words| words.contains("ambiguous") && words.contains("short"));
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    Kind::BadRevision.hinted(
        format!("'{name}' is not a revision or range here{why}"),
        "git rev-parse <name> must know it; paths stand after --",
    )
}

/// The seconds since 1970 that git understands by the date `text` (`2 weeks ago`, `2024-01-01`).
///
/// # Errors
/// If git fails. git takes any text for some date, and so does this.
pub async fn date(repository: &Repository, text: &str) -> anyhow::Result<u64> {
    let output = run(repository, &["rev-parse".into(), format!("--since={text}").into()]).await?;
    let line = String::from_utf8_lossy(&output.stdout);
    line.trim()
        .strip_prefix("--max-age=")
        .and_then(|seconds| seconds.parse().ok())
        .ok_or_else(|| Kind::BadValue.error(format!("'{text}' is not a date that git understands")))
}

/// The ids that `git rev-list <options> <revisions> -- <paths>` prints, in its order. The paths are meant from the folder that the
/// repository was found from.
///
/// # Errors
/// If git fails.
pub async fn rev_list(
    repository: &Repository,
    revisions: &[(Oid, bool)],
    options: &[OsString],
    paths: Option<&[OsString]>,
) -> anyhow::Result<Vec<Oid>> {
    let mut args: Vec<OsString> = vec!["rev-list".into(), "--stdin".into()];
    args.extend(options.iter().cloned());
    args.push("--".into());
    args.extend(paths.unwrap_or_default().iter().cloned());
    let mut input = Vec::new();
    for (id, excluded) in revisions {
        input.extend_from_slice(if *excluded { b"^" } else { b"" });
        input.extend_from_slice(id.to_hex().as_bytes());
        input.push(b'\n');
    }
    let output = run_with(git(repository), &args, &input, repository.git_limit()).await?;
    if !output.success {
        return Err(Kind::Git.error(format!("git rev-list failed: {}", output.last_words())));
    }
    Ok(output.stdout.split(|&byte| byte == b'\n').filter_map(Oid::from_hex).collect())
}

/// The content of the file at `path`, from the top of the tree of `commit`; `None` if there is none.
///
/// # Errors
/// If git fails.
pub async fn file_at(repository: &Repository, commit: &Oid, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let name: OsString = format!("{commit}:{path}").into();
    let there = run(repository, &["rev-parse".into(), "--verify".into(), "--quiet".into(), name.clone()]).await?;
    if !there.success {
        return Ok(None);
    }
    let file = run(repository, &["cat-file".into(), "blob".into(), name]).await?;
    if !file.success {
        return Err(Kind::Git.error(format!("reading {path}: {}", file.last_words())));
    }
    Ok(Some(file.stdout))
}

/// How the diffs of two commits differ, as `git range-diff` shows it below its headline: nothing where they are alike. No program that
/// configuration names is run.
///
/// # Errors
/// If git fails.
pub async fn interdiff(repository: &Repository, one: &Oid, other: &Oid) -> anyhow::Result<Vec<u8>> {
    let mut args: Vec<OsString> =
        ["range-diff", "--no-color", "--no-dual-color", "--creation-factor=999"].map(OsString::from).to_vec();
    args.extend([one, other].map(|id| OsString::from(format!("{id}^!"))));
    let mut command = git(repository);
    disarmed(repository).await?.apply(&mut command);
    // Signatures would be checked by the program that gpg.program names.
    command.args(["-c", "log.showSignature=false"]);
    let output = run_with(command, &args, &[], repository.git_limit()).await?;
    if !output.success {
        return Err(Kind::Git.error(format!("git range-diff failed: {}", output.last_words())));
    }
    let rest = output.stdout.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    Ok(output.stdout[rest..].to_vec())
}

/// What configuration names for single files, to be kept from running.
///
/// # Errors
/// If git fails.
pub(super) async fn disarmed(repository: &Repository) -> anyhow::Result<Disarmed> {
    let listing = run(repository, &["config", "--list", "--name-only", "-z"].map(OsString::from)).await?;
    if !listing.success {
        return Err(Kind::Git.error(format!("git config failed: {}", listing.last_words())));
    }
    Ok(Disarmed::of(&listing.stdout))
}

/// The patch-ids of the patches in `text` (`git patch-id --stable`), and the paths that they change, sorted.
///
/// # Errors
/// [`Kind::BadValue`] if git finds no patch in it.
pub async fn read_patch(repository: &Repository, text: &[u8]) -> anyhow::Result<(Vec<Oid>, Vec<Vec<u8>>)> {
    let no_patch = |why: &str| {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        Kind::BadValue.hinted(format!("there is no patch in the input{why}"), "git diff --no-renames writes one")
    };
    if text.is_empty() {
        return Err(no_patch(""));
    }
    let ids = run_with(git(repository), &["patch-id".into(), "--stable".into()], text, repository.git_limit()).await?;
    // In a folder of the work tree git would leave out what lies beside it.
    let mut apply = git(repository);
    apply.current_dir(repository.work_tree.as_ref().unwrap_or(&repository.git_dir));
    let options = ["apply", "--numstat", "-z", "--whitespace=nowarn", "-"].map(OsString::from);
    let names = run_with(apply, &options, text, repository.git_limit()).await?;
    let first_word = |line: &'_ [u8]| Oid::from_hex(line.split(|&byte| byte == b' ').next().unwrap_or_default());
    let ids: Vec<Oid> = ids.stdout.split(|&byte| byte == b'\n').filter_map(first_word).collect();
    let name = |line: &'_ [u8]| line.splitn(3, |&byte| byte == b'\t').nth(2).map(<[u8]>::to_vec);
    let mut paths: Vec<Vec<u8>> = names.stdout.split(|&byte| byte == 0).filter_map(name).collect();
    paths.sort_unstable();
    paths.dedup();
    if ids.is_empty() || paths.is_empty() {
        return Err(no_patch(names.last_words()));
    }
    Ok((ids, paths))
}

/// What git lists of refs, for [`crate::git::refs::RefStore::from_listing`]: the listing, and what `HEAD` says.
///
/// # Errors
/// If git fails.
pub async fn list_refs(repository: &Repository) -> anyhow::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let format = "--format=%(objectname) %(*objectname) %(symref) %(refname)";
    let listing = run(repository, &["for-each-ref".into(), format.into()]).await?;
    if !listing.success {
        return Err(Kind::Git.error(format!("git for-each-ref failed: {}", listing.last_words())));
    }
    let symbolic = run(repository, &["symbolic-ref".into(), "-q".into(), "HEAD".into()]).await?;
    let head = if symbolic.success {
        Some([b"ref: ", symbolic.stdout.trim_ascii_end()].concat())
    } else {
        let detached = run(repository, &["rev-parse".into(), "-q".into(), "--verify".into(), "HEAD".into()]).await?;
        detached.success.then(|| detached.stdout.trim_ascii_end().to_vec())
    };
    Ok((listing.stdout, head))
}

/// What git says of its configuration as it is for the folder `dir`: every value, with its scope and its file, in the order in which
/// later ones win. Files of a repository may be named from the top of its work tree. If `alone`, for the repository that `dir` lies
/// in, whatever the environment names. git may take as long as `limit`.
///
/// # Errors
/// [`Kind::BadValue`] in git's words if it can't read its configuration; [`Kind::Timeout`].
pub async fn config_list(dir: &Path, alone: bool, limit: Duration) -> anyhow::Result<Vec<ConfigValue>> {
    let mut command = Command::new("git");
    command.current_dir(dir);
    if alone {
        forget_repository(&mut command);
    }
    let args = ["config", "--list", "--show-scope", "--show-origin", "-z"].map(OsString::from);
    let output = run_with(reading(command), &args, &[], limit).await?;
    if !output.success {
        return Err(Kind::BadValue.error(output.last_words().trim_start_matches("fatal: ").to_owned()));
    }
    let mut fields = output.stdout.split(|&byte| byte == 0);
    let mut values = Vec::new();
    while let (Some(scope), Some(origin), Some(entry)) = (fields.next(), fields.next(), fields.next()) {
        let scope = match scope {
            b"system" => Scope::System,
            b"global" => Scope::Global,
            b"local" => Scope::Local,
            b"worktree" => Scope::Worktree,
            _ => Scope::Command,
        };
        let file = origin.strip_prefix(b"file:").map(|path| PathBuf::from(argument(path)));
        let (name, value) = match entry.iter().position(|&byte| byte == b'\n') {
            Some(end) => (&entry[..end], Some(entry[end + 1..].to_vec())),
            None => (entry, None),
        };
        values.extend(ConfigValue::named(scope, file, name, value));
    }
    Ok(values)
}

struct Output {
    success: bool,
    stdout: Vec<u8>,
    stderr: String,
}

impl Output {
    /// The line that says what went wrong.
    fn last_words(&self) -> &str {
        last_words(&self.stderr)
    }
}

async fn run(repository: &Repository, args: &[OsString]) -> anyhow::Result<Output> {
    run_with(git(repository), args, &[], repository.git_limit()).await
}

async fn run_with(mut command: Command, args: &[OsString], input: &[u8], limit: Duration) -> anyhow::Result<Output> {
    let operation =
        format!("git {}", args.first().map_or_else(String::new, |verb| verb.to_string_lossy().into_owned()));
    command.args(args);
    let (clock, token) = (Clock::Real, Token::new());
    let deadline = deadline(&clock, limit);
    let bounds = Bounds { clock: &clock, token: &token, deadline: Some(&deadline) };
    let mut stderr = Vec::new();
    let work =
        Work { command, operation: &operation, input, wanted: true, apart: true, grace: Program::default().grace() };
    // To run a git takes much to remember.
    let (status, stdout) = Box::pin(process::run(work, &bounds, &mut |bytes| stderr.extend_from_slice(bytes))).await?;
    Ok(Output { success: status.success(), stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

/// Until when one question is waited for. None of those asked here walks much history, but for path-limited ones.
pub(super) fn deadline(clock: &Clock, limit: Duration) -> Deadline {
    Deadline::after(clock, limit).set_by("bhfuil.timeout.git")
}

/// A git command on `repository`, run in the folder that it was found from: what is meant from there, `HEAD:./file` or a path, is
/// the same for git.
pub(super) fn git(repository: &Repository) -> Command {
    let mut command = Program::default().command();
    command.current_dir(&repository.dir).arg("--git-dir").arg(&repository.git_dir);
    // A program, which git runs wherever it reads the index: for `:file`, say.
    command.args(["-c", "core.fsmonitor=false"]);
    // Told where the repository is, git takes the folder that it runs in for the top of the work tree; with GIT_DIR it would too.
    let top = repository.work_tree.as_ref().filter(|top| repository.dir.starts_with(top));
    let is_found = repository.alone || std::env::var_os("GIT_DIR").is_none();
    if let Some(top) = top.filter(|_| is_found) {
        command.arg("--work-tree").arg(top);
    }
    if repository.alone {
        forget_repository(&mut command);
    }
    reading(command)
}

/// `command` made to read only: no lazy fetch, no optional lock.
fn reading(mut command: Command) -> Command {
    command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_OPTIONAL_LOCKS", "0");
    command
}

/// Bytes as an argument for git.
#[must_use]
pub fn argument(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
