//! What is told of a record: each thing that it says, and what each branch and tag has.

use std::borrow::Cow;
use std::ops::BitOrAssign;

use super::ground::{CUT_OFF, Ground, Place};
use super::judge::{self, Difference};
use super::record::{Affected, Event as RecordedEvent, GitRange, Kind};
use super::{ALL_RANGES, Options, Source, elsewhere, is_about, remotes};
use crate::clock::{Clock, Deadline};
use crate::describe::lossy;
use crate::error;
use crate::events::Event;
use crate::events::claim::{Claim, ClaimKind, RecordEvent};
use crate::events::matching::{Presence, PresenceHow, PresenceState};
use crate::git::refs::short;
use crate::graph::Position;
use crate::index::Trouble;
use crate::locate::study::{Has, Study};
use crate::report::{AnswerWriter, Ending, FailedPart, Format, Strand};
use crate::shutdown::Token;

/// Names of a list that are said; of the rest how many they are.
const SAID: usize = 8;

/// What was found, for the exit code.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    is_wrong: bool,
    is_unsure: bool,
}

impl BitOrAssign for Found {
    fn bitor_assign(&mut self, other: Self) {
        self.is_wrong |= other.is_wrong;
        self.is_unsure |= other.is_unsure;
    }
}

/// Tells of each record whether what it says of the commits of the repository is so. What isn't is a negative answer. Of several records
/// one that can't be read is told, and the others are looked at.
///
/// # Errors
/// If there is no repository, or no record can be read.
pub async fn verify(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    let stopped = Ending { incomplete: true, ..Ending::default() };
    let whole = async {
        let sources = read(&options, report).await?;
        let Some(mut study) = Study::open(options.search(), report, token).await? else {
            return Ok(Ending { incomplete: true, ..Ending::default() });
        };
        let remotes = if options.all_ranges { None } else { Some(remotes(study.repository())?) };
        let what = format!("verifying records in {}", study.name());
        let deadline = Deadline::within(&Clock::Real, study.settings().missing_timeout)
            .set_by("bhfuil.timeout.missing")
            .bounding(what);
        let work = async {
            let mut found = Found::default();
            for source in &sources {
                if study.token().is_cancelled() {
                    break;
                }
                found |= tell(&mut study, source, remotes.as_deref()).await?;
            }
            Ok::<_, anyhow::Error>(found)
        };
        let Found { is_wrong, is_unsure } = deadline.bound(&Clock::Real, work).await?;
        study.end().await?;
        Ok(Ending {
            negative: is_wrong,
            incomplete: token.is_cancelled() || is_unsure,
            unknown: is_unsure,
            ..Ending::default()
        })
    };
    token.unless_cancelled(Box::pin(whole)).await.unwrap_or(Ok(stopped))
}

async fn read(options: &Options, report: &mut Strand) -> anyhow::Result<Vec<Source>> {
    let (mut sources, mut failures) = (Vec::new(), Vec::new());
    for name in &options.records {
        match Source::read(name).await {
            Ok(source) => sources.push(source),
            Err(cause) => failures.push((name, cause)),
        }
    }
    if sources.is_empty()
        && let Some((_, cause)) = failures.pop()
    {
        return Err(cause);
    }
    for (name, cause) in failures {
        let (query, message) = (name.to_string_lossy(), error::message_of(&cause));
        let (kind, hint) = (error::kind_of(&cause), error::hint_of(&cause));
        report.fail(FailedPart { id: None, query: Some(&query), kind, message: &message, hint }).await?;
    }
    Ok(sources)
}

async fn tell(study: &mut Study<'_>, source: &Source, remotes: Option<&[String]>) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut is_about_here = false;
    for affected in &source.record.affected {
        let here: Vec<&GitRange> = affected.ranges.iter().filter(|range| is_about(range, remotes)).collect();
        let mut grounds = Vec::new();
        for &range in &here {
            let ground = Ground::of(study, range).await?;
            let mut teller = Teller::new(study, source.id(), &range.path);
            teller.events(&ground);
            teller.picks(&ground).await?;
            let presences = teller.refs(&ground);
            found |= teller.told().await?;
            let (bytes, counts) = presences.finish();
            study.report().batch(bytes, &counts).await?;
            grounds.push(ground);
        }
        is_about_here |= !here.is_empty();
        let is_all = here.len() == affected.ranges.len() && !affected.has_others;
        if !grounds.is_empty() && !affected.versions.is_empty() {
            let mut teller = Teller::new(study, source.id(), &affected.path);
            teller.versions(affected, &grounds, is_all);
            found |= teller.told().await?;
        }
    }
    if !is_about_here {
        let message = elsewhere(&source.name);
        study.warn(&Trouble { code: "no-range", message, hint: Some(ALL_RANGES.into()) }).await?;
        found.is_wrong = true;
    }
    Ok(found)
}

