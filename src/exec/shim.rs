//! Supervises one worker from a small process of its own, the shim.
//!
//! It guarantees: output never blocks the worker; limits hold also for a worker that ignores SIGTERM
//! or has stopped itself; no process that the worker started outlives it; its end is recorded even
//! if the runner is gone. It has one thread and sleeps in `poll` until output, a signal, the end of
//! a child or a deadline arrives.
//!
//! Signals: SIGUSR1 and SIGINT reach the worker's group as SIGINT; SIGTERM ends it, with a grace;
//! SIGUSR2 and SIGQUIT kill it at once; SIGHUP is ignored, so that the job survives the terminal it
//! was started from.

use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;

use crate::base::fault;
use crate::base::files::{self, is_disk_full};
use crate::exec::cgroup::Group;
use crate::exec::log::LogWriter;
use crate::exec::record::{self, ProcRecord, Seal};
use crate::exec::signals::Signals;
use crate::exec::worker::Worker;
use crate::exec::{ExecError, Exit, Job, JobEnd, StopSignal, leftovers, system};

/// The time that the worker's last children have to end after the worker.
const LEAK_WAIT: Duration = Duration::from_millis(150);

/// The time between two tries to record the end on a full disk.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Runs the job of this folder until it ends. Returns the exit code of the shim, which is 0 if the
/// end of the job is recorded, whatever that was.
pub fn main(folder: &Path) -> i32 {
    match run(folder) {
        Ok(()) => 0,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let _ = writeln!(io::stderr(), "{error}: {}", cause.unwrap_or_default());
            1
        }
    }
}

fn run(folder: &Path) -> Result<(), ExecError> {
    // First of all: an earlier stop request ends the shim before a worker exists.
    let signals = Signals::install().map_err(|error| ExecError::file(folder, error))?;
    // It fails for a group leader, which a user started by hand and which needs no session.
    let _ = rustix::process::setsid();
    let _alive = record::inherit_lock(folder)?;
    fault::point("shim", "with its lock");
    let (job, seal) = record::take_job(folder)?;
    if job.keeps_room {
        record::reserve_room(folder);
    }
    fault::point("shim", "with its job");
    let end = supervise(folder, &job, signals);
    fault::point("shim", "before the end is kept");
    let kept = keep(folder, &end, &seal).map_err(|error| ExecError::file(folder, error));
    fault::point("shim", "after the end is kept");
    kept
}

fn supervise(folder: &Path, job: &Job, signals: Signals) -> JobEnd {
    let subreaper = system::become_subreaper();
    let mut record = describe(job);
    let tmp = job.sandbox.as_ref().map(|_| temporary_folder()).transpose();
    let tmp = match tmp {
        Ok(tmp) => tmp,
        Err(error) => return not_started(format!("could not make a temporary folder: {error}")),
    };
    record.tmp = tmp.as_ref().map(|tmp| tmp.path().to_owned());
    let mut group = Group::create(&job.limits, &record.cookie);
    record.cgroup = group.as_ref().map(|group| group.folder().to_owned());
    if let Err(error) = record.save(folder) {
        return not_started(format!("could not write to {}: {error}", folder.display()));
    }
    fault::point("shim", "before the worker starts");
    let start = || Worker::spawn(job, &record.cookie, record.tmp.as_deref());
    let started = match &mut group {
        Some(group) => group.around(start),
        None => start(),
    };
    let (worker, output) = match started {
        Ok(started) => started,
        Err(message) => {
            group.into_iter().for_each(Group::remove);
            return not_started(message);
        }
    };
    fault::point("shim", "after the worker has started");
    record.worker = Some(system::identify(worker.pid));
    // If this fails, the worker can still be found by its cookie.
    let _ = record.save(folder);
    fault::point("shim", "with its worker recorded");
    let watch = Watch::new(
        job,
        worker,
        output,
        LogWriter::create(folder, job.max_log),
        signals,
        group,
    );
    watch.until_end((!subreaper).then_some(record.cookie.as_str()))
}

