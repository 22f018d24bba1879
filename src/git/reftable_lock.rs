//! Names the lock of a reftable that git reports without its path.

use std::path::{Path, PathBuf};

use crate::base::text::shell_word;

/// The message of git if it cannot lock the list of tables.
const MESSAGE: &str = "cannot lock references";

/// The lock, below a git folder.
const LOCK: &str = "reftable/tables.list.lock";

/// Returns `true` if a message of git reports a locked reftable.
pub(super) fn is_reported(message: &str) -> bool {
    message.contains(MESSAGE)
}

/// Describes the lock in one of these git folders, with the way out.
pub(super) fn describe_lock(folders: impl Iterator<Item = PathBuf>) -> Option<String> {
    let mut locks = folders.map(|folder| folder.join(LOCK));
    locks.find(|lock| lock.exists()).map(|lock| way_out(&lock))
}

fn way_out(lock: &Path) -> String {
    format!(
        "{} exists: a git process uses it, or one that was killed left it; if no git process is \
         running in this repository, remove it: `rm {}`",
        lock.display(),
        shell_word(&lock.to_string_lossy())
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let folders = || ["own", "the shared one"].map(|name| folder.path().join(name));
        assert_eq!(describe_lock(folders().into_iter()), None);
        let lock = folders()[1].join(LOCK);
        std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
        std::fs::write(lock, "").unwrap();
        let words = describe_lock(folders().into_iter()).unwrap();
        let words = words.replace(&folder.path().display().to_string(), "/r");
        insta::assert_snapshot!(words, @"/r/the shared one/reftable/tables.list.lock exists: a git process uses it, or one that was killed left it; if no git process is running in this repository, remove it: `rm '/r/the shared one/reftable/tables.list.lock'`");
    }
}
