//! Reading JSON of which nothing is certain.

use serde_json::Value;

use super::{Project, Release};

/// Entries of a full page of releases, at the least of all softwares.
const PAGE: usize = 50;

/// Labels of an issue that are read.
const LABELS: usize = 100;

/// Why an answer can't be used, to follow "has answered".
pub(super) type Why = &'static str;

/// The object or list in `body`.
pub(super) fn value(body: &[u8]) -> Result<Value, Why> {
    // Gerrit puts it before everything, so that no browser runs it.
    let body = body.strip_prefix(b")]}'").unwrap_or(body);
    let value: Value = serde_json::from_slice(body).map_err(|_| {
        if body.trim_ascii_start().starts_with(b"<") { "a page for people, not data" } else { "what is no JSON" }
    })?;
    if value.is_object() || value.is_array() { Ok(value) } else { Err("JSON that says nothing of an issue") }
}

/// The object in `body`, which has one of these fields.
pub(super) fn object(body: &[u8], known: &[&str]) -> Result<Value, Why> {
    let value = value(body)?;
    if known.iter().any(|name| value.get(name).is_some()) {
        Ok(value)
    } else {
        Err("JSON that says nothing of an issue")
    }
}

/// The text at the end of a path of fields, without white space around it; an empty one is none.
pub(super) fn text(value: &Value, path: &[&str]) -> Option<String> {
    let at_end = path.iter().try_fold(value, |value, name| value.get(name))?;
    let text = at_end.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The first of several fields that has a text.
pub(super) fn first(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(value, &[name]))
}

/// Whether something other than `null` or `false` is at the end of a path of fields.
pub(super) fn is_set(value: &Value, path: &[&str]) -> bool {
    let at_end = path.iter().try_fold(value, |value, name| value.get(name));
    at_end.is_some_and(|value| !value.is_null() && *value != Value::Bool(false))
}

/// An address that a browser may be shown: a server may say anything.
pub(super) fn address(value: &Value, names: &[&str]) -> Option<String> {
    first(value, names).filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// The labels at the end of a path of fields: texts, objects with a name, or a page of such.
pub(super) fn labels(value: &Value, path: &[&str]) -> Option<Vec<String>> {
    let at_end = path.iter().try_fold(value, |value, name| value.get(name))?;
    let entries = at_end.get("nodes").unwrap_or(at_end).as_array()?;
    let name = |entry: &Value| {
        let text = entry.as_str().or_else(|| entry.get("name")?.as_str())?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(entries.iter().filter_map(name).take(LABELS).collect())
}

/// Whether a path of fields leads to `true` or `false`, and which.
pub(super) fn flag(value: &Value, name: &str) -> Option<bool> {
    value.get(name)?.as_bool()
}

/// A project, as GitHub, Gitea and GitLab have it.
pub(super) fn project(body: &[u8]) -> Result<Project, Why> {
    let value = value(body)?;
    if ["default_branch", "archived", "full_name", "path_with_namespace"].iter().all(|name| value.get(name).is_none()) {
        return Err("JSON that says nothing of a project");
    }
    Ok(Project {
        description: text(&value, &["description"]),
        default_branch: text(&value, &["default_branch"]),
        url: address(&value, &["html_url", "web_url"]),
        archived: flag(&value, "archived"),
        pushed_at: text(&value, &["pushed_at"]),
    })
}

/// A list of releases, as GitHub, Gitea and GitLab have them; drafts are none.
pub(super) fn releases(body: &[u8]) -> Result<(Vec<Release>, bool), Why> {
    let Value::Array(entries) = value(body)? else { return Err("JSON that is no list of releases") };
    let published = entries.iter().filter(|entry| !is_set(entry, &["draft"]));
    let releases = published.filter_map(|entry| {
        Some(Release {
            tag: text(entry, &["tag_name"])?,
            published_at: first(entry, &["published_at", "released_at"]),
            url: address(entry, &["html_url"])
                .or_else(|| entry.get("_links").and_then(|links| address(links, &["self"]))),
        })
    });
    Ok((releases.collect(), entries.len() >= PAGE))
}