/// What is claimed, and whether it is so.
struct Said<'s> {
    claim: ClaimKind,
    event: Option<Kind>,
    id: Option<&'s str>,
    holds: Option<bool>,
    evidence: String,
}

/// Tells of one range.
struct Teller<'t, 's> {
    study: &'t mut Study<'s>,
    query: &'t str,
    range: &'t str,
    found: Found,
    /// The claims as they are written, which people see as one answer.
    written: Vec<u8>,
    count: u64,
}

impl<'t, 's> Teller<'t, 's> {
    fn new(study: &'t mut Study<'s>, query: &'t str, range: &'t str) -> Self {
        Self { study, query, range, found: Found::default(), written: Vec::new(), count: 0 }
    }

    fn say(&mut self, said: Said<'_>) {
        self.found.is_wrong |= said.holds == Some(false);
        self.found.is_unsure |= said.holds.is_none() && self.study.is_cut_off();
        let claim = Claim {
            query: self.query.into(),
            repo: self.study.name().to_owned().into(),
            range: self.range.into(),
            claim: said.claim,
            event: said.event.map(wire),
            id: said.id.map(Cow::Borrowed),
            holds: said.holds,
            evidence: said.evidence.into(),
        };
        self.study.report().format().write(&Event::Claim(claim), &mut self.written);
        self.count += 1;
    }

    /// Writes what was said.
    async fn told(self) -> anyhow::Result<Found> {
        self.study.report().batch(self.written, &[("claim", self.count)]).await?;
        Ok(self.found)
    }

    fn hex(&self, commit: Position) -> String {
        self.study.graph().id(commit).to_hex()
    }

    /// Whether each commit is there, and fits the others.
    fn events(&mut self, ground: &Ground<'_>) {
        for (event, place) in ground.events() {
            let (holds, evidence) = match place {
                Place::Everywhere => continue,
                Place::At(_) => (Some(true), "it is on a branch or tag"),
                Place::Nowhere(why) => (Some(false), why),
                Place::Unknown => (None, CUT_OFF),
            };
            let (kind, id) = (Some(event.kind), Some(event.text.as_str()));
            let evidence = evidence.to_owned();
            self.say(Said { claim: ClaimKind::Exists, event: kind, id, holds, evidence });
            let Place::At(at) = place else { continue };
            let told = match event.kind {
                Kind::Introduced => self.before_an_end(ground, at),
                _ => self.after_an_introducer(ground, event, at),
            };
            if let Some((holds, evidence)) = told {
                self.say(Said { claim: ClaimKind::Descends, event: kind, id, holds, evidence });
            }
        }
    }

    /// Whether something ends what `introducer` began; `None` if nothing does in this range.
    fn before_an_end(&self, ground: &Ground<'_>, introducer: Position) -> Option<(Option<bool>, String)> {
        let ends = ground.ends();
        if ends.is_empty() {
            return None;
        }
        let group = ground.introduced.iter().find(|group| group.members.contains(&introducer));
        let begun: Vec<Position> = group.map_or_else(|| vec![introducer], |group| group.members.clone());
        let fits = |&&(kind, end): &&(Kind, Position)| begun.iter().any(|&begun| follows(ground, begun, kind, end));
        Some(match ends.iter().find(fits) {
            Some(&(kind, end)) => (Some(true), format!("{} {} comes after it", kind.word(), self.hex(end))),
            None if ends.iter().any(|(_, end)| *end == introducer) => (Some(false), SAME.to_owned()),
            None if self.study.is_cut_off() => (None, "what comes after it can't be known: history is cut off".into()),
            None => (Some(false), "nothing that ends it comes after it, or after a pick of it".into()),
        })
    }