/// Creates the record of a job without a worker yet. The shim's pid and start time make the cookie
/// unique.
fn describe(job: &Job) -> ProcRecord {
    let shim = system::identify(rustix::process::getpid());
    ProcRecord {
        cookie: format!("{}:{}.{}", job.cookie, shim.pid, shim.start.unwrap_or(0)),
        boot: system::boot_id(),
        shim,
        worker: None,
        limit: job.longest(),
        tmp: None,
        cgroup: None,
    }
}

/// Creates the folder for the temporary files of a confined worker, for its owner alone. Its path is
/// short, because the path of a socket in it may have about a hundred bytes only.
fn temporary_folder() -> io::Result<tempfile::TempDir> {
    // Rules about it are about its real path.
    let place = files::real_path(&std::env::temp_dir());
    tempfile::Builder::new()
        .prefix(leftovers::TEMPORARY)
        .tempdir_in(place)
}

fn not_started(message: String) -> JobEnd {
    JobEnd {
        exit: Exit::NotStarted(message),
        stopped: false,
        millis: 0,
        leftovers: Vec::new(),
        dropped_bytes: 0,
        out_of_memory: false,
    }
}

/// Records the end. A full disk must not lose a result, so this retries without limit; the lock
/// stays held, so the job counts as alive. A removed folder ends the retries.
fn keep(folder: &Path, end: &JobEnd, seal: &Seal) -> io::Result<()> {
    record::give_room_back(folder);
    loop {
        match record::save_end(folder, end, seal) {
            Err(error) if folder.is_dir() && is_disk_full(&error) => {
                std::thread::sleep(TRY_AGAIN);
            }
            result => return result,
        }
    }
}

/// The strongest signal that was sent to end the worker.
enum Pressure {
    None,
    /// SIGTERM was sent; SIGKILL follows at this time.
    Terminating(Instant),
    Killed,
}

/// A worker under supervision.
struct Watch<'a> {
    job: &'a Job,
    worker: Worker,
    /// Absent once every writer has closed it.
    output: Option<PipeReader>,
    log: LogWriter,
    signals: Signals,
    /// Its cgroup, if it has one.
    group: Option<Group>,
    started: Instant,
    last_output: Instant,
    pressure: Pressure,
    /// The exceeded limit.
    limit: Option<Exit>,
    stopped: bool,
    buffer: Box<[u8]>,
}

