//! OSV: what is known of a vulnerability, by its CVE id.
//!
//! <https://google.github.io/osv.dev/get-v1-vulns/>, <https://ossf.github.io/osv-schema/>.

use super::reading::{Why, is_set, object, text};
use super::{Ask, Found, escaped, host};

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    let is_id = key.contains('-') && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:".contains(&byte));
    is_id.then(|| Ask::json(format!("{base}/v1/vulns/{key}")))
}

/// Many records have no summary: then the first line of what they tell is one, unless it only leads to the next, as the line that is the
/// same in all of the Linux kernel's records does.
pub(super) fn read(body: &[u8], base: &str) -> Result<Option<Found>, Why> {
    let value = object(body, &["id", "summary", "details"])?;
    let state = if is_set(&value, &["withdrawn"]) { "withdrawn" } else { "published" };
    let site = if host(base) == "api.osv.dev" { "https://osv.dev" } else { base };
    Ok(Some(Found {
        state: Some(state.into()),
        title: text(&value, &["summary"]).or_else(|| text(&value, &["details"]).and_then(|details| headline(&details))),
        url: text(&value, &["id"]).map(|id| format!("{site}/vulnerability/{}", escaped(&id, b":"))),
        labels: None,
    }))
}

fn headline(details: &str) -> Option<String> {
    let lines =
        || details.lines().map(|line| line.trim_start_matches(['#', ' ']).trim()).filter(|line| !line.is_empty());
    lines().find(|line| !line.ends_with(':')).or_else(|| lines().next()).map(str::to_owned)
}
