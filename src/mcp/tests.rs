//! A client of a server whose tools are made up. What it will say is known from the beginning, and its calls are waited for at its end.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use serde_json::json;

use super::session::tests::offer;
use super::*;
use crate::clock::ManualClock;
use crate::progress;

/// A client that leaves time for what it has said before it goes on: a line at a time.
struct Slow<'a> {
    left: &'a [u8],
    waits: bool,
}

impl AsyncRead for Slow<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut [u8]) -> Poll<std::io::Result<usize>> {
        self.waits = !self.waits;
        if self.waits {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let line = self.left.iter().position(|byte| *byte == b'\n').map_or(self.left.len(), |end| end + 1);
        let (piece, left) = self.left.split_at(line.min(out.len()));
        out[..piece.len()].copy_from_slice(piece);
        self.left = left;
        Poll::Ready(Ok(piece.len()))
    }
}

/// What is written while `input` is read.
fn served<T: AsyncFn(Call) -> Outcome>(input: &[u8], tools: T) -> Vec<Value> {
    let written = RefCell::new(Vec::new());
    let write = async |message: &Value| {
        written.borrow_mut().push(message.clone());
        Ok(())
    };
    let (clock, token, input) = (Clock::Real, Token::new(), Slow { left: input, waits: false });
    smol::block_on(serve(&offer(), input, write, tools, (&clock, &token))).expect("it can be read");
    written.into_inner()
}

/// The lines of `messages` behind a handshake.
fn lines(version: &str, messages: &[Value]) -> Vec<u8> {
    let initialize =
        json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {"protocolVersion": version}});
    let all = std::iter::once(&initialize).chain(messages);
    all.flat_map(|message| format!("{message}\n").into_bytes()).collect()
}

fn called(id: u32, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo", "arguments": arguments}})
}

fn cancelled(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

async fn echo(call: Call) -> Outcome {
    Outcome { said: None, structured: Some(Value::Object(call.arguments)), is_error: false }
}

/// The ids of the answers, in their order, but for the handshake's.
fn ids(written: &[Value]) -> Vec<&Value> {
    written[1..].iter().map(|message| &message["id"]).collect()
}

#[test]
fn an_answer_is_there_as_json_and_as_text() {
    let written = served(&lines("2025-06-18", &[called(1, &json!({"a": [1]}))]), echo);
    let result = &written[1]["result"];
    assert_eq!((&result["structuredContent"], &result["isError"]), (&json!({"a": [1]}), &json!(false)));
    assert_eq!(result["content"], json!([{"type": "text", "text": "{\"a\":[1]}"}]));
    let failed = served(&lines("2025-06-18", &[called(1, &json!({}))]), async |_| Outcome::failed("no repository"));
    let result = &failed[1]["result"];
    assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(true), &json!("no repository")));
    assert_eq!(result.get("structuredContent"), None);
}

#[test]
fn calls_run_at_once_and_the_end_of_the_input_waits_for_them() {
    let (open, opened) = async_channel::bounded::<()>(1);
    let tools = async |call: Call| {
        if call.arguments.contains_key("first") {
            opened.recv().await.expect("the second one opens");
        } else {
            open.send(()).await.expect("there is room");
        }
        echo(call).await
    };
    let written = served(&lines("2025-11-25", &[called(1, &json!({"first": true})), called(2, &json!({}))]), tools);
    let mut answered = ids(&written);
    answered.sort_by_key(|id| id.as_u64());
    assert_eq!(answered, [&json!(1), &json!(2)]);
}

#[test]
fn what_the_client_takes_back_is_dropped_and_never_answered() {
    struct Dropped<'a>(&'a Cell<u32>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Cell::new(0);
    let tokens = RefCell::new(Vec::new());
    let tools = async |call: Call| {
        let _noted = Dropped(&dropped);
        tokens.borrow_mut().push(call.token.clone());
        std::future::pending().await
    };
    let ping = json!({"jsonrpc": "2.0", "id": 9, "method": "ping"});
    let said =
        [called(1, &json!({})), called(2, &json!({})), cancelled(2), cancelled(77), ping, cancelled(1), cancelled(1)];
    let written = served(&lines("2025-11-25", &said), tools);
    assert_eq!(ids(&written), [&json!(9)]);
    assert_eq!((dropped.get(), tokens.borrow().len()), (2, 2));
    assert!(tokens.borrow().iter().all(Token::is_cancelled));
}

#[test]
fn an_id_is_used_once_at_a_time_and_so_many_calls_are_under_way() {
    let tools = async |_: Call| std::future::pending().await;
    let mut said: Vec<Value> = (1..=65).map(|id| called(id, &json!({}))).collect();
    said.push(called(1, &json!({})));
    said.extend((1..=64).map(cancelled));
    let written = served(&lines("2025-11-25", &said), tools);
    let refused: Vec<_> = written[1..].iter().map(|it| (&it["id"], it["error"]["code"].as_i64())).collect();
    assert_eq!(refused, [(&json!(65), Some(-32000)), (&json!(1), Some(-32600))]);
}

