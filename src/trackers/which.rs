//! Which tracker a reference means: what it says itself (`owner/repo#12`, a CVE id), what is configured, or where the repository comes from.
//!
//! Refuses to guess: a bare number in a repository that comes from nowhere, and is told of by no setting, is nobody's.

use regex::Regex;

use super::{Software, Target, Tracker, host, is_number};
use crate::facts::issues::{IssueKind, IssueRef};

/// Servers that are known to run Gitea or Forgejo.
const GITEA: [&str; 3] = ["codeberg.org", "gitea.com", "code.forgejo.org"];

/// A tracker as it is configured, `bhfuil.tracker.<name>.*`.
#[derive(Debug, Clone)]
pub struct Configured {
    /// Its name there.
    pub name: String,
    /// What runs it.
    pub software: Software,
    /// Where it is, without a slash at the end, and without what names a project.
    pub base: Option<String>,
    /// The project whose issues bare numbers are, where its address names one.
    pub project: Option<String>,
    /// What in a message is an issue of it; the first group is its name, if there is one, else all of it.
    pub patterns: Vec<Regex>,
}

impl Configured {
    /// One at `url`, if that is set.
    #[must_use]
    pub fn new(name: &str, software: Software, url: Option<&str>, patterns: Vec<Regex>) -> Self {
        let (base, project) = match url.map(|url| url.trim_end_matches('/')) {
            Some(url) if is_forge(software) => split(url),
            Some(url) if software == Software::Launchpad => split_launchpad(url),
            Some(url) => (Some(url.to_owned()), None),
            None => (None, None),
        };
        Self { name: name.to_owned(), software, base, project, patterns }
    }

    /// The tracker, if anybody knows where it is.
    #[must_use]
    pub fn tracker(&self) -> Option<Tracker> {
        let base = self.base.clone().or_else(|| self.software.usual_base().map(str::to_owned))?;
        Some(Tracker { software: self.software, base })
    }

    fn target(&self, local: impl Into<String>) -> Option<Target> {
        Some(Target { tracker: self.tracker()?, local: local.into() })
    }
}

fn is_forge(software: Software) -> bool {
    matches!(software, Software::Github | Software::Gitlab | Software::Gitea)
}

/// The address of Launchpad, and the name of a project there. One of one's own is set by its address alone.
fn split_launchpad(url: &str) -> (Option<String>, Option<String>) {
    let (server, is_usual) = (host(url), host(url).ends_with("launchpad.net"));
    match url.split_once(server).and_then(|(_, rest)| rest.strip_prefix('/')) {
        Some(name) if is_usual && !name.contains('/') => {
            (Software::Launchpad.usual_base().map(str::to_owned), Some(name.to_owned()))
        }
        _ => (Some(url.to_owned()), None),
    }
}

/// The address of a server, and the path of a project there, if that has two parts or more. A server of one's own in a folder is set by
/// that folder alone.
fn split(url: &str) -> (Option<String>, Option<String>) {
    let start = url.find("://").map_or(0, |at| at + 3);
    match url[start..].split_once('/') {
        Some((server, path)) if path.contains('/') => {
            let path = path.strip_suffix(".git").unwrap_or(path);
            (Some(format!("{}{server}", &url[..start])), Some(path.to_owned()))
        }
        _ => (Some(url.to_owned()), None),
    }
}

/// Where a repository comes from: the server and the path there of one of its remotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The name of the server; a port of the web is part of it.
    pub host: String,
    /// `owner/repo`.
    pub project: String,
}

impl Remote {
    /// What an address of a remote (git-fetch(1), GIT URLS) says; `None` of one that is a path.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (server, path, is_web) = match url.split_once("://") {
            Some((scheme @ ("http" | "https" | "ssh" | "git" | "git+ssh"), rest)) => {
                let (server, path) = rest.split_once('/')?;
                (server, path, scheme.starts_with("http"))
            }
            Some(_) => return None,
            // `me@host:path`, and no path with a colon in it.
            None => {
                let (server, path) = url.split_once(':').filter(|(server, _)| !server.contains('/'))?;
                (server, path, false)
            }
        };
        let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
        // A port of another protocol says nothing of the web.
        let server = if is_web { server } else { server.split(':').next().unwrap_or(server) };
        let path = path.trim_matches('/');
        let project = path.strip_suffix(".git").unwrap_or(path);
        let is_one = !server.is_empty() && project.contains('/');
        is_one.then(|| Self { host: server.to_ascii_lowercase(), project: project.to_owned() })
    }
}

/// Where a repository is on the web, as far as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnTheWeb {
    /// Its address.
    pub repository: Option<String>,
    /// What the address of a commit's page begins with; the id follows.
    pub commits: Option<String>,
}

/// What there is to know of a repository: its trackers, and where it comes from, the most telling remote first.
#[derive(Debug, Clone, Default)]
pub struct Home {
    /// What is configured for it.
    pub configured: Vec<Configured>,
    /// Its remotes.
    pub remotes: Vec<Remote>,
}

