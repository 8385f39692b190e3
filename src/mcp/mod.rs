//! A server of the Model Context Protocol (<https://modelcontextprotocol.io/specification>) that offers tools over standard input and output:
//! messages of JSON-RPC, a line each.
//!
//! `lines` cuts the input, `message` understands a line, a `session` decides what it leads to, `calls` are those under way, at once and
//! each with a token of its own, `pace` makes one number of how far one is, and an `answer` gathers the events of a command, at most so many.
//!
//! Versions from 2024-11-05 on are spoken, those with a handshake and 2026-07-28, which has none. Of the protocol a server that only has tools
//! needs little more than this room; the official crate, `rmcp`, brings tokio, and there is one executor here. Nothing is asked of the client,
//! and what tools do is not known here.

mod answer;
mod calls;
mod lines;
mod message;
mod pace;
mod session;

use serde_json::{Map, Value};
use smol::io::AsyncRead;

pub use self::answer::gather;
pub use self::calls::{Call, Outcome};
use self::calls::{Calls, Reply};
use self::lines::{Line, Lines};
use self::message::{Code, Message, Said};
pub use self::session::{Offer, Tool};
use self::session::{Reaction, Session};
use crate::clock::Clock;
use crate::error::Kind;
use crate::executor::{LocalExecutor, Task};
use crate::report::Gone;
use crate::shutdown::Token;

/// Messages of one array that are looked at.
const IN_A_BATCH: usize = 100;

/// Serves what `offer` says until `input` ends and all that was asked is answered, until nobody reads any more, or until `token` is cancelled.
/// `write` writes a message, `tools` does what is called.
///
/// # Errors
/// If `input` can't be read.
pub async fn serve<R, W, T>(
    offer: &Offer,
    input: R,
    write: W,
    tools: T,
    (clock, token): (&Clock, &Token),
) -> anyhow::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncFn(&Value) -> Result<(), Gone>,
    T: AsyncFn(Call) -> Outcome,
{
    let part = token.part();
    let calls = Calls::new(offer, &write, &tools, clock, part.token());
    let executor = LocalExecutor::new();
    let all = async {
        let mut lines = Lines::new(input);
        let mut session = Session::default();
        let mut begun = Vec::new();
        while let Some(line) = lines.next().await.map_err(|cause| Kind::Io.wrap(cause, "reading standard input"))? {
            begun.retain(|task: &Task<()>| !task.is_finished());
            let said = match line {
                Line::Whole(line) => message::read(&line),
                Line::TooLong => Some(Said::One(too_long())),
            };
            for turn in said.map(|said| turns(&mut session, offer, said)).unwrap_or_default() {
                begun.extend(calls.take(turn, &executor).await);
            }
        }
        for task in begun {
            task.await;
        }
        Ok(())
    };
    let all = executor.run(all);
    part.token().unless_cancelled(Box::pin(all)).await.unwrap_or(Ok(()))
}

fn too_long() -> Message {
    let message = format!("a line has {} bytes at the most", lines::LONGEST);
    Message::Faulty(message::error(Value::Null, Code::Parse, &message))
}

/// What is to be done, and how its answer is given.
struct Turn {
    reaction: Reaction,
    reply: Reply,
}

/// What is to be done about what was said, in its order.
fn turns(session: &mut Session, offer: &Offer, said: Said) -> Vec<Turn> {
    let alone = |reaction| vec![Turn { reaction, reply: Reply::Alone }];
    let refused = |message: &str| alone(Reaction::Answer(message::error(Value::Null, Code::InvalidRequest, message)));
    match said {
        Said::One(message) => alone(session.take(offer, message)),
        Said::Batch(_) if !session.takes_batches() => refused("arrays of messages are of version 2025-03-26 alone"),
        Said::Batch(messages) if messages.is_empty() => refused("an array of messages has one at least"),
        Said::Batch(messages) if messages.len() > IN_A_BATCH => refused("an array has 100 messages at the most"),
        Said::Batch(messages) => {
            let reactions: Vec<_> = messages.into_iter().map(|message| session.take(offer, message)).collect();
            let wanted = reactions.iter().filter(|it| matches!(it, Reaction::Answer(_) | Reaction::Call(_))).count();
            let reply = Reply::together(wanted);
            reactions.into_iter().map(|reaction| Turn { reaction, reply: reply.clone() }).collect()
        }
    }
}

/// The result of a tool call: text for a model, the same as JSON for a program.
fn result_of(outcome: Outcome) -> Map<String, Value> {
    let text = |text: String| serde_json::json!({"type": "text", "text": text});
    let Outcome { said, structured, is_error } = outcome;
    let mut content: Vec<Value> = said.into_iter().map(text).collect();
    if content.is_empty() {
        // Clients that know nothing of structured content read this.
        content.extend(structured.as_ref().map(|value| text(value.to_string())));
    }
    let mut result = Map::from_iter([("content".to_owned(), Value::Array(content))]);
    if let Some(structured) = structured {
        result.insert("structuredContent".into(), structured);
    }
    result.insert("isError".into(), is_error.into());
    result
}

#[cfg(test)]
mod tests;
