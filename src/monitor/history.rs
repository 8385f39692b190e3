//! What was seen by all processes that used a cache folder, over the time that is kept.
//!
//! A line of the journal is `{"call":{…}}` or `{"fault":{…}}`; one that is neither, or torn, is skipped.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::journal::{self, Taken};
use super::{Call, Fault, Outcome, Statistics, cut, now};
use crate::cache::history::{AGE, CallRow, FaultRow, Rows};
use crate::cache::state::State;
use crate::debug;

/// Bytes of the journal from which on it is taken into the database.
const GROWN: u64 = 64 << 10;
/// Bytes of a journal that can't be taken in, from which on it is dropped.
const OVERGROWN: u64 = 4 * GROWN;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Operations by their names.
    pub operations: Vec<Statistics>,
    /// Errors, the ones that were met last first.
    pub faults: Vec<Fault>,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Call(CallLine),
    Fault(Fault),
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct CallLine {
    operation: String,
    outcome: Outcome,
    at: i64,
    /// Microseconds.
    took: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak: Option<u64>,
}

impl From<&Call> for CallLine {
    fn from(call: &Call) -> Self {
        Self {
            operation: call.operation.clone(),
            outcome: call.outcome,
            at: call.at,
            took: u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX),
            bytes: call.bytes,
            peak: call.peak,
        }
    }
}

/// Appends what was seen to the journal of `folder`. When that has grown it is taken in.
pub(super) fn append<'s>(
    folder: &Path,
    calls: impl Iterator<Item = &'s Call>,
    faults: impl Iterator<Item = &'s Fault>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let calls = calls.map(|call| Line::Call(call.into()));
    for line in calls.chain(faults.map(|fault| Line::Fault(fault.clone()))) {
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
    }
    let size = journal::append(folder, &bytes)?;
    if size > GROWN
        && let Err(cause) = take_in(folder, now())
    {
        debug::note("monitor", || format!("the journal could not be taken in: {cause:#}"));
        // A newer version may keep this one from it for years.
        if size > OVERGROWN {
            journal::discard(folder);
        }
    }
    Ok(())
}

/// Takes the journal of `folder` into its database. Whoever appends meanwhile begins a new one. Blocks.
///
/// # Errors
/// If the database can't be written; what was to be taken in is still there then.
pub fn take_in(folder: &Path, now: i64) -> anyhow::Result<()> {
    // First, or what can't be taken in would be taken over again and again.
    let (state, _) = State::open(folder)?;
    journal::take_over(folder)?;
    let name_of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    for path in journal::taken(folder) {
        let Some(taken) = Taken::open(path)? else { continue };
        let there: BTreeSet<String> = journal::taken(folder).iter().filter_map(|path| name_of(path)).collect();
        smol::block_on(state.take_in(taken.name(), rows(&taken.bytes), there, now))?;
        taken.done();
    }
    Ok(())
}

/// What was seen by all processes that used `folder`, as of `now` in seconds since 1970. Takes the journal in if that can be; looks into
/// it where it can't. Blocks. A folder that isn't there isn't made.
///
/// # Errors
/// If the database can't be read.
pub fn read(folder: &Path, now: i64) -> anyhow::Result<History> {
    if !folder.is_dir() {
        return Ok(History::default());
    }
    let rest = match take_in(folder, now) {
        Ok(()) => Rows::default(),
        Err(cause) => {
            debug::note("monitor", || format!("the journal could not be taken in: {cause:#}"));
            rows(&journal::peek(folder))
        }
    };
    let kept = State::open(folder).and_then(|(state, _)| state.history(now));
    match kept {
        Ok(kept) => Ok(History::of(&[kept, rest], now)),
        // What nobody could take in is all there is.
        Err(_) if rest != Rows::default() => Ok(History::of(&[rest], now)),
        Err(cause) => Err(cause),
    }
}

impl History {
    fn of(parts: &[Rows], now: i64) -> Self {
        let oldest = now.saturating_sub(AGE);
        let calls: Vec<Call> = parts.iter().flat_map(|rows| &rows.calls).filter_map(call).collect();
        let mut faults: Vec<Fault> = Vec::new();
        for fault in parts.iter().flat_map(|rows| &rows.faults).filter_map(fault) {
            match faults.iter_mut().find(|known| known.is_alike(&fault)) {
                Some(known) => known.add(&fault),
                None => faults.push(fault),
            }
        }
        faults.retain(|fault| fault.last_at >= oldest);
        faults.sort_by_key(|fault| std::cmp::Reverse(fault.last_at));
        Self { operations: Statistics::of(calls.iter().filter(|call| call.at >= oldest)), faults }
    }
}

/// The lines that are any, made fit for the database.
fn rows(bytes: &[u8]) -> Rows {
    let mut rows = Rows::default();
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(Line::Call(CallLine { operation, outcome, at, took, bytes, peak })) => rows.calls.push(CallRow {
                operation: cut(&operation),
                outcome: outcome.word().to_owned(),
                at,
                took: whole(took),
                bytes: bytes.map(whole),
                peak: peak.map(whole),
            }),
            Ok(Line::Fault(fault)) => rows.faults.push(FaultRow {
                cause: cut(&fault.cause()),
                code: cut(&fault.code),
                repo: fault.repo.as_deref().map(cut).unwrap_or_default(),
                class: word(fault.class),
                message: cut(&fault.message),
                hint: fault.hint.as_deref().map(cut),
                count: whole(fault.count),
                first_at: fault.first_at,
                last_at: fault.last_at,
            }),
            Err(_) => {}
        }
    }
    rows
}

/// `None` for a row of a newer version that has words which this one doesn't know.
fn call(row: &CallRow) -> Option<Call> {
    Some(Call {
        operation: row.operation.clone(),
        outcome: read_word(&row.outcome)?,
        took: Duration::from_micros(u64::try_from(row.took).ok()?),
        at: row.at,
        bytes: row.bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        peak: row.peak.and_then(|peak| u64::try_from(peak).ok()),
    })
}

fn fault(row: &FaultRow) -> Option<Fault> {
    Some(Fault {
        code: row.code.clone(),
        class: read_word(&row.class)?,
        repo: Some(row.repo.clone()).filter(|repo| !repo.is_empty()),
        message: row.message.clone(),
        hint: row.hint.clone(),
        count: u64::try_from(row.count).ok()?,
        first_at: row.first_at,
        last_at: row.last_at,
    })
}

fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn read_word<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}
