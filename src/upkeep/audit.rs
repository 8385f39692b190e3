//! Whether a cache says what git says. git is asked, the program itself and the objects; checksums are not believed: they only tell that
//! what is read is what was written.
//!
//! The graph is compared commit by commit as `git rev-list` tells it, every text by its hash. What takes a diff, or reading a message
//! again, is compared for a sample unless all is asked for. History that is bent (shallow, grafted, replaced) is compared as git bends it;
//! a cache that was made before it was bent so is of no use to anybody, and is not compared.

use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::cache::checks::{Sums, Text, Whole, sum_of_keys, sum_of_words};
use crate::cache::database::is_damaged;
use crate::cache::words::Rule;
use crate::cache::{Cache, digest};
use crate::config::Settings;
use crate::error::{Kind, kind_of, message_of};
use crate::facts::Oid;
use crate::facts::commit::RawCommit;
use crate::facts::oid::SHA1_LEN;
use crate::facts::patterns::Patterns;
use crate::facts::text::CommitText;
use crate::facts::words::{RULES, index_text};
use crate::git::refs::RefStore;
use crate::git::state::Overlay;
use crate::git::{Handle, Repository};
use crate::gitcli::witness::{self, Span, Told};
use crate::gitcli::{check_safe, list_refs};
use crate::graph::{Graph, Position};
use crate::locate::keys_of;
use crate::matching::keys::rules;
use crate::shutdown::Token;

use super::{Kept, Sought};

mod diffs;

/// Commits of a sample.
const SAMPLE: usize = 200;
/// Commits that are asked about at once where they are named one by one.
const NAMED: usize = 10_000;
/// Findings of one kind that are told one by one; the rest is counted.
const MOST_FINDINGS: usize = 10;

/// What is compared, and with what.
#[derive(Debug)]
pub struct Audit<'a> {
    /// The repository.
    pub sought: Sought,
    /// All commits where otherwise a sample is taken.
    pub full: bool,
    /// Chooses the sample: with the same number the same commits.
    pub seed: u64,
    /// Ends it early.
    pub token: &'a Token,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// What is wrong, for people.
    pub findings: Vec<String>,
    /// Why a part was not compared.
    pub skipped: Vec<String>,
    /// Commits whose parents and times were compared.
    pub commits: usize,
    /// Texts whose hash was computed.
    pub texts: usize,
    /// Patch-ids that git was asked for.
    pub patch_ids: usize,
    /// Commits whose changed paths git was asked for.
    pub changes: usize,
    /// Commits whose keys and words were made again.
    pub indexed: usize,
}

impl Audited {
    /// That a part of the cache is so damaged that it can't be read is a finding. What git fails at can't be compared.
    fn noting(&mut self, what: &str, read: anyhow::Result<()>) -> anyhow::Result<()> {
        match read {
            Err(cause) if is_damaged(&cause) => {
                self.findings.push(format!("its {what} are damaged: {}", message_of(&cause)));
                Ok(())
            }
            // It can't say what a commit changed of which something is missing or damaged.
            Err(cause) if kind_of(&cause) == Kind::Git => {
                self.skipped.push(format!("{what}: {}", message_of(&cause)));
                Ok(())
            }
            other => other,
        }
    }
}

/// Findings of one kind.
struct Kindred<'a> {
    audited: &'a mut Audited,
    count: usize,
    many: &'static str,
}

impl<'a> Kindred<'a> {
    fn new(audited: &'a mut Audited, many: &'static str) -> Self {
        Self { audited, count: 0, many }
    }

    fn add(&mut self, finding: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= MOST_FINDINGS {
            self.audited.findings.push(finding());
        }
    }
}

impl Drop for Kindred<'_> {
    fn drop(&mut self) {
        if self.count > MOST_FINDINGS {
            self.audited.findings.push(format!("{} more {}", self.count - MOST_FINDINGS, self.many));
        }
    }
}

/// The repository that is asked.
struct Witness {
    repository: Arc<Repository>,
    overlay: Overlay,
    /// The digest of the refs as git lists them.
    digest: i64,
    settings: Settings,
    patterns: Arc<Patterns>,
}

