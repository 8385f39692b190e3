//! Passwords, from git's own credential helpers and nowhere else (git-credential(1)). None is kept here, and none is shown.

use std::fmt;

use super::failure::last_words;
use super::process::{self, Work};
use super::transfer::Session;
use crate::error::Kind;

/// What a password is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Realm {
    /// `https`, say.
    pub protocol: String,
    /// The server's name, with the port if that isn't the usual one.
    pub host: String,
    /// The path, without the slash before it. git asks its helpers about it only with `credential.useHttpPath`.
    pub path: Option<String>,
    /// The user, if that is known.
    pub username: Option<String>,
}

/// A user and a password. Its debug form doesn't tell the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is for.
    pub realm: Realm,
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("realm", &self.realm)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Asks git's helpers, and the user if the session allows it, for the password of `realm`.
///
/// # Errors
/// [`Kind::Authentication`] if nobody knows one.
///
/// ```
/// use git_bhfuil::clock::Clock;
/// use git_bhfuil::gitcli::credential::{self, Realm};
/// use git_bhfuil::gitcli::{Bounds, Program, transfer::Session};
/// use git_bhfuil::shutdown::Token;
///
/// # let home = tempfile::tempdir()?;
/// # let configured = "[credential]\nhelper = \"!f() { echo username=me; echo password=secret; }; f\"\n";
/// # std::fs::write(home.path().join(".gitconfig"), configured)?;
/// let program = Program::default().with("HOME", home.path()).with("GIT_CONFIG_NOSYSTEM", "1");
/// let (clock, token) = (Clock::Real, Token::new());
/// let bounds = Bounds { clock: &clock, token: &token, deadline: None };
/// let session = Session { program: &program, bounds, prompts: false };
///
/// let realm = Realm { protocol: "https".into(), host: "example.com".into(), ..Realm::default() };
/// let found = smol::block_on(credential::fill(&session, &realm))?;
/// assert_eq!((found.username.as_str(), found.password.as_str()), ("me", "secret"));
/// assert!(!format!("{found:?}").contains("secret"));
/// // That it worked, so that helpers keep it; had it not, `reject` makes them forget it.
/// smol::block_on(credential::approve(&session, &found))?;
/// # Ok::<(), anyhow::Error>(())
/// ```
pub async fn fill(session: &Session<'_>, realm: &Realm) -> anyhow::Result<Credential> {
    let output = ask(session, "fill", &written(realm, None)?).await?;
    let value =
        |key: &str| output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned);
    let (Some(username), Some(password)) = (value("username"), value("password")) else {
        return Err(Kind::Authentication.error(format!("git knows no user and password for {}", shown(realm))));
    };
    Ok(Credential { realm: realm.clone(), username, password })
}

/// Tells git's helpers that a credential was accepted.
///
/// # Errors
/// If git fails.
pub async fn approve(session: &Session<'_>, credential: &Credential) -> anyhow::Result<()> {
    ask(session, "approve", &written(&credential.realm, Some(credential))?).await.map(drop)
}

/// Tells git's helpers that a credential was refused.
///
/// # Errors
/// If git fails.
pub async fn reject(session: &Session<'_>, credential: &Credential) -> anyhow::Result<()> {
    ask(session, "reject", &written(&credential.realm, Some(credential))?).await.map(drop)
}

async fn ask(session: &Session<'_>, verb: &str, input: &str) -> anyhow::Result<String> {
    let mut command = session.program.command();
    command.args(["credential", verb]);
    if !session.prompts {
        command.env("GIT_TERMINAL_PROMPT", "0");
    }
    let operation = format!("git credential {verb}");
    let work = Work {
        command,
        operation: &operation,
        input: input.as_bytes(),
        wanted: true,
        apart: !session.prompts,
        grace: session.program.grace(),
    };
    let mut stderr = Vec::new();
    let (status, stdout) = process::run(work, &session.bounds, &mut |bytes| stderr.extend_from_slice(bytes)).await?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let why = last_words(&said).trim_start_matches("fatal: ");
        let hint = "git config credential.helper names who is asked; with none, git asks you in a terminal";
        return Err(Kind::Authentication.hinted(format!("{operation}: {why}"), hint));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// A description in the form that git credential reads: a key and a value on each line.
fn written(realm: &Realm, credential: Option<&Credential>) -> anyhow::Result<String> {
    let username = credential.map(|known| known.username.as_str()).or(realm.username.as_deref());
    let fields = [
        ("protocol", Some(realm.protocol.as_str())),
        ("host", Some(realm.host.as_str())),
        ("path", realm.path.as_deref()),
        ("username", username),
        ("password", credential.map(|known| known.password.as_str())),
    ];
    let mut text = String::new();
    for (key, value) in fields.iter().filter_map(|(key, value)| Some((key, (*value)?))) {
        // One more line would be one more field, such as another host.
        if value.contains(['\n', '\r', '\0']) {
            return Err(Kind::BadValue.error(format!("a {key} has one line")));
        }
        text.push_str(key);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    }
    text.push('\n');
    Ok(text)
}

fn shown(realm: &Realm) -> String {
    format!("{}://{}", realm.protocol, realm.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_makes_a_field_of_its_own() {
        let realm = |host: &str| Realm { protocol: "https".into(), host: host.into(), ..Realm::default() };
        assert_eq!(written(&realm("h"), None).expect("it is one"), "protocol=https\nhost=h\n\n");
        for bad in ["h\nhost=evil", "h\0", "h\r"] {
            assert!(written(&realm(bad), None).is_err(), "{bad:?}");
        }
        let known = Credential { realm: realm("h"), username: "me".into(), password: "secret".into() };
        let text = written(&known.realm, Some(&known)).expect("it is one");
        assert_eq!(text, "protocol=https\nhost=h\nusername=me\npassword=secret\n\n");
        assert!(!format!("{known:?}").contains("secret"));
    }
}
