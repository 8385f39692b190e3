//! An issue as a question, and an answer as what came of it: what is sent for an issue, what an answer says of it, and under what both are
//! kept. Refuses to ask.

use std::time::SystemTime;

use super::login::{self, Source};
use crate::error::Kind;
use crate::http::{Answer, Client, Login, Refusal, Request, Secret};
use crate::trackers::{Found, Target, Tracker, host};

/// An issue that is asked about.
#[derive(Debug, Clone)]
pub(super) struct Sought {
    pub(super) target: Target,
    /// Where the secret comes from.
    pub(super) source: Option<Source>,
    /// The repository whose commit named it, if one did.
    pub(super) repo: Option<Box<str>>,
    /// How it was named: the kind and the key of the reference.
    pub(super) reference: Option<(&'static str, String)>,
}

/// What has come of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) sought: Sought,
    pub(super) found: Option<Found>,
    pub(super) cached: bool,
    pub(super) stale: bool,
    pub(super) fetched_at: Option<SystemTime>,
    /// What went wrong.
    pub(super) trouble: Option<Refusal>,
}

impl Outcome {
    /// Nothing, for this reason.
    pub(super) fn failed(sought: Sought, trouble: Refusal) -> Self {
        Self { sought, found: None, cached: false, stale: false, fetched_at: None, trouble: Some(trouble) }
    }
}

/// Under what is noted by what login the answers of `tracker` are kept. It is never sent.
pub(super) fn note_of(tracker: &Tracker) -> Option<Request> {
    Some(Request::get(&tracker.base).ok()?.with("login", "git"))
}

/// What is kept of `target`, of any age, as whoever logs in by `source` or nobody was told. Neither a server nor a helper is asked.
pub(super) async fn kept(client: &Client, target: &Target, source: Option<&Source>) -> Option<Found> {
    let name = match source {
        Some(source) => match (login::name_of(source), note_of(&target.tracker)) {
            (None, Some(note)) => {
                let noted = client.kept_at_all(&note).await;
                noted.map(|noted| String::from_utf8_lossy(&noted.body).into_owned())
            }
            (known, _) => known,
        },
        None => None,
    };
    // Answers are told apart by the name alone.
    let login = name.map(|name| Login { name, header: "authorization", secret: Secret::new("") });
    for login in [login, None] {
        let Some(request) = request(target, login) else { continue };
        let answer = client.kept_at_all(&request).await.filter(Answer::is_found);
        if let Some(found) = answer.and_then(|answer| target.read(&answer.body).ok().flatten()) {
            return Some(found);
        }
    }
    None
}

/// What is sent; `None` if that is no name of an issue there.
pub(super) fn request(target: &Target, login: Option<Login>) -> Option<Request> {
    let ask = target.ask(login.is_some())?;
    Some(Request::get(&ask.url).ok()?.with("accept", ask.accept).by(login))
}

/// What an answer says of it.
pub(super) fn read(sought: Sought, answer: Answer) -> Outcome {
    let read = if answer.is_found() { sought.target.read(&answer.body) } else { Ok(None) };
    let Answer { cached, stale, fetched_at, trouble, .. } = answer;
    let fetched_at = Some(fetched_at);
    match read {
        Ok(Some(found)) => Outcome { sought, found: Some(found), cached, stale, fetched_at, trouble },
        Ok(None) => {
            let trouble = Some(not_found(&sought.target));
            Outcome { sought, found: None, cached, stale, fetched_at, trouble }
        }
        Err(cause) => Outcome::failed(sought, Refusal::of(&cause)),
    }
}

/// That there is no such issue.
pub(super) fn not_found(target: &Target) -> Refusal {
    let message = format!("{} shows no {}", host(&target.tracker.base), target.local);
    Refusal::of(&Kind::RemoteNotFound.hinted(message, "what only some may see takes bhfuil.tracker.<name>.credential"))
}
