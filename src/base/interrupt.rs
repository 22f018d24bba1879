//! Ctrl-C for commands that only look: what they have made is taken away on the way out.
//!
//! The first signal ends the programs that are waited for with all they have started, and no further
//! one can be started, so that the work ends with an error and everything temporary is dropped as it
//! always is. The second signal ends the process at once.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

static LISTENING: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicBool = AtomicBool::new(false);

/// The programs whose output is being collected.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// From now on signals that end the process are handled as told above.
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
                // One that is gone already is no matter.
                let _ = kill_process_group(pid, Signal::TERM);
            }
        }
    });
    Ok(())
}

/// Whether a signal came since [`listen`].
pub fn is_interrupted() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// A program that a signal also ends, as long as this is there.
#[derive(Debug)]
pub(super) struct Watched(i32);

impl Watched {
    /// Starts a program, which gives its number, unless a signal came before. It is told whether it
    /// belongs in a group of its own, so that the signal gets to what it has started, too.
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
