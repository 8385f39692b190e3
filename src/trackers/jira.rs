//! Jira: issues by `PROJ-12`.
//!
//! <https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-issues/#api-rest-api-2-issue-issueidorkey-get>, the version that
//! servers of one's own have too.

use super::reading::{Why, labels, object, text};
use super::{Ask, Found, is_number};

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    let (project, number) = key.rsplit_once('-')?;
    let is_key = !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_key && is_number(number))
        .then(|| Ask::json(format!("{base}/rest/api/2/issue/{key}?fields=summary,status,labels")))
}

pub(super) fn read(body: &[u8], base: &str) -> Result<Option<Found>, Why> {
    let value = object(body, &["fields", "key"])?;
    Ok(Some(Found {
        state: text(&value, &["fields", "status", "name"]),
        title: text(&value, &["fields", "summary"]),
        url: text(&value, &["key"]).map(|key| format!("{base}/browse/{}", super::escaped(&key, b""))),
        labels: labels(&value, &["fields", "labels"]),
    }))
}
