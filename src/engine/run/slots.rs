//! Places for attempts that all runs of a repository share (`[run] max_parallel_total`).
//!
//! A place is a file. Its lock is held by the process that drives the attempt and dies with it; what
//! stands in it is the attempt's folder, whose own lock dies with the attempt. So a place whose
//! driver was killed is free when the worker is gone, too, and age never counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::files::FileLock;
use crate::engine::kernel::context::Context;
use crate::exec::JobStatus;

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Slot {
    _lock: FileLock,
}

/// Takes one of `limit` places for the worker of this folder; `None` if all are taken. One that the
/// same worker had before is taken again.
///
/// # Errors
/// When the files cannot be made.
pub fn take(context: &Context, limit: usize, folder: &Path) -> io::Result<Option<Slot>> {
    let places: Vec<PathBuf> = (1..=limit)
        .map(|number| {
            context
                .repo
                .dispatch_folder()
                .join(format!("slots/{number}"))
        })
        .collect();
    let own = places
        .iter()
        .filter(|place| worker_of(place).as_deref() == Some(folder));
    for place in own.chain(&places) {
        let Some(lock) = FileLock::try_take(place)? else {
            continue;
        };
        let before = worker_of(place).filter(|before| before != folder);
        if before.is_some_and(|before| is_alive(context, &before)) {
            continue;
        }
        // What stands there matters only if this process is killed.
        let _ = fs::write(place, folder.as_os_str().as_encoded_bytes());
        return Ok(Some(Slot { _lock: lock }));
    }
    Ok(None)
}

fn worker_of(place: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(place).ok()?;
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn is_alive(context: &Context, worker: &Path) -> bool {
    worker.is_dir() && matches!(context.executor.status(worker), Ok(JobStatus::Alive))
}
