//! Receives the signals of a shim as flags and a descriptor to wait on.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::{flag, low_level::pipe};

use crate::exec::StopSignal;

/// The caught signals. While this exists, only SIGKILL ends the process.
///
/// The runner interrupts with SIGUSR1 and kills with SIGUSR2. A shell ignores SIGINT and SIGQUIT for
/// programs that it starts in the background, their children inherit that, and a signal that is
/// ignored before it is caught is lost.
#[derive(Debug)]
pub(super) struct Signals {
    wake: UnixStream,
    flags: [(StopSignal, Arc<AtomicBool>); 3],
}

impl Signals {
    /// Catches the signals of this process.
    pub(super) fn install() -> io::Result<Signals> {
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let demands = [
            (StopSignal::Interrupt, vec![SIGUSR1, SIGINT]),
            (StopSignal::Terminate, vec![SIGTERM]),
            (StopSignal::Kill, vec![SIGUSR2, SIGQUIT]),
        ];
        let new_flag =
            |(meaning, _): &(StopSignal, _)| (*meaning, Arc::new(AtomicBool::new(false)));
        let flags = demands.each_ref().map(new_flag);
        // The flag is set before the wake-up is written, because actions run in this order.
        for ((_, signals), (_, flag)) in demands.iter().zip(&flags) {
            for signal in signals {
                flag::register(*signal, Arc::clone(flag))?;
            }
        }
        let demanding = demands.iter().flat_map(|(_, signals)| signals);
        for signal in demanding.chain(&[SIGCHLD, SIGHUP]) {
            pipe::register(*signal, waker.try_clone()?)?;
        }
        // A signal that arrived in between has set its flag without a wake-up.
        (&waker).write_all(&[0])?;
        Ok(Signals { wake, flags })
    }

    /// Returns a descriptor that is readable after a signal: one of the three, the end of a child,
    /// or a hang-up, which has no other effect.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Takes the requests since the last call, mildest first, and resets [`Signals::wake`].
    pub(super) fn take(&mut self) -> Vec<StopSignal> {
        let mut buffer = [0; 64];
        while matches!(self.wake.read(&mut buffer), Ok(n) if n > 0) {}
        let flags = self.flags.iter();
        flags
            .filter(|(_, flag)| flag.swap(false, Ordering::SeqCst))
            .map(|(meaning, _)| *meaning)
            .collect()
    }
}
