//! GitLab: issues by `group/project#12`, merge requests by `group/project!12`, releases, projects.
//!
//! <https://docs.gitlab.com/api/issues/#single-project-issue>, <https://docs.gitlab.com/api/merge_requests/#get-single-mr>,
//! <https://docs.gitlab.com/api/releases/>, <https://docs.gitlab.com/api/projects/#get-a-single-project>.

use super::reading::{Why, address, labels, object, text};
use super::{Ask, Found, escaped, numbered, project_path};

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    let (project, mark, number) = numbered(key, &['#', '!'])?;
    project_path(project)?;
    let kind = if mark == '!' { "merge_requests" } else { "issues" };
    Some(Ask::json(format!("{base}/api/v4/projects/{}/{kind}/{number}", escaped(project, b""))))
}

pub(super) fn project(base: &str, project: &str) -> Option<Ask> {
    project_path(project)?;
    Some(Ask::json(format!("{base}/api/v4/projects/{}", escaped(project, b""))))
}

pub(super) fn releases(base: &str, project: &str, page: u32) -> Ask {
    Ask::json(format!("{base}/api/v4/projects/{}/releases?per_page=100&page={page}", escaped(project, b"")))
}

pub(super) fn read(body: &[u8]) -> Result<Option<Found>, Why> {
    let value = object(body, &["title", "state", "iid"])?;
    Ok(Some(Found {
        state: text(&value, &["state"]),
        title: text(&value, &["title"]),
        url: address(&value, &["web_url"]),
        labels: labels(&value, &["labels"]),
    }))
}
