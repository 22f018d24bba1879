//! Ctrl-C for read-only commands, which remove their temporary files before they exit, and at
//! questions, which it always ends.
//!
//! The first signal kills the running programs and their children, and no new one can start, so that
//! the work ends with an error and drops everything temporary. The second signal ends the process at
//! once.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

static LISTENING: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicBool = AtomicBool::new(false);

/// The process groups of the programs whose output is being collected.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Starts to handle signals.
///
/// # Errors
/// When the system refuses.
pub fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    LISTENING.store(true, Ordering::SeqCst);
    thread::spawn(move || {
        for signal in signals.forever() {
            if ASKED.swap(true, Ordering::SeqCst) {
                let _ = emulate_default_handler(signal);
            }
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            for pid in running.iter().copied().filter_map(Pid::from_raw) {
                // A program that has exited meanwhile needs no signal.
                let _ = kill_process_group(pid, Signal::TERM);
            }
        }
    });
    Ok(())
}

/// `true` while the user is being asked.
static ASKING: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The signals that end the process at a question.
static ENDING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Lets these signals end the process at a question. Whoever catches a signal calls it, because a
/// signal that has been caught once has no effect of its own afterwards.
///
/// # Errors
/// When the system refuses.
pub fn end_at_questions(signals: &[i32]) -> io::Result<()> {
    let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    for signal in signals {
        if !ending.contains(signal) {
            flag::register_conditional_default(*signal, Arc::clone(&ASKING))?;
            ending.insert(*signal);
        }
    }
    Ok(())
}

/// Marks that the user is being asked, until it is dropped.
#[derive(Debug)]
pub struct Asking(());

impl Asking {
    /// Begins a question.
    pub fn begin() -> Asking {
        ASKING.store(true, Ordering::SeqCst);
        Asking(())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.store(false, Ordering::SeqCst);
    }
}

/// Returns `true` after a signal.
pub fn is_interrupted() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// Keeps a program killable by a signal until it is dropped.
#[derive(Debug)]
pub(super) struct Watched(i32);

impl Watched {
    /// Starts a program by `spawn`, which returns its pid, unless a signal came before. `spawn` learns
    /// if the program needs its own process group, so that a signal reaches its children, too.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start<C>(
        spawn: impl FnOnce(bool) -> io::Result<(C, u32)>,
    ) -> io::Result<(C, Watched)> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if is_interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (child, pid) = spawn(LISTENING.load(Ordering::SeqCst))?;
        let pid = pid.cast_signed();
        running.insert(pid);
        Ok((child, Watched(pid)))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.0);
    }
}