impl Audit<'_> {
    /// Compares `kept` with git.
    ///
    /// # Errors
    /// If the repository can't be asked, or the cache was made anew meanwhile. What is wrong in the cache is no error.
    pub async fn run(&self, kept: &Kept) -> anyhow::Result<Audited> {
        let mut audited = Audited::default();
        let witness = self.witness().await?;
        let Some((cache, whole)) = self.open(kept, &witness, &mut audited).await? else { return Ok(audited) };
        let (cache, whole) = (&cache, Arc::new(whole));
        if whole.overlay != witness.overlay.fingerprint() {
            audited.skipped.push("history has been bent in another way since: the next run makes it anew".to_owned());
            return Ok(audited);
        }
        let tips = self.refs(&whole, &witness, &mut audited).await?;
        self.history(&whole, &tips, &witness, &mut audited).await?;
        let read = self.texts(cache, &whole, &witness, &mut audited).await;
        audited.noting("texts", read)?;
        let read = self.patch_ids(cache, &witness, &mut audited).await;
        audited.noting("patch-ids", read)?;
        let read = self.changes(cache, &whole, &witness, &mut audited).await;
        audited.noting("changed paths", read)?;
        let read = self.indexes(cache, &whole, &witness, &mut audited).await;
        audited.noting("indexes", read)?;
        let (cache, held) = (cache.clone(), Arc::clone(&whole));
        if !smol::unblock(move || cache.still_holds(&held)).await? {
            return Err(Kind::Cache.hinted("the cache was made anew while it was looked at", "ask again"));
        }
        Ok(audited)
    }

    async fn witness(&self) -> anyhow::Result<Witness> {
        let repository = Arc::new(Repository::find(&self.sought)?);
        check_safe(&repository).await?;
        let settings = Settings::read(&repository).await?;
        let patterns = Arc::new(settings.patterns()?);
        let (listing, head) = list_refs(&repository).await?;
        let refs = RefStore::from_listing(&listing, head.as_deref());
        let overlay = Overlay::read(&repository, &repository.handle(), &refs)?;
        let digest = digest(refs.usual_ids().map(|(name, id)| (name, *id)));
        Ok(Witness { repository, overlay, digest, settings, patterns })
    }

    /// Opens the cache and reads what it holds; `None` if that can't be done, which is a finding.
    async fn open(
        &self,
        kept: &Kept,
        witness: &Witness,
        audited: &mut Audited,
    ) -> anyhow::Result<Option<(Cache, Whole)>> {
        let path = kept.file.path.clone();
        let opened = smol::unblock(move || {
            let Some(cache) = Cache::open_as_it_is(&path)? else { return Ok(None) };
            let complaints = cache.complaints()?;
            let whole = cache.whole();
            anyhow::Ok(Some((cache, complaints, whole)))
        });
        let (cache, complaints, whole) = match opened.await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(None),
            Err(cause) if is_damaged(&cause) => {
                audited.findings.push(format!("it is damaged: {}", message_of(&cause)));
                return Ok(None);
            }
            Err(cause) => return Err(cause),
        };
        audited.findings.extend(complaints.into_iter().map(|complaint| format!("SQLite says: {complaint}")));
        match &kept.common_dir {
            // Whoever makes one says a moment later what it is about.
            None => audited.skipped.push("it has only just been begun".to_owned()),
            Some(dir) if *dir != witness.repository.common_dir => {
                audited.findings.push(format!("it says that it is about {}", dir.display()));
            }
            Some(_) => {}
        }
        match whole {
            Ok(whole) => Ok(Some((cache, whole))),
            Err(cause) if is_damaged(&cause) => {
                audited.findings.push(format!("its graph is damaged: {}", message_of(&cause)));
                Ok(None)
            }
            Err(cause) => Err(cause),
        }
    }

    /// Compares the refs with git, and returns the commits behind them as git has them.
    async fn refs(&self, whole: &Whole, witness: &Witness, audited: &mut Audited) -> anyhow::Result<Vec<Oid>> {
        let Some(known) = whole.digest else {
            audited.skipped.push("no pass over history has ended yet".to_owned());
            return Ok(Vec::new());
        };
        if !whole.agrees {
            audited.findings.push("its refs are not those of its last pass".to_owned());
        }
        let stand = known == witness.digest;
        if !stand {
            let why = "refs have moved since its last pass: compared with those of then, as far as git still has them";
            audited.skipped.push(why.to_owned());
        }
        let ids: Vec<Oid> = whole.refs.iter().map(|(_, id, _)| *id).collect();
        let peeled = witness::peel(&witness.repository, &ids, self.token).await?;
        let mut wrong = Kindred::new(audited, "refs");
        for ((name, _, kept), said) in whole.refs.iter().zip(&peeled) {
            // What a ref led to before it moved may be gone.
            if kept != said && (stand || said.is_some()) {
                let name = String::from_utf8_lossy(name);
                wrong.add(|| format!("{name} leads to {}, by the cache to {}", hex(said.as_ref()), hex(kept.as_ref())));
            }
        }
        let mut tips: Vec<Oid> = peeled.into_iter().flatten().collect();
        tips.sort_unstable();
        tips.dedup();
        Ok(tips)
    }

    /// Compares parents and times of all commits, and what the refs reach.
    async fn history(
        &self,
        whole: &Arc<Whole>,
        tips: &[Oid],
        witness: &Witness,
        audited: &mut Audited,
    ) -> anyhow::Result<()> {
        let graph = &whole.graph;
        let mut seen = vec![false; graph.len()];
        let mut commits = 0;
        {
            let mut wrong = Kindred::new(audited, "commits differ from git's");
            let mut meet = |told: Told| {
                commits += 1;
                match compare(graph, &told) {
                    Ok(position) => seen[position as usize] = true,
                    Err(why) => wrong.add(|| why),
                }
            };
            witness::commits(&witness.repository, tips, Span::Reached, self.token, &mut meet).await?;
        }
        let known: Vec<Position> = tips.iter().filter_map(|tip| graph.position(tip)).collect();
        let reached = graph.reachable(known);
        let rest: Vec<Position> = (0..).zip(&seen).filter(|(_, seen)| !**seen).map(|(position, _)| position).collect();
        {
            let mut extra = Kindred::new(audited, "commits are reached by the cache alone");
            for &position in rest.iter().filter(|&&position| reached.contains(position)) {
                extra.add(|| format!("the refs reach {} by the cache, not by git", graph.id(position)));
            }
        }
        // No ref reaches these any more. One may again.
        let mut wrong = Kindred::new(audited, "commits differ from git's");
        for chunk in rest.chunks(NAMED) {
            let ids: Vec<Oid> = chunk.iter().map(|&position| graph.id(position)).collect();
            let mut meet = |told: Told| {
                commits += 1;
                if let Err(why) = compare(graph, &told) {
                    wrong.add(|| why);
                }
            };
            witness::commits(&witness.repository, &ids, Span::Named, self.token, &mut meet).await?;
        }
        drop(wrong);
        audited.commits = commits;
        Ok(())
    }

    /// Hashes every text.
    async fn texts(
        &self,
        cache: &Cache,
        whole: &Arc<Whole>,
        witness: &Witness,
        audited: &mut Audited,
    ) -> anyhow::Result<()> {
        let (cache, whole, token) = (cache.clone(), Arc::clone(whole), self.token.clone());
        let replaced = witness.overlay.replaced.clone();
        let mut own = std::mem::take(audited);
        let (own, read) = smol::unblock(move || {
            let mut texts = 0;
            let mut wrong = Kindred::new(&mut own, "texts are wrong");
            let read = cache.each_text(&whole.graph, |_, id, text| {
                texts += 1;
                match text {
                    Text::Kept(bytes) if hash(bytes, id) == Some(replacement(*id, &replaced)) => {}
                    Text::Kept(_) => wrong.add(|| format!("the text that is kept of {id} is not that of {id}")),
                    Text::Unusable => wrong.add(|| format!("no text of {id} is where one should be kept")),
                }
                !token.is_cancelled()
            });
            drop(wrong);
            own.texts = texts;
            (own, read)
        })
        .await;
        *audited = own;
        read
    }

    /// Makes keys and words of a sample again and compares them with what the indexes have.
    async fn indexes(
        &self,
        cache: &Cache,
        whole: &Arc<Whole>,
        witness: &Witness,
        audited: &mut Audited,
    ) -> anyhow::Result<()> {
        let positions = self.sample(whole.graph.len());
        let (cache, whole, token) = (cache.clone(), Arc::clone(whole), self.token.clone());
        let filed_by = rules(&witness.settings.jira_projects);
        let (repository, patterns) = (Arc::clone(&witness.repository), Arc::clone(&witness.patterns));
        let mut own = std::mem::take(audited);
        let (own, compared) = smol::unblock(move || {
            let rule = Rule { rules: RULES, overlay: whole.overlay };
            let compared = (|| {
                let keys = cache.filed_sums(filed_by, &whole.graph)?;
                let words = cache.worded_sums(rule, &whole.graph)?;
                let maker = Maker { graph: &whole.graph, handle: repository.handle(), patterns: &patterns };
                maker.compare(&positions, keys.as_ref(), words.as_ref(), &token, &mut own);
                anyhow::Ok(())
            })();
            (own, compared)
        })
        .await;
        *audited = own;
        compared
    }

    /// The positions of a sample of so many commits, ascending.
    fn sample(&self, count: usize) -> Vec<Position> {
        let step = if self.full { 1 } else { count.div_ceil(SAMPLE).max(1) };
        let first = usize::try_from(self.seed % step as u64).unwrap_or(0);
        (first..count).step_by(step).filter_map(|position| Position::try_from(position).ok()).collect()
    }
}

