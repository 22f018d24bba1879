//! The pages in a real browser: no error on its console, and the script follows the run.
//!
//! A machine without a browser skips this test, unless `DISPATCH_TEST_BROWSER=required`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use git_dispatch::base::process::find_program;
use serde_json::{Value, json};

use super::client::Site;
use super::{PLAN, scene};
use crate::harness::{Gate, Scene, wait};

/// Finds a browser that runs without a screen.
#[allow(clippy::print_stderr)] // A test that proves nothing says so.
fn find_browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find_map(find_program);
    let is_required = std::env::var("DISPATCH_TEST_BROWSER").is_ok_and(|word| word == "required");
    assert!(
        found.is_some() || !is_required,
        "DISPATCH_TEST_BROWSER=required, but there is no browser"
    );
    if found.is_none() {
        eprintln!("skipped: there is no browser ({})", names.join(", "));
    }
    found
}

/// A browser with one page. It takes commands of the DevTools protocol from one named pipe and answers
/// on another.
struct Browser {
    child: Child,
    commands: File,
    answers: BufReader<File>,
    session: Value,
    sent: u64,
    /// Every message of its console and every failed request.
    errors: Vec<String>,
}

impl Browser {
    fn start(program: &Path, scene: &Scene) -> Browser {
        let paths = ["commands", "answers"].map(|name| scene.root.join(format!("browser.{name}")));
        assert!(
            Command::new("mkfifo")
                .args(&paths)
                .status()
                .unwrap()
                .success()
        );
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            // Open for both directions, so that neither side waits for the other.
            options.read(true).write(true).open(path).unwrap()
        };
        let (commands, answers) = (open(&paths[0]), open(&paths[1]));
        // The browser uses the file descriptors 3 and 4.
        let script = "exec \"$0\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
                      --remote-debugging-pipe --user-data-dir=\"$3\" about:blank 3< \"$1\" 4> \"$2\"";
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args(&paths)
            .arg(scene.root.join("browser"))
            .env("HOME", &scene.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Browser {
            child,
            commands,
            answers: BufReader::new(answers),
            session: Value::Null,
            sent: 0,
            errors: Vec::new(),
        };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": page["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", target)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The same; the answer may be an error.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if self.session.is_string() {
            message["sessionId"] = self.session.clone();
        }
        self.commands
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let mut bytes = Vec::new();
            self.answers.read_until(0, &mut bytes).unwrap();
            bytes.pop();
            let answer: Value = serde_json::from_slice(&bytes).expect("an answer of the browser");
            if answer["id"] == self.sent {
                return answer;
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let is_error = match event["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => true,
            Some("Network.responseReceived") => {
                event["params"]["response"]["status"].as_u64() >= Some(400)
            }
            _ => false,
        };
        if is_error {
            self.errors.push(event["params"].to_string());
        }
    }

    /// Opens an address, and waits until the page shows this text.
    #[track_caller]
    fn open(&mut self, address: &str, text: &str) {
        self.call("Page.navigate", json!({"url": address}));
        self.wait_for(text);
    }

    /// Waits until the page shows this text. A page that leads on to another one takes the wait with it,
    /// so that it begins again there.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let script = "new Promise((done) => {
            const look = () => document.body && document.body.innerText.includes(TEXT) && done(true);
            new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true});
            addEventListener('load', look);
            setTimeout(() => done(false), 60000);
            look();
        })";
        let script = script.replace("TEXT", &json!(text).to_string());
        for _ in 0..20 {
            let params = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
            let answer = self.ask("Runtime.evaluate", params);
            match &answer["result"]["result"]["value"] {
                Value::Bool(true) => return,
                Value::Bool(false) => break,
                _ => {}
            }
        }
        panic!("the page does not show {text:?}; errors: {:?}", self.errors);
    }

    /// Returns the value of an expression.
    #[track_caller]
    fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Ends the browser; nothing may have been on its console.
    #[track_caller]
    fn close(mut self) {
        let errors = std::mem::take(&mut self.errors);
        self.session = Value::Null;
        self.call("Browser.close", json!({}));
        self.child.wait().unwrap();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}

#[test]
fn pages_open_in_a_browser_without_an_error_and_follow_the_run() {
    let Some(program) = find_browser() else {
        return;
    };
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = PLAN.replace(
        "echo second > both.txt",
        &format!("{}; echo 2 > both.txt", gate.script()),
    );
    let driver = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    gate.wait_until_reached();
    let run = scene.run_name();
    let site = Site::start(&scene, &[&run]);
    let mut browser = Browser::start(&program, &scene);
    browser.open(&site.address, "IN PROGRESS");
    browser.wait_for("up to date");
    browser.value("document.querySelector('tbody th a[href=\"task-2.html\"]').focus()");
    gate.open();
    wait(driver).expect(3);
    browser.wait_for("needs attention");
    let focus = browser.value("document.activeElement.outerHTML");
    assert_eq!(focus, json!("<a href=\"task-2.html\">Second</a>"));
    let base = site.address.split("/?").next().unwrap().to_owned();
    for (file, text) in [
        ("conflicts.html", "3 (semantic risk)"),
        ("pair-1-2.html", "git merge-tree"),
        ("task-1.html", "Attempt 1"),
        ("timeline.html", "attempt 1 (shell) passed"),
        ("report.html", "Failed Tasks"),
        ("history.html", "the run ended"),
    ] {
        browser.open(&format!("{base}/{run}/{file}"), text);
    }
    let folder = scene.root.join("pages");
    scene
        .dispatch(&["web", "--export", folder.to_str().unwrap()])
        .expect(0);
    for (file, text) in [("board.html", "DONE"), ("pair-1-2.html", "git merge-tree")] {
        let path = folder.join(&run).join(file);
        browser.open(&format!("file://{}", path.display()), text);
    }
    browser.close();
    site.stop();
}

#[test]
fn an_update_keeps_the_selection_the_focus_and_the_place_in_the_log() {
    let Some(program) = find_browser() else {
        return;
    };
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "# One\n\n1. [A] Long\n   - run: seq 1 500; {}; echo the last line; echo a > a\n",
        gate.script()
    );
    let driver = scene.start(&["run", &scene.plan(&plan), "--yes"]);
    gate.wait_until_reached();
    let run = scene.run_name();
    let site = Site::start(&scene, &[&run]);
    let base = site.address.split("/?").next().unwrap().to_owned();
    let mut browser = Browser::start(&program, &scene);
    browser.open(&site.address, "IN PROGRESS");
    browser.open(&format!("{base}/{run}/task-1.html"), "\n500\n");
    let from_end = "(() => { const log = document.querySelector('pre.log');
        return log.scrollHeight - log.clientHeight - log.scrollTop < 8; })()";
    assert_eq!(browser.value(from_end), json!(true));
    browser.value(
        "(() => { const log = document.querySelector('pre.log');
            log.focus(); log.scrollTop = 100;
            getSelection().selectAllChildren(document.querySelector('h1')); })()",
    );
    gate.open();
    wait(driver).expect(0);
    browser.wait_for("the last line");
    browser.wait_for("passed");
    let place = "[document.activeElement.className, document.querySelector('pre.log').scrollTop,
        getSelection().toString()]";
    assert_eq!(browser.value(place), json!(["log", 100, "#1 Long A"]));
    browser.close();
    site.stop();
}
