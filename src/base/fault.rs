//! Fault points: named places before and after every effect, where a test makes the program end as
//! if it were killed. Without the feature `faults` they are nothing at all.

/// Ends the process here if `DISPATCH_FAULT` names this point and how often it was reached in this
/// process, as in `journal before its reference moves@2`.
///
/// `DISPATCH_FAULT_DONE` is a file that says it has happened, so that the process that takes over
/// passes; `DISPATCH_FAULT_LIST` is a file to which every point that is reached is added.
#[cfg(feature = "faults")]
pub fn point(effect: &str, moment: &str) {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    static REACHED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

    let name = format!("{effect} {moment}");
    let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
    let times = reached.entry(name.clone()).or_default();
    *times += 1;
    let name = format!("{name}@{times}");
    if let Some(list) = std::env::var_os("DISPATCH_FAULT_LIST") {
        let file = File::options().create(true).append(true).open(list);
        let _ = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
    }
    let is_meant = std::env::var("DISPATCH_FAULT").is_ok_and(|wanted| wanted == name);
    let done = std::env::var_os("DISPATCH_FAULT_DONE").filter(|_| is_meant);
    if done.is_some_and(|done| File::create_new(done).is_ok()) {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_effect: &str, _moment: &str) {}
