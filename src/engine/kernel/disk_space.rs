//! Room on the disk: looked for before anything is made, and waited for where it ran out.
//!
//! Promise: a full disk costs no attempt and no work. What cannot be written is tried again once
//! there is room, and until then nothing new is started.

use crate::engine::kernel::worktree_size::WorktreeSize;
use std::error::Error;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::files::existing_ancestor;
use crate::base::files::{free_inodes, free_space, is_disk_full, mount_point, says_no_space};
use crate::config::Settings;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::git::Repo;
use crate::model::shortage::{Resource, Shortage};

/// Files that can still be made on each file system, at least, besides those of a new worktree.
const LEAST_FILES: u64 = 256;

/// How often a full disk is looked at.
pub const LOOK: Duration = Duration::from_secs(1);

/// The first pause where the disk has room and writing fails all the same (a quota), which doubles.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Returns `true` if an error or one of its sources says that a disk or a quota of it is full: by the
/// kind of the system's errors, by text only for those of git.
pub fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut chain = iter::successors(Some(error), |error| (*error).source());
    chain.any(|error| match error.downcast_ref::<io::Error>() {
        Some(error) => is_disk_full(error),
        None => says_no_space(&error.to_string()),
    })
}

/// What is too little for so many more worktrees of this size; with none, for what dispatch writes
/// into the repository itself.
pub fn shortage(
    repo: &Repo,
    settings: &Settings,
    size: WorktreeSize,
    worktrees: u64,
) -> Option<Shortage> {
    let least = settings.run.min_free_space;
    let folder = existing_ancestor(&settings.worktree.folder(repo.home(), "run", "task"));
    let (bytes, files) = (size.bytes * worktrees, size.files * worktrees);
    let wanted = [
        (&folder, least + bytes, LEAST_FILES + files),
        (&repo.common, least, LEAST_FILES),
    ];
    wanted
        .into_iter()
        .find_map(|(place, bytes, files)| shortage_at(place, bytes, files))
}

fn shortage_at(place: &Path, bytes: u64, files: u64) -> Option<Shortage> {
    // A system that does not say how much there is shows it when something is written.
    let short = |resource, has: std::io::Result<u64>, needs| {
        let has = has.ok().filter(|has| *has < needs)?;
        let place = mount_point(place).display().to_string();
        Some(Shortage {
            resource,
            place,
            has,
            needs,
        })
    };
    short(Resource::Bytes, free_space(place), bytes)
        .or_else(|| short(Resource::Files, free_inodes(place), files))
}

/// What is said where writing failed: what is short, or how much there is where nothing seems to be.
pub fn shortage_now(context: &Context) -> Shortage {
    let short = shortage(&context.repo, &context.settings, context.size(), 1);
    short.unwrap_or_else(|| Shortage {
        resource: Resource::Bytes,
        place: mount_point(&context.repo.common).display().to_string(),
        has: free_space(&context.repo.common).unwrap_or_default(),
        needs: context.settings.run.min_free_space,
    })
}

/// Waits until something that could not be written may be tried again; `tries` counts how often it
/// was. Comes back at once when the attempt is to end.
pub async fn wait(context: &Context, cancel: &CancelHandle, tries: u32) {
    let paused_from = Instant::now();
    loop {
        if context.is_stopping() || cancel.is_cancelled() {
            return;
        }
        let is_short = shortage(&context.repo, &context.settings, context.size(), 1).is_some();
        let left = pause(tries).saturating_sub(paused_from.elapsed());
        match (is_short, left.is_zero()) {
            (false, true) => return,
            (true, _) => tokio::time::sleep(LOOK).await,
            // A stop is noticed in time all the same.
            (false, false) => tokio::time::sleep(left.min(LOOK)).await,
        }
    }
}

/// Returns the pause before the next try of something that failed for want of room.
pub fn pause(tries: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << tries.min(16))
        .min(LONGEST_PAUSE)
}

/// Where worktrees of dispatch stand, as the beginning of their paths, whatever their run.
pub fn worktree_prefix(repo: &Repo, settings: &Settings) -> PathBuf {
    const MARK: &str = "\u{1}";
    let path = settings.worktree.folder(repo.home(), MARK, MARK);
    let text = path.to_string_lossy();
    PathBuf::from(text.split(MARK).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::process::ProcessError;
    use crate::engine::kernel::error::EngineError;
    use crate::git::GitError;

    #[test]
    fn a_full_disk_is_found_among_the_sources_of_an_error() {
        let file = |kind: io::ErrorKind| EngineError::File("a file".to_owned(), kind.into());
        assert!(is_full(&file(io::ErrorKind::StorageFull)));
        assert!(is_full(&file(io::ErrorKind::QuotaExceeded)));
        assert!(!is_full(&file(io::ErrorKind::PermissionDenied)));
        let started = EngineError::Git(GitError::Start(ProcessError {
            program: "git".to_owned(),
            source: io::ErrorKind::StorageFull.into(),
        }));
        assert!(is_full(&started));
        let git = |message: &str| {
            EngineError::Git(GitError::Failed {
                command: "add".to_owned(),
                folder: PathBuf::from("work"),
                message: message.to_owned(),
                code: Some(128),
                killed: false,
            })
        };
        assert!(is_full(&git("unable to write: No space left on device")));
        assert!(!is_full(&git("unable to write: Permission denied")));
    }
}
