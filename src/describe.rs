//! One commit as the wire has it: reads the facts of its bytes, resolves the ids that it names, and fills in the event. What
//! `scan` streams and `where` shows of a commit is made here, on a worker. Owns no I/O but lookups through the handle it is lent.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use regex::Regex;

use crate::events::commit::{ChangedPath, Commit, IssueRef, Origin, PathStatus, Person, Relation, Request, Trailer};
use crate::events::matching::Presence;
use crate::facts::Oid;
use crate::facts::changes::{Change, Status, decode};
use crate::facts::commit::RawCommit;
use crate::facts::date::Moment;
use crate::facts::identity::Identity;
use crate::facts::oid::OidMap;
use crate::facts::patterns::Patterns;
use crate::facts::references::References;
use crate::facts::text::{CommitText, Text};
use crate::facts::trailers::{exact_values, trailers};
use crate::git::mailmap::Mailmap;
use crate::git::patch::Patches;
use crate::git::state::Overlay;
use crate::git::{Handle, ObjectError};

/// What is wanted of each commit, and which commits are wanted.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The repository's name on the wire.
    pub repo: String,
    /// The length of an id in bytes.
    pub hash_len: usize,
    /// Whether objects may be missing by design.
    pub partial: bool,
    /// Parents that differ from those written.
    pub overlay: Arc<Overlay>,
    /// Configured patterns for references and requests.
    pub patterns: Arc<Patterns>,
    /// Maps identities, if asked for.
    pub mailmap: Option<Arc<Mailmap>>,
    /// Whether changed paths are asked for.
    pub paths: bool,
    /// Whether patch-ids are asked for.
    pub patch_id: bool,
    /// Only commits whose `name <email>` of the author matches one of these; all if there are none.
    pub authors: Vec<Regex>,
    /// Only commits whose message matches one of these; all if there are none.
    pub messages: Vec<Regex>,
    /// Who hears of each commit besides.
    pub ear: Option<Ear>,
    /// Who knows some of the repository's commits without a look at its packs.
    pub known: Option<Known>,
}

/// Tells of ids whether they are surely those of commits of the repository.
#[derive(Clone)]
pub struct Known(Arc<dyn Fn(&Oid) -> bool + Send + Sync>);

impl Known {
    /// One that asks `is_known`.
    #[must_use]
    pub fn new(is_known: impl Fn(&Oid) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_known))
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

