//! Fault points: named places before and after every effect, where a test makes the program end as
//! if it were killed, and named writes that a test makes fail as if the disk were full. Without the
//! feature `faults` they are nothing at all.

use std::io;

/// How often a write fails in one test, so that the first new try fails, too.
#[cfg(feature = "faults")]
const FAILURES: u64 = 2;

/// Ends the process here if `DISPATCH_FAULT` names this point and how often it was reached in this
/// process, as in `journal before its reference moves@2`.
///
/// `DISPATCH_FAULT_DONE` is a file that says it has happened, so that the process that takes over
/// passes; `DISPATCH_FAULT_LIST` is a file to which every point that is reached is added.
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

/// Nothing.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_effect: &str, _moment: &str) {}

/// Whether this write may be done. It fails as on a full disk from the time on that `DISPATCH_FAULT`
/// names, as in `journal:enospc@2`; `DISPATCH_FAULT_DONE` is a file that counts the failures of all
/// processes, which are two.
///
/// # Errors
/// What the system says when a disk is full.
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

/// May be done.
///
/// # Errors
/// Never.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn full(_effect: &str) -> io::Result<()> {
    Ok(())
}

/// Counts that a name was reached in this process, and lists it.
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
