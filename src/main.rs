//! The program `dispatch`; everything but the set-up of the process is in the library.

use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    use_one_heap();
    git_dispatch::cli::main()
}

/// Lets all threads allocate from one heap.
///
/// The C library of GNU gives every thread one of its own, up to eight for each processor, and memory that one thread
/// frees is of no use to the others. The comparisons of a run move from thread to thread, so four
/// thousand tasks took 100 MiB in place of 60. The time is the same: no thread allocates much.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)] // The only place: the library forbids it.
fn use_one_heap() {
    // SAFETY: mallopt(3) sets a number of the allocator, and no other thread exists yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn use_one_heap() {}
