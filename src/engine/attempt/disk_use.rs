//! Limits the disk space that a running worker takes (`[limits] disk`): that of its worktree and of its own
//! git folder. The kernel has no such limit for a folder, so it is measured again and again.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::base::files;
use crate::base::regular_file;
use crate::engine::attempt::execution::Execution;
use crate::exec::{StopSignal, Stopper};
use crate::failure::evidence::Fact;
use crate::git::private_folder::PrivateFolder;
use crate::git::worktree::Worktree;
use crate::model::shortage::bytes;

/// The least time between two measurements.
const LEAST_PAUSE: Duration = Duration::from_secs(2);

/// The pause after a measurement, as a multiple of its own time.
const PAUSES: u32 = 50;

/// The name of the record of an exceeded limit, in the folder of the attempt.
const RECORD: &str = "disk-use";

/// Measures the disk use of a running worker, and stops one that exceeds its limit.
pub(super) struct DiskUse {
    folders: Vec<PathBuf>,
    limit: u64,
    record: PathBuf,
    stopper: Stopper,
    next: Instant,
    measuring: Option<JoinHandle<(u64, Duration)>>,
}

impl DiskUse {
    /// Returns `None` without a limit.
    pub(super) fn new(
        execution: &Execution,
        worktree: &Worktree,
        stopper: Stopper,
    ) -> Option<DiskUse> {
        let context = &execution.context;
        let private = PrivateFolder::of(&context.repo, worktree);
        Some(DiskUse {
            folders: vec![worktree.path.clone(), private.folder().to_owned()],
            limit: context.settings.limits.disk?,
            record: execution.folder().join(RECORD),
            stopper,
            next: Instant::now() + LEAST_PAUSE,
            measuring: None,
        })
    }

    /// Starts a measurement if it is time, or reads the one that has ended.
    pub(super) async fn look(&mut self) {
        if let Some(measuring) = self.measuring.take_if(|it| it.is_finished()) {
            // A measurement that panicked tells nothing.
            let (used, took) = measuring.await.unwrap_or_default();
            self.next = Instant::now() + LEAST_PAUSE.max(took * PAUSES);
            if used > self.limit {
                let _ = files::replace(&self.record, format!("{used}\n").as_bytes());
                self.stopper.stop(StopSignal::Terminate);
            }
        } else if self.measuring.is_none() && Instant::now() >= self.next {
            let folders = self.folders.clone();
            self.measuring = Some(tokio::task::spawn_blocking(move || {
                let since = Instant::now();
                let used = folders.iter().map(|folder| disk_use(folder)).sum();
                (used, since.elapsed())
            }));
        }
    }
}

/// Returns the exceeded limit if dispatch stopped the worker for it.
pub(super) fn exceeded(execution: &Execution) -> Option<Fact> {
    let limit = execution.context.settings.limits.disk?;
    let text = regular_file::read_line(&execution.folder().join(RECORD)).ok()?;
    let used: u64 = text.trim_end().parse().ok()?;
    (used > limit).then(|| Fact::OutOfDisk {
        used: bytes(used),
        limit: bytes(limit),
    })
}

/// Returns the bytes of a folder on its disk. Links are not followed; a file that is removed meanwhile
/// counts 0.
fn disk_use(folder: &Path) -> u64 {
    let (mut folders, mut used) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Ok(meta) = entry.metadata() {
                used += 512 * meta.blocks();
                if meta.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    }
    used
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_count_in_every_folder_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("worktree");
        fs::create_dir_all(place.join("a/b")).unwrap();
        let empty = disk_use(&place);
        fs::write(folder.path().join("outside"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink(folder.path(), place.join("link")).unwrap();
        assert!(disk_use(&place) < empty + (1 << 16));
        fs::write(place.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        assert!(disk_use(&place) >= empty + (1 << 20));
    }
}
