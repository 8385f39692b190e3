//! `git bhfuil mcp` as a client meets it: what it writes is held against the schemas that it gives itself, and against what the commands
//! write. The official client of the protocol asks it too, where Python has it.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use support::{Repo, bhfuil, bhfuil_command, events, of_type};

/// A client of the server in `repo`.
struct Client {
    server: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    last: u64,
}

impl Client {
    /// One that has said nothing yet.
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = command.spawn().expect("git-bhfuil starts");
        let (input, output) = (server.stdin.take(), server.stdout.take().map(BufReader::new));
        Self { server, input, output, last: 0 }
    }

    /// One that has agreed with the server on the version 2025-11-25.
    fn greeted(repo: &Repo) -> Self {
        Self::start(bhfuil_command(repo, &["mcp"])).greet()
    }

    fn greet(self) -> Self {
        let mut client = self;
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = client.ask("initialize", &params);
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    fn say(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    /// Sends a request and returns its id.
    fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last += 1;
        self.say(&json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}));
        self.last
    }

    /// The next message: every line is one.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.as_mut().expect("it is open").read_line(&mut line).expect("UTF-8");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|cause| panic!("{cause}: {line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.request(method, params);
        let answer = self.next();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Calls a tool; its result.
    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}));
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// Hangs up; what was written since, and the code it ended with.
    fn leave(mut self) -> (Vec<Value>, i32) {
        drop(self.input.take());
        self.rest()
    }

    /// What is written until it ends, and the code it ended with.
    fn rest(&mut self) -> (Vec<Value>, i32) {
        let mut rest = String::new();
        self.output.take().expect("it is open").read_to_string(&mut rest).expect("UTF-8");
        let messages = rest.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let mut said = String::new();
        self.server.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        assert_eq!(said, "", "on stderr");
        (messages, self.server.wait().expect("it ends").code().expect("it ends by itself"))
    }
}

/// A program whose git never answers what `slow` is, and says in a file which process it is.
struct SlowGit {
    repo: Repo,
    noted: PathBuf,
}

impl SlowGit {
    fn new() -> Self {
        let repo = Repo::fixture("backports");
        let (folder, noted) = (repo.home().join("bin"), repo.home().join("noted"));
        std::fs::create_dir(&folder).expect("a folder");
        let git = repo.shell("command -v git");
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *' slow '*) echo $$ >'{0}.new'; mv '{0}.new' '{0}'; exec sleep 1000;; esac\nexec {1} \"$@\"\n",
            noted.display(),
            git.trim_end(),
        );
        std::fs::write(folder.join("git"), script).expect("a script");
        std::fs::set_permissions(folder.join("git"), PermissionsExt::from_mode(0o755)).expect("it can be run");
        Self { repo, noted }
    }

    fn client(&self) -> Client {
        let mut command = bhfuil_command(&self.repo, &["mcp"]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.repo.home().join("bin")).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(all).expect("a path"));
        Client::start(command).greet()
    }

    /// Calls what doesn't end; its id, and the process that it waits for.
    fn hang(&self, client: &mut Client) -> (u64, String) {
        let id = client.request("tools/call", &json!({"name": "where", "arguments": {"queries": ["slow"]}}));
        until(|| self.noted.exists());
        (id, std::fs::read_to_string(&self.noted).expect("a number").trim_end().to_owned())
    }
}

/// Waits until it is so.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn is_gone(pid: &str) -> bool {
    !Path::new("/proc").join(pid).exists()
}

/// The schemas that the server gives of the answers of its tools.
fn schemas(client: &mut Client) -> BTreeMap<String, jsonschema::Validator> {
    let listed = client.ask("tools/list", &json!({}));
    let tools = listed["result"]["tools"].as_array().expect("tools");
    let compiled = |tool: &Value| {
        jsonschema::meta::validate(&tool["inputSchema"]).unwrap_or_else(|error| panic!("{error}"));
        let schema = jsonschema::validator_for(&tool["outputSchema"]).expect("a schema");
        (tool["name"].as_str().expect("a name").to_owned(), schema)
    };
    tools.iter().map(compiled).collect()
}

