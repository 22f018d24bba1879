//! Remembers the pack for the checkouts of this process.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::git::temp_dir::LockedTempDir;

/// The pack of one repository, as far as it is made.
#[derive(Debug, Default)]
pub(super) struct PackFolder {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing was checked out.
    #[default]
    Unused,
    /// One tree was.
    Used,
    /// The pack of the tree that was checked out next.
    Made(LockedTempDir),
    /// No pack pays.
    Useless,
}

impl PackFolder {
    /// Returns the folder of the pack. The second call makes it, if it pays; those meanwhile go without.
    pub(super) fn get_or_make(
        &self,
        make: impl FnOnce() -> Option<LockedTempDir>,
    ) -> Option<PathBuf> {
        let mut state = self.state.try_lock().ok()?;
        *state = match std::mem::take(&mut *state) {
            State::Unused => State::Used,
            State::Used => make().map_or(State::Useless, State::Made),
            made => made,
        };
        match &*state {
            State::Made(folder) => Some(folder.path().to_owned()),
            _ => None,
        }
    }
}
