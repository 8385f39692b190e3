//! What a client is told, and when: versions, who we are, which tools there are. Pure; what takes time is only named here.
//!
//! Up to version 2025-11-25 a session begins with a handshake (`initialize`). From 2026-07-28 on each request says in its `_meta` which
//! version it is of, and nothing is remembered from one to the next. A client may do either; which it does shows in each request.

use serde_json::{Map, Value, json};

use super::message::{Code, Message, Request};

/// The versions that begin with a handshake, the oldest first.
const WITH_HANDSHAKE: [&str; 4] = ["2024-11-05", BATCHES, "2025-06-18", "2025-11-25"];
/// The one in which several messages may come as an array.
const BATCHES: &str = "2025-03-26";
/// The one that has no sessions.
const STATELESS: &str = "2026-07-28";

/// Where a request of the latter says its version, what its client can do, and where an answer says who gives it.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// How long a client may keep what it was told of us, in milliseconds: for as long as the program runs it stays so.
const KEEP: u64 = 3_600_000;

/// Who answers, and what may be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The name of the server.
    pub name: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What a model should know before it asks.
    pub instructions: String,
    /// The tools.
    pub tools: Vec<Tool>,
}

/// A tool that reads and changes nothing but caches.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// What it is called by.
    pub name: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// What it does, for a model.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub input: Value,
    /// The JSON Schema of its answer.
    pub output: Value,
}

/// What a message leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Reaction {
    /// This is written.
    Answer(Value),
    /// A tool is called.
    Call(Asked),
    /// The request of this id need not be answered any more.
    Cancel(Value),
    /// Nothing.
    Nothing,
}

/// A tool that is called, and how.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) era: Era,
    /// The tool, by its place in the offer.
    pub(super) tool: usize,
    pub(super) arguments: Map<String, Value>,
    /// What notifications of its progress are to be called; `None` where none are wanted.
    pub(super) progress: Option<Value>,
}

/// Which of the two ways of speaking a request is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// A session, after a handshake.
    Handshake,
    /// Every request for itself.
    Stateless,
}

impl Era {
    /// The answer with `result` in it.
    pub(super) fn answer(self, offer: &Offer, request: &Request, mut result: Map<String, Value>) -> Value {
        if self == Self::Stateless {
            result.insert("resultType".into(), "complete".into());
            result.insert("_meta".into(), json!({SERVER_KEY: offer.identity()}));
        }
        request.result(result)
    }
}

impl Offer {
    fn identity(&self) -> Value {
        json!({"name": self.name, "title": self.title, "version": self.version})
    }

    fn listed(&self) -> Map<String, Value> {
        let tools = self.tools.iter().map(|tool| {
            json!({
                "name": tool.name,
                "title": tool.title,
                "description": tool.description,
                "inputSchema": tool.input,
                "outputSchema": tool.output,
                "annotations": {"title": tool.title, "readOnlyHint": true, "openWorldHint": false},
            })
        });
        Map::from_iter([("tools".to_owned(), Value::Array(tools.collect()))])
    }

    fn capabilities() -> Value {
        json!({"tools": {}})
    }
}

/// What is remembered of a client.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The version that both have agreed on.
    version: Option<&'static str>,
}

impl Session {
    /// Whether a client may send several messages as an array.
    pub(super) fn takes_batches(&self) -> bool {
        self.version == Some(BATCHES)
    }

    /// What `message` leads to.
    pub(super) fn take(&mut self, offer: &Offer, message: Message) -> Reaction {
        match message {
            Message::Request(request) => self.request(offer, request),
            Message::Notification { method, mut params } if method == "notifications/cancelled" => {
                params.remove("requestId").map_or(Reaction::Nothing, Reaction::Cancel)
            }
            // That the client is ready is no news: it may ask once it has its answer. Others are for other servers.
            Message::Notification { .. } | Message::Answer => Reaction::Nothing,
            Message::Faulty(answer) => Reaction::Answer(answer),
        }
    }

    fn request(&mut self, offer: &Offer, request: Request) -> Reaction {
        let era = match era(&request) {
            Ok(era) => era,
            Err(refusal) => return Reaction::Answer(refusal),
        };
        let refuse = |code, message: &str| Reaction::Answer(request.error(code, message));
        match (request.method.as_str(), era) {
            ("initialize", Era::Handshake) => Reaction::Answer(self.initialize(offer, &request)),
            ("ping", Era::Handshake) => Reaction::Answer(request.result(Map::new())),
            ("server/discover", Era::Stateless) => Reaction::Answer(discovered(offer, &request)),
            ("server/discover", Era::Handshake) => {
                refuse(Code::InvalidParams, &format!("_meta has the members {VERSION_KEY} and {CAPABILITIES_KEY}"))
            }
            ("tools/list" | "tools/call", Era::Handshake) if self.version.is_none() => {
                refuse(Code::InvalidRequest, "initialize comes first")
            }
            // There is one page.
            ("tools/list", _) if request.params.get("cursor").is_some_and(|cursor| !cursor.is_null()) => {
                refuse(Code::InvalidParams, "no such cursor")
            }
            ("tools/list", _) => {
                let mut tools = offer.listed();
                if era == Era::Stateless {
                    may_be_kept(&mut tools);
                }
                Reaction::Answer(era.answer(offer, &request, tools))
            }
            ("tools/call", _) => call(offer, request, era),
            (unknown, _) => refuse(Code::UnknownMethod, &format!("no method {unknown:?}")),
        }
    }

