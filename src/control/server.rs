//! The server of the control socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::control::wire::{Request, Response};
use crate::control::{ControlError, client};

/// Longest wait for the line of a client; a silent one must not block the others.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// # Errors
    /// When the socket cannot be created.
    pub fn listen(
        path: &Path,
        receive: impl Fn(Request, Reply) + Send + 'static,
    ) -> Result<Server, ControlError> {
        let failed = |error| ControlError::Socket(path.display().to_string(), error);
        let _ = fs::remove_file(path);
        let listener = client::with_short_path(path, |short| UnixListener::bind(short));
        let listener = listener.map_err(failed)?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that disconnects or sends nonsense does not affect the run.
                let _ = serve(&stream, &receive);
            }
        });
        Ok(Server {
            path: path.to_owned(),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn serve(stream: &UnixStream, receive: &impl Fn(Request, Reply)) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let Ok(request) = serde_json::from_str(&line) else {
        return Ok(());
    };
    let (sender, answer) = channel();
    receive(request, Reply::new(sender));
    let Ok(response) = answer.recv() else {
        return Ok(());
    };
    let mut text = serde_json::to_vec(&response).unwrap_or_default();
    text.push(b'\n');
    (&*stream).write_all(&text)
}
