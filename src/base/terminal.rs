//! The terminal a person types on.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Keeps the terminal from showing `^C` and its like while lines are drawn over: such an echo moves
/// the cursor, and what is drawn next would stand one line too low. Undone when dropped.
#[derive(Debug)]
pub struct HiddenControls {
    before: Termios,
}

impl HiddenControls {
    /// For the terminal on standard input; `None` where there is none, or where it is not ours
    /// because the program runs in the background.
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

/// A program in the background that sets modes would be stopped by the system.
fn set(modes: &Termios) -> bool {
    let is_ours = tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp());
    is_ours && tcsetattr(io::stdin(), OptionalActions::Now, modes).is_ok()
}
