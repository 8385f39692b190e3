//! The list of what a target lacks of a source, and of what an older line has and a newer one lacks.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::sync::Arc;

use bstr::ByteSlice as _;

use super::comparison::{Comparison, Standing};
use super::dismissed::Dismissal;
use super::ends::{self, End};
use super::trial::{Outcome, Trial};
use super::verdicts::{Call, call};
use super::wanted::Labels;
use super::{Found, Options, dismissals, pairs, remark, run, wanted};
use crate::describe::{base64, lossy};
use crate::enrich;
use crate::error::{self, Kind};
use crate::events::Event;
use crate::events::matching::{Apply, Missing, MissingState};
use crate::facts::Oid;
use crate::git::refs::short;
use crate::gitcli;
use crate::graph::{Graph, Position};
use crate::index::Trouble;
use crate::locate::study::{Notice, Study};
use crate::report::{Ending, Strand};
use crate::shutdown::Token;

/// Tells what each of the targets of `options` lacks, or with `gaps` each release line of the next older one.
///
/// # Errors
/// If nothing could be answered: no repository, no such branch, branches with nothing in common, a malformed dismissal.
pub async fn missing(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    run(&options, report, token, "finding what is missing", async |study| {
        let pairs = if options.gaps { neighbours(study, &options)? } else { pairs(study, &options).await? };
        let mut found = Found::default();
        for (source, target) in pairs {
            if study.token().is_cancelled() {
                break;
            }
            found |= tell(study, &options, &source, &target).await?;
        }
        Ok(found)
    })
    .await
}

/// Each release line with the next newer one, the mainline being the newest; or those alone that are named, with the next.
fn neighbours(study: &Study<'_>, options: &Options) -> anyhow::Result<Vec<(End, End)>> {
    use std::os::unix::ffi::OsStrExt as _;
    let lines = ends::of_lines(study);
    let named: Vec<End> =
        options.targets.iter().map(|name| ends::named(study, name.as_bytes())).collect::<Result<_, _>>()?;
    let is_wanted = |end: &End| named.is_empty() || named.iter().any(|one| one.line == end.line);
    let next = lines.windows(2).filter(|pair| is_wanted(&pair[0]));
    let pairs: Vec<(End, End)> = next.map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    if pairs.is_empty() {
        return Err(Kind::BadRevision.hinted(
            "there are no two release lines to compare",
            "bhfuil.stable and bhfuil.mainline say which branches are release lines",
        ));
    }
    Ok(pairs)
}

/// A commit that is to be told.
struct Item<'c> {
    notice: &'c Notice,
    standing: Standing,
    because: String,
}

async fn tell(study: &mut Study<'_>, options: &Options, source: &End, target: &End) -> anyhow::Result<Found> {
    let dismissals = dismissals(study, source).await?;
    let comparison = Comparison::of(study, source, target).await?;
    let within = Bounds::of(study, options, source, target).await?;
    let labels = labels(study, options, &comparison).await?;
    let (graph, repo) = (Arc::clone(study.graph()), study.name().to_owned());
    let items = items(&graph, (&comparison, &labels), options, (source, target), &dismissals, &within);
    let mut trial =
        if options.check { Some(Trial::begin(study.repository(), graph.id(target.tip)).await?) } else { None };
    let mut found = Found { any: false, is_unsure: comparison.is_unsure };
    let mut picks = Vec::new();
    for item in &items {
        if study.token().is_cancelled() {
            break;
        }
        let id = graph.id(item.notice.position);
        let state = state(item.standing);
        let applies = match &mut trial {
            Some(trial) => {
                let parent = graph.parents(item.notice.position).first().map(|&parent| graph.id(parent));
                Some(trial.pick(study.token(), &id, parent).await?)
            }
            None => None,
        };
        let because = match applies {
            Some(Outcome::Empty) => format!("picked, it changes nothing: {} has it already", target.short()),
            _ => item.because.clone(),
        };
        let state = if applies == Some(Outcome::Empty) { MissingState::Unknown } else { state };
        found.any |= state != MissingState::Unknown;
        // What conflicts would hold up those below it, which were tried without it.
        if state != MissingState::Unknown && !matches!(applies, Some(Outcome::Conflict(_))) {
            picks.push(id);
        }
        let because = exact(because, [source, target]);
        let event = event(&repo, &graph, &comparison, target, item.notice, (state, because), applies.as_ref());
        study.report().event(&Event::Missing(event)).await?;
    }
    let picks: Vec<String> = picks.iter().map(Oid::to_hex).collect();
    study.report().picks(&target.short(), &picks).await?;
    if items.is_empty() {
        let (asked, source, target) = (asked(options), source.short(), target.short());
        remark(study, &format!("nothing{asked} is to be picked from {source} to {target}"));
    }
    Ok(found)
}

