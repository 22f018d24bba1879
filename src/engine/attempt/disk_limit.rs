//! Limits the disk space that a running worker takes (`[limits] disk`): that of its worktree and of its own
//! git folder. The kernel has no such limit for a folder, so it is measured again and again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::base::files;
use crate::base::regular_file;
use crate::engine::attempt::execution::Execution;
use crate::engine::kernel::disk_use::disk_use;
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
pub(super) struct DiskLimit {
    folders: Vec<PathBuf>,
    limit: u64,
    record: PathBuf,
    stopper: Stopper,
    next: Instant,
    measuring: Option<JoinHandle<(u64, Duration)>>,
}

impl DiskLimit {
    /// Returns `None` without a limit.
    pub(super) fn new(
        execution: &Execution,
        worktree: &Worktree,
        stopper: Stopper,
    ) -> Option<DiskLimit> {
        let context = &execution.context;
        let private = PrivateFolder::of(&context.repo, worktree);
        Some(DiskLimit {
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
