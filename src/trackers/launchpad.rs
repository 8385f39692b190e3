//! Launchpad: bugs by their number. A bug has no state of its own; each project, distribution or series that it concerns has a task with
//! one, and the list of these, which names the bug, is what is asked for.
//!
//! A project is named by the address that is configured, `https://bugs.launchpad.net/nova`.
//!
//! <https://api.launchpad.net/1.0/#project>, <https://api.launchpad.net/1.0/#bug>, <https://api.launchpad.net/1.0/#bug_task>.

use serde_json::Value;

use super::reading::{Why, address, flag, object, text};
use super::{Ask, Found, Project, escaped, host, is_number};

/// What stands in the place of a text that is not for whoever asks.
const REDACTED: &str = "tag:launchpad.net:2008:redacted";

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    is_number(key).then(|| Ask::json(format!("{}/1.0/bugs/{key}/bug_tasks", api(base))))
}

pub(super) fn project(base: &str, project: &str) -> Option<Ask> {
    let is_name = !project.is_empty() && !project.starts_with('.');
    is_name.then(|| Ask::json(format!("{}/1.0/{}", api(base), escaped(project, b"+"))))
}

fn api(base: &str) -> &str {
    let name = host(base);
    let is_usual = name == "launchpad.net" || name.ends_with(".launchpad.net");
    if is_usual { "https://api.launchpad.net" } else { base }
}

pub(super) fn read_project(body: &[u8]) -> Result<Project, Why> {
    let value =
        object(body, &["display_name", "web_link", "active"]).map_err(|_| "JSON that says nothing of a project")?;
    Ok(Project {
        description: ["summary", "title", "display_name"].iter().find_map(|name| told(&value, name)),
        // It is a series' branch, in another answer.
        default_branch: None,
        url: address(&value, &["web_link"]),
        archived: flag(&value, "active").map(|is_active| !is_active),
        pushed_at: None,
    })
}

pub(super) fn read(body: &[u8]) -> Result<Option<Found>, Why> {
    let value = object(body, &["entries", "total_size"])?;
    let tasks = value.get("entries").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // A task that watches another tracker has the state that was last seen there, or `Unknown`: it comes after all others. The task of a
    // project itself comes before those of its packages and series, `nova/queens` or `nova (Ubuntu)`.
    let is_watch = |task: &Value| address(task, &["bug_watch_link"]).is_some();
    let is_part = |task: &Value| told(task, "bug_target_name").is_none_or(|name| name.contains(['/', '(']));
    let Some(task) = tasks.iter().min_by_key(|task| (is_watch(task), is_part(task))) else { return Ok(None) };
    Ok(Some(Found {
        state: told(task, "status"),
        title: told(task, "title").map(|of_task| title(&of_task)),
        url: address(task, &["web_link"]),
        labels: None,
    }))
}

fn told(value: &Value, name: &str) -> Option<String> {
    text(value, &[name]).filter(|text| text != REDACTED)
}

/// `Bug #12 in nova: "Its title"` is the title of a task.
fn title(of_task: &str) -> String {
    let quoted = of_task.split_once(": \"").and_then(|(_, rest)| rest.strip_suffix('"'));
    quoted.unwrap_or(of_task).to_owned()
}
