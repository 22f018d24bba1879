//! Runs work that gives way to everything else on the machine.

use std::io;
use std::thread::{Builder, JoinHandle};

use crate::base::parallel::{STACK, prepare_threads};

/// A low priority: a tenth of what a program of the usual one gets, where both could use all. With the
/// lowest, work would hardly end while compilers run. The kernel derives the priority for disks from it.
const LOW: i32 = 10;

/// Runs work in a thread of low priority. Threads and programs that it starts have the same.
/// Only Linux knows priorities of single threads; elsewhere the work has the usual one.
///
/// # Errors
/// When the system cannot start a thread.
pub fn spawn_with_low_priority<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    // Other work shares these threads, which have the priority of the thread that starts them.
    prepare_threads();
    let thread = Builder::new()
        .name("low priority".to_owned())
        .stack_size(STACK);
    thread.spawn(move || {
        if cfg!(target_os = "linux") {
            // With the usual priority it does the same.
            let _ = rustix::process::setpriority_process(None, LOW);
        }
        work()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::base::process::Program;

    #[test]
    #[cfg(target_os = "linux")]
    fn programs_of_the_thread_have_its_priority_and_others_do_not() {
        let nice = || {
            let shown = Program::new("nice").output().unwrap().stdout;
            String::from_utf8(shown).unwrap().trim().to_owned()
        };
        let before = nice();
        assert_eq!(spawn_with_low_priority(nice).unwrap().join().unwrap(), "10");
        assert_eq!(nice(), before);
    }
}
