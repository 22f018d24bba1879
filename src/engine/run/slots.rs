//! Slots for attempts that all runs of a repository share (`[run] max_parallel_total`).
//!
//! A slot is a file. Its lock is held by the process that drives the attempt and dies with it; its
//! content is the attempt's folder, whose own lock dies with the attempt. So the slot of a driver
//! that was killed is free once the worker has ended, too, and age never counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::files::FileLock;
use crate::base::regular_file;
use crate::engine::kernel::context::Context;
use crate::exec::JobStatus;

/// A slot that is taken until this is dropped.
#[derive(Debug)]
pub struct Slot {
    _lock: FileLock,
}

/// Takes one of `limit` slots for the worker of this folder; `None` if all are in use. A worker's
/// earlier slot is taken again.
///
/// # Errors
/// When the files cannot be created.
pub fn take(context: &Context, limit: usize, folder: &Path) -> io::Result<Option<Slot>> {
    let slots: Vec<PathBuf> = (1..=limit)
        .map(|number| {
            context
                .repo
                .dispatch_folder()
                .join(format!("slots/{number}"))
        })
        .collect();
    let own = slots
        .iter()
        .filter(|slot| worker_of(slot).as_deref() == Some(folder));
    for slot in own.chain(&slots) {
        let Some(lock) = FileLock::try_take(slot)? else {
            continue;
        };
        let before = worker_of(slot).filter(|before| before != folder);
        if before.is_some_and(|before| is_alive(context, &before)) {
            continue;
        }
        // The content matters only if this process is killed.
        let _ = fs::write(slot, folder.as_os_str().as_encoded_bytes());
        return Ok(Some(Slot { _lock: lock }));
    }
    Ok(None)
}

fn worker_of(slot: &Path) -> Option<PathBuf> {
    let text = regular_file::read_line(slot).ok()?;
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn is_alive(context: &Context, worker: &Path) -> bool {
    worker.is_dir() && matches!(context.executor.status(worker), Ok(JobStatus::Alive))
}