    fn initialize(&mut self, offer: &Offer, request: &Request) -> Value {
        if self.version.is_some() {
            return request.error(Code::InvalidRequest, "initialized already");
        }
        let Some(wanted) = request.params.get("protocolVersion").and_then(Value::as_str) else {
            return request.error(Code::InvalidParams, "protocolVersion is a string");
        };
        // Of one that is unknown here the client decides whether it can do with ours.
        let known = WITH_HANDSHAKE.into_iter().find(|version| *version == wanted);
        let version = known.unwrap_or(WITH_HANDSHAKE[WITH_HANDSHAKE.len() - 1]);
        self.version = Some(version);
        request.result(Map::from_iter([
            ("protocolVersion".to_owned(), version.into()),
            ("capabilities".to_owned(), Offer::capabilities()),
            ("serverInfo".to_owned(), offer.identity()),
            ("instructions".to_owned(), offer.instructions.as_str().into()),
        ]))
    }
}

/// Of which era a request is, or the answer that it is of none.
fn era(request: &Request) -> Result<Era, Value> {
    let meta = request.params.get("_meta");
    let Some(version) = meta.and_then(|meta| meta.get(VERSION_KEY)) else { return Ok(Era::Handshake) };
    let Some(version) = version.as_str() else {
        return Err(request.error(Code::InvalidParams, &format!("{VERSION_KEY} is a string")));
    };
    if version != STATELESS {
        let supported: Vec<&str> = [STATELESS].into_iter().chain(WITH_HANDSHAKE.into_iter().rev()).collect();
        let data = json!({"supported": supported, "requested": version});
        return Err(request.error_with(Code::UnsupportedVersion, "unsupported protocol version", data));
    }
    if !meta.and_then(|meta| meta.get(CAPABILITIES_KEY)).is_some_and(Value::is_object) {
        return Err(request.error(Code::InvalidParams, &format!("_meta has a member {CAPABILITIES_KEY}, an object")));
    }
    Ok(Era::Stateless)
}

fn discovered(offer: &Offer, request: &Request) -> Value {
    let mut result = Map::from_iter([
        ("supportedVersions".to_owned(), json!([STATELESS])),
        ("capabilities".to_owned(), Offer::capabilities()),
        ("instructions".to_owned(), offer.instructions.as_str().into()),
    ]);
    may_be_kept(&mut result);
    Era::Stateless.answer(offer, request, result)
}

fn may_be_kept(result: &mut Map<String, Value>) {
    result.insert("ttlMs".into(), KEEP.into());
    result.insert("cacheScope".into(), "public".into());
}

