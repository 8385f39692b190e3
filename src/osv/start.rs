//! A record that is started: of changes that were found, every commit that is one of them, and the commits that these say they mend.
//! Invents nothing: what nobody has said stays empty or is left out, and is told.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::ground::Ground;
use super::record::{GitRange, Kind};
use crate::describe::{Ear, Told};
use crate::facts::Oid;
use crate::facts::date::Moment;
use crate::facts::issues::IssueKind;
use crate::graph::Position;
use crate::index::Trouble;
use crate::locate::study::{Has, Study};
use crate::trackers::which::OnTheWeb;

/// What an answer is about, noted while it is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The commits that were told, each the first of a change.
    pub(super) commits: Vec<Oid>,
    /// The advisories that were asked for.
    asked: Vec<String>,
    /// Those that the commits name, each once, from [`Heard::take`] on the ones that were asked for first.
    advisories: Vec<String>,
}

impl Heard {
    /// What has to be told of each commit, and of what is looked for.
    pub(super) fn ear(&self) -> Ear {
        let own = self.clone();
        Ear::new(move |told| {
            let mut noted = own.0.lock().unwrap_or_else(PoisonError::into_inner);
            match told {
                Told::Query(query) => noted.asked.extend(advisory(query)),
                Told::Commit(commit) => {
                    noted.commits.extend(Oid::from_hex(commit.id.as_bytes()));
                    let kinds = [IssueKind::Cve.as_str(), IssueKind::Ghsa.as_str()];
                    let named = commit.issues.iter().filter(|issue| kinds.contains(&&*issue.kind));
                    noted.advisories.extend(named.map(|issue| issue.key.to_string()));
                }
                Told::Presence(_) => {}
            }
        })
    }

    pub(super) fn take(&self) -> Noted {
        let mut noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut commits, mut advisories) = (HashSet::new(), HashSet::new());
        noted.commits.retain(|commit| commits.insert(*commit));
        noted.advisories.retain(|name| advisories.insert(name.clone()));
        // One that no commit names was asked for in vain.
        let Noted { asked, advisories, .. } = &mut noted;
        advisories.sort_by_key(|name| asked.iter().position(|one| one == name).unwrap_or(usize::MAX));
        noted
    }
}

/// The advisory that a query names.
fn advisory(query: &str) -> Option<String> {
    let (prefix, rest) = query.split_once('-')?;
    let prefix = prefix.to_ascii_uppercase();
    match prefix.as_str() {
        "CVE" if rest.starts_with(|first: char| first.is_ascii_digit()) => Some(format!("{prefix}-{rest}")),
        "GHSA" => Some(format!("{prefix}-{}", rest.to_ascii_lowercase())),
        _ => None,
    }
}

/// A record as it begins, in the order of the schema.
#[derive(Debug, Serialize)]
struct Start<'s> {
    id: &'s str,
    modified: String,
    affected: [Affected<'s>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
}

#[derive(Debug, Serialize)]
struct Affected<'s> {
    ranges: [Range<'s>; 1],
}

#[derive(Debug, Serialize)]
struct Range<'s> {
    r#type: &'static str,
    repo: &'s str,
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    Introduced(String),
    Fixed(String),
}

#[derive(Debug, Serialize)]
struct Reference {
    r#type: &'static str,
    url: String,
}