/// The events of a result, which is as its schema has it and says the same as text.
fn told(schema: &jsonschema::Validator, result: &Value) -> Vec<Value> {
    let answer = &result["structuredContent"];
    let complaints: Vec<_> =
        schema.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(complaints.is_empty(), "{complaints:?}: {answer}");
    if result["isError"] == false {
        let text = result["content"][0]["text"].as_str().expect("text");
        assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), *answer);
    }
    answer["events"].as_array().expect("events").clone()
}

/// What the command writes, but for what no two runs have in common.
fn written(repo: &Repo, args: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = bhfuil(repo).args(args).output().expect("it runs");
    (alike(events(&output)), output.status.code())
}

fn alike(mut events: Vec<Value>) -> Vec<Value> {
    for event in &mut events {
        for field in ["elapsed_ms", "index", "new"] {
            event.as_object_mut().expect("an object").remove(field);
        }
    }
    events
}

#[test]
fn every_tool_answers_what_its_command_writes() {
    let repo = Repo::fixture("backports");
    let mut client = Client::greeted(&repo);
    let schemas = schemas(&mut client);
    assert_eq!(schemas.keys().collect::<Vec<_>>(), ["explain", "followups", "missing", "where"]);
    let (one, other) = (repo.git(&["rev-parse", "main~1"]), repo.git(&["rev-parse", "stable/1.0"]));
    let range = "1.0.1..1.0.2";
    let picked = repo.git(&["show", "--no-renames", "stable/1.0"]);
    let (home, group) = (repo.home(), ["--name=nova", "--group=openstack"]);
    bhfuil(&repo).args(["repo", "add", "."]).args(group).assert().success();
    // What is passed on as text has lost its last newline.
    std::fs::write(home.join("picked"), format!("{picked}\n")).expect("a patch");
    let patch = format!("--patch={}", home.join("picked").display());
    let cases: &[(&str, Value, &[&str])] = &[
        ("where", json!({"queries": ["CVE-2024-12345"]}), &["CVE-2024-12345"]),
        (
            "where",
            json!({"queries": ["subject:\"plain fix\"", &one], "via": true}),
            &["subject:\"plain fix\"", &one, "--via"],
        ),
        ("where", json!({"queries": [range], "missing": true, "tags": "all"}), &[range, "--missing", "--tags=all"]),
        (
            "where",
            json!({"queries": ["1.0.1"], "signals": ["same", "change-id"], "refs": ["heads/*"], "tags": "none"}),
            &["1.0.1", "--signals=same,change-id", "--refs=heads/*", "--tags=none"],
        ),
        ("where", json!({"queries": ["1.0.1"], "branches": true}), &["1.0.1", "--branches"]),
        (
            "where",
            json!({"queries": ["1.0.1"], "branches": true, "tags": "first"}),
            &["1.0.1", "--branches", "--tags=first"],
        ),
        (
            "where",
            json!({"queries": ["fix"], "max_count": 2, "similar": true, "min_confidence": 0.5, "no_update": true}),
            &["fix", "-n2", "--similar", "--min-confidence=0.5", "--no-update"],
        ),
        ("where", json!({"queries": ["no such thing"]}), &["no such thing"]),
        ("where", json!({"patch": picked, "queries": []}), &[&patch]),
        ("where", json!({"queries": ["1.0.1"], "repository": "nova"}), &["1.0.1", "--repo=nova"]),
        ("where", json!({"queries": ["1.0.1"], "groups": ["openstack"]}), &["1.0.1", "--group=openstack"]),
        ("where", json!({"queries": ["1.0.1"], "all_repositories": true}), &["1.0.1", "--all-repos"]),
        ("missing", json!({"branches": ["stable/1.0"]}), &["stable/1.0"]),
        (
            "missing",
            json!({"branches": ["stable/1.0"], "from": "stable/2.0", "check": true, "paths": ["f"]}),
            &["stable/1.0", "--from=stable/2.0", "--check", "--", "f"],
        ),
        (
            "missing",
            json!({"branches": ["stable/1.0"], "fixes": true, "since": "1.0.0"}),
            &["stable/1.0", "--fixes", "--since=1.0.0"],
        ),
        ("missing", json!({"branches": ["stable/1.0"], "requested": true}), &["stable/1.0", "--requested"]),
        ("missing", json!({"branches": ["stable/1.0"], "security": true}), &["stable/1.0", "--security"]),
        ("missing", json!({"gaps": true}), &["--gaps"]),
        (
            "followups",
            json!({"branches": ["stable/1.0", "stable/2.0"], "from": "main"}),
            &["stable/1.0", "stable/2.0", "--from=main"],
        ),
        ("explain", json!({"commit": &one, "other": &other}), &[&one, &other]),
        ("explain", json!({"commit": &one, "other": &one, "repository": "."}), &[&one, &one]),
    ];
    for (tool, arguments, args) in cases {
        let result = client.call(tool, arguments);
        let answered = alike(told(&schemas[*tool], &result));
        let (wanted, code) = written(&repo, &[&[*tool], *args].concat());
        // A repository that is named is called by its registered name, wherever the program stands.
        let named = |events: &[Value]| of_type(events, "repo").iter().map(|it| it["repo"].clone()).collect::<Vec<_>>();
        if arguments["repository"] == "." {
            assert_eq!(named(&answered), ["nova"]);
        } else {
            assert_eq!(answered, wanted, "{tool} {arguments}");
        }
        let answer = &result["structuredContent"];
        assert_eq!(answer["exit_code"].as_i64().map(i32::try_from), code.map(Ok), "{tool} {arguments}");
        assert_eq!(
            (&answer["left_out"], &answer["complete"], &result["isError"]),
            (&json!(0), &json!(true), &json!(false))
        );
    }
    assert_eq!(client.leave(), (Vec::new(), 0));
}

