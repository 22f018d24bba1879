//! Starts, watches and kills processes for tests, and waits for them with a limit.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::harness::Scene;

/// The longest wait before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns `true` if a process exists and is not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}

/// Reads the pid that a worker wrote into a file with `echo $$`.
#[track_caller]
pub(crate) fn pid_in(file: &Path) -> i32 {
    let read = || fs::read_to_string(file).unwrap_or_default();
    until(&format!("a pid in {}", file.display()), || {
        read().ends_with('\n')
    });
    read().trim().parse().unwrap()
}

/// Sends a signal to a process that must be there.
#[track_caller]
pub(crate) fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Copies the standard input of a process, and with it the lock that a shim holds.
pub(crate) fn copy_of_stdin(pid: i32) -> std::os::fd::OwnedFd {
    let process = Pid::from_raw(pid).unwrap();
    let process = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty());
    let flags = rustix::process::PidfdGetfdFlags::empty();
    rustix::process::pidfd_getfd(process.unwrap(), 0, flags).unwrap()
}

/// A `dispatch` in the background; killed when dropped.
pub(crate) struct Background {
    child: Child,
    said: PathBuf,
}

impl Background {
    /// Starts a command in the scene's repository.
    pub(crate) fn start(scene: &Scene, args: &[&str]) -> Background {
        Background::spawn(scene, args, false)
    }

    /// Starts a plan as a shell with job control does: in a process group of its own.
    pub(crate) fn run_in_own_group(scene: &Scene, plan: &str) -> Background {
        let plan = scene.plan(plan);
        Background::spawn(scene, &["run", &plan, "--yes"], true)
    }

    /// Starts a command as a shell with job control does: in a process group of its own.
    pub(crate) fn start_in_own_group(scene: &Scene, args: &[&str]) -> Background {
        Background::spawn(scene, args, true)
    }

    fn spawn(scene: &Scene, args: &[&str], own_group: bool) -> Background {
        let mut paths = (1..).map(|number| scene.root.join(format!("said-{number}")));
        let said = paths.find(|path| !path.exists()).unwrap();
        let file = File::create(&said).unwrap();
        let mut command = scene.command(env!("CARGO_BIN_EXE_dispatch"));
        let command = command.args(args).stdin(Stdio::null());
        let command = command.stdout(file.try_clone().unwrap()).stderr(file);
        if own_group {
            command.process_group(0);
        }
        let child = command.spawn().unwrap();
        Background { child, said }
    }

    /// Starts a plan without a question.
    pub(crate) fn run(scene: &Scene, plan: &str, more: &[&str]) -> Background {
        let plan = scene.plan(plan);
        Background::start(scene, &[&["run", &plan, "--yes"], more].concat())
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends a signal to it.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Sends a signal to its process group, as a terminal does on Ctrl-C.
    #[track_caller]
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Kills it, as in a crash.
    #[track_caller]
    pub(crate) fn crash(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.wait(), -1);
    }

    /// Waits and returns its exit code; -1 after a signal.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> i32 {
        let mut ended = None;
        until("the program ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.and_then(|status| status.code()).unwrap_or(-1)
    }

    /// Returns its output until now, of both streams.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub(crate) fn wait_until_said(&self, words: &str) {
        let start = Instant::now();
        while !self.said().contains(words) {
            let said = self.said();
            assert!(start.elapsed() < PATIENCE, "{words:?} is not in {said:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
