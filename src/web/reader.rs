//! Reads each run once for all browsers.
//!
//! A thread per run follows its journal while a browser is connected to its events, and otherwise reads
//! it when a page is asked for. Requests that come while it reads get one answer together.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::runs::read::StateReader;
use crate::engine::runs::standing::view_of;
use crate::git::{Repo, Store};
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::view::BoardView;

/// The pause between two looks at a journal that is followed.
const INTERVAL: Duration = Duration::from_millis(300);

/// The pause between two looks at the lock of a run. A look takes the lock for a moment, and a process
/// that wants it must not find it held.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// A run as it was at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The state.
    pub(super) state: RunState,
    /// Its board.
    pub(super) board: BoardView,
    /// Identifies this state of the run.
    pub(super) version: String,
    /// `true` if a process drives the run.
    pub(super) is_driven: bool,
}

impl Snapshot {
    /// Creates a snapshot of a run with its board.
    pub(super) fn new(state: RunState, board: BoardView, is_driven: bool) -> Snapshot {
        Snapshot {
            version: format!("{}-{}", state.seq, board.standing.word()),
            state,
            board,
            is_driven,
        }
    }

    /// Returns `true` while the run has not ended.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.state.phase, RunPhase::Ended(_))
    }
}

/// The answer of a reader: a snapshot, or the reason why the run cannot be read.
pub(super) type Answer = Result<Arc<Snapshot>, String>;

/// The readers of all runs that were asked for.
#[derive(Debug)]
pub(super) struct Readers {
    repo: Repo,
    readers: Mutex<HashMap<RunId, RunReader>>,
}

#[derive(Clone, Debug)]
struct RunReader {
    requests: Sender<oneshot::Sender<Answer>>,
    versions: watch::Receiver<String>,
}

impl Readers {
    /// Creates the readers of a repository.
    pub(super) fn new(repo: Repo) -> Readers {
        Readers {
            repo,
            readers: Mutex::default(),
        }
    }

    /// Returns a run as it is now.
    ///
    /// # Errors
    /// The reason why it cannot be read, as a sentence.
    pub(super) async fn read(&self, run: &RunId) -> Answer {
        let (sender, answer) = oneshot::channel();
        let ended = || Err(format!("{run} could not be read"));
        match self.reader(run).requests.send(sender) {
            Ok(()) => answer.await.unwrap_or_else(|_| ended()),
            Err(_) => ended(),
        }
    }

    /// Follows a run: the receiver has its latest version.
    pub(super) async fn follow(&self, run: &RunId) -> watch::Receiver<String> {
        let versions = self.reader(run).versions;
        // The thread may wait for a request, and follows from this one on.
        let _ = self.read(run).await;
        versions
    }

    fn reader(&self, run: &RunId) -> RunReader {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || RunReader::start(self.repo.clone(), run.clone());
        readers.entry(run.clone()).or_insert_with(start).clone()
    }
}

impl RunReader {
    fn start(repo: Repo, run: RunId) -> RunReader {
        let (requests, inbox) = channel();
        let (sender, versions) = watch::channel(String::new());
        thread::spawn(move || {
            // Without a store there is no answer, which the pages tell.
            if let Ok(store) = Store::open(&repo) {
                serve(&Source::new(&repo, &store, &run), &inbox, &sender);
            }
        });
        RunReader { requests, versions }
    }
}

struct Source<'a> {
    repo: &'a Repo,
    store: &'a Store,
    run: &'a RunId,
}

impl<'a> Source<'a> {
    fn new(repo: &'a Repo, store: &'a Store, run: &'a RunId) -> Source<'a> {
        Source { repo, store, run }
    }
}

fn serve(
    source: &Source<'_>,
    inbox: &Receiver<oneshot::Sender<Answer>>,
    versions: &watch::Sender<String>,
) {
    let mut reader = Latest::new(source);
    while let Some(mut waiting) = next(inbox, versions) {
        waiting.extend(inbox.try_iter());
        let answer = reader.read().map_err(|error| error_chain(&error));
        if let Ok(snapshot) = &answer {
            versions.send_if_modified(|known| {
                let is_new = *known != snapshot.version;
                known.clone_from(&snapshot.version);
                is_new
            });
        }
        for sender in waiting {
            // A browser that has gone needs no answer.
            let _ = sender.send(answer.clone());
        }
    }
}

/// Waits for a request, or for the next look if a browser follows the run; `None` at the end.
fn next(
    inbox: &Receiver<oneshot::Sender<Answer>>,
    versions: &watch::Sender<String>,
) -> Option<Vec<oneshot::Sender<Answer>>> {
    // One receiver is that of the reader itself.
    if versions.receiver_count() <= 1 {
        return inbox.recv().ok().map(|request| vec![request]);
    }
    match inbox.recv_timeout(INTERVAL) {
        Ok(request) => Some(vec![request]),
        Err(RecvTimeoutError::Timeout) => Some(Vec::new()),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

/// The latest snapshot, which is kept while nothing changes.
struct Latest<'a> {
    repo: &'a Repo,
    run: &'a RunId,
    reader: StateReader<'a>,
    is_driven: bool,
    looked: Instant,
    known: Option<Arc<Snapshot>>,
}

impl<'a> Latest<'a> {
    fn new(source: &Source<'a>) -> Latest<'a> {
        Latest {
            repo: source.repo,
            run: source.run,
            reader: StateReader::new(source.repo, source.store, source.run),
            is_driven: RunLock::is_held(source.repo, source.run),
            looked: Instant::now(),
            known: None,
        }
    }

    fn read(&mut self) -> Result<Arc<Snapshot>, EngineError> {
        if self.looked.elapsed() >= LOCK_INTERVAL {
            self.is_driven = RunLock::is_held(self.repo, self.run);
            self.looked = Instant::now();
        }
        let state = self.reader.read()?;
        let known = self
            .known
            .as_ref()
            .filter(|known| known.state.seq == state.seq && known.is_driven == self.is_driven);
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        let board = view_of(self.repo, state, || self.is_driven);
        let fresh = Arc::new(Snapshot::new(state.clone(), board, self.is_driven));
        self.known = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}
