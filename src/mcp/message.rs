//! JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>) as far as the protocol uses it: what a line is, and what is written.

use serde_json::{Map, Value, json};

/// What is wrong with a message, by the numbers of JSON-RPC and of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// It is no JSON.
    Parse,
    /// It is no message, or not now.
    InvalidRequest,
    /// There is no such method.
    UnknownMethod,
    /// The method has no such parameters.
    InvalidParams,
    /// Too much is asked at a time.
    Busy,
    /// The version that it names isn't spoken here.
    UnsupportedVersion,
}

impl Code {
    fn number(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::UnknownMethod => -32601,
            Self::InvalidParams => -32602,
            Self::Busy => -32000,
            Self::UnsupportedVersion => -32022,
        }
    }
}

/// What one line says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// One message.
    One(Message),
    /// Several at once.
    Batch(Vec<Message>),
}

/// A message.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// It wants an answer.
    Request(Request),
    /// It wants none.
    Notification {
        /// What has happened.
        method: String,
        /// More about it.
        params: Map<String, Value>,
    },
    /// An answer. Nothing is asked from here: there is nobody to give it to.
    Answer,
    /// It is none; the answer to it.
    Faulty(Value),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    /// What its answer is to be called: a string or an integer.
    pub(super) id: Value,
    /// What is asked for.
    pub(super) method: String,
    /// More about it.
    pub(super) params: Map<String, Value>,
}

impl Request {
    /// The answer that it went well.
    pub(super) fn result(&self, result: Map<String, Value>) -> Value {
        // A result may be large: it isn't copied.
        of([("id", self.id.clone()), ("result", Value::Object(result))])
    }

    /// The answer that it didn't.
    pub(super) fn error(&self, code: Code, message: &str) -> Value {
        error(self.id.clone(), code, message)
    }

    /// The same with data for programs.
    pub(super) fn error_with(&self, code: Code, message: &str, data: Value) -> Value {
        let mut error = self.error(code, message);
        error["error"]["data"] = data;
        error
    }
}

/// A message that wants no answer.
pub(super) fn notification(method: &str, params: Value) -> Value {
    of([("method", method.into()), ("params", params)])
}

/// The answer that it didn't go well; the id is `null` where it isn't known.
pub(super) fn error(id: Value, code: Code, message: &str) -> Value {
    of([("id", id), ("error", json!({"code": code.number(), "message": message}))])
}

/// A message with these members.
fn of<const COUNT: usize>(members: [(&str, Value); COUNT]) -> Value {
    let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.chain([("jsonrpc".to_owned(), "2.0".into())]).collect())
}

/// Understands a line; `None` if there is nothing on it.
pub(super) fn read(line: &[u8]) -> Option<Said> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    // It refuses what is nested deeper than 128 levels.
    Some(match serde_json::from_slice(line) {
        Ok(Value::Array(items)) => Said::Batch(items.into_iter().map(message).collect()),
        Ok(value) => Said::One(message(value)),
        Err(cause) => Said::One(Message::Faulty(error(Value::Null, Code::Parse, &format!("no JSON: {cause}")))),
    })
}

fn message(value: Value) -> Message {
    let Value::Object(mut fields) = value else {
        return faulty(Value::Null, "a message is an object");
    };
    // null is no id in this protocol, and of a fraction or a number beyond 64 bits not all would come back.
    let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
    let id = fields.remove("id");
    let known = id.clone().filter(is_id).unwrap_or_default();
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return faulty(known, "a message has a member jsonrpc, which is \"2.0\"");
    }
    let method = match fields.remove("method") {
        Some(Value::String(method)) => method,
        Some(_) => return faulty(known, "method is a string"),
        None if fields.contains_key("result") || fields.contains_key("error") => return Message::Answer,
        None => return faulty(known, "a message has a method"),
    };
    let params = match fields.remove("params") {
        None => Some(Map::new()),
        Some(Value::Object(params)) => Some(params),
        Some(_) => None,
    };
    match (id, params) {
        (None, params) => Message::Notification { method, params: params.unwrap_or_default() },
        (Some(id), _) if !is_id(&id) => faulty(Value::Null, "id is a string or an integer"),
        (Some(id), None) => Message::Faulty(error(id, Code::InvalidParams, "params is an object")),
        (Some(id), Some(params)) => Message::Request(Request { id, method, params }),
    }
}

fn faulty(id: Value, message: &str) -> Message {
    Message::Faulty(error(id, Code::InvalidRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> (Value, i64) {
        match read(line.as_bytes()) {
            Some(Said::One(Message::Faulty(answer))) => {
                (answer["id"].clone(), answer["error"]["code"].as_i64().expect("a number"))
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_no_message_is_answered_by_the_number_that_the_specification_has() {
        let cases = [
            ("{", Value::Null, -32700),
            ("\u{feff}{}", Value::Null, -32700),
            ("{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"a\"}", Value::Null, -32700),
            ("1", Value::Null, -32600),
            ("{}", Value::Null, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, 1.into(), -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#, 1.into(), -32600),
            (r#"{"jsonrpc":"2.0","id":"a","method":1}"#, "a".into(), -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, Value::Null, -32600),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, Value::Null, -32600),
            (r#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"a"}"#, Value::Null, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, 1.into(), -32602),
        ];
        for (line, id, code) in cases {
            assert_eq!(fault(line), (id, code), "{line}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(fault(&deep), (Value::Null, -32700));
        assert!(matches!(read(b"\xff\xfe\n"), Some(Said::One(Message::Faulty(_)))), "no UTF-8");
    }

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        let one = |line: &str| match read(line.as_bytes()) {
            Some(Said::One(message)) => message,
            other => panic!("{line}: {other:?}"),
        };
        let Message::Request(request) = one(r#"{"jsonrpc":"2.0","id":"x","method":"a","params":{"b":1}}"#) else {
            panic!("a request")
        };
        assert_eq!((request.id, request.method.as_str(), request.params["b"].clone()), ("x".into(), "a", 1.into()));
        assert!(matches!(one(r#"{"jsonrpc":"2.0","method":"a","params":[]}"#), Message::Notification { .. }));
        assert_eq!(one(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Message::Answer);
        assert_eq!((read(b""), read(b" \r")), (None, None));
        assert_eq!(read(b"[]"), Some(Said::Batch(Vec::new())));
    }
}