/// Makes of a commit's message what the indexes should have of it.
struct Maker<'a> {
    graph: &'a Graph,
    handle: Handle,
    patterns: &'a Arc<Patterns>,
}

impl Maker<'_> {
    fn compare(
        &self,
        positions: &[Position],
        keys: Option<&Sums>,
        words: Option<&Sums>,
        token: &Token,
        audited: &mut Audited,
    ) {
        for (name, sums) in [("keys", keys), ("words", words)] {
            if let Some(strays) = sums.map(|sums| sums.strays).filter(|&strays| strays > 0) {
                audited.findings.push(format!("the index of {name} has {strays} entries of no commit"));
            }
        }
        let mut indexed = 0;
        let mut wrong = Kindred::new(audited, "commits are indexed wrongly");
        for &position in positions {
            if token.is_cancelled() || (keys.is_none() && words.is_none()) {
                break;
            }
            let id = self.graph.id(position);
            let Some((own_keys, own_words)) = self.sums(&id) else { continue };
            for (name, sums, own) in [("keys", keys, own_keys), ("words", words, own_words)] {
                let known = sums.and_then(|sums| sums.of.get(position as usize));
                if known.is_some_and(|&known| known != own) {
                    wrong.add(|| format!("{id} is indexed by other {name} than it has"));
                }
            }
            indexed += 1;
        }
        drop(wrong);
        audited.indexed = indexed;
    }

    /// Of keys, and of words. A commit that can't be read, or not any more, may have had any.
    fn sums(&self, id: &Oid) -> Option<(u64, u64)> {
        let mut buffer = Vec::new();
        let raw = self.handle.commit(id, &mut buffer).ok()?;
        let keys = keys_of(self.patterns, id, raw).map_or(0, |keys| sum_of_keys(&keys));
        let words = RawCommit::parse(raw, id.as_bytes().len())
            .map_or(0, |commit| sum_of_words(&index_text(&CommitText::decode(&commit).message.text)));
        Some((keys, words))
    }
}

