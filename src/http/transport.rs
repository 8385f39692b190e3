//! How bytes get to a server and back: surf's `HttpClient` over isahc 2, made by us since surf's own backends answer wrongly, panic, or are
//! full of holes.
//!
//! Owns the translation between the two, and what a failed connection is. Certificates are always verified, redirects never followed
//! here, proxies are those of the environment (`https_proxy`, `no_proxy` and so on, as curl has them). The client, a thread of its own, is begun with
//! the first request and ends, its sockets with it, when the last owner of this goes.

use std::sync::OnceLock;
use std::time::Duration;

use isahc::config::Configurable as _;
use isahc::error::ErrorKind;
use isahc::{AsyncBody, HttpClient};
use smol::io::BufReader;
use surf::http::{self, Method};
use surf::utils::async_trait;

use super::Settings;
use super::request::host;
use crate::clock::spoken;
use crate::error::Kind;

/// Idle connections that are kept in all.
const IDLE: usize = 64;
/// How long one is kept.
const IDLE_FOR: Duration = Duration::from_secs(90);

/// A status that surf has no name for.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawStatus(pub(super) u16);

/// What libcurl allows beyond our own limits. Ours come first and say what took too long; its own close the connection of a request
/// that nobody waits for any more, which isahc notices only when something comes.
const SLACK: Duration = Duration::from_secs(1);

/// The connections of one client.
#[derive(Debug)]
pub(super) struct Transport {
    settings: Settings,
    client: OnceLock<Result<HttpClient, isahc::Error>>,
}

impl Transport {
    /// Nothing is begun yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new() }
    }

    fn client(&self) -> anyhow::Result<&HttpClient> {
        let begin = || {
            HttpClient::builder()
                .connect_timeout(self.settings.connect_timeout)
                .low_speed_timeout(1, self.settings.first_byte_timeout + SLACK)
                .timeout(self.settings.timeout + SLACK)
                .connection_cache_size(IDLE)
                .connection_cache_ttl(IDLE_FOR)
                .build()
        };
        self.client
            .get_or_init(begin)
            .as_ref()
            .map_err(|cause| Kind::Internal.wrap(cause.clone(), "starting the HTTP client"))
    }

    /// What went wrong on the way to or from `host`.
    fn failure(&self, cause: isahc::Error, host: &str) -> anyhow::Error {
        let detail =
            format!("{cause} {}", std::error::Error::source(&cause).map_or_else(String::new, ToString::to_string));
        let about_trust =
            ["certificate", "Certificate", "CERT", "UnknownIssuer"].iter().any(|word| detail.contains(word));
        match cause.kind() {
            // The only timeout that it is told of.
            ErrorKind::Timeout => Kind::Timeout.wrap_hinted(
                cause,
                format!("connecting to {host} took longer than {}", spoken(self.settings.connect_timeout)),
                "bhfuil.http.connectTimeout sets how long it may take",
            ),
            ErrorKind::BadServerCertificate | ErrorKind::ConnectionFailed if about_trust => Kind::Remote.wrap_hinted(
                cause,
                format!("the certificate of {host} can't be trusted"),
                "if it is right, add its issuer to the certificates of your system, or name its file in SSL_CERT_FILE",
            ),
            ErrorKind::BadServerCertificate | ErrorKind::TlsEngine | ErrorKind::InvalidTlsConfiguration => {
                Kind::Remote.wrap(cause, format!("no safe connection to {host} could be made"))
            }
            ErrorKind::NameResolution => Kind::Network.wrap(cause, format!("the name {host} can't be looked up")),
            ErrorKind::ConnectionFailed => Kind::Network.wrap(cause, format!("{host} can't be reached")),
            ErrorKind::InvalidContentEncoding => {
                Kind::BadAnswer.wrap(cause, format!("the answer of {host} can't be decoded"))
            }
            ErrorKind::InvalidRequest => Kind::Internal.wrap(cause, format!("a request to {host}")),
            _ => Kind::Network.wrap(cause, format!("the connection to {host} broke off")),
        }
    }
}

#[async_trait]
impl surf::HttpClient for Transport {
    async fn send(&self, mut request: http::Request) -> Result<http::Response, http::Error> {
        let host = host(request.url());
        let body = request.take_body().into_bytes().await?;
        let translated = translated(&request, body)?;
        let response = self.client()?.send_async(translated).await.map_err(|cause| self.failure(cause, &host))?;
        Ok(answer(response))
    }
}

fn translated(request: &http::Request, body: Vec<u8>) -> anyhow::Result<isahc::Request<AsyncBody>> {
    let mut builder = isahc::Request::builder().method(request.method().as_ref()).uri(request.url().as_str());
    for (name, values) in request {
        for value in values {
            builder = builder.header(name.as_str(), value.as_str());
        }
    }
    let body = if request.method() == Method::Get { AsyncBody::empty() } else { AsyncBody::from(body) };
    // A value that can't be sent may be a secret: it isn't told.
    builder.body(body).map_err(|_| Kind::BadValue.error("a header of a request can't be sent as it is"))
}

/// Header values that aren't ASCII are left out: there is none that anybody here needs, and surf can't hold them.
fn answer(mut response: isahc::Response<AsyncBody>) -> http::Response {
    let status = response.status().as_u16();
    let known = http::StatusCode::try_from(status).unwrap_or(match status {
        500.. => http::StatusCode::InternalServerError,
        400.. => http::StatusCode::BadRequest,
        // Of these none is followed or shown without being known.
        _ => http::StatusCode::NotImplemented,
    });
    let mut answer = http::Response::new(known);
    answer.ext_mut().insert(RawStatus(status));
    for (name, value) in response.headers() {
        if let Ok(value) = value.to_str() {
            answer.append_header(name.as_str(), value);
        }
    }
    let body = std::mem::replace(response.body_mut(), AsyncBody::empty());
    answer.set_body(http::Body::from_reader(BufReader::new(body), None));
    answer
}