#[test]
fn what_cannot_be_done_is_a_result_that_a_model_can_read() {
    let repo = Repo::fixture("backports");
    let mut client = Client::greeted(&repo);
    let schemas = schemas(&mut client);
    for (tool, arguments, said) in [
        (
            "where",
            json!({"queries": ["HEAD"], "repository": "/nowhere/at/all"}),
            "not a git repository (or any of the parent directories): /nowhere/at/all",
        ),
        ("where", json!({"queries": ["HEAD"], "repositories": ["nova"]}), "no repository is registered as 'nova'"),
        ("missing", json!({"branches": ["stable/9"]}), "'stable/9' is no branch here"),
        ("followups", json!({"branches": ["--help"]}), "'--help' is no branch here"),
        ("explain", json!({"commit": "--git-dir", "other": "HEAD"}), "'--git-dir' is no commit here"),
    ] {
        let result = client.call(tool, &arguments);
        let text = result["content"][0]["text"].as_str().expect("text");
        assert!(result["isError"] == true && text.contains(said), "{arguments}: {text}");
        let events = told(&schemas[tool], &result);
        assert!(!of_type(&events, "error").is_empty() && result["structuredContent"]["exit_code"] == 128, "{events:?}");
    }
    for (tool, arguments, said) in [
        ("where", json!({}), "queries has one at least"),
        ("where", json!({"query": "HEAD"}), "unknown field `query`"),
        ("where", json!({"queries": "HEAD"}), "queries: invalid type: string \"HEAD\", expected a sequence"),
        ("where", json!({"queries": ["a\u{0}b"]}), "NUL"),
        ("where", json!({"queries": ["a"], "limit": 0}), "limit is a number from 1 to 5000"),
        ("where", json!({"queries": ["a"], "limit": -1}), "limit: invalid value"),
        ("where", json!({"queries": ["a"], "min_confidence": 2}), "min_confidence is a number from 0 to 1"),
        ("where", json!({"queries": ["a"], "signals": ["smell"]}), "signals[0]: unknown variant `smell`"),
        ("where", json!({"queries": ["a"], "refs": ["b"], "branches": true}), "refs can't be used"),
        ("where", json!({"patch": "x", "all_repositories": true}), "one repository at a time"),
        ("missing", json!({}), "branches has one at least"),
        ("missing", json!({"gaps": true, "from": "main"}), "from can't be used"),
        ("followups", json!({"branches": []}), "branches has one at least"),
        ("explain", json!({"commit": "HEAD"}), "missing field `other`"),
    ] {
        let result = client.call(tool, &arguments);
        let text = result["content"][0]["text"].as_str().expect("text");
        assert!(result["isError"] == true && text.contains(said), "{arguments}: {text}");
    }
    let answer = client.ask("tools/call", &json!({"name": "scan"}));
    assert_eq!(answer["error"]["code"], -32602);
    assert_eq!(client.leave(), (Vec::new(), 0));
}

