//! Launchpad: bugs by their number. A bug has no state of its own; each project, distribution or series that it concerns has a task with
//! one, and the list of these, which names the bug, is what is asked for.
//!
//! <https://api.launchpad.net/1.0/#bug>, <https://api.launchpad.net/1.0/#bug_task>.

use serde_json::Value;

use super::reading::{Why, address, object, text};
use super::{Ask, Found, host, is_number};

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    let name = host(base);
    let is_usual = name == "launchpad.net" || name.ends_with(".launchpad.net");
    let api = if is_usual { "https://api.launchpad.net" } else { base };
    is_number(key).then(|| Ask::json(format!("{api}/1.0/bugs/{key}/bug_tasks")))
}

pub(super) fn read(body: &[u8]) -> Result<Option<Found>, Why> {
    let value = object(body, &["entries", "total_size"])?;
    let tasks = value.get("entries").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // The task of a project itself comes before those of its packages and series, `nova/queens` or `nova (Ubuntu)`.
    let is_main = |task: &&Value| text(task, &["bug_target_name"]).is_some_and(|name| !name.contains(['/', '(']));
    let Some(task) = tasks.iter().find(is_main).or_else(|| tasks.first()) else { return Ok(None) };
    Ok(Some(Found {
        state: text(task, &["status"]),
        title: text(task, &["title"]).map(|of_task| title(&of_task)),
        url: address(task, &["web_link"]),
    }))
}

/// `Bug #12 in nova: "Its title"` is the title of a task.
fn title(of_task: &str) -> String {
    let quoted = of_task.split_once(": \"").and_then(|(_, rest)| rest.strip_suffix('"'));
    quoted.unwrap_or(of_task).to_owned()
}
