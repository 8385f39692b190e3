//! Trying again what failed for the moment. A middleware of surf, outside the gate: while one waits, others may go.

use std::time::SystemTime;

use surf::middleware::{Middleware, Next};
use surf::utils::async_trait;
use surf::{Client, Request, Response};

use super::limit::pause;
use super::refusal::{again, left, of_status};
use super::request::host;
use super::{Settings, status};
use crate::clock::Clock;
use crate::error::{Kind, kind_of};
use crate::retry::{Again, Chance, Tries};
use crate::shutdown::Token;

/// Tries again.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) token: Token,
    pub(super) chance: Chance,
}

#[async_trait]
impl Middleware for Patient {
    async fn handle(&self, mut request: Request, client: Client, next: Next<'_>) -> surf::Result<Response> {
        let body = request.take_body().into_bytes().await?;
        let host = host(request.url());
        let chance = self.chance.apart(request.url().as_str());
        let mut tries = Tries::new(self.settings.retry, &self.clock, &self.token, None, chance);
        loop {
            let attempt = tries.begin();
            let mut sent = request.clone();
            sent.set_body(body.clone());
            let (cause, worth) = match next.run(sent, client.clone()).await {
                Ok(response) => match self.refused(&response, &host) {
                    None => return Ok(response),
                    Some(refused) => refused,
                },
                Err(cause) => {
                    let cause = cause.into_inner();
                    // One that is limited now was not let through at all: there is no use in coming back.
                    let worth = match kind_of(&cause) {
                        Kind::RateLimited => Again::Never,
                        kind => again(kind, None, self.settings.timeout),
                    };
                    (cause, worth)
                }
            };
            debug_assert!(attempt.number <= attempt.of, "so many and no more");
            match tries.wait_after(worth) {
                Some(wait) => tries.wait(wait, cause).await?,
                None => return Err(tries.give_up(cause).into()),
            }
        }
    }
}

impl Patient {
    /// What an answer means that is an error, and whether to try again.
    fn refused(&self, response: &Response, host: &str) -> Option<(anyhow::Error, Again)> {
        let now: SystemTime = self.clock.wall();
        let header = |name: &str| response.header(name).map(|values| values.last().as_str());
        let pause = left(pause(status(response), header, now), now);
        let cause = of_status(status(response), host, pause)?;
        let worth = again(kind_of(&cause), pause, self.settings.timeout);
        Some((cause, worth))
    }
}