/// What was asked for, in a few words, unless it was all.
fn asked(options: &Options) -> &'static str {
    let is_all = !(options.requested || options.security || options.fixes)
        && options.since.is_none()
        && options.paths.is_empty();
    if is_all { "" } else { " of that kind" }
}

/// The labels, as far as they are kept, that may be wishes: of the issues that the commits of `comparison` name, if anybody asks.
async fn labels(study: &mut Study<'_>, options: &Options, comparison: &Comparison) -> anyhow::Result<Labels> {
    let settings = study.settings();
    let Some(folder) =
        options.cache_folder.clone().filter(|_| options.requested && !settings.request_patterns.is_empty())
    else {
        return Ok(Labels::default());
    };
    let patterns = settings.patterns()?;
    let issues: BTreeSet<_> = comparison.commits.iter().flat_map(|notice| notice.issues.iter().cloned()).collect();
    match enrich::kept_labels(options.sought.clone(), issues.into_iter().collect(), folder).await {
        Ok(labels) => Ok(Labels::of(labels, &patterns)),
        Err(cause) => {
            let message = format!("what labels wish for isn't known: {}", error::message_of(&cause));
            let hint = error::hint_of(&cause).map(str::to_owned);
            study.warn(&Trouble { code: "labels-unknown", message, hint }).await?;
            Ok(Labels::default())
        }
    }
}

/// What is told, in order.
fn items<'c>(
    graph: &Graph,
    (comparison, labels): (&'c Comparison, &Labels),
    options: &Options,
    (source, target): (&End, &End),
    dismissals: &[Dismissal],
    within: &Bounds,
) -> Vec<Item<'c>> {
    let listed = comparison.commits.iter().filter(|notice| within.has(graph, notice.position));
    let items = listed.filter_map(|notice| match call(graph, comparison, notice, target, dismissals) {
        Call::Missing(standing) => {
            let why = why_wanted((comparison, labels), notice, target, options)?;
            Some(Item { notice, standing, because: because(graph, standing, why, source, target) })
        }
        Call::Nothing | Call::NotApplicable | Call::Dismissed(_) => None,
    });
    items.collect()
}

/// Why a commit is on the list beside that the source has it; `None` if it isn't what was asked for, `Some(None)` if all was.
#[expect(clippy::option_option, reason = "whether it is listed, and whether there is more to say of it")]
fn why_wanted(
    (comparison, labels): (&Comparison, &Labels),
    notice: &Notice,
    target: &End,
    options: &Options,
) -> Option<Option<String>> {
    let mut why = None;
    if options.requested {
        why = Some(wanted::request(notice, labels, target.line.as_ref())?);
    }
    if options.security {
        let security = wanted::security(notice)?;
        why.get_or_insert(security);
    }
    if options.fixes {
        let culprit = notice.fixes.iter().chain(&notice.reverts).find(|culprit| comparison.target_has(culprit))?;
        why.get_or_insert_with(|| format!("mends {}, which {} has", culprit.text, target.short()));
    }
    Some(why)
}

