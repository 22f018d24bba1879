//! The server of the control socket.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::process::{count_above, peer_of};
use crate::control::secret::record_secret;
use crate::control::wire::{Envelope, Request, Response};
use crate::control::{ControlError, client};

/// Longest time for the whole line of a client.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest line, in bytes: a message to a worker is the longest request.
const LONGEST_LINE: usize = 1 << 20;

/// The most connections at once.
const MOST_CLIENTS: usize = 64;

/// Sends the response to one request. Dropping it closes the connection without one.
#[derive(Debug)]
pub struct Reply(Sender<Response>);

impl Reply {
    /// A reply whose response goes to this channel.
    pub(crate) fn new(responses: Sender<Response>) -> Reply {
        Reply(responses)
    }

    /// Sends the response; a client that has gone is ignored.
    pub fn send(self, response: Response) {
        let _ = self.0.send(response);
    }
}

/// A listening socket; dropping it removes the file.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
}

impl Server {
    /// Listens in a thread and passes every request to `receive`. Only the holder of the run lock may
    /// call this: an existing socket belongs to a dead process.
    ///
    /// A client with one of the supervisors of workers (`below`, the first argument of such a process)
    /// above it is refused, unless that one is above this process, too.
    ///
    /// # Errors
    /// When the socket cannot be created.
    pub fn listen(
        path: &Path,
        below: &'static str,
        receive: impl Fn(Request, Reply) + Send + Sync + 'static,
    ) -> Result<Server, ControlError> {
        let failed = |error| ControlError::Socket(path.display().to_string(), error);
        let _ = fs::remove_file(path);
        let secret = record_secret(path).map_err(failed)?;
        let listener = client::with_short_path(path, bind_private).map_err(failed)?;
        let door = Arc::new(Door {
            secret,
            below,
            own_depth: count_above(std::process::id(), below),
            open: AtomicUsize::new(0),
            receive,
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let door = Arc::clone(&door);
                // Each client has a thread, so that a slow one blocks no other.
                door.open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // A client that disconnects or sends nonsense does not affect the run.
                    let _ = door.serve(&stream);
                    door.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Server {
            path: path.to_owned(),
        })
    }
}

/// Binds a socket that only its owner may connect to.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Decides which clients are served.
struct Door<R> {
    secret: String,
    below: &'static str,
    own_depth: u32,
    /// The number of connections.
    open: AtomicUsize,
    receive: R,
}

impl<R: Fn(Request, Reply)> Door<R> {
    fn serve(&self, stream: &UnixStream) -> io::Result<()> {
        match self.answer(stream)? {
            Some(response) => {
                let mut text = serde_json::to_vec(&response).unwrap_or_default();
                text.push(b'\n');
                stream.set_write_timeout(Some(PATIENCE))?;
                (&*stream).write_all(&text)
            }
            None => Ok(()),
        }
    }

    fn answer(&self, stream: &UnixStream) -> io::Result<Option<Response>> {
        if self.open.load(Ordering::SeqCst) > MOST_CLIENTS {
            return Ok(Some(refused("too many requests at once; try again")));
        }
        if let Some(peer) = peer_of(stream) {
            if !peer.is_own_user {
                return Ok(Some(refused("the run belongs to another user")));
            }
            if count_above(peer.pid, self.below) > self.own_depth {
                return Ok(Some(refused("a worker cannot control runs")));
            }
        }
        let Some(line) = read_line(stream)? else {
            return Ok(Some(refused("the request is too long or too slow")));
        };
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&line) else {
            return Ok(None);
        };
        if envelope.secret != self.secret {
            return Ok(Some(refused(
                "the request does not carry the secret of the run",
            )));
        }
        let (sender, answer) = channel();
        (self.receive)(envelope.request, Reply::new(sender));
        Ok(answer.recv().ok())
    }
}

fn refused(why: &str) -> Response {
    Response::Refused {
        why: why.to_owned(),
    }
}

/// Reads a line of at most [`LONGEST_LINE`] bytes; `None` if it is longer or takes too long.
fn read_line(stream: &UnixStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    while line.len() <= LONGEST_LINE {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        let length = match (&*stream).read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            read => read?,
        };
        line.extend_from_slice(&buffer[..length]);
        if length == 0 || line.ends_with(b"\n") {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::control::ask;

    /// The first argument of a program that is above no test.
    const STRANGER: &str = "__stranger";

    fn serve(folder: &Path, below: &'static str) -> (PathBuf, Server) {
        let path = folder.join("s.sock");
        let done = |_, reply: Reply| reply.send(Response::Done);
        let server = Server::listen(&path, below, done).unwrap();
        (path, server)
    }

    fn send(path: &Path, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        // The server may have answered and closed the connection meanwhile.
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_request_needs_the_secret_that_only_the_user_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _server) = serve(folder.path(), STRANGER);
        let answer = ask(&path, &Request::Pause).unwrap();
        assert_eq!(answer, Some(Response::Done));
        for forged in [
            r#"{"request":"pause"}"#,
            r#"{"secret":"00","request":"pause"}"#,
        ] {
            let answer = send(&path, format!("{forged}\n").as_bytes());
            assert!(!answer.contains("done"), "{answer}");
        }
        for file in ["s.sock", "s.secret"] {
            let mode = fs::metadata(folder.path().join(file))
                .unwrap()
                .permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _server) = serve(folder.path(), STRANGER);
        let answer = send(&path, &vec![b'x'; LONGEST_LINE + 8192]);
        // The rest of the line that is not read may reset the connection.
        assert!(answer.is_empty() || answer.contains("too long"), "{answer}");
        assert_eq!(ask(&path, &Request::Pause).unwrap(), Some(Response::Done));
    }

    #[test]
    fn a_silent_client_keeps_no_other_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _server) = serve(folder.path(), STRANGER);
        let silent = UnixStream::connect(&path).unwrap();
        assert_eq!(ask(&path, &Request::Pause).unwrap(), Some(Response::Done));
        drop(silent);
    }
}
