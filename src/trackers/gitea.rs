//! Gitea and Forgejo: issues and pull requests by `owner/repo#12`, releases, projects.
//!
//! <https://docs.gitea.com/api/1.22/#tag/issue/operation/issueGetIssue>, which answers for pull requests too,
//! <https://docs.gitea.com/api/1.22/#tag/repository/operation/repoGet>.

use super::reading::{Why, address, is_set, labels, object, text};
use super::{Ask, Found, numbered, project_path};

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    let (project, _, number) = numbered(key, &['#', '!'])?;
    Some(Ask::json(format!("{base}/api/v1/repos/{}/issues/{number}", project_path(project)?)))
}

pub(super) fn project(base: &str, project: &str) -> Option<Ask> {
    Some(Ask::json(format!("{base}/api/v1/repos/{}", project_path(project)?)))
}

pub(super) fn releases(base: &str, project: &str, page: u32) -> Ask {
    let project = project_path(project).unwrap_or_default();
    Ask::json(format!("{base}/api/v1/repos/{project}/releases?limit=50&page={page}"))
}

pub(super) fn read(body: &[u8]) -> Result<Option<Found>, Why> {
    let value = object(body, &["title", "state", "number"])?;
    let is_merged = is_set(&value, &["pull_request", "merged"]) || is_set(&value, &["pull_request", "merged_at"]);
    let state = if is_merged { Some("merged".into()) } else { text(&value, &["state"]) };
    Ok(Some(Found {
        state,
        title: text(&value, &["title"]),
        url: address(&value, &["html_url"]),
        labels: labels(&value, &["labels"]),
    }))
}
