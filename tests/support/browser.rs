//! A headless Chromium, driven through `ChromeDriver` by the `WebDriver` protocol (W3C `WebDriver`, Level 2).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use isahc::ReadResponseExt as _;
use isahc::config::Configurable as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is to be had of elements by `WebDriver` stands under this name ("Elements", web element identifier).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long one command to the browser may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one window, which ends with this value.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// If `chromedriver` or `chromium` isn't there: .ci/run installs both.
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts: Debian's package chromium-driver has it");
        let mut said = BufReader::new(driver.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let line = said.find(|line| line.contains("started successfully on port")).expect("it says its port");
        let port = line.rsplit(' ').next().expect("a word").trim_end_matches('.');
        let profile = tempfile::tempdir().expect("a folder");
        let args = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            format!("--user-data-dir={}", profile.path().display()),
        ]);
        let mut browser = Self { driver, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let begun = browser.tell("", &wanted);
        browser.session = format!("{}/{}", browser.session, begun["sessionId"].as_str().expect("a session"));
        browser
    }

    /// Goes to `address`.
    pub(crate) fn open(&self, address: &str) {
        // To go only to another place within a page would leave it as it is.
        self.tell("/url", &json!({"url": "about:blank"}));
        self.tell("/url", &json!({"url": address}));
    }

    /// Clicks at what `selector` finds first.
    pub(crate) fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.element(selector));
        self.tell(&path, &json!({}));
    }

    /// Types `text` into what `selector` finds first.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.tell(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.tell("/execute/sync", &json!({"script": format!("return {expression}"), "args": []}))
    }

    /// What the browser has complained about since the last call.
    pub(crate) fn complaints(&self) -> Value {
        self.tell("/se/log", &json!({"type": "browser"}))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.tell("/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("there is a {selector}")).to_owned()
    }

    fn tell(&self, path: &str, body: &Value) -> Value {
        let request = isahc::Request::post(format!("{}{path}", self.session)).timeout(PATIENCE);
        let request = request.header("content-type", "application/json").body(body.to_string()).expect("it is one");
        let mut answer = isahc::send(request).expect("ChromeDriver answers");
        let text = answer.text().expect("text");
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        assert!(answer.status().is_success(), "{path}: {text}");
        value["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `ChromeDriver` ends its browser when it is asked to, and not when it is killed.
        let _ = isahc::Request::delete(&self.session).timeout(PATIENCE).body(()).map(isahc::send);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