impl Home {
    /// What `reference` means, said of this repository.
    #[must_use]
    pub fn target(&self, reference: &IssueRef) -> Option<Target> {
        let key = reference.key.as_str();
        match reference.kind {
            IssueKind::Number => self.project().map(|(tracker, project)| numbered(tracker, &project, '#', key)),
            IssueKind::Github | IssueKind::Ghsa => self.usual(Software::Github, key),
            IssueKind::Cve => self.usual(Software::Osv, key),
            IssueKind::Launchpad => self.usual(Software::Launchpad, key),
            IssueKind::Bug => self.only(&[Software::Bugzilla, Software::Launchpad])?.target(key),
            IssueKind::Bugzilla => {
                let (server, number) = key.split_once('#')?;
                let server = if server == "rhbz" { "bugzilla.redhat.com" } else { server };
                Some(Target { tracker: self.at(Software::Bugzilla, server), local: number.to_owned() })
            }
            IssueKind::Jira => self.jira(key)?.target(key),
            IssueKind::Gitlab => self.gitlab(key),
            IssueKind::Url => self.url(key),
            // It can be read by people and by mail.
            IssueKind::Debian => None,
        }
    }

    /// The change that a Change-Id names, where a Gerrit is configured.
    #[must_use]
    pub fn change(&self, id: &str) -> Option<Target> {
        self.only(&[Software::Gerrit])?.target(id)
    }