    /// Whether `end` ends what something began; `None` if that can't be asked.
    fn after_an_introducer(
        &self,
        ground: &Ground<'_>,
        event: &RecordedEvent,
        end: Position,
    ) -> Option<(Option<bool>, String)> {
        if ground.from_start {
            return Some((Some(true), "it was there from the first commit on".into()));
        }
        let begun: Vec<Position> = ground.introduced.iter().flat_map(|group| &group.members).copied().collect();
        if begun.is_empty() {
            return None;
        }
        Some(match begun.iter().find(|&&begun| follows(ground, begun, event.kind, end)) {
            Some(&begun) => (Some(true), format!("it comes after introduced {}", self.hex(begun))),
            None if begun.contains(&end) => (Some(false), SAME.to_owned()),
            None if self.study.is_cut_off() => (None, "what came before it can't be known: history is cut off".into()),
            None => (Some(false), "no introduced commit is in its history, and no pick of one".into()),
        })
    }

    /// The commits that are one change with one that is named, and aren't named.
    async fn picks(&mut self, ground: &Ground<'_>) -> anyhow::Result<()> {
        for kind in [Kind::Introduced, Kind::Fixed] {
            let unnamed = ground.unnamed(kind);
            let checked = self.study.check(&unnamed).await?;
            for ((pick, of), why) in unnamed.into_iter().zip(checked) {
                let (pick, of) = (self.hex(pick), self.hex(of));
                // Of what is one change by way of a third commit nothing may agree directly.
                let evidence = match why.is_true {
                    Some(true) => format!("not named, and one change with {of}: {}", why.evidence),
                    _ => format!("not named, and one change with {of}"),
                };
                let (event, id) = (Some(kind), Some(pick.as_str()));
                self.say(Said { claim: ClaimKind::Named, event, id, holds: Some(false), evidence });
            }
        }
        Ok(())
    }

    /// What each ref has, and whether the record has it so.
    fn refs(&mut self, ground: &Ground<'_>) -> AnswerWriter {
        let format = self.study.report().format();
        let mut answer = format.answer();
        // People have no use for every tag from before it all.
        let is_whole = !matches!(format, Format::Human(_));
        let (mut more, mut fewer) = (Vec::new(), Vec::new());
        let mut is_unsure = false;
        for tip in 0..ground.tips.len() {
            let presence = self.presence(ground, tip);
            match (presence.affected.flatten(), presence.recorded) {
                (Some(true), Some(false)) => more.push(presence.short.clone().into_owned()),
                (Some(false), Some(true)) => fewer.push(presence.short.clone().into_owned()),
                (None, _) => is_unsure = true,
                _ => {}
            }
            if is_whole || presence.state != PresenceState::NotApplicable || presence.line.is_some() {
                answer.add(&Event::Presence(presence));
            }
        }
        let mut evidence = Vec::new();
        if !more.is_empty() {
            evidence.push(format!("affected, and not by the record: {}", listed(&more)));
        }
        if !fewer.is_empty() {
            evidence.push(format!("affected by the record, and not in fact: {}", listed(&fewer)));
        }
        let holds = match (evidence.is_empty(), is_unsure) {
            (false, _) => Some(false),
            (true, true) => None,
            (true, false) => Some(true),
        };
        if is_unsure {
            evidence.push("history is cut off".into());
        } else if evidence.is_empty() {
            let count = (0..ground.tips.len()).filter(|&tip| ground.is_affected(tip, false)).count();
            evidence.push(format!("{count} of {} are affected, as the record has it", ground.tips.len()));
        }
        let said = Said { claim: ClaimKind::Refs, event: None, id: None, holds, evidence: evidence.join("; ") };
        self.say(said);
        answer
    }

