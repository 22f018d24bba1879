//! Hooks that settings name, since git 2.54: `hook.<name>.command`, run at each `hook.<name>.event`.

use std::collections::BTreeSet;

use crate::git::command::{Git, GitError};

/// The first version of git that reads such hooks.
const FIRST_GIT: (u32, u32) = (2, 54);

/// Lists the events of configured hooks, whether these are enabled or not; none for an older git.
///
/// # Errors
/// When git cannot read its configuration.
pub fn configured_events(git: &Git, version: (u32, u32)) -> Result<BTreeSet<String>, GitError> {
    if version < FIRST_GIT {
        return Ok(BTreeSet::new());
    }
    let args = ["config", "-z", "--get-regexp", r"^hook\..*\.event$"];
    let finished = git.finish(args)?;
    // It exits with 1 if there is none.
    if !matches!(finished.status.code(), Some(0 | 1)) {
        return Err(git.failed(&args, &finished));
    }
    let listed = String::from_utf8_lossy(&finished.stdout);
    let events = listed
        .split('\0')
        .filter_map(|entry| entry.split_once('\n'));
    Ok(events.map(|(_, event)| event.to_owned()).collect())
}
