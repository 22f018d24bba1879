//! Tries again where another git is at work in the repository: `git gc`, `pack-refs` and `prune` remove
//! folders that have just become empty, and hold locks for a moment.

use std::thread::sleep;
use std::time::{Duration, Instant};

use git2::{ErrorClass, ErrorCode};

use crate::git::store_error::StoreError;

/// The longest time until an error counts. git waits as long for `packed-refs`.
const LIMIT: Duration = Duration::from_secs(1);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// Repeats a write that changes nothing when it fails, while its failure may pass.
///
/// # Errors
/// Those of `write`; the last one, when the time is over.
pub(super) fn retried<T>(
    mut write: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let start = Instant::now();
    loop {
        match write() {
            Err(error) if may_pass(&error) && start.elapsed() < LIMIT => {
                sleep(PAUSE);
            }
            ended => return ended,
        }
    }
}

/// Returns `true` for a lock that another process holds, and for a folder that was removed between
/// its creation and its use. The `git` program waits for locks on its own.
fn may_pass(error: &StoreError) -> bool {
    let error = match error {
        StoreError::Git(error) => error,
        StoreError::Program(error) => return error.says_pruned(),
        _ => return false,
    };
    let is_gone = || error.message().contains("No such file or directory");
    error.code() == ErrorCode::Locked || (error.class() == ErrorClass::Os && is_gone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(code: ErrorCode, class: ErrorClass, message: &str) -> StoreError {
        StoreError::Git(git2::Error::new(code, class, message))
    }

    #[test]
    fn a_folder_that_has_vanished_and_a_lock_are_tried_again_and_nothing_else() {
        let gone = "failed to rename lockfile to 'x': No such file or directory";
        for (code, class, message, tries) in [
            (ErrorCode::GenericError, ErrorClass::Os, gone, 3),
            (ErrorCode::Locked, ErrorClass::Os, "failed to lock file", 3),
            (
                ErrorCode::GenericError,
                ErrorClass::Os,
                "No space left on device",
                1,
            ),
            (
                ErrorCode::Modified,
                ErrorClass::Reference,
                "old reference value",
                1,
            ),
        ] {
            let mut count = 0;
            let result = retried(|| {
                count += 1;
                match count {
                    3 => Ok(()),
                    _ => Err(error(code, class, message)),
                }
            });
            assert_eq!(count, tries, "{message}");
            assert_eq!(result.is_ok(), tries == 3);
        }
    }
}