fn because(graph: &Graph, standing: Standing, why: Option<String>, source: &End, target: &End) -> String {
    let id = |commit: Position| graph.id(commit).to_hex();
    let standing = match standing {
        Standing::Reverted(by) => Some(format!("{} took it back", id(by))),
        Standing::SamePatch(with) => Some(format!("{} has the same patch-id, and nothing else agrees", id(with))),
        Standing::InPart(by) => Some(format!("{} has a part of it, {}", target.short(), id(by))),
        _ => None,
    };
    match (standing, why) {
        (Some(standing), Some(why)) => format!("{standing}; {why}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => format!("{} has it", source.short()),
    }
}

/// A text that may name one of `ends`, and its exact bytes in base64 if that name is no text.
fn exact(text: String, ends: [&End; 2]) -> (String, Option<String>) {
    let is_odd = |end: &&End| std::str::from_utf8(&end.name).is_err() && text.contains(&end.short());
    let bytes = ends
        .into_iter()
        .filter(is_odd)
        .fold(text.clone().into_bytes(), |bytes, end| bytes.replace(end.short(), short(&end.name)));
    let exact = (bytes != text.as_bytes()).then(|| base64(&bytes));
    (text, exact)
}

fn state(standing: Standing) -> MissingState {
    match standing {
        Standing::Reverted(_) => MissingState::Reverted,
        Standing::SamePatch(_) | Standing::InPart(_) => MissingState::Unknown,
        _ => MissingState::Missing,
    }
}

fn event<'e>(
    repo: &'e str,
    graph: &Graph,
    comparison: &Comparison,
    target: &'e End,
    notice: &'e Notice,
    (state, (because, because_b64)): (MissingState, (String, Option<String>)),
    applies: Option<&'e Outcome>,
) -> Missing<'e> {
    let (refname, refname_b64) = lossy(&target.name);
    let (short, short_b64) = lossy(short(&target.name));
    let in_conflict = match applies {
        Some(Outcome::Conflict(paths)) => Some(paths),
        _ => None,
    };
    Missing {
        repo: repo.into(),
        change: graph.id(comparison.oldest(notice.position)).to_hex().into(),
        id: graph.id(notice.position).to_hex().into(),
        refname: refname.into(),
        refname_b64: refname_b64.map(Cow::Owned),
        short: short.into(),
        short_b64: short_b64.map(Cow::Owned),
        subject: Some(notice.subject.as_str().into()),
        subject_b64: notice.subject_b64.as_deref().map(Cow::Borrowed),
        state,
        because: because.into(),
        because_b64: because_b64.map(Cow::Owned),
        apply: applies.map(|outcome| match outcome {
            Outcome::Clean | Outcome::Empty => Some(Apply::Clean),
            Outcome::Conflict(_) => Some(Apply::Conflict),
            Outcome::Unknown => None,
        }),
        conflicts: in_conflict.map(|paths| paths.iter().map(|path| lossy(path).0.into()).collect()),
        conflicts_b64: in_conflict
            .filter(|paths| paths.iter().any(|path| std::str::from_utf8(path).is_err()))
            .map(|paths| paths.iter().map(|path| base64(path).into()).collect()),
    }
}

/// What narrows the list by where a commit lies and what it touches.
struct Bounds {
    /// Only these.
    listed: Option<HashSet<Oid>>,
    /// Only what was committed then or later, in seconds since 1970.
    since: Option<u64>,
}

impl Bounds {
    async fn of(study: &Study<'_>, options: &Options, source: &End, target: &End) -> anyhow::Result<Self> {
        let (graph, repository) = (study.graph(), study.repository());
        let mut bounds = Self { listed: None, since: None };
        let mut walk = vec![(graph.id(source.tip), false), (graph.id(target.tip), true)];
        let mut is_walked = !options.paths.is_empty();
        if let Some(since) = &options.since {
            // A name that is both is meant as a revision, as git takes a revision for no date.
            match gitcli::rev_parse(repository, std::slice::from_ref(since)).await {
                Ok(found) if found.tips.len() != 1 || found.tips[0].1 => {
                    return Err(Kind::BadRevision.hinted(
                        format!("'{}' is no single revision", since.to_string_lossy()),
                        "--since takes the revision after which the list begins, or a date",
                    ));
                }
                Ok(found) => {
                    walk.extend(found.tips.into_iter().map(|(id, _)| (id, true)));
                    is_walked = true;
                }
                Err(cause) if error::kind_of(&cause) == Kind::BadRevision => {
                    bounds.since = Some(date(study, since).await?);
                }
                Err(cause) => return Err(cause),
            }
        }
        if is_walked {
            let all: [OsString; 1] = ["--full-history".into()];
            let paths = (!options.paths.is_empty()).then_some(&options.paths[..]);
            let listed = gitcli::rev_list(repository, &walk, if paths.is_some() { &all } else { &[] }, paths).await?;
            bounds.listed = Some(listed.into_iter().collect());
        }
        Ok(bounds)
    }

    fn has(&self, graph: &Graph, commit: Position) -> bool {
        self.since.is_none_or(|since| graph.time(commit) >= since)
            && self.listed.as_ref().is_none_or(|listed| listed.contains(&graph.id(commit)))
    }
}

/// The time that git understands by `text`. It takes any text for some date; one without a digit or a word of its own for dates is a
/// mistyped revision.
async fn date(study: &Study<'_>, text: &OsString) -> anyhow::Result<u64> {
    const WORDS: [&str; 12] =
        ["yesterday", "noon", "midnight", "tea", "now", "today", "last", "ago", "never", "week", "month", "year"];
    let shown = text.to_string_lossy().to_lowercase();
    let is_date =
        shown.contains(|letter: char| letter.is_ascii_digit()) || WORDS.iter().any(|word| shown.contains(word));
    if !is_date {
        return Err(Kind::BadRevision.hinted(
            format!("'{}' is neither a revision here nor a date", text.to_string_lossy()),
            "--since takes a revision, or a date as git log does: 2024-01-31, '2 weeks ago'",
        ));
    }
    gitcli::date(study.repository(), &shown).await
}
