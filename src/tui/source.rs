//! Follows a run in a thread of its own and reports every change.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::runs::read::StateReader;
use crate::engine::runs::standing::view_of;
use crate::git::{Repo, Store};
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::report::notification::notifications;
use crate::tui::key::Input;
use crate::tui::message::Message;
use crate::tui::view::RunView;

/// The pause between two looks at the journal.
const INTERVAL: Duration = Duration::from_millis(250);

/// The pause between two looks at the lock of the run.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// The time during which a run may be handed from one process to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// Reads the run as it is now.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(repo: &Repo, run: &RunId) -> Result<RunView, EngineError> {
    let store = Store::open(repo)?;
    let mut reader = StateReader::new(repo, &store, run);
    let state = reader.read()?.clone();
    let is_driven = RunLock::is_held(repo, run);
    Ok(view(repo, state, is_driven, is_driven))
}

fn view(repo: &Repo, state: RunState, is_driven: bool, was_driven: bool) -> RunView {
    let board = view_of(repo, &state, || is_driven || was_driven);
    RunView {
        state: Arc::new(state),
        board: Arc::new(board),
        is_driven,
    }
}

/// Starts to follow; the thread ends when nothing receives its messages.
pub(super) fn follow(repo: Repo, run: RunId, known: u64, to: Sender<Message>) {
    thread::spawn(move || {
        if let Err(error) = serve(&repo, &run, known, &to) {
            let _ = to.send(Message::Input(Input::Said(error_chain(&error))));
        }
    });
}

fn serve(repo: &Repo, run: &RunId, known: u64, to: &Sender<Message>) -> Result<(), EngineError> {
    let store = Store::open(repo)?;
    let mut reader = StateReader::new(repo, &store, run);
    let mut lock = Lock::new(repo, run);
    let mut sent = (known, lock.is_held, true);
    let mut is_first = true;
    let mut has_failed = false;
    loop {
        thread::sleep(INTERVAL);
        let was_driven = lock.was_held_lately();
        let is_driven = lock.look(repo, run);
        let message = match reader.read_with_news() {
            Ok((state, news)) => {
                has_failed = false;
                let now = (state.seq, is_driven, was_driven);
                // The first reading has more than what is new.
                let calls = !is_first && !notifications(state, &news).is_empty();
                is_first = false;
                if std::mem::replace(&mut sent, now) == now {
                    continue;
                }
                Message::View(view(repo, state.clone(), is_driven, was_driven), calls)
            }
            // The folder may come back, and the board shows the last state until then.
            Err(_) if has_failed => continue,
            Err(error) => {
                has_failed = true;
                let why = format!("the run cannot be read: {}", error_chain(&error));
                Message::Input(Input::Said(why))
            }
        };
        if to.send(message).is_err() {
            return Ok(());
        }
    }
}

/// The lock of the run, which is looked at less often than the journal: a look takes the lock for a
/// moment, and a process that wants it must not find it held.
struct Lock {
    is_held: bool,
    looked: Instant,
    held: Instant,
}

impl Lock {
    fn new(repo: &Repo, run: &RunId) -> Lock {
        Lock {
            is_held: RunLock::is_held(repo, run),
            looked: Instant::now(),
            held: Instant::now(),
        }
    }

    fn look(&mut self, repo: &Repo, run: &RunId) -> bool {
        if self.looked.elapsed() >= LOCK_INTERVAL {
            self.looked = Instant::now();
            self.is_held = RunLock::is_held(repo, run);
            if self.is_held {
                self.held = Instant::now();
            }
        }
        self.is_held
    }

    fn was_held_lately(&self) -> bool {
        self.held.elapsed() < HANDOVER
    }
}
