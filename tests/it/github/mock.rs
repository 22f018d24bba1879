//! Serves the hub to the real `gh` over a unix socket, and to the mirror without one. Faults come from a
//! list: each is used by one request that writes, or that reads.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::hub::Hub;

/// What happens to one request.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It is answered with this status, these headers and this body, and has no effect.
    Answer(u16, &'static str, &'static str),
    /// The connection is cut before it has an effect.
    CutBefore,
    /// It has its effect, and the connection is cut.
    CutAfter,
    /// It has its effect, and the answer is a failure of the server.
    BrokenAfter,
    /// It has its effect, and the answer waits until the client is gone.
    HangAfter,
}

/// The state of the mock.
#[derive(Default)]
struct Shared {
    hub: Hub,
    /// The faults of requests that write.
    write_faults: VecDeque<Option<Fault>>,
    /// The faults of requests that read issues.
    read_faults: VecDeque<Option<Fault>>,
    requests: usize,
    hanging: usize,
}

/// A GitHub for one test.
#[derive(Clone, Default)]
pub(super) struct Mock {
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

impl Mock {
    /// Changes or inspects the hub.
    pub(super) fn hub<T>(&self, with: impl FnOnce(&mut Hub) -> T) -> T {
        with(&mut self.lock().hub)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.0.lock().unwrap()
    }

    /// Waits until the hub is like this.
    pub(super) fn wait_until(&self, is_it: impl Fn(&Hub) -> bool) {
        self.wait(|shared| is_it(&shared.hub));
    }

    /// Waits until an answer waits for its client.
    pub(super) fn wait_until_hanging(&self) {
        self.wait(|shared| shared.hanging > 0);
    }

    fn wait(&self, is_it: impl Fn(&Shared) -> bool) {
        let limit = Duration::from_secs(60);
        let changed = &self.shared.1;
        let waited = changed.wait_timeout_while(self.lock(), limit, |now| !is_it(now));
        let (_guard, result) = waited.unwrap();
        assert!(
            !result.timed_out(),
            "it did not come to that within a minute"
        );
    }

    /// The next requests that write end like this.
    pub(super) fn on_writes(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().write_faults = faults.into_iter().collect();
    }

    /// The next requests that read end like this.
    pub(super) fn on_reads(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().read_faults = faults.into_iter().collect();
    }

    /// Waits until there were so many requests.
    pub(super) fn wait_for_requests(&self, count: usize) {
        self.wait(|shared| shared.requests >= count);
    }

    /// Answers a GraphQL request as `gh api --include` prints it; `None` if the connection was cut.
    pub(super) fn respond(&self, request: &Value) -> Option<String> {
        let mut shared = self.lock();
        self.shared.1.notify_all();
        shared.requests += 1;
        let text = request["query"].as_str().unwrap_or_default();
        let fault = match text.starts_with("mutation") {
            true => shared.write_faults.pop_front().flatten(),
            // `gh repo view` asks for the name alone.
            false if text.contains("RepositoryInfo") => None,
            false => shared.read_faults.pop_front().flatten(),
        };
        match fault {
            None => {}
            Some(Fault::Answer(status, headers, body)) => return Some(http(status, headers, body)),
            Some(Fault::CutBefore) => return None,
            Some(Fault::CutAfter) => {
                shared.hub.answer(request);
                return None;
            }
            Some(Fault::BrokenAfter) => {
                shared.hub.answer(request);
                return Some(http(502, "", "<html>"));
            }
            Some(Fault::HangAfter) => {
                shared.hub.answer(request);
                shared.hanging += 1;
                return None;
            }
        }
        let answer = shared.hub.answer(request).to_string();
        Some(http(200, "X-OAuth-Scopes: repo, project\r\n", &answer))
    }

    /// Serves a unix socket until the test process ends.
    pub(super) fn serve(&self, socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        let mock = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), mock) = (stream, mock.clone()) else {
                    return;
                };
                thread::spawn(move || mock.connection(stream));
            }
        });
    }

    fn connection(&self, stream: UnixStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(body) = read_request(&mut reader) {
            let request = serde_json::from_slice(&body).unwrap_or_default();
            let hanging = self.lock().hanging;
            let Some(answer) = self.respond(&request) else {
                if self.lock().hanging > hanging {
                    // Read until the client is gone.
                    let _ = reader.read_to_end(&mut Vec::new());
                }
                return;
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Renders an answer of HTTP.
fn http(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// Reads a request and returns its body; `None` at the end of the connection.
fn read_request(reader: &mut BufReader<UnixStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    let mut is_chunked = false;
    let mut lines = 0;
    loop {
        let line = read_line(reader)?.to_ascii_lowercase();
        lines += 1;
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        is_chunked |= line.starts_with("transfer-encoding:") && line.ends_with("chunked");
        if line.is_empty() && lines > 1 {
            break;
        }
    }
    if !is_chunked {
        return read_bytes(reader, length);
    }
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(read_line(reader)?.trim(), 16).ok()?;
        body.extend(read_bytes(reader, size)?);
        read_line(reader)?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn read_line(reader: &mut BufReader<UnixStream>) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn read_bytes(reader: &mut BufReader<UnixStream>, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
