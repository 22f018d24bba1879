//! Measures disk space before files are created, and waits for space on a full disk.
//!
//! Promise: a full disk costs no attempt and no work. A write that failed is repeated once there is
//! space, and until then nothing new is started.

use std::error::Error;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::files::{
    existing_ancestor, free_inodes, free_space, is_disk_full, mount_point, says_no_space,
};
use crate::config::Settings;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::worktree_size::WorktreeSize;
use crate::git::Repo;
use crate::model::shortage::{Resource, Shortage};

/// The fewest files that must stay free on each file system, besides those of a new worktree.
const LEAST_FILES: u64 = 256;

/// The interval at which the space of a full disk is measured.
pub const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// The first pause if writing fails although the disk has space (a quota); it doubles.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
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

/// The free space of the file systems that a run writes to, as it was measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskSpace {
    /// The file system of the worktrees.
    pub worktrees: FileSystem,
    /// The file system of the repository.
    pub repository: FileSystem,
    /// The bytes that must stay free on both.
    pub least: u64,
    /// The size of one worktree.
    pub size: WorktreeSize,
}

/// The free space of one file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSystem {
    /// Its top folder.
    pub place: String,
    /// Free bytes, if the system says.
    pub bytes: Option<u64>,
    /// Files that can still be made, if the system says.
    pub files: Option<u64>,
}

impl DiskSpace {
    /// Measures the free space.
    pub fn measure(repo: &Repo, settings: &Settings, size: WorktreeSize) -> DiskSpace {
        let folder = settings.worktree.folder(repo.home(), "run", "task");
        DiskSpace {
            worktrees: FileSystem::measure(&existing_ancestor(&folder)),
            repository: FileSystem::measure(&repo.common),
            least: settings.run.min_free_space,
            size,
        }
    }

    /// Returns the shortage if this many more worktrees do not fit; with 0, if dispatch itself
    /// cannot write into the repository.
    pub fn shortage(&self, worktrees: u64) -> Option<Shortage> {
        let (bytes, files) = (self.size.bytes * worktrees, self.size.files * worktrees);
        let in_worktrees = self
            .worktrees
            .shortage(self.least + bytes, LEAST_FILES + files);
        in_worktrees.or_else(|| self.repository.shortage(self.least, LEAST_FILES))
    }
}

impl FileSystem {
    fn measure(place: &Path) -> FileSystem {
        FileSystem {
            place: mount_point(place).display().to_string(),
            // A system that does not report free space reports a full disk when something is
            // written.
            bytes: free_space(place).ok(),
            files: free_inodes(place).ok(),
        }
    }

    fn shortage(&self, bytes: u64, files: u64) -> Option<Shortage> {
        let short = |resource, has: Option<u64>, needs| {
            let has = has.filter(|has| *has < needs)?;
            let place = self.place.clone();
            Some(Shortage {
                resource,
                place,
                has,
                needs,
                kept: Vec::new(),
            })
        };
        let of_bytes = short(Resource::Bytes, self.bytes, bytes);
        of_bytes.or_else(|| short(Resource::Files, self.files, files))
    }
}

/// Returns the shortage if this many more worktrees of this size do not fit.
pub fn shortage(
    repo: &Repo,
    settings: &Settings,
    size: WorktreeSize,
    worktrees: u64,
) -> Option<Shortage> {
    DiskSpace::measure(repo, settings, size).shortage(worktrees)
}

/// Returns the shortage behind a failed write, or the free space if there is no visible shortage.
pub fn shortage_now(context: &Context) -> Shortage {
    let short = shortage(&context.repo, &context.settings, context.size(), 1);
    short.unwrap_or_else(|| Shortage {
        resource: Resource::Bytes,
        place: mount_point(&context.repo.common).display().to_string(),
        has: free_space(&context.repo.common).unwrap_or_default(),
        needs: context.settings.run.min_free_space,
        kept: Vec::new(),
    })
}

/// Waits until a write that failed `tries` times may be repeated; returns at once if the attempt is
/// to end.
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
            (true, _) => tokio::time::sleep(MEASURE_INTERVAL).await,
            // Short naps, so that a stop is noticed in time.
            (false, false) => tokio::time::sleep(left.min(MEASURE_INTERVAL)).await,
        }
    }
}

/// Returns the pause before the next try of a write that failed for lack of space.
pub fn pause(tries: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << tries.min(16))
        .min(LONGEST_PAUSE)
}

/// Returns the common beginning of all worktree paths of dispatch, for any run.
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