    fn presence<'p>(&self, ground: &'p Ground<'_>, tip: usize) -> Presence<'p> {
        let (is_affected, recorded) = (ground.is_affected(tip, false), ground.is_affected(tip, true));
        let fix = ground.fix_at(tip);
        // A fix that is there is there, whatever is cut off behind it.
        let is_known = !self.study.is_cut_off() || (!is_affected && fix.is_there());
        let brought = match fix {
            Has::It(by) | Has::ItAgain(by) => Some(by),
            Has::Nothing | Has::Reverted(_) => None,
        };
        let state = match fix {
            Has::It(_) => PresenceState::Present,
            Has::ItAgain(_) => PresenceState::Reapplied,
            _ if !is_known => PresenceState::Unknown,
            Has::Reverted(_) => PresenceState::Reverted,
            Has::Nothing if is_affected => PresenceState::Missing,
            Has::Nothing => PresenceState::NotApplicable,
        };
        let by = if let Has::Reverted(by) = fix { Some(by) } else { brought };
        let how = brought.map(|by| if ground.names_fix(by) { PresenceHow::Ancestor } else { PresenceHow::Backport });
        let change = ground.fixed.iter().chain(&ground.introduced).next().map(|group| group.oldest);
        let named = || ground.ends().first().map(|(_, end)| *end);
        let change = change.or_else(named).map_or_else(|| "0".to_owned(), |oldest| self.hex(oldest));
        let tip = &ground.tips[tip];
        let (refname, refname_b64) = lossy(&tip.name);
        let (short, short_b64) = lossy(short(&tip.name));
        Presence {
            query: self.query.to_owned().into(),
            repo: self.study.name().to_owned().into(),
            change: change.into(),
            refname: refname.into(),
            refname_b64: refname_b64.map(Cow::Owned),
            short: short.into(),
            short_b64: short_b64.map(Cow::Owned),
            line: tip.line.as_deref().map(Cow::Borrowed),
            state,
            id: by.map(|by| self.hex(by).into()),
            how,
            first_tag: None,
            first_release: None,
            via: None,
            affected: Some(is_known.then_some(is_affected)),
            recorded: is_known.then_some(recorded),
            range: Some(self.range.to_owned().into()),
        }
    }

    /// Whether the versions that are listed are the tags affected. `is_all`: nothing but the ranges looked at says which versions are.
    fn versions(&mut self, affected: &Affected, grounds: &[Ground<'_>], is_all: bool) {
        let is_cut_off = self.study.is_cut_off();
        let Some(first) = grounds.first() else { return };
        // The refs are the same for all of them.
        let tags = first.tips.iter().enumerate().filter_map(|(tip, at)| {
            let name = String::from_utf8_lossy(at.name.strip_prefix(b"refs/tags/")?).into_owned();
            let is_affected = grounds.iter().any(|ground| ground.is_affected(tip, false));
            Some((name, (!is_cut_off).then_some(is_affected)))
        });
        let tags: Vec<(String, Option<bool>)> = tags.collect();
        let difference = judge::compare(&affected.versions, &tags);
        let (holds, evidence) = said_of(&difference, is_all, is_cut_off);
        self.say(Said { claim: ClaimKind::Versions, event: None, id: None, holds, evidence });
    }
}

const SAME: &str = "one commit introduces and ends it: nothing is affected by it";

/// Whether `end` of this kind may end what `begun` began.
fn follows(ground: &Ground<'_>, begun: Position, kind: Kind, end: Position) -> bool {
    (begun != end || kind == Kind::LastAffected) && ground.is_before(begun, end)
}

fn said_of(difference: &Difference, is_all: bool, is_cut_off: bool) -> (Option<bool>, String) {
    let Difference { too_many, lacking, tagless, known } = difference;
    let mut parts = Vec::new();
    for (what, names) in
        [("listed, and not affected", too_many), ("affected, and not listed", lacking), ("listed, and no tag", tagless)]
    {
        if !names.is_empty() {
            parts.push(format!("{what}: {}", listed(names)));
        }
    }
    let differs = !(too_many.is_empty() && lacking.is_empty());
    let holds = match (differs, is_all) {
        _ if is_cut_off || *known == 0 => None,
        (true, true) => Some(false),
        // What another range says of versions isn't known here.
        (true, false) => None,
        (false, _) => Some(true),
    };
    if differs && !is_all {
        parts.push("ranges beside this one may say so".into());
    }
    if parts.is_empty() {
        parts.push(format!("all {known}"));
    }
    (holds, parts.join("; "))
}

/// The first of `names`, and how many more there are.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(SAID).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SAID) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn wire(kind: Kind) -> RecordEvent {
    match kind {
        Kind::Introduced => RecordEvent::Introduced,
        Kind::Fixed => RecordEvent::Fixed,
        Kind::LastAffected => RecordEvent::LastAffected,
        Kind::Limit => RecordEvent::Limit,
    }
}