/// What an [`Ear`] hears of.
#[derive(Debug, Clone, Copy)]
pub enum Told<'t, 'e> {
    /// A commit.
    Commit(&'t Commit<'e>),
    /// What a ref has of a change.
    Presence(&'t Presence<'e>),
    /// What is looked for, as it was typed or stood on standard input.
    Query(&'t str),
}

/// Hears of what is told, on the worker that does it.
#[derive(Clone)]
pub struct Ear(Arc<dyn Fn(Told<'_, '_>) + Send + Sync>);

impl Ear {
    /// One that is told by `hear`.
    #[must_use]
    pub fn new(hear: impl Fn(Told<'_, '_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Lets it hear.
    pub fn hear(&self, told: Told<'_, '_>) {
        (self.0)(told);
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

/// What one worker keeps from one commit to the next.
#[derive(Debug)]
pub struct Desk {
    patches: Patches,
    /// Patch-ids that are known beforehand: `None` for a commit that changes nothing.
    pub known: OidMap<Option<Oid>>,
    /// What was found out by a diff.
    pub found_out: Vec<FoundOut>,
    /// What the commit that was described last changed, if its paths were asked for and had to be found out.
    pub changes: Option<Vec<Change>>,
    /// Facts so far that are `null` since a partial clone doesn't have an object that they need.
    pub absent: usize,
    /// Patch-ids so far that are `null` since a blob is too large to be compared.
    pub huge: usize,
    /// Objects that facts would have needed and that are missing or damaged; the facts are `null`.
    pub broken: Vec<ObjectError>,
}

/// The patch-id of a commit, as a diff gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOut {
    /// The commit.
    pub id: Oid,
    /// Its patch-id; `None` if it changes nothing.
    pub patch_id: Option<Oid>,
    /// Bytes of the largest blob that was compared.
    pub largest: u64,
}

impl Desk {
    /// For the repository behind `handle`.
    #[must_use]
    pub fn new(handle: &Handle) -> Self {
        Self {
            patches: Patches::new(handle),
            known: OidMap::default(),
            found_out: Vec::new(),
            changes: None,
            absent: 0,
            huge: 0,
            broken: Vec::new(),
        }
    }

    /// Takes down which tree the commit `id` has, whose bytes are `raw`: another that is described here may be compared with it.
    pub fn know_tree(&mut self, id: &Oid, raw: &[u8]) {
        self.patches.know_tree(id, raw);
    }

    /// Blobs with more bytes than this are not compared.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        self.patches.threshold()
    }
}

impl Wishes {
    /// Whether commits are passed over by what they say.
    #[must_use]
    pub fn filter(&self) -> bool {
        !self.authors.is_empty() || !self.messages.is_empty()
    }

    /// Hands the event of commit `id`, whose bytes are `raw`, to `write`; nothing if a filter passes it over. Returns whether it
    /// was written. What it changed may be `kept`, as [`encode`](crate::facts::changes::encode) has it.
    ///
    /// # Errors
    /// If `raw` is no commit as git understands one.
    pub fn describe(
        &self,
        handle: &Handle,
        id: &Oid,
        raw: &[u8],
        kept: Option<&[u8]>,
        desk: &mut Desk,
        write: impl FnOnce(Commit<'_>),
    ) -> Result<bool, ObjectError> {
        desk.changes = None;
        let commit = RawCommit::parse(raw, self.hash_len).map_err(|why| ObjectError::Corrupt(*id, why.to_string()))?;
        let text = CommitText::decode(&commit);
        let author = Identity::parse(&text.author);
        if !self.wants(&author, &text.message.text) {
            return Ok(false);
        }
        let committer = Identity::parse(&text.committer);
        let (subject, body) = text.message.subject_and_body();
        let trailers = trailers(&text.message.text);
        let mut trailer_bytes = text.message.exact.as_deref().map(exact_values).unwrap_or_default().into_iter();
        let references = References::of(&subject.text, &text.message.text, &trailers, &self.patterns);
        let parents = self.overlay.parents.get(id).unwrap_or(&commit.parents);
        let (author_event, committer_event) = (self.person(&author), self.person(&committer));
        let resolve = |text: &str| {
            let whole =
                Oid::from_hex(text.as_bytes()).filter(|id| self.known.as_ref().is_some_and(|known| (known.0)(id)));
            whole.or_else(|| handle.commit_by_hex(text)).map(|id| Cow::Owned(id.to_hex()))
        };
        let relation =
            |text: &&'_ str| Relation { text: Cow::Owned((*text).to_owned()), text_b64: None, id: resolve(text) };
        let event = Commit {
            repo: Cow::Borrowed(&self.repo),
            id: id.to_hex().into(),
            parents: parents.iter().map(|parent| Cow::Owned(parent.to_hex())).collect(),
            tree: commit.tree.to_hex().into(),
            subject_b64: exact(&subject),
            subject: Cow::Borrowed(&subject.text),
            body_b64: exact(&body),
            body: Cow::Borrowed(&body.text),
            author: author_event,
            committer: committer_event,
            trailers: trailers.iter().map(|found| trailer(found, trailer_bytes.next())).collect(),
            change_id: references.change_id.map(Cow::Borrowed),
            issues: references.issues.iter().map(issue).collect(),
            origins: references
                .origins
                .iter()
                .map(|origin| Origin {
                    kind: origin.kind.as_str().into(),
                    text: Cow::Borrowed(origin.text),
                    text_b64: None,
                    id: resolve(origin.text),
                })
                .collect(),
            reverts: references.reverts.iter().map(relation).collect(),
            relands: references.relands.iter().map(relation).collect(),
            fixes: references.fixes.iter().map(relation).collect(),
            requests: references
                .requests
                .iter()
                .map(|request| Request {
                    kind: request.kind.as_str().into(),
                    text: Cow::Borrowed(&request.text),
                    text_b64: None,
                })
                .collect(),
            patch_id: if self.patch_id { self.patch_id(handle, id, &commit, parents, desk) } else { None },
            // Its own history doesn't say.
            tagged: None,
            paths: self.paths.then(|| self.paths(handle, &commit, parents, kept, desk)),
        };
        if let Some(ear) = &self.ear {
            ear.hear(Told::Commit(&event));
        }
        write(event);
        Ok(true)
    }

    /// A fact, or `None` (`null` on the wire) if an object that it needs can't be read: in a partial clone that is to be expected
    /// and only counted, elsewhere something is broken. The commit itself is streamed all the same.
    fn known<T>(&self, found: Result<T, ObjectError>, desk: &mut Desk) -> Option<T> {
        match found {
            Ok(found) => return Some(found),
            Err(ObjectError::Missing(_)) if self.partial => desk.absent += 1,
            Err(cause) => desk.broken.push(cause),
        }
        None
    }

    fn wants(&self, author: &Identity<'_>, message: &str) -> bool {
        let by_author = || {
            let line = format!("{} <{}>", author.name.text, author.email.text);
            self.authors.iter().any(|pattern| pattern.is_match(&line))
        };
        (self.messages.is_empty() || self.messages.iter().any(|pattern| pattern.is_match(message)))
            && (self.authors.is_empty() || by_author())
    }

    fn person<'a>(&self, identity: &'a Identity<'a>) -> Person<'a> {
        let date = identity.date.rfc3339();
        let mapped = self.mailmap.as_ref().map(|mailmap| mailmap.map(identity.name.bytes(), identity.email.bytes()));
        let (mapped_name, mapped_email) = mapped.unzip();
        let (mapped_name, mapped_name_b64) = mapped_name.map(|name| lossy(&name)).unzip();
        let (mapped_email, mapped_email_b64) = mapped_email.map(|email| lossy(&email)).unzip();
        Person {
            name: Cow::Borrowed(&identity.name.text),
            name_b64: exact(&identity.name),
            email: Cow::Borrowed(&identity.email.text),
            email_b64: exact(&identity.email),
            date_raw: date.is_none().then_some(Cow::Borrowed(identity.date.raw)),
            date: date.map(Cow::Owned),
            mapped_name: mapped_name.map(Cow::Owned),
            mapped_name_b64: mapped_name_b64.flatten().map(Cow::Owned),
            mapped_email: mapped_email.map(Cow::Owned),
            mapped_email_b64: mapped_email_b64.flatten().map(Cow::Owned),
        }
    }

    /// The changed paths as `git log --raw --no-renames` lists them: none for a merge.
    fn paths(
        &self,
        handle: &Handle,
        commit: &RawCommit<'_>,
        parents: &[Oid],
        kept: Option<&[u8]>,
        desk: &mut Desk,
    ) -> Option<Vec<ChangedPath<'static>>> {
        let told = |changes: &[Change]| changes.iter().map(changed_path).collect();
        if let Some(changes) = kept.and_then(|bytes| decode(bytes, self.hash_len)) {
            return Some(told(&changes));
        }
        let found = match parents {
            [] | [_] => desk.patches.take_changes(handle, &commit.tree, parents.first()),
            _ => Ok(Vec::new()),
        };
        desk.changes = self.known(found, desk);
        desk.changes.as_deref().map(told)
    }

    /// What `git patch-id --stable` says; absent for a merge and for a commit that changes nothing.
    #[expect(clippy::option_option, reason = "absent and null are two answers on the wire")]
    fn patch_id(
        &self,
        handle: &Handle,
        id: &Oid,
        commit: &RawCommit<'_>,
        parents: &[Oid],
        desk: &mut Desk,
    ) -> Option<Option<Cow<'static, str>>> {
        if parents.len() > 1 {
            return None;
        }
        if let Some(known) = desk.known.get(id) {
            return known.map(|id| Some(id.to_hex().into()));
        }
        let patch = desk.patches.patch(handle, &commit.tree, parents.first());
        match self.known(patch, desk) {
            None => Some(None),
            Some(patch) if patch.huge => {
                desk.huge += 1;
                Some(None)
            }
            Some(patch) => {
                desk.found_out.push(FoundOut { id: *id, patch_id: patch.id, largest: patch.largest });
                patch.id.map(|id| Some(id.to_hex().into()))
            }
        }
    }
}

/// `bytes` are those of the value, where the message is not UTF-8.
fn trailer<'a>(trailer: &'a crate::facts::trailers::Trailer<'a>, bytes: Option<Vec<u8>>) -> Trailer<'a> {
    let value_b64 = bytes.and_then(|bytes| lossy(&bytes).1).map(Cow::Owned);
    Trailer { key: Cow::Borrowed(trailer.key), value: Cow::Borrowed(&trailer.value), value_b64 }
}

fn issue(issue: &crate::facts::issues::IssueRef) -> IssueRef<'_> {
    IssueRef { kind: issue.kind.as_str().into(), key: Cow::Borrowed(&issue.key) }
}

/// The exact bytes of `text` in base64, if they are not what it says.
pub(crate) fn exact(text: &Text<'_>) -> Option<Cow<'static, str>> {
    text.exact.as_deref().map(|bytes| Cow::Owned(BASE64.encode(bytes)))
}

/// `bytes` as the wire writes them: text, lossy if need be, and then the exact bytes in base64.
#[must_use]
pub fn lossy(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(BASE64.encode(bytes))),
    }
}

/// Bytes in base64, padded, as the wire has them.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// A time in seconds since 1970 as the wire writes it, in UTC; `None` past the year 9999.
#[must_use]
pub fn rfc3339(seconds: u64) -> Option<String> {
    Moment::parse(seconds.to_string().as_bytes(), b"+0000")?.rfc3339()
}

fn changed_path(change: &Change) -> ChangedPath<'static> {
    let (path, path_b64) = lossy(&change.path);
    let side = |entry: &Option<crate::facts::changes::Entry>| match entry {
        Some(entry) => (Some(Cow::Borrowed(entry.mode.octal())), Some(Cow::Owned(entry.oid.to_hex()))),
        None => (None, None),
    };
    let ((old_mode, old_blob), (new_mode, new_blob)) = (side(&change.old), side(&change.new));
    let status = match change.status {
        Status::Added => PathStatus::Added,
        Status::Deleted => PathStatus::Deleted,
        Status::Modified => PathStatus::Modified,
        Status::TypeChanged => PathStatus::TypeChanged,
    };
    ChangedPath {
        status,
        path: path.into(),
        path_b64: path_b64.map(Cow::Owned),
        old_mode,
        new_mode,
        old_blob,
        new_blob,
    }
}