impl<'a> Watch<'a> {
    fn new(
        job: &'a Job,
        worker: Worker,
        output: PipeReader,
        log: LogWriter,
        signals: Signals,
        group: Option<Group>,
    ) -> Watch<'a> {
        let now = Instant::now();
        Watch {
            job,
            worker,
            output: Some(output),
            log,
            signals,
            group,
            started: now,
            last_output: now,
            pressure: Pressure::None,
            limit: None,
            stopped: false,
            buffer: vec![0; 64 * 1024].into(),
        }
    }

    /// Supervises the worker until it and its children have ended. `cookie` is given where the
    /// system cannot list every descendant.
    fn until_end(mut self, cookie: Option<&str>) -> JobEnd {
        let exit = self.until_exit();
        fault::point("shim", "after the worker has ended");
        let millis = self.started.elapsed().as_millis() as u64;
        self.let_children_end();
        let mut leftovers = self.kill_leftovers(cookie);
        if leftovers.is_empty() && self.output.is_some() {
            // A process holds the output, but the system does not tell which.
            leftovers.push("an unknown background process".to_owned());
        }
        fault::point("shim", "after leftovers are killed");
        self.drain();
        self.worker.reap();
        let out_of_memory = self.group.as_ref().is_some_and(Group::ran_out_of_memory);
        self.group.into_iter().for_each(Group::remove);
        JobEnd {
            exit: self.limit.unwrap_or(exit),
            stopped: self.stopped,
            millis,
            leftovers,
            dropped_bytes: self.log.dropped(),
            out_of_memory,
        }
    }

    fn kill_leftovers(&mut self, cookie: Option<&str>) -> Vec<String> {
        let group = self.group.as_ref();
        leftovers::kill(&self.worker, &mut self.signals, group, cookie)
    }

    /// Supervises until the worker itself has ended.
    fn until_exit(&mut self) -> Exit {
        loop {
            if let Some(exit) = self.worker.exit() {
                return exit;
            }
            self.enforce_limits();
            self.wait_and_read(self.next_deadline());
        }
    }

    /// Waits until the last child has ended and the output is closed, for a short time. After a
    /// stop this may take the grace, because children of a shell often end after the shell.
    fn let_children_end(&mut self) {
        let wait = if self.stopped {
            self.job.grace
        } else {
            LEAK_WAIT
        };
        let patience = Instant::now() + wait;
        loop {
            let deadline = match self.pressure {
                Pressure::None => patience,
                Pressure::Terminating(kill_at) => kill_at,
                Pressure::Killed => return,
            };
            let children = leftovers::reap_children(self.worker.pid);
            let all_gone = self.output.is_none() && children.is_empty();
            if all_gone || Instant::now() >= deadline {
                return;
            }
            self.wait_and_read(Some(deadline));
        }
    }

    /// Reads the rest of the pipe after every writer is dead, for a limited time in case one is
    /// not.
    fn drain(&mut self) {
        let deadline = Instant::now() + LEAK_WAIT;
        while self.output.is_some() && Instant::now() < deadline {
            self.wait_and_read(Some(deadline));
        }
    }

    fn enforce_limits(&mut self) {
        let now = Instant::now();
        let over = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        match self.pressure {
            Pressure::Terminating(kill_at) if kill_at <= now => self.kill(),
            Pressure::None if over(self.timeout_at()) => {
                self.limit = Some(Exit::TimedOut);
                self.terminate();
            }
            Pressure::None if over(self.stall_at()) => {
                self.limit = Some(Exit::Stalled);
                self.terminate();
            }
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self.pressure {
            Pressure::None => self.timeout_at().into_iter().chain(self.stall_at()).min(),
            Pressure::Terminating(kill_at) => Some(kill_at),
            Pressure::Killed => None,
        }
    }

    fn timeout_at(&self) -> Option<Instant> {
        self.started.checked_add(self.job.timeout?)
    }

    fn stall_at(&self) -> Option<Instant> {
        self.last_output.checked_add(self.job.stall_timeout?)
    }

    fn terminate(&mut self) {
        if let Pressure::None = self.pressure {
            self.worker.signal(Signal::TERM);
            self.pressure = Pressure::Terminating(Instant::now() + self.job.grace);
        }
    }

    fn kill(&mut self) {
        self.worker.signal(Signal::KILL);
        self.pressure = Pressure::Killed;
    }

    /// Sleeps until output, a signal or the deadline arrives, and handles what arrived.
    fn wait_and_read(&mut self, deadline: Option<Instant>) {
        let timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let (woken, readable) = self.poll(timeout);
        if readable {
            self.read();
        }
        if woken {
            self.obey();
            leftovers::reap_children(self.worker.pid);
        }
    }

    /// Returns two flags: a signal is there; output, or its end, is there.
    fn poll(&self, timeout: Option<Duration>) -> (bool, bool) {
        let wake = self.signals.wake();
        let mut fds = vec![PollFd::new(&wake, PollFlags::IN)];
        if let Some(output) = &self.output {
            fds.push(PollFd::new(output, PollFlags::IN));
        }
        // An interrupted poll leaves nothing in the results, so the caller calls again.
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
        let ready = poll(&mut fds, timeout.as_ref()).unwrap_or(0) > 0;
        let fired =
            |fd: Option<&PollFd<'_>>| ready && fd.is_some_and(|fd| !fd.revents().is_empty());
        (fired(fds.first()), fired(fds.get(1)))
    }

    fn read(&mut self) {
        let Some(output) = &mut self.output else {
            return;
        };
        match output.read(&mut self.buffer) {
            Ok(0) => self.output = None,
            Ok(length) => {
                self.log.write(&self.buffer[..length]);
                self.last_output = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.output = None,
        }
    }

    fn obey(&mut self) {
        for signal in self.signals.take() {
            self.stopped = true;
            match signal {
                StopSignal::Interrupt => self.worker.signal(Signal::INT),
                StopSignal::Terminate => self.terminate(),
                StopSignal::Kill => self.kill(),
            }
        }
    }
}