    /// Whether there are patterns that may find something in a message.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        self.configured.iter().any(|tracker| !tracker.patterns.is_empty())
    }

    /// What the configured patterns find in a message, in the order of the trackers.
    #[must_use]
    pub fn in_message(&self, message: &str) -> Vec<(Target, String)> {
        let mut found: Vec<(Target, String)> = Vec::new();
        for tracker in &self.configured {
            for pattern in &tracker.patterns {
                for captures in pattern.captures_iter(message) {
                    let part = captures.get(1).or_else(|| captures.get(0));
                    // A pattern may fit nothing at all, and does so everywhere.
                    let Some(part) = part.filter(|part| !part.is_empty()) else { continue };
                    let target = self.named(tracker, part.as_str());
                    if let Some(target) = target.filter(|target| found.iter().all(|(known, _)| known != target)) {
                        found.push((target, part.as_str().to_owned()));
                    }
                }
            }
        }
        found
    }

    /// The issue that a configured pattern finds in `text`, if it is all of that.
    #[must_use]
    pub fn by_pattern(&self, text: &str) -> Option<Target> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        self.configured.iter().find_map(|tracker| {
            let captures = tracker.patterns.iter().filter_map(|pattern| pattern.captures(text));
            let mut all = captures.filter(|captures| captures.get(0).is_some_and(|found| found.as_str() == text));
            all.find_map(|captures| self.named(tracker, captures.get(1).or_else(|| captures.get(0))?.as_str()))
        })
    }

    /// The issue that goes by `text` in one of the trackers.
    fn named(&self, tracker: &Configured, text: &str) -> Option<Target> {
        let number = text.trim_start_matches(['#', '!']);
        if !is_forge(tracker.software) || !is_number(number) {
            return tracker.target(if is_number(number) { number } else { text });
        }
        let own = tracker.tracker()?;
        let server = host(&own.base).to_owned();
        let of_remote =
            || self.remotes.iter().find(|remote| remote.host == server).map(|remote| remote.project.clone());
        let project = tracker.project.clone().or_else(of_remote)?;
        let mark = if text.starts_with('!') { '!' } else { '#' };
        Some(numbered(own, &project, mark, number))
    }

    /// The project whose issues bare numbers are.
    #[must_use]
    pub fn project(&self) -> Option<(Tracker, String)> {
        let forges = self.configured.iter().filter(|tracker| is_forge(tracker.software));
        let set = forges.into_iter().find_map(|tracker| Some((tracker.tracker()?, tracker.project.clone()?)));
        set.or_else(|| self.remotes.iter().find_map(|remote| Some((self.forge(&remote.host)?, remote.project.clone()))))
    }

    /// Where it is on the web. That of its remotes which comes first is taken for the one that everybody knows.
    #[must_use]
    pub fn on_the_web(&self) -> OnTheWeb {
        let address = |remote: &Remote| format!("https://{}/{}", remote.host, remote.project);
        OnTheWeb { repository: self.remotes.first().map(address), commits: self.commits_at() }
    }

    /// The address of a commit's page where the repository comes from, without the id that ends it.
    #[must_use]
    pub fn commits_at(&self) -> Option<String> {
        let remote = self.remotes.iter().find_map(|remote| Some((self.forge(&remote.host)?, remote.project.clone())));
        let (forge, project) = remote.or_else(|| self.project())?;
        let path = if forge.software == Software::Gitlab { "/-/commit/" } else { "/commit/" };
        Some(format!("{}/{project}{path}", forge.base))
    }

    /// The projects that it is: that whose issues bare numbers are, and those of Launchpad that are configured.
    #[must_use]
    pub fn projects(&self) -> Vec<(Tracker, String)> {
        let others = self.configured.iter().filter(|tracker| !is_forge(tracker.software));
        let others = others.filter_map(|tracker| Some((tracker.tracker()?, tracker.project.clone()?)));
        self.project().into_iter().chain(others).collect()
    }

    /// The forge at `server`, if it is known what runs it.
    fn forge(&self, server: &str) -> Option<Tracker> {
        let set = self.configured.iter().filter(|tracker| is_forge(tracker.software)).filter_map(Configured::tracker);
        let software = match server {
            "github.com" => Software::Github,
            server if GITEA.contains(&server) => Software::Gitea,
            server if server == "gitlab.com" || server.starts_with("gitlab.") => Software::Gitlab,
            server => return set.into_iter().find(|tracker| host(&tracker.base) == server),
        };
        Some(self.at(software, server))
    }

    /// The tracker at `server`: as it is configured, or as one would expect it.
    fn at(&self, software: Software, server: &str) -> Tracker {
        let set = self.configured.iter().filter(|tracker| tracker.software == software).filter_map(Configured::tracker);
        let expected = || Tracker { software, base: format!("https://{server}") };
        set.into_iter().find(|tracker| host(&tracker.base) == server).unwrap_or_else(expected)
    }

    /// An issue of the tracker of that software which is meant where no server is named: the usual one, if nobody has set another alone.
    fn usual(&self, software: Software, key: &str) -> Option<Target> {
        let mut set =
            self.configured.iter().filter(|tracker| tracker.software == software).filter_map(Configured::tracker);
        let usual = Tracker { software, base: software.usual_base()?.to_owned() };
        let first = set.next();
        let is_usual = first.is_none() || first.as_ref() == Some(&usual) || set.any(|tracker| tracker == usual);
        let tracker = if is_usual { usual } else { first? };
        Some(Target { tracker, local: key.to_owned() })
    }

    /// The one tracker of these kinds, if there is one alone.
    fn only(&self, kinds: &[Software]) -> Option<&Configured> {
        let mut of_kind = self.configured.iter().filter(|tracker| kinds.contains(&tracker.software));
        of_kind.next().filter(|_| of_kind.next().is_none())
    }

    /// The Jira that has an issue: of several the one whose pattern it fits.
    fn jira(&self, key: &str) -> Option<&Configured> {
        self.only(&[Software::Jira]).or_else(|| {
            let mut all = self.configured.iter().filter(|tracker| tracker.software == Software::Jira);
            all.find(|tracker| tracker.patterns.iter().any(|pattern| pattern.is_match(key)))
        })
    }

    /// `group/project#12`, `host/group/project!12`, or `!12` of the repository's own.
    fn gitlab(&self, key: &str) -> Option<Target> {
        let (path, mark) =
            [('!', "!"), ('#', "#")].into_iter().find_map(|(mark, text)| Some((key.rsplit_once(text)?.0, mark)))?;
        let number = &key[path.len() + 1..];
        if path.is_empty() {
            let (tracker, project) = self.project().filter(|(tracker, _)| tracker.software != Software::Github)?;
            return Some(numbered(tracker, &project, mark, number));
        }
        let (first, rest) = path.split_once('/')?;
        // A group may have a dot in its name, but hardly a whole domain before two more parts.
        let names_server = (first.contains('.') || first.contains(':')) && rest.contains('/');
        let (server, project) = if names_server { (first, rest) } else { ("gitlab.com", path) };
        let tracker =
            if names_server { self.at(Software::Gitlab, server) } else { self.usual(Software::Gitlab, "")?.tracker };
        Some(numbered(tracker, project, mark, number))
    }

    /// A whole address, of a server that is known or configured.
    fn url(&self, url: &str) -> Option<Target> {
        let server = host(url);
        let tracker = self.forge(server)?;
        let path = url.get(tracker.base.len()..).filter(|_| url.starts_with(&tracker.base))?;
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let [project @ .., kind, number] = parts.as_slice() else { return None };
        let mark = match *kind {
            "issues" | "work_items" => '#',
            "pulls" | "pull" if tracker.software != Software::Gitlab => '#',
            "merge_requests" => '!',
            _ => return None,
        };
        let project = project.strip_suffix(&["-"]).unwrap_or(project).join("/");
        (is_number(number) && project.contains('/')).then(|| numbered(tracker, &project, mark, number))
    }
}

fn numbered(tracker: Tracker, project: &str, mark: char, number: &str) -> Target {
    // Elsewhere both are counted together.
    let mark = if tracker.software == Software::Gitlab { mark } else { '#' };
    Target { tracker, local: format!("{project}{mark}{number}") }
}