#[test]
fn an_id_that_was_taken_back_may_be_used_again() {
    let tools = async |call: Call| {
        if call.arguments.contains_key("endless") {
            std::future::pending().await
        } else {
            // The first one ends meanwhile.
            smol::future::yield_now().await;
            echo(call).await
        }
    };
    let said = [called(1, &json!({"endless": true})), cancelled(1), called(1, &json!({"again": true}))];
    let written = served(&lines("2025-11-25", &said), tools);
    assert_eq!(ids(&written), [&json!(1)]);
    assert_eq!(written[1]["result"]["structuredContent"], json!({"again": true}));
}

#[test]
fn progress_is_told_by_the_name_that_it_was_given_and_not_after_the_answer() {
    let hands = ManualClock::new();
    let clock = Clock::from(&hands);
    let tools = async |call: Call| {
        assert_eq!(call.is_watched(), call.arguments.contains_key("watched"));
        let (work, reader) = progress::begin(&clock, "where");
        call.show(reader);
        let part = work.child("index", "commits");
        for done in 1..=3 {
            part.reach(done, Some(3));
            if call.is_watched() {
                // Whoever tells it sleeps after each note.
                hands.until_asleep(1).await;
                assert!(hands.advance_to_next().is_some());
            }
        }
        echo(call).await
    };
    let mut watched = called(1, &json!({"watched": true}));
    watched["params"]["_meta"] = json!({"progressToken": 5});
    let written = RefCell::new(Vec::new());
    let write = async |message: &Value| {
        written.borrow_mut().push(message.clone());
        Ok(())
    };
    let input = lines("2025-11-25", &[watched, called(2, &json!({}))]);
    let offer = offer();
    let token = Token::new();
    smol::block_on(serve(&offer, &input[..], write, &tools, (&clock, &token))).expect("it can be read");
    let written = written.into_inner();
    let told: Vec<_> = written.iter().filter(|it| it["method"] == "notifications/progress").collect();
    assert!(told.iter().all(|it| it["params"]["progressToken"] == 5 && it["params"]["total"] == 3), "{told:?}");
    let steps: Vec<_> = told.iter().filter_map(|it| it["params"]["progress"].as_u64()).collect();
    assert_eq!(steps, [1, 2, 3]);
    let answer = written.iter().position(|it| it["id"] == 1).expect("an answer");
    assert!(written[answer..].iter().all(|it| it.get("method").is_none()), "{written:?}");
}

#[test]
fn arrays_are_answered_by_one_in_the_version_that_has_them_and_refused_in_others() {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let (note, bad) = (json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), json!(7));
    let batch = json!([called(2, &json!({})), ping, note, bad]);
    let written = served(&lines("2025-03-26", &[batch.clone(), json!([note]), json!([])]), echo);
    assert_eq!(written.len(), 3, "{written:?}");
    let (empty, all): (Vec<_>, Vec<_>) = written[1..].iter().partition(|it| it.is_object());
    assert_eq!(empty[0]["error"]["code"], -32600);
    let mut answered: Vec<_> = all[0].as_array().expect("an array").iter().map(|it| it["id"].to_string()).collect();
    answered.sort();
    assert_eq!(answered, ["1", "2", "null"]);
    // With one that is taken back there is one answer less.
    let batch = json!([called(2, &json!({})), ping, cancelled(2)]);
    let written = served(&lines("2025-03-26", &[batch]), async |_| std::future::pending().await);
    assert_eq!(written[1..], [json!([{"jsonrpc": "2.0", "id": 1, "result": {}}])]);
    let written = served(&lines("2025-06-18", &[json!([ping])]), echo);
    assert_eq!((&written[1]["id"], &written[1]["error"]["code"]), (&Value::Null, &json!(-32600)));
}

#[test]
fn it_ends_when_nobody_reads_and_when_it_is_told_to() {
    let write = async |_: &Value| Err(Gone);
    let input = lines("2025-11-25", &[called(1, &json!({}))]);
    let tools = async |_: Call| std::future::pending().await;
    let offer = offer();
    smol::block_on(serve(&offer, &input[..], write, tools, (&Clock::Real, &Token::new()))).expect("it can be read");
    let token = Token::new();
    let tools = async |_: Call| {
        token.cancel();
        std::future::pending().await
    };
    let write = async |_: &Value| Ok(());
    smol::block_on(serve(&offer, &input[..], write, tools, (&Clock::Real, &token))).expect("it can be read");
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_by_messages_or_not_at_all(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        at in 0..300usize,
        byte in any::<u8>(),
    ) {
        let mut spoilt = lines("2025-03-26", &[called(1, &json!({"a": {}})), cancelled(1), json!([called(2, &json!({}))])]);
        let at = at % spoilt.len();
        spoilt[at] = byte;
        for input in [noise, spoilt] {
            let written = served(&input, echo);
            let all = written.iter().flat_map(|it| it.as_array().cloned().unwrap_or_else(|| vec![it.clone()]));
            for answer in all {
                prop_assert_eq!(&answer["jsonrpc"], "2.0");
                prop_assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{}", answer);
            }
        }
    }
}
