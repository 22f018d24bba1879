//! Modes of the user's terminal.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Hides the echo of control characters (`^C`) until it is dropped. The echo moves the cursor, and a
/// live display would then be drawn one line too low.
#[derive(Debug)]
pub struct HiddenControls {
    before: Termios,
}

impl HiddenControls {
    /// Changes the terminal on standard input; `None` if there is none, or the process runs in the
    /// background.
    pub fn on_stdin() -> Option<HiddenControls> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHOCTL);
        set(&hidden).then_some(HiddenControls { before })
    }
}

impl Drop for HiddenControls {
    fn drop(&mut self) {
        set(&self.before);
    }
}

/// Waits until the terminal on standard input is gone. Returns an error if there is none.
///
/// # Errors
/// When standard input cannot be waited for.
pub fn wait_for_hang_up() -> io::Result<()> {
    let stdin = io::stdin();
    loop {
        // Without requested events only a hang-up or an error ends the wait.
        let mut events = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut events, None) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sets modes, but only in the foreground: the system stops a background process that tries.
fn set(modes: &Termios) -> bool {
    let is_ours = tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp());
    is_ours && tcsetattr(io::stdin(), OptionalActions::Now, modes).is_ok()
}