#[test]
fn no_more_is_told_than_was_asked_for() {
    let repo = Repo::fixture("backports");
    let mut client = Client::greeted(&repo);
    let schemas = schemas(&mut client);
    let all = client.call("where", &json!({"queries": ["main"], "missing": true}));
    let all = told(&schemas["where"], &all);
    let some = client.call("where", &json!({"queries": ["main"], "missing": true, "limit": 3}));
    let answer = &some["structuredContent"];
    let some = told(&schemas["where"], &some);
    // The last line says how many there were.
    assert_eq!(some[some.len() - 1]["counts"], all[all.len() - 1]["counts"]);
    let around = |events: &[Value]| {
        events.iter().filter(|it| ["begin", "repo", "repo-end", "end"].iter().any(|name| it["type"] == *name)).count()
    };
    assert_eq!(some.len(), around(&all) + 3);
    assert_eq!(
        (answer["left_out"].as_u64(), &answer["complete"]),
        (Some((all.len() - some.len()) as u64), &json!(false))
    );
    client.leave();
}

#[test]
fn a_call_that_hangs_holds_up_no_other_and_is_stopped_when_it_is_taken_back() {
    let slow = SlowGit::new();
    let mut client = slow.client();
    let (id, pid) = slow.hang(&mut client);
    let other = client.call("where", &json!({"queries": ["CVE-2024-12345"], "limit": 1}));
    assert_eq!(other["structuredContent"]["exit_code"], 0);
    // One that never was is nothing to speak of.
    for id in [id + 100, id] {
        let params = json!({"requestId": id, "reason": "enough"});
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    }
    until(|| is_gone(&pid));
    assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
    assert_eq!(client.leave(), (Vec::new(), 0), "it is never answered");
}

