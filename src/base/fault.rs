//! Fault points: named places around every effect, where a test kills the process or fills the disk.
//!
//! Without the feature `faults` they compile to nothing.

use std::io;

/// Number of failures of a write in one test; the second one hits the first retry.
#[cfg(feature = "faults")]
const FAILURES: u64 = 2;

/// Aborts the process if `DISPATCH_FAULT` names this point with its count in this process, as in
/// `journal before its reference moves@2`.
///
/// `DISPATCH_FAULT_DONE` is a file that records the abort, so that the process that resumes passes;
/// every point that is reached is appended to the file `DISPATCH_FAULT_LIST`.
#[cfg(feature = "faults")]
pub fn point(effect: &str, moment: &str) {
    let times = reached(&format!("{effect} {moment}"));
    let wanted = |name: &str| name == format!("{effect} {moment}@{times}");
    let is_meant = std::env::var("DISPATCH_FAULT").is_ok_and(|name| wanted(&name));
    let done = std::env::var_os("DISPATCH_FAULT_DONE").filter(|_| is_meant);
    if done.is_some_and(|done| std::fs::File::create_new(done).is_ok()) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_effect: &str, _moment: &str) {}

/// Fails as a write on a full disk does, from the count on that `DISPATCH_FAULT` names, as in
/// `journal:enospc@2`. The file `DISPATCH_FAULT_DONE` counts the failures of all processes, which are
/// two.
///
/// # Errors
/// The error of a full disk.
#[cfg(feature = "faults")]
pub fn full(effect: &str) -> io::Result<()> {
    use std::io::Write;

    let name = format!("{effect}:enospc");
    let times = reached(&name);
    let wanted = std::env::var("DISPATCH_FAULT").unwrap_or_default();
    let from = wanted.strip_prefix(&name).and_then(|n| n.strip_prefix('@'));
    let is_meant = from
        .and_then(|from| from.parse().ok())
        .is_some_and(|from: u32| from <= times);
    let Some(done) = std::env::var_os("DISPATCH_FAULT_DONE").filter(|_| is_meant) else {
        return Ok(());
    };
    let mut done = std::fs::File::options()
        .create(true)
        .append(true)
        .open(done)?;
    if done.metadata()?.len() >= FAILURES {
        return Ok(());
    }
    done.write_all(b".")?;
    Err(rustix::io::Errno::NOSPC.into())
}

/// Succeeds.
///
/// # Errors
/// Never.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn full(_effect: &str) -> io::Result<()> {
    Ok(())
}

/// Counts and lists a name that was reached in this process.
#[cfg(feature = "faults")]
fn reached(name: &str) -> u32 {
    use std::collections::BTreeMap;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    static REACHED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

    let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    let times = reached.entry(name.to_owned()).or_default();
    *times += 1;
    if let Some(list) = std::env::var_os("DISPATCH_FAULT_LIST") {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(list);
        let line = format!("{name}@{times}\n");
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
    *times
}
