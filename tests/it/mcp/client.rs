//! A client of the Model Context Protocol, as coding agents are: one process, lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::harness::Scene;

/// A version of the protocol that a client of today sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    /// Codex and Gemini.
    June2025,
    /// opencode.
    November2025,
    /// Claude Code: no `initialize`, every request brings its metadata.
    July2026,
}

impl Version {
    pub(super) const ALL: [Version; 3] =
        [Version::June2025, Version::November2025, Version::July2026];

    fn name(self) -> &'static str {
        match self {
            Version::June2025 => "2025-06-18",
            Version::November2025 => "2025-11-25",
            Version::July2026 => "2026-07-28",
        }
    }
}

/// A client with its server.
pub(super) struct Client {
    server: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    version: Version,
    capabilities: Value,
    last_id: u64,
    /// The answer to each question of the server, by method.
    pub(super) answers: Value,
    /// The questions of the server.
    pub(super) asked: Vec<Value>,
    /// Everything that the server sent besides answers and questions.
    pub(super) notifications: Vec<Value>,
}

impl Client {
    /// Starts a server in the repository and opens the connection, with no capabilities.
    pub(super) fn new(scene: &Scene, version: Version) -> Client {
        Client::with(scene, &scene.repo, version, json!({}))
    }

    /// Starts a server in a folder and opens the connection.
    pub(super) fn with(
        scene: &Scene,
        folder: &Path,
        version: Version,
        capabilities: Value,
    ) -> Client {
        let mut client = Client::unopened(scene, folder, version, capabilities);
        client.open();
        client
    }

    /// Starts a server in a folder.
    pub(super) fn unopened(
        scene: &Scene,
        folder: &Path,
        version: Version,
        capabilities: Value,
    ) -> Client {
        let mut server = scene
            .command(env!("CARGO_BIN_EXE_dispatch"))
            .arg("mcp")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Client {
            input: server.stdin.take(),
            output: BufReader::new(server.stdout.take().unwrap()),
            server,
            version,
            capabilities,
            last_id: 0,
            answers: json!({}),
            asked: Vec::new(),
            notifications: Vec::new(),
        }
    }

    /// Opens the connection as this version does.
    pub(super) fn open(&mut self) {
        let info = json!({"name": "test", "version": "1"});
        if self.version == Version::July2026 {
            let found = self.request("server/discover", json!({}));
            let versions = found["result"]["supportedVersions"].as_array().unwrap();
            assert!(versions.contains(&json!("2026-07-28")), "{found}");
            return;
        }
        let params = json!({
            "protocolVersion": self.version.name(),
            "capabilities": self.capabilities,
            "clientInfo": info,
        });
        let found = self.request("initialize", params);
        assert_eq!(found["result"]["protocolVersion"], self.version.name());
        assert_eq!(found["result"]["serverInfo"]["name"], "dispatch");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }

    /// Calls a tool, which must succeed; returns the object of its answer.
    #[track_caller]
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.result(tool, arguments);
        assert_ne!(result["isError"], true, "{tool}: {result:#}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(!text.is_empty(), "{tool} has no text");
        assert!(result["structuredContent"].is_object(), "{result:#}");
        result["structuredContent"].clone()
    }

    /// Calls a tool, which must refuse; returns its text.
    #[track_caller]
    pub(super) fn refused(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result:#}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Calls a tool and returns the whole result.
    #[track_caller]
    pub(super) fn result(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.request("tools/call", params);
        assert!(answer["error"].is_null(), "{tool}: {answer:#}");
        answer["result"].clone()
    }

    /// Sends a request and returns its response. Questions of the server are answered meanwhile.
    pub(super) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.finish(id)
    }

    /// Sends a request and returns its id.
    pub(super) fn begin(&mut self, method: &str, mut params: Value) -> u64 {
        self.last_id += 1;
        if self.version == Version::July2026 {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(self.version.name());
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        let request =
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params});
        self.send(&request);
        self.last_id
    }

    /// Reads until the response to a request.
    pub(super) fn finish(&mut self, id: u64) -> Value {
        loop {
            let message = self.read().expect("the server ended without a response");
            if message["method"].is_null() && message["id"] == id {
                return message;
            }
            match (message["method"].as_str(), &message["id"]) {
                (Some(method), asked) if !asked.is_null() => {
                    let result = self.answers[method].clone();
                    let response = json!({"jsonrpc": "2.0", "id": asked, "result": result});
                    self.send(&response);
                    self.asked.push(message);
                }
                _ => self.notifications.push(message),
            }
        }
    }

    /// Sends a message.
    pub(super) fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// Sends a line, whatever it is.
    pub(super) fn send_line(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// Reads the next message; `None` once the server has closed its output. Every line has to be one.
    pub(super) fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.output.read_line(&mut line).unwrap() {
            0 => None,
            _ => Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))),
        }
    }

    /// Returns the process of the server.
    pub(super) fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Closes the connection and waits for the end of the server; returns its exit code.
    pub(super) fn close(mut self) -> Option<i32> {
        drop(self.input.take());
        while self.read().is_some() {}
        self.server.wait().unwrap().code()
    }
}
