//! The side that drives a run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::control::wire::{Request, Response};
use crate::control::{ControlError, client};

/// How long a peer has to send its line; one that says nothing must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the answer to one request goes. Dropping it tells the peer that there is none.
#[derive(Debug)]
pub struct Reply(Sender<Response>);

impl Reply {
    /// A reply whose answer goes to this channel.
    pub(crate) fn new(answer: Sender<Response>) -> Reply {
        Reply(answer)
    }

    /// Answers. A peer that is gone does not mind.
    pub fn send(self, response: Response) {
        let _ = self.0.send(response);
    }
}

/// A listening socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
}

impl Server {
    /// Listens, and hands every request to `receive`, from a thread of its own. Only the holder of
    /// the run lock may call this: a socket that is there already is a dead process's.
    ///
    /// # Errors
    /// When the socket cannot be made.
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
                // A peer that breaks off, or says nonsense, is its own problem.
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
