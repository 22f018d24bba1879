//! A browser without a screen: one request per connection, by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Scene, wait};

/// A running `dispatch web`, and a browser that has opened its address.
pub(crate) struct Site {
    child: Child,
    pub(crate) address: String,
    host: String,
    cookie: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Site {
    /// Starts the server on a free port, and opens its address.
    pub(crate) fn start(scene: &Scene, more: &[&str]) -> Site {
        let mut child = scene.start(&[&["web", "--port", "0"], more].concat());
        // The server prints nothing after the address, so that nothing is lost in the buffer.
        let out = child.stdout.take().unwrap();
        let mut first = String::new();
        BufReader::new(out).read_line(&mut first).unwrap();
        let first = first.trim_end().to_owned();
        let rest = first.strip_prefix("http://").expect("an address");
        let (host, path) = rest.split_once('/').unwrap();
        assert!(host.starts_with("127.0.0.1:") && path.starts_with("?token="));
        let mut site = Site {
            child,
            host: host.to_owned(),
            cookie: String::new(),
            address: first.clone(),
        };
        let admitted = site.get(&format!("/{path}"));
        assert_eq!(admitted.status, 200);
        let cookie = admitted.head.split("set-cookie: ").nth(1).unwrap();
        site.cookie = cookie.split(';').next().unwrap().to_owned();
        site
    }

    /// Asks for a page.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// Sends a form from a page of the site.
    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nOrigin: http://{}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            self.host,
            form.len()
        );
        self.ask(&head, form)
    }

    fn ask(&self, head: &str, body: &str) -> Answer {
        let mut text = String::new();
        let mut stream = self.send(head, body);
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn send(&self, head: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let (host, cookie) = (&self.host, &self.cookie);
        let rest = format!("Host: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n{body}");
        stream
            .write_all(format!("{head}{rest}").as_bytes())
            .unwrap();
        BufReader::new(stream)
    }

    /// Returns a page of a run.
    #[track_caller]
    pub(crate) fn page(&self, run: &str, file: &str) -> String {
        let answer = self.get(&format!("/{run}/{file}"));
        assert_eq!(answer.status, 200, "{file}: {}", answer.body);
        answer.body
    }

    /// Follows a run.
    pub(crate) fn events(&self, run: &str) -> Events {
        Events(self.send(&format!("GET /{run}/events HTTP/1.1\r\n"), ""))
    }

    /// Ends the server as Ctrl-C does.
    pub(crate) fn stop(self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        let ended = wait(self.child).expect(0);
        assert!(!ended.err.contains("error"), "{}", ended.err);
    }
}

/// The events of a run.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// Waits for the next version of the run.
    pub(crate) fn next_version(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the events ended");
            if let Some(version) = line.strip_prefix("data: ") {
                return version.trim_end().to_owned();
            }
        }
    }
}
