//! Bugzilla: bugs by their number.
//!
//! <https://bugzilla.readthedocs.io/en/latest/api/core/v1/bug.html#get-bug>.

use serde_json::Value;

use super::reading::{Why, object, text};
use super::{Ask, Found, is_number};

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    is_number(key).then(|| Ask::json(format!("{base}/rest/bug/{key}?include_fields=id,summary,status,resolution")))
}

pub(super) fn read(body: &[u8], base: &str) -> Result<Option<Found>, Why> {
    let value = object(body, &["bugs", "error"])?;
    if value.get("error") == Some(&Value::Bool(true)) {
        return match value.get("code").and_then(Value::as_i64) {
            // There is no such bug, or no such number.
            Some(100 | 101) => Ok(None),
            _ => Err("that it can't tell"),
        };
    }
    let Some(bug) = value.get("bugs").and_then(|bugs| bugs.get(0)) else { return Ok(None) };
    let state = text(bug, &["status"]).map(|status| match text(bug, &["resolution"]) {
        Some(resolution) => format!("{status} {resolution}"),
        None => status,
    });
    let url = bug.get("id").and_then(Value::as_u64).map(|id| format!("{base}/show_bug.cgi?id={id}"));
    Ok(Some(Found { state, title: text(bug, &["summary"]), url, labels: None }))
}