fn call(offer: &Offer, mut request: Request, era: Era) -> Reaction {
    let refuse = |request: &Request, message: &str| Reaction::Answer(request.error(Code::InvalidParams, message));
    let Some(name) = request.params.get("name").and_then(Value::as_str) else {
        return refuse(&request, "name is a string");
    };
    let Some(tool) = offer.tools.iter().position(|tool| tool.name == name) else {
        let message = format!("no tool {name:?}");
        return refuse(&request, &message);
    };
    let token = request.params.get("_meta").and_then(|meta| meta.get("progressToken"));
    let progress = token.filter(|token| token.is_string() || token.is_i64() || token.is_u64()).cloned();
    match request.params.remove("arguments").unwrap_or_default() {
        Value::Null => Reaction::Call(Asked { request, era, tool, arguments: Map::new(), progress }),
        Value::Object(arguments) => Reaction::Call(Asked { request, era, tool, arguments, progress }),
        _ => refuse(&request, "arguments is an object"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An offer of one tool that needs nothing.
    pub(crate) fn offer() -> Offer {
        let tool = Tool {
            name: "echo",
            title: "Echo",
            description: "Says it again.".into(),
            input: json!({"type": "object"}),
            output: json!({"type": "object"}),
        };
        Offer { name: "test", title: "Test", version: "1", instructions: "Ask.".into(), tools: vec![tool] }
    }

    fn request(method: &str, params: Value) -> Message {
        let Value::Object(params) = params else { panic!("an object") };
        Message::Request(Request { id: 1.into(), method: method.into(), params })
    }

    fn answer(session: &mut Session, method: &str, params: Value) -> Value {
        match session.take(&offer(), request(method, params)) {
            Reaction::Answer(answer) => answer,
            other => panic!("{method}: {other:?}"),
        }
    }

    fn enveloped(more: Value) -> Value {
        let mut params = json!({"_meta": {VERSION_KEY: STATELESS, CAPABILITIES_KEY: {}}});
        let Value::Object(more) = more else { panic!("an object") };
        params.as_object_mut().expect("an object").extend(more);
        params
    }

    #[test]
    fn a_client_gets_the_version_that_it_asks_for_or_else_the_newest_with_a_handshake() {
        for (asked, given) in [
            ("2024-11-05", "2024-11-05"),
            ("2025-03-26", "2025-03-26"),
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("1.0", "2025-11-25"),
        ] {
            let mut session = Session::default();
            let answer = answer(&mut session, "initialize", json!({"protocolVersion": asked}));
            assert_eq!(answer["result"]["protocolVersion"], given, "{asked}");
            assert_eq!(answer["result"]["serverInfo"]["name"], "test");
            assert_eq!(session.takes_batches(), given == "2025-03-26");
        }
    }

    #[test]
    fn nothing_but_a_ping_comes_before_the_handshake_and_there_is_one() {
        let mut session = Session::default();
        let code = |answer: Value| answer["error"]["code"].as_i64();
        assert_eq!(code(answer(&mut session, "tools/list", json!({}))), Some(-32600));
        assert_eq!(answer(&mut session, "ping", json!({}))["result"], json!({}));
        assert_eq!(code(answer(&mut session, "initialize", json!({"protocolVersion": 1}))), Some(-32602));
        assert_eq!(code(answer(&mut session, "initialize", json!({"protocolVersion": "2025-06-18"}))), None);
        assert_eq!(code(answer(&mut session, "initialize", json!({"protocolVersion": "2025-06-18"}))), Some(-32600));
        assert_eq!(code(answer(&mut session, "resources/list", json!({}))), Some(-32601));
        assert_eq!(code(answer(&mut session, "tools/list", json!({"cursor": "x"}))), Some(-32602));
        let listed = answer(&mut session, "tools/list", json!({"cursor": null}));
        assert_eq!(listed["result"]["tools"][0]["name"], "echo");
        assert_eq!(listed["result"].get("resultType"), None);
    }

    #[test]
    fn without_a_session_every_request_says_its_version() {
        let mut session = Session::default();
        let discovered = answer(&mut session, "server/discover", enveloped(json!({})));
        let result = &discovered["result"];
        assert_eq!((&result["supportedVersions"], &result["resultType"]), (&json!([STATELESS]), &json!("complete")));
        assert_eq!((&result["cacheScope"], &result["_meta"][SERVER_KEY]["name"]), (&json!("public"), &json!("test")));
        let listed = answer(&mut session, "tools/list", enveloped(json!({})));
        assert!(listed["result"]["ttlMs"].is_u64() && listed["result"]["tools"].is_array(), "{listed}");
        let Reaction::Call(asked) = session.take(&offer(), request("tools/call", enveloped(json!({"name": "echo"}))))
        else {
            panic!("a call")
        };
        assert_eq!((asked.era, asked.progress), (Era::Stateless, None));
        let code = |answer: Value| answer["error"]["code"].as_i64();
        assert_eq!(code(answer(&mut session, "ping", enveloped(json!({})))), Some(-32601), "it was taken out");
        assert_eq!(code(answer(&mut session, "server/discover", json!({}))), Some(-32602));
        let newer = answer(&mut session, "tools/list", json!({"_meta": {VERSION_KEY: "2030-01-01"}}));
        assert_eq!(
            (newer["error"]["code"].as_i64(), &newer["error"]["data"]["requested"]),
            (Some(-32022), &json!("2030-01-01"))
        );
        assert_eq!(newer["error"]["data"]["supported"][0], STATELESS);
        assert_eq!(code(answer(&mut session, "tools/list", json!({"_meta": {VERSION_KEY: STATELESS}}))), Some(-32602));
        assert_eq!(code(answer(&mut session, "tools/list", json!({}))), Some(-32600), "it is no handshake");
    }

    #[test]
    fn calls_of_what_is_not_there_are_refused() {
        let mut session = Session { version: Some("2025-11-25") };
        for params in
            [json!({}), json!({"name": 1}), json!({"name": "nothing"}), json!({"name": "echo", "arguments": []})]
        {
            assert_eq!(answer(&mut session, "tools/call", params.clone())["error"]["code"], -32602, "{params}");
        }
        let params = json!({"name": "echo", "arguments": {"a": 1}, "_meta": {"progressToken": "t"}});
        let Reaction::Call(asked) = session.take(&offer(), request("tools/call", params)) else { panic!("a call") };
        assert_eq!((asked.tool, asked.progress, &asked.arguments["a"]), (0, Some("t".into()), &json!(1)));
    }

    #[test]
    fn notifications_are_never_answered() {
        let mut session = Session::default();
        let noted = |session: &mut Session, method: &str, params: Value| {
            let params = params.as_object().cloned().expect("an object");
            session.take(&offer(), Message::Notification { method: method.into(), params })
        };
        assert_eq!(noted(&mut session, "notifications/initialized", json!({})), Reaction::Nothing);
        assert_eq!(noted(&mut session, "tools/list", json!({})), Reaction::Nothing);
        assert_eq!(noted(&mut session, "notifications/cancelled", json!({})), Reaction::Nothing);
        let cancel = noted(&mut session, "notifications/cancelled", json!({"requestId": 7, "reason": "enough"}));
        assert_eq!(cancel, Reaction::Cancel(7.into()));
    }
}
