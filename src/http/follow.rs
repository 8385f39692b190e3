//! Redirects, within one origin only: whoever a request was meant for, nobody else gets to see it, nor what it is signed with.
//!
//! A middleware of surf; surf's own sends the last request twice, and a password to whomever it is told to.

use surf::http::{Method, Url};
use surf::middleware::{Middleware, Next};
use surf::utils::async_trait;
use surf::{Client, Request, Response};

use super::request::{host, origin};
use super::status;
use crate::error::Kind;

/// Redirects that are followed for one request.
const MOST: usize = 5;

/// Follows redirects.
#[derive(Debug)]
pub(super) struct Follow;

#[async_trait]
impl Middleware for Follow {
    async fn handle(&self, mut request: Request, client: Client, next: Next<'_>) -> surf::Result<Response> {
        // Where a body would have to go along, as with 307, it is a question like any other.
        let body = request.take_body().into_bytes().await?;
        for _ in 0..=MOST {
            let mut sent = request.clone();
            sent.set_body(body.clone());
            let response = next.run(sent, client.clone()).await?;
            if !matches!(status(&response), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.header("location").map(|values| values.last().as_str());
            let target = target(request.url(), location, request.method())?;
            *request.as_mut() = {
                let mut next: surf::http::Request = request.clone().into();
                *next.url_mut() = target;
                next
            };
        }
        Err(Kind::Remote
            .error(format!("{} leads from one address to the next and never to an answer", host(request.url())))
            .into())
    }
}

/// Where a redirect leads, if there it may be followed.
fn target(from: &Url, location: Option<&str>, method: Method) -> anyhow::Result<Url> {
    let own = host(from);
    let location =
        location.ok_or_else(|| Kind::BadAnswer.error(format!("{own} leads elsewhere without saying where")))?;
    let to = from
        .join(location)
        .map_err(|cause| Kind::BadAnswer.wrap(cause, format!("{own} leads to what is no address")))?;
    if origin(&to) != origin(from) || method != Method::Get {
        let message = format!("{own} leads to {}, which isn't followed", origin(&to));
        return Err(Kind::Remote.hinted(message, "bhfuil.tracker.<name>.url sets where a tracker is"));
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_origin_is_followed() {
        let from = Url::parse("https://api.example.com/repos/a").expect("an address");
        let leads = |to: &str| target(&from, Some(to), Method::Get).map(|url| url.to_string());
        assert_eq!(leads("/repositories/7").expect("the same"), "https://api.example.com/repositories/7");
        assert_eq!(leads("b?c=1").expect("the same"), "https://api.example.com/repos/b?c=1");
        assert_eq!(leads("https://api.example.com:443/x").expect("the same"), "https://api.example.com/x");
        for to in [
            "http://api.example.com/x",
            "https://example.com/x",
            "//evil.example/x",
            "https://api.example.com:8443/x",
            "file:///etc/passwd",
        ] {
            assert!(leads(to).is_err(), "{to}");
        }
        assert!(target(&from, None, Method::Get).is_err());
        assert!(target(&from, Some("/x"), Method::Post).is_err());
    }
}