/// The text of a record of the changes that were `noted`, and what is to be mended in it by hand; `None` if none of them is on a branch or
/// tag.
///
/// # Errors
/// If git or the cache fails.
pub(super) async fn started(
    study: &mut Study<'_>,
    noted: &Noted,
    web: &OnTheWeb,
) -> anyhow::Result<(Option<String>, Vec<Trouble>)> {
    let mut troubles = Vec::new();
    let of_fixes = GitRange::of(&[], &hex(noted.commits.iter()));
    let ground = Ground::of(study, &of_fixes).await?;
    for (event, fault) in ground.faults(Kind::Fixed) {
        troubles.push(trouble("advisory-commit", format!("{} is left out: {fault}", event.text), None));
    }
    let fixes: Vec<Position> = ground.fixed.iter().flat_map(|group| &group.named).copied().collect();
    let ends: Vec<Oid> = fixes.iter().map(|&fix| study.graph().id(fix)).collect();
    if fixes.is_empty() {
        return Ok((None, troubles));
    }
    let introducers = introducers(study, &ground, &mut troubles).await?;
    let ids: Vec<Oid> = introducers.iter().map(|&position| study.graph().id(position)).collect();
    let whole = GitRange::of(&hex(ids.iter()), &hex(ends.iter()));
    let ground = Ground::of(study, &whole).await?;
    troubles.extend(taken_back(study, &ground));
    let all = |kind, mut commits: Vec<Position>| {
        commits.extend(ground.unnamed(kind).into_iter().map(|(pick, _)| pick));
        commits.sort_by_key(|&commit| (study.graph().time(commit), study.graph().id(commit)));
        commits.into_iter().map(|commit| study.graph().id(commit).to_hex()).collect::<Vec<_>>()
    };
    let begun = ground.introduced.iter().flat_map(|group| &group.named).copied().collect();
    let (begun, mended) = (all(Kind::Introduced, begun), all(Kind::Fixed, fixes));
    let id = name(&noted.advisories, &mut troubles);
    if web.repository.is_none() {
        let hint = "fill in \"repo\" with the address under which everybody can fetch it";
        troubles.push(trouble("advisory-repo", "no remote of this repository is on the web", Some(hint)));
    }
    let page = |id: &String| Some(Reference { r#type: "FIX", url: format!("{}{id}", web.commits.as_ref()?) });
    let references = mended.iter().filter_map(page).collect();
    let record = Start {
        id: &id,
        modified: now(),
        affected: [Affected {
            ranges: [Range {
                r#type: "GIT",
                repo: web.repository.as_deref().unwrap_or_default(),
                events: begun.into_iter().map(Event::Introduced).chain(mended.into_iter().map(Event::Fixed)).collect(),
            }],
        }],
        references,
    };
    let text = serde_json::to_string_pretty(&record)? + "\n";
    Ok((Some(text), troubles))
}

/// The commits that the fixes, or what is one change with one of them, say they mend.
async fn introducers(
    study: &mut Study<'_>,
    ground: &Ground<'_>,
    troubles: &mut Vec<Trouble>,
) -> anyhow::Result<Vec<Position>> {
    let mut introducers = Vec::new();
    for group in &ground.fixed {
        let notices = study.notices(&group.members).await?;
        let mended: Vec<Position> =
            notices.iter().flat_map(|notice| &notice.fixes).filter_map(|mended| mended.position).collect();
        if mended.is_empty() {
            let fix = study.graph().id(*group.named.first().unwrap_or(&group.oldest)).to_hex();
            let message = format!("no commit says what {fix} mends: what introduced it isn't in the record");
            let hint = "add {\"introduced\": \"<commit>\"} before the fixes, without which it is no valid record; \"0\" means from the first commit on";
            troubles.push(trouble("advisory-introduced", message, Some(hint)));
        }
        introducers.extend(mended);
    }
    introducers.sort_unstable();
    introducers.dedup();
    Ok(introducers)
}

/// That some refs took the fix back: a range of commits can't say so but by hand.
fn taken_back(study: &Study<'_>, ground: &Ground<'_>) -> Vec<Trouble> {
    let of_tip = |(index, tip): (usize, &super::ground::Tip)| match ground.fix_at(index) {
        Has::Reverted(by) => {
            let name = String::from_utf8_lossy(&tip.name).into_owned();
            let message = format!("{name} took the fix back with {}", study.graph().id(by).to_hex());
            let hint = "add {\"introduced\": \"<that commit>\"} if it is affected again";
            Some(trouble("advisory-reverted", message, Some(hint)))
        }
        _ => None,
    };
    // Of all that contain a revert the branches are enough.
    let branches = ground.tips.iter().enumerate().filter(|(_, tip)| !tip.name.starts_with(b"refs/tags/"));
    branches.filter_map(of_tip).collect()
}

/// What the record is called.
fn name(advisories: &[String], troubles: &mut Vec<Trouble>) -> String {
    match advisories {
        [] => {
            let hint = "fill in \"id\", or ask for the advisory: git bhfuil where --format=osv CVE-2024-1234";
            troubles.push(trouble("advisory-id", "neither the query nor a commit names an advisory", Some(hint)));
            String::new()
        }
        [one] => one.clone(),
        [one, others @ ..] => {
            let message = format!("the record is called {one}; named too: {}", others.join(", "));
            troubles.push(trouble("advisory-id", message, None));
            one.clone()
        }
    }
}

fn trouble(code: &'static str, message: impl Into<String>, hint: Option<&str>) -> Trouble {
    Trouble { code, message: message.into(), hint: hint.map(Into::into) }
}

fn hex<'o>(ids: impl Iterator<Item = &'o Oid>) -> Vec<String> {
    ids.map(Oid::to_hex).collect()
}

/// The time in UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Moment::parse(seconds.to_string().as_bytes(), b"+0000").and_then(Moment::rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_names_an_advisory_is_one() {
        for (query, expected) in [
            ("CVE-2024-1234", Some("CVE-2024-1234")),
            ("cve-2024-1234", Some("CVE-2024-1234")),
            ("ghsa-ABCD-1234-wxyz", Some("GHSA-abcd-1234-wxyz")),
            ("stable-2024", None),
            ("CVE-of-the-year", None),
            ("deadbeef", None),
        ] {
            assert_eq!(advisory(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn of_several_names_the_first_is_taken_and_the_others_told() {
        let mut troubles = Vec::new();
        assert_eq!(name(&["CVE-1-1".into(), "CVE-1-2".into()], &mut troubles), "CVE-1-1");
        assert_eq!(
            troubles.pop().map(|it| it.message).as_deref(),
            Some("the record is called CVE-1-1; named too: CVE-1-2")
        );
        assert_eq!(name(&[], &mut troubles), "");
        assert!(troubles.pop().is_some_and(|it| it.hint.is_some()));
        assert_eq!((name(&["X".into()], &mut troubles), troubles.len()), ("X".to_owned(), 0));
    }
}