#[test]
fn progress_grows_and_is_told_to_who_has_asked_for_it() {
    let repo = Repo::synthetic(6000);
    let mut client = Client::greeted(&repo);
    let id = client.request(
        "tools/call",
        &json!({"name": "where", "arguments": {"queries": ["HEAD"]}, "_meta": {"progressToken": "p"}}),
    );
    let mut steps = Vec::new();
    let answer = loop {
        let message = client.next();
        if message["id"] == id {
            break message;
        }
        assert_eq!(
            (&message["method"], &message["params"]["progressToken"]),
            (&json!("notifications/progress"), &json!("p"))
        );
        let (done, total) = (message["params"]["progress"].as_u64(), message["params"]["total"].as_u64());
        assert!(total.is_none_or(|total| done <= Some(total)), "{message}");
        steps.push(done.expect("a number"));
    };
    assert_eq!(answer["result"]["isError"], false);
    // The first time the index is built: that is told.
    assert!(!steps.is_empty() && steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    // The answer is the last of it, and who hasn't asked is told nothing.
    client.call("where", &json!({"queries": ["HEAD~1"]}));
    assert_eq!(client.leave(), (Vec::new(), 0));
}

#[test]
fn what_is_no_message_is_answered_and_what_comes_after_it_too() {
    let repo = Repo::fixture("backports");
    let mut client = Client::start(bhfuil_command(&repo, &["mcp"]));
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}", "{\"a\":".repeat(200_000));
    let long = vec![b' '; 3 << 20];
    for (line, code) in [
        (&b"{\"jsonrpc\""[..], -32700),
        (b"\xff\xfe\x00", -32700),
        (deep.as_bytes(), -32700),
        (&long, -32700),
        (b"[]", -32600),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (br#"{"id":1,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32602),
        (br#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#, -32601),
    ] {
        client.write(&[line, b"\n"].concat());
        let answer = client.next();
        assert_eq!(answer["error"]["code"], code, "{}", String::from_utf8_lossy(&line[..line.len().min(80)]));
    }
    client.write(b"\n  \r\n");
    client.say(&json!({"jsonrpc": "2.0", "id": "x", "result": {}}));
    client.say(&json!({"jsonrpc": "2.0", "method": "no/such/notification"}));
    assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
    // A last line without its end is one.
    client.write(br#"{"jsonrpc":"2.0","id":"last","method":"ping"}"#);
    let (rest, code) = client.leave();
    assert_eq!((rest, code), (vec![json!({"jsonrpc": "2.0", "id": "last", "result": {}})], 0));
}

#[test]
fn what_was_asked_before_the_input_ended_is_answered() {
    let repo = Repo::fixture("backports");
    let mut client = Client::greeted(&repo);
    let id = client.request("tools/call", &json!({"name": "where", "arguments": {"queries": ["HEAD"]}}));
    let (rest, code) = client.leave();
    assert_eq!((rest.len(), &rest[0]["id"], &rest[0]["result"]["isError"], code), (1, &json!(id), &json!(false), 0));
}

#[test]
fn a_signal_ends_it_in_the_middle_of_a_call() {
    let slow = SlowGit::new();
    let mut client = slow.client();
    let (_, pid) = slow.hang(&mut client);
    let killed = Command::new("kill").arg("-TERM").arg(client.server.id().to_string()).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(client.rest(), (Vec::new(), 143));
    assert!(is_gone(&pid));
}

#[test]
fn it_ends_when_nobody_reads_though_its_input_is_open() {
    let slow = SlowGit::new();
    let mut client = slow.client();
    let (_, pid) = slow.hang(&mut client);
    drop(client.output.take());
    assert_eq!(client.server.wait().expect("it ends").code(), Some(0));
    assert!(is_gone(&pid));
}

/// The official client in Python, of <https://github.com/modelcontextprotocol/python-sdk>, asks all tools in both ways of speaking.
#[test]
#[ignore = "needs the official client of the protocol in Python: .ci/run installs it and runs this too"]
fn the_official_client_is_told_what_the_commands_write() {
    let repo = Repo::fixture("backports");
    let (one, other) = (repo.git(&["rev-parse", "main~1"]), repo.git(&["rev-parse", "stable/1.0"]));
    let asked: &[(&str, Value, &[&str])] = &[
        ("where", json!({"queries": ["CVE-2024-12345"]}), &["CVE-2024-12345"]),
        ("where", json!({"queries": ["1.0.1..1.0.2"], "tags": "all"}), &["1.0.1..1.0.2", "--tags=all"]),
        ("where", json!({"queries": ["no such thing"]}), &["no such thing"]),
        ("missing", json!({"branches": ["stable/1.0"], "check": true}), &["stable/1.0", "--check"]),
        ("followups", json!({"branches": ["stable/1.0"]}), &["stable/1.0"]),
        ("explain", json!({"commit": &one, "other": &other}), &[&one, &other]),
    ];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/client.py");
    for (mode, version) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let mut command = Command::new("python3");
        repo.seal(&mut command).arg(&script).arg(env!("CARGO_BIN_EXE_git-bhfuil")).arg(repo.path()).arg(mode);
        let calls: Vec<Value> =
            asked.iter().map(|(tool, arguments, _)| json!({"tool": tool, "arguments": arguments})).collect();
        let output = support::feed(&mut command, Value::from(calls).to_string().as_bytes());
        let met: Value = serde_json::from_slice(&output).expect("what it met, as JSON");
        assert_eq!((&met["version"], &met["server"]), (&json!(version), &json!("git-bhfuil")));
        assert_eq!(met["tools"], json!(["where", "missing", "followups", "explain"]));
        assert_eq!((&met["cancelled"], &met["refused"]), (&json!(true), &json!(-32602)), "{mode}");
        let progress: Vec<f64> = met["progress"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
        assert!(progress.windows(2).all(|pair| pair[0] < pair[1]), "{progress:?}");
        for ((tool, arguments, args), result) in asked.iter().zip(met["results"].as_array().expect("a list")) {
            let (wanted, code) = written(&repo, &[&[*tool], *args].concat());
            let answered = result["structured"]["events"].as_array().expect("events").clone();
            assert_eq!(alike(answered), wanted, "{mode}: {tool} {arguments}");
            assert_eq!(result["structured"]["exit_code"].as_i64().map(i32::try_from), code.map(Ok));
            let text: Value = serde_json::from_str(result["text"].as_str().expect("text")).expect("JSON");
            assert_eq!((&text, &result["is_error"]), (&result["structured"], &json!(false)));
        }
    }
}