/// Where the graph has the commit that git tells, if it says the same of it.
fn compare(graph: &Graph, told: &Told) -> Result<Position, String> {
    let Some(position) = graph.position(&told.id) else { return Err(format!("git has {}, the cache hasn't", told.id)) };
    if graph.time(position) != told.time {
        return Err(format!("{} is of {}, by the cache of {}", told.id, told.time, graph.time(position)));
    }
    let parents = graph.parents(position).iter().map(|&parent| graph.id(parent));
    if !parents.eq(told.parents.iter().copied()) {
        return Err(format!("{} has other parents than by the cache", told.id));
    }
    Ok(position)
}

/// What stands for `id` (git-replace(1)), itself or the end of a chain.
fn replacement(id: Oid, replaced: &[(Oid, Oid)]) -> Oid {
    let next = |id: &Oid| replaced.binary_search_by(|(of, _)| of.cmp(id)).ok().map(|at| replaced[at].1);
    let mut end = id;
    // git follows as many.
    for _ in 0..5 {
        match next(&end) {
            Some(other) => end = other,
            None => break,
        }
    }
    end
}

/// The id of a commit object with these bytes, by the hash function of `like`.
fn hash(bytes: &[u8], like: &Oid) -> Option<Oid> {
    let header = format!("commit {}\0", bytes.len());
    if like.as_bytes().len() == SHA1_LEN {
        Oid::from_bytes(&Sha1::new().chain_update(header).chain_update(bytes).finalize())
    } else {
        Oid::from_bytes(&Sha256::new().chain_update(header).chain_update(bytes).finalize())
    }
}

fn hex(id: Option<&Oid>) -> String {
    id.map_or_else(|| "none".to_owned(), ToString::to_string)
}
