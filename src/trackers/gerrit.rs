//! Gerrit: changes by their Change-Id. One may stand for a change on each of several branches; the one that was merged last counts, else the
//! one that moved last.
//!
//! <https://gerrit-review.googlesource.com/Documentation/rest-api-changes.html#list-changes>.

use serde_json::Value;

use super::reading::{Why, text, value};
use super::{Ask, Found, project_path};

/// Changes that are asked for of one id.
const MOST: u32 = 25;

pub(super) fn ask(base: &str, key: &str, logged_in: bool) -> Option<Ask> {
    let digits = key.strip_prefix('I')?;
    let is_id = (7..=40).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let root = if logged_in { "/a" } else { "" };
    is_id.then(|| Ask::json(format!("{base}{root}/changes/?q=change:{key}&n={MOST}")))
}

pub(super) fn read(body: &[u8], base: &str) -> Result<Option<Found>, Why> {
    let Value::Array(changes) = value(body)? else { return Err("JSON that is no list of changes") };
    let is_merged = |change: &&Value| text(change, &["status"]).as_deref() == Some("MERGED");
    let Some(change) = changes.iter().find(is_merged).or_else(|| changes.first()) else { return Ok(None) };
    let project = text(change, &["project"]).and_then(|project| project_path(&project));
    let number = change.get("_number").and_then(Value::as_u64);
    Ok(Some(Found {
        state: text(change, &["status"]),
        title: text(change, &["subject"]),
        url: project.zip(number).map(|(project, number)| format!("{base}/c/{project}/+/{number}")),
        labels: None,
    }))
}
