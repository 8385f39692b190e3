//! `git merge-tree`: whether commits would apply, with what it makes kept in a folder that is removed afterwards. The repository is only
//! read: no object, no ref, no work tree is written, and nothing is fetched. No program that configuration names is run: a path of which
//! both sides have changed the content and that has a merge driver of its own is in conflict.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::disarm::Disarmed;
use super::failure::last_words;
use super::process::{self, Work};
use super::program::{Bounds, Program};
use super::questions::{deadline, disarmed, git};
use crate::clock::Clock;
use crate::error::Kind;
use crate::facts::Oid;
use crate::git::Repository;
use crate::shutdown::Token;

/// What a merge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The tree that it makes.
    Clean(Oid),
    /// The paths in conflict.
    Conflict(Vec<Vec<u8>>),
    /// git could not try it: an object is missing, say.
    Failed,
}

/// A folder for what merges make, beside the objects of a repository.
#[derive(Debug)]
pub struct MergeTree {
    repository: Arc<Repository>,
    objects: TempDir,
    alternates: OsString,
    disarmed: Disarmed,
}

impl MergeTree {
    /// Makes the folder.
    ///
    /// # Errors
    /// If it can't be made, or git doesn't say where the repository's objects lie.
    pub async fn begin(repository: &Arc<Repository>) -> anyhow::Result<Self> {
        let objects = smol::unblock(|| tempfile::Builder::new().prefix("git-bhfuil-").tempdir()).await;
        let objects = objects.map_err(|cause| Kind::Io.wrap(cause, "making a folder for temporary objects"))?;
        let question = ["rev-parse", "--path-format=absolute", "--git-path", "objects"].map(OsString::from);
        let (success, stdout, said) =
            run(git(repository), &question, ("git rev-parse", repository.git_limit()), &Token::new()).await?;
        if !success {
            return Err(Kind::Git.error(format!("git rev-parse failed: {}", last_words(&said))));
        }
        let own = OsString::from_vec(stdout.trim_ascii_end().to_vec());
        // Those that the environment names already go on.
        let mut alternates = quoted(&own);
        if let Some(more) = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES").filter(|more| !more.is_empty()) {
            alternates.push(":");
            alternates.push(more);
        }
        let disarmed = disarmed(repository).await?;
        Ok(Self { repository: Arc::clone(repository), objects, alternates, disarmed })
    }

    fn git(&self) -> Command {
        let mut command = git(&self.repository);
        command
            .env("GIT_OBJECT_DIRECTORY", self.objects.path())
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.alternates);
        command
    }

    /// An operation, and how long it may take (`bhfuil.timeout.git`): each alone, however many there are.
    fn named(&self, operation: &'static str) -> (&'static str, Duration) {
        (operation, self.repository.git_limit())
    }

    /// The tree of `commit`.
    ///
    /// # Errors
    /// If git fails.
    pub async fn tree_of(&self, commit: &Oid) -> anyhow::Result<Oid> {
        let question = ["rev-parse".into(), "--verify".into(), format!("{commit}^{{tree}}").into()];
        let (_, stdout, said) = run(self.git(), &question, self.named("git rev-parse"), &Token::new()).await?;
        let tree = Oid::from_hex(stdout.trim_ascii_end());
        tree.ok_or_else(|| Kind::Git.error(format!("git rev-parse failed: {}", last_words(&said))))
    }

    /// What `tree` is with what `commit` changes against `parent`, or against nothing: as `git cherry-pick` merges it.
    ///
    /// # Errors
    /// If git can't be run, takes too long, or is too old: `git merge-tree` takes trees since 2.45.
    pub async fn merge(&self, token: &Token, parent: Option<&Oid>, tree: &Oid, commit: &Oid) -> anyhow::Result<Merged> {
        let base = match parent {
            Some(parent) => parent.to_hex(),
            None => self.empty_tree().await?.to_hex(),
        };
        let options = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"];
        let mut question: Vec<OsString> = options.map(OsString::from).to_vec();
        question.push(format!("--merge-base={base}").into());
        question.extend([tree.to_hex().into(), commit.to_hex().into()]);
        let mut command = self.git();
        self.disarmed.apply(&mut command);
        // The attributes of the branch, which would be checked out, and not of what is.
        command.arg(format!("--attr-source={tree}"));
        let (_, stdout, said) = run(command, &question, self.named("git merge-tree"), token).await?;
        let mut fields = stdout.split(|&byte| byte == 0);
        let Some(merged) = fields.next().and_then(Oid::from_hex) else {
            if said.contains("usage:") || said.contains("could not parse as tree") || said.contains("is not a commit") {
                let hint = "git 2.45 or newer is needed to find out whether commits apply";
                return Err(Kind::Git.hinted(format!("git merge-tree failed: {}", last_words(&said)), hint));
            }
            return Ok(Merged::Failed);
        };
        let paths: Vec<Vec<u8>> = fields.filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
        Ok(if paths.is_empty() { Merged::Clean(merged) } else { Merged::Conflict(paths) })
    }

    async fn empty_tree(&self) -> anyhow::Result<Oid> {
        let (_, stdout, said) = run(self.git(), &["mktree".into()], self.named("git mktree"), &Token::new()).await?;
        let tree = Oid::from_hex(stdout.trim_ascii_end());
        tree.ok_or_else(|| Kind::Git.error(format!("git mktree failed: {}", last_words(&said))))
    }
}

/// A path as a list of object directories has it: in quotes where a colon would end it.
fn quoted(path: &OsString) -> OsString {
    let bytes = path.as_bytes();
    if !bytes.starts_with(b"\"") && !bytes.contains(&b':') {
        return path.clone();
    }
    let mut quoted = vec![b'"'];
    for &byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

/// Whether it succeeded, what it wrote, and what it said besides.
async fn run(
    mut command: Command,
    args: &[OsString],
    (operation, limit): (&str, Duration),
    token: &Token,
) -> anyhow::Result<(bool, Vec<u8>, String)> {
    command.args(args);
    let clock = Clock::Real;
    let deadline = deadline(&clock, limit);
    let bounds = Bounds { clock: &clock, token, deadline: Some(&deadline) };
    let mut stderr = Vec::new();
    let work = Work { command, operation, input: b"", wanted: true, apart: true, grace: Program::default().grace() };
    let (status, stdout) = process::run(work, &bounds, &mut |bytes| stderr.extend_from_slice(bytes)).await?;
    Ok((status.success(), stdout, String::from_utf8_lossy(&stderr).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_in_a_path_does_not_end_it() {
        for (path, expected) in [("/a b", "/a b"), ("/a:b", "\"/a:b\""), ("/a:\"b\\", "\"/a:\\\"b\\\\\"")] {
            assert_eq!(quoted(&path.into()), expected);
        }
    }
}
