//! Sets the resource limits of a worker.
//!
//! The shim sets them for itself just before it starts the worker, which inherits them: there is no
//! moment in which the worker runs without. They hold for each process; only the number of processes is
//! counted for the user as a whole.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exec::{ResourceLimits, system};

/// Memory that the shim itself needs.
const OWN_MEMORY: u64 = 64 << 20;

/// Open files that the shim itself needs.
const OWN_FILES: u64 = 32;

/// Sets the limits of this process; `max_log` is the size of the log that it writes itself. A limit that
/// the user already has is never raised.
pub(super) fn set(limits: &ResourceLimits, max_log: u64) {
    let lower = |resource, limit: Option<u64>| {
        if let Some(limit) = limit {
            lower(resource, limit);
        }
    };
    lower(
        Resource::Data,
        limits.memory.map(|bytes| bytes.max(OWN_MEMORY)),
    );
    lower(
        Resource::Nofile,
        limits.open_files.map(|files| files.max(OWN_FILES)),
    );
    lower(
        Resource::Fsize,
        limits.file_size.map(|bytes| bytes.max(max_log)),
    );
    lower(Resource::Cpu, limits.cpu_time.map(whole_seconds));
    let processes = limits.processes;
    lower(
        Resource::Nproc,
        processes.map(|more| system::running_threads().saturating_add(more)),
    );
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn lower(resource: Resource, limit: u64) {
    let now = getrlimit(resource);
    let least = |known: Option<u64>| Some(known.map_or(limit, |known| known.min(limit)));
    let new = Rlimit {
        current: least(now.current),
        maximum: least(now.maximum),
    };
    // It never fails: both values only become smaller.
    let _ = setrlimit(resource, new);
}
