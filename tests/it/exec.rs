//! The shim and the local executor with real processes: limits, output and children of a worker.

use crate::harness::temp_folder;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use git_dispatch::base::process::Program;
use git_dispatch::exec::local::LocalExecutor;
use git_dispatch::exec::{
    ExecError, Executor, Exit, Job, JobEnd, JobStatus, ProcRecord, Process, Running, StopSignal,
    kill_orphans, log,
};
use git_dispatch::worker::result::load_result;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

/// One attempt: a folder, a job, an executor.
struct Bench {
    home: tempfile::TempDir,
    attempt: u32,
    job: Job,
    executor: LocalExecutor,
    runtime: Runtime,
}

/// Creates a bench with the program of `fixtures/agents` and its arguments.
fn agent(name: &str, args: &[&str]) -> Bench {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agents");
    let program = program.join(name).to_str().unwrap().to_owned();
    let args = args.iter().map(|arg| (*arg).to_owned());
    bench(std::iter::once(program).chain(args).collect())
}

fn sh(script: &str) -> Bench {
    bench(vec!["sh".into(), "-c".into(), script.into()])
}

fn bench(argv: Vec<String>) -> Bench {
    let home = temp_folder();
    let job = Job {
        argv,
        cwd: home.path().to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]),
        stdin: None,
        timeout: Some(LONG),
        stall_timeout: None,
        grace: LONG,
        max_log: 1 << 20,
        cookie: "demo-0000/1/1".to_owned(),
        keeps_room: false,
        sandbox: None,
        limits: git_dispatch::exec::ResourceLimits::default(),
    };
    Bench {
        home,
        attempt: 1,
        job,
        executor: LocalExecutor::new(env!("CARGO_BIN_EXE_dispatch")),
        runtime: Builder::new_current_thread().enable_all().build().unwrap(),
    }
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn folder(&self) -> PathBuf {
        self.path(&format!("attempts/{}", self.attempt))
    }

    /// Creates a named pipe whose path the worker gets in this variable.
    fn pipe(&mut self, name: &str) -> Pipe {
        let path = self.path(name);
        let made = Program::new("mkfifo").arg(&path).output().unwrap();
        assert!(made.status.success());
        let value = path.to_str().unwrap().to_owned();
        self.job.env.insert(name.to_owned(), value);
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(nonblock);
        Pipe(options.open(path).unwrap())
    }

    fn start(&self) -> Running {
        let _context = self.runtime.enter();
        self.executor.start(&self.folder(), &self.job).unwrap()
    }

    fn wait(&self, running: Running) -> JobStatus {
        self.runtime.block_on(running.wait()).unwrap()
    }

    fn end(&self, running: Running) -> JobEnd {
        match self.wait(running) {
            JobStatus::Ended(end) => end,
            status => panic!("{status:?}"),
        }
    }

    fn run(&self) -> JobEnd {
        self.end(self.start())
    }

    fn status(&self) -> JobStatus {
        self.executor.status(&self.folder()).unwrap()
    }

    fn output(&self) -> String {
        String::from_utf8(log::read(&self.folder()).unwrap()).unwrap()
    }

    fn record(&self) -> ProcRecord {
        ProcRecord::load(&self.folder()).unwrap().unwrap()
    }

    /// Returns the recorded worker; the shim may record it a moment after the worker's first
    /// output.
    fn worker(&self) -> Process {
        loop {
            match self.record().worker {
                Some(worker) => return worker,
                None => std::thread::yield_now(),
            }
        }
    }

    /// Kills the shim, once it has recorded the worker, and waits until its lock is free.
    fn lose_shim(&self, running: Running) {
        self.worker();
        kill(self.record().shim.pid);
        assert_eq!(self.wait(running), JobStatus::Lost);
    }
}

impl Drop for Bench {
    /// Kills all processes of a failed test.
    fn drop(&mut self) {
        if let Ok(adopted) = self.executor.adopt(&self.folder()) {
            adopted.stopper().stop(StopSignal::Kill);
            let _ = self.runtime.block_on(adopted.wait());
        }
        let _ = kill_orphans(&self.folder());
    }
}

/// A named pipe to wait on and to write to, without sleeping.
struct Pipe(File);

impl Pipe {
    fn wait_for_line(&mut self) {
        let limit = LONG.try_into().unwrap();
        let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).unwrap();
        assert_eq!(ready, 1, "the worker said nothing");
        let _ = self.0.read(&mut [0; 64]).unwrap();
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0, "{line}").unwrap();
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn pid_in(path: &Path) -> i32 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Returns `true` if a process runs; a zombie does not.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn a_job_runs_in_its_folder_and_its_output_is_kept() {
    let bench = agent("edit", &["src/a.txt", "hello"]);
    let end = bench.run();
    assert_eq!(end.exit, Exit::Code(0));
    assert!(!end.stopped && end.leftovers.is_empty() && end.dropped_bytes == 0);
    assert_eq!(bench.output(), "wrote src/a.txt\n");
    assert_eq!(
        fs::read_to_string(bench.path("src/a.txt")).unwrap(),
        "hello\n"
    );
    assert_eq!(bench.status(), JobStatus::Ended(end));
}

#[test]
fn the_exit_code_and_both_outputs_come_back() {
    let bench = agent("fail", &["75", "try later"]);
    assert_eq!(bench.run().exit, Exit::Code(75));
    assert_eq!(bench.output(), "try later\n");
}

#[test]
fn a_worker_that_dies_of_a_signal_says_which() {
    assert_eq!(sh("kill -SEGV $$").run().exit, Exit::Signal(11));
}

#[test]
fn a_worker_that_ignores_sigterm_is_killed_after_the_grace() {
    let mut bench = agent("hang", &[]);
    bench.job.timeout = Some(SHORT);
    bench.job.grace = SHORT;
    let end = bench.run();
    assert_eq!(end.exit, Exit::TimedOut);
    assert!(!end.stopped);
    assert!((400..20_000).contains(&end.millis), "{end:?}");
}

#[test]
fn a_worker_that_obeys_sigterm_does_not_wait_for_the_grace() {
    let mut bench = sh("trap 'echo tidied up; exit 9' TERM; while :; do sleep 0.01; done");
    bench.job.timeout = Some(SHORT);
    let end = bench.run();
    assert_eq!(end.exit, Exit::TimedOut);
    assert!(end.millis < 20_000, "{end:?}");
    assert!(bench.output().ends_with("tidied up\n"));
}

#[test]
fn a_worker_that_stopped_itself_gets_sigterm_all_the_same() {
    let mut bench = agent("stop", &[]);
    bench.job.timeout = Some(SHORT);
    let end = bench.run();
    assert_eq!(end.exit, Exit::TimedOut);
    assert!(end.millis < 20_000, "{end:?}");
}

#[test]
fn silence_beyond_the_limit_ends_the_worker() {
    let mut bench = sh("for i in 1 2 3 4; do sleep 0.1; echo $i; done; exec sleep 600");
    bench.job.stall_timeout = Some(Duration::from_millis(300));
    let end = bench.run();
    assert_eq!(end.exit, Exit::Stalled);
    assert_eq!(bench.output(), "1\n2\n3\n4\n");
    assert!(end.millis >= 700, "{end:?}");
}

#[test]
fn a_flood_of_output_is_bounded_and_never_blocks_the_worker() {
    let mut bench = agent("flood", &["4000000", "2000"]);
    bench.job.max_log = 64 * 1024;
    let end = bench.run();
    assert_eq!(end.exit, Exit::Code(0));
    let numbered: usize = (1..=2000).map(|i| format!("line {i}\n").len()).sum();
    let total = 4_000_001 + numbered + "done\n".len();
    let kept = log::read(&bench.folder()).unwrap();
    let marker = format!(
        "\n[dispatch: {} bytes of output were not kept]\n",
        end.dropped_bytes
    );
    assert_eq!(
        kept.len() - marker.len(),
        total - end.dropped_bytes as usize
    );
    assert!(kept.len() <= 65 * 1024);
    assert!(kept.starts_with(&[b'x'; 32 * 1024]));
    assert!(kept.ends_with(b"line 2000\ndone\n"));
    assert_eq!(
        log::tail(&bench.folder(), 15).unwrap(),
        b"line 2000\ndone\n"
    );
}

#[test]
fn a_second_attempt_has_a_folder_of_its_own() {
    let mut bench = agent("transient", &["count", "1"]);
    let first = bench.run();
    assert_eq!(first.exit, Exit::Code(75));
    bench.attempt = 2;
    assert_eq!(bench.run().exit, Exit::Code(0));
    assert_eq!(bench.output(), "passed on try 2\n");
    bench.attempt = 1;
    assert_eq!(bench.status(), JobStatus::Ended(first));
}

#[test]
fn a_report_can_be_read_while_the_worker_works_and_after_it() {
    let mut bench = agent("report", &[]);
    let mut go = bench.pipe("GO");
    let file = bench.path("result.json");
    let value = file.to_str().unwrap().to_owned();
    bench
        .job
        .env
        .insert("DISPATCH_RESULT_FILE".to_owned(), value);
    let running = bench.start();
    let progress = loop {
        match load_result(&file).unwrap() {
            Some(report) => break report.progress,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(progress.unwrap(), "1/2 endpoints");
    go.say("");
    bench.end(running);
    let report = load_result(&file).unwrap().unwrap();
    assert_eq!(report.summary.unwrap(), "Two endpoints");
    assert_eq!(report.decisions, ["Chose Zod over Joi"]);
}

#[test]
fn bytes_that_are_no_text_are_kept_as_they_came() {
    let bench = agent("noise", &[]);
    assert_eq!(bench.run().exit, Exit::Code(0));
    let expected: &[u8] = b"\xff\xfe\x00\x1b[31mred\x1b[0m\x1b]52;c;ZXZpbA==\x07\n";
    assert_eq!(log::read(&bench.folder()).unwrap(), expected);
}

#[test]
fn standard_input_is_empty_unless_the_job_names_a_file() {
    let mut bench = agent("listen", &[]);
    assert_eq!(bench.run().exit, Exit::Code(0));
    assert_eq!(bench.output(), "got: \n");

    bench = agent("listen", &[]);
    fs::write(bench.path("prompt.md"), "do it\n").unwrap();
    bench.job.stdin = Some(bench.path("prompt.md"));
    assert_eq!(bench.run().exit, Exit::Code(0));
    assert_eq!(bench.output(), "got: do it\n");
}

#[test]
fn the_environment_is_the_jobs_and_nothing_else() {
    let mut bench = bench(vec!["env".to_owned()]);
    bench
        .job
        .env
        .insert("GREETING".to_owned(), "hi\nthere".to_owned());
    bench.run();
    let record = bench.record();
    let mut expected = bench.job.env.clone();
    expected.insert("DISPATCH_COOKIE".to_owned(), record.cookie);
    let lines = expected
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let mut lines: Vec<String> = lines
        .flat_map(|l| l.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut seen: Vec<String> = bench.output().lines().map(str::to_owned).collect();
    lines.sort();
    seen.sort();
    assert_eq!(seen, lines);
}

#[test]
fn what_cannot_be_started_is_an_answer_and_no_crash() {
    let not_started = |bench: &Bench| match bench.run().exit {
        Exit::NotStarted(message) => message.replace(bench.home.path().to_str().unwrap(), "<home>"),
        exit => panic!("{exit:?}"),
    };
    let mut gone = sh("true");
    gone.job.cwd = gone.path("gone");
    let mut deaf = sh("true");
    deaf.job.stdin = Some(deaf.path("gone.md"));
    let mut locked = sh("true");
    fs::write(locked.path("tool"), "#!/bin/sh\n").unwrap();
    locked.job.argv = vec![locked.path("tool").to_str().unwrap().to_owned()];
    let said = [
        not_started(&bench(vec!["no-such-program".to_owned()])),
        not_started(&bench(vec!["/no/such/program".to_owned()])),
        not_started(&bench(Vec::new())),
        not_started(&gone),
        not_started(&deaf),
        not_started(&locked),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    no-such-program is not in PATH
    /no/such/program does not exist, or the interpreter it names does not
    there is no command to run
    the folder <home>/gone does not exist
    could not open <home>/gone.md for standard input: No such file or directory (os error 2)
    <home>/tool is not executable
    ");
}

/// The daemon is a shell until it has become `sleep`, which its pid file does not wait for.
fn assert_daemon(named: &[String], pid: i32) {
    let names = ["sleep", "sh"].map(|name| format!("{name} ({pid})"));
    assert!(named.len() == 1 && names.contains(&named[0]), "{named:?}");
}

#[test]
fn a_background_process_that_holds_the_output_is_killed_and_named() {
    let bench = agent("daemon", &["group", "pid"]);
    let end = bench.run();
    let pid = pid_in(&bench.path("pid"));
    assert_eq!(end.exit, Exit::Code(0));
    assert_eq!(end.leftovers.len(), 1);
    if cfg!(target_os = "linux") {
        assert_daemon(&end.leftovers, pid);
    }
    assert!(!runs(pid));
    assert_eq!(bench.output(), "left a process behind\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_in_a_session_of_its_own_is_killed_and_named() {
    for kind in ["session", "bare"] {
        let bench = agent("daemon", &[kind, "pid"]);
        let end = bench.run();
        let pid = pid_in(&bench.path("pid"));
        assert_eq!(end.exit, Exit::Code(0));
        assert_daemon(&end.leftovers, pid);
        assert!(!runs(pid), "{kind}");
    }
}

#[test]
fn a_child_that_ends_soon_after_the_worker_is_no_leftover() {
    let bench = sh("(sleep 0.02; echo late) & echo early");
    let end = bench.run();
    assert!(end.leftovers.is_empty(), "{end:?}");
    assert_eq!(bench.output(), "early\nlate\n");
}

#[test]
fn an_interrupt_reaches_the_worker_which_may_end_in_its_own_way() {
    let mut bench =
        sh("trap 'echo saved; exit 42' INT; echo ready >$READY; while :; do sleep 0.01; done");
    let mut ready = bench.pipe("READY");
    let running = bench.start();
    ready.wait_for_line();
    running.stopper().stop(StopSignal::Interrupt);
    let end = bench.end(running);
    assert_eq!((end.exit, end.stopped), (Exit::Code(42), true));
    assert_eq!(bench.output(), "saved\n");
}

#[test]
fn terminate_ends_even_a_worker_that_ignores_it() {
    let mut bench = agent("hang", &[]);
    bench.job.grace = SHORT;
    let mut ready = bench.pipe("READY");
    let running = bench.start();
    ready.wait_for_line();
    running.stopper().stop(StopSignal::Terminate);
    let end = bench.end(running);
    assert_eq!((end.exit, end.stopped), (Exit::Signal(9), true));
}

#[test]
fn kill_does_not_wait_for_the_grace_that_terminate_began() {
    let mut bench = agent("hang", &[]);
    let mut ready = bench.pipe("READY");
    let running = bench.start();
    ready.wait_for_line();
    running.stopper().stop(StopSignal::Terminate);
    running.stopper().stop(StopSignal::Kill);
    let end = bench.end(running);
    assert_eq!((end.exit, end.stopped), (Exit::Signal(9), true));
    assert!(end.millis < 20_000);
}

#[test]
fn a_job_that_is_stopped_at_once_ends_as_stopped_however_far_it_came() {
    for signal in [
        StopSignal::Interrupt,
        StopSignal::Terminate,
        StopSignal::Kill,
    ] {
        let bench = sh("exec sleep 600");
        let running = bench.start();
        running.stopper().stop(signal);
        let end = bench.end(running);
        assert!(end.stopped, "{end:?}");
        assert_eq!(bench.status(), JobStatus::Ended(end));
    }
}

#[test]
fn what_a_stopped_shell_leaves_has_the_grace_to_tidy_up() {
    let mut bench = sh(
        "sh -c 'trap \"sleep 0.4; echo tidied; exit\" TERM; echo ready >$READY; while :; do sleep 0.01; done' & wait",
    );
    let mut ready = bench.pipe("READY");
    let running = bench.start();
    ready.wait_for_line();
    running.stopper().stop(StopSignal::Terminate);
    let end = bench.end(running);
    assert!(bench.output().ends_with("tidied\n"), "{}", bench.output());
    assert!(end.leftovers.is_empty(), "{end:?}");
}

#[test]
fn a_hang_up_does_not_disturb_the_job() {
    let mut bench = sh("echo ready >$READY; read -r word <$GO; echo $word");
    let (mut ready, mut go) = (bench.pipe("READY"), bench.pipe("GO"));
    let running = bench.start();
    ready.wait_for_line();
    let shim = Pid::from_raw(bench.record().shim.pid).unwrap();
    kill_process(shim, Signal::HUP).unwrap();
    go.say("still here");
    assert_eq!(bench.end(running).exit, Exit::Code(0));
    assert_eq!(bench.output(), "still here\n");
}

#[test]
fn a_job_whose_runner_is_gone_can_be_adopted() {
    let mut bench = sh("echo ready >$READY; read -r word <$GO; echo $word; exit 3");
    let (mut ready, mut go) = (bench.pipe("READY"), bench.pipe("GO"));
    drop(bench.start());
    ready.wait_for_line();
    assert_eq!(bench.status(), JobStatus::Alive);
    let adopted = bench.executor.adopt(&bench.folder()).unwrap();
    go.say("adopted");
    assert_eq!(bench.end(adopted).exit, Exit::Code(3));
    assert_eq!(bench.output(), "adopted\n");
    let again = bench.executor.adopt(&bench.folder()).unwrap();
    assert_eq!(bench.end(again).exit, Exit::Code(3));
}

#[test]
fn an_adopted_job_can_be_stopped() {
    let mut bench = agent("hang", &[]);
    let mut ready = bench.pipe("READY");
    drop(bench.start());
    ready.wait_for_line();
    let adopted = bench.executor.adopt(&bench.folder()).unwrap();
    adopted.stopper().stop(StopSignal::Kill);
    let end = bench.end(adopted);
    assert_eq!((end.exit, end.stopped), (Exit::Signal(9), true));
}

#[cfg(target_os = "linux")]
#[test]
fn a_job_without_its_shim_is_lost_and_its_worker_can_be_killed() {
    let mut bench = agent("hang", &[]);
    let mut ready = bench.pipe("READY");
    let running = bench.start();
    ready.wait_for_line();
    assert!(matches!(
        kill_orphans(&bench.folder()),
        Err(ExecError::Alive(_))
    ));
    let worker = bench.worker().pid;
    bench.lose_shim(running);
    assert!(runs(worker), "the worker holds no lock and needs no shim");
    let killed = kill_orphans(&bench.folder()).unwrap();
    assert!(killed.contains(&format!("hang ({worker})")), "{killed:?}");
    assert!(!runs(worker));
    assert!(kill_orphans(&bench.folder()).unwrap().is_empty());
    assert_eq!(bench.status(), JobStatus::Lost);
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_whose_shim_and_worker_are_gone_is_found_by_its_cookie() {
    let mut bench = sh("$AGENT session pid; echo ready >$READY; read -r _ <$GO");
    let (mut ready, _go) = (bench.pipe("READY"), bench.pipe("GO"));
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agents/daemon");
    bench
        .job
        .env
        .insert("AGENT".to_owned(), agent.to_str().unwrap().to_owned());
    let running = bench.start();
    ready.wait_for_line();
    bench.lose_shim(running);
    kill(bench.worker().pid);
    let daemon = pid_in(&bench.path("pid"));
    let killed = kill_orphans(&bench.folder()).unwrap();
    let of_daemon = killed
        .iter()
        .filter(|name| name.ends_with(&format!("({daemon})")));
    assert_daemon(&of_daemon.cloned().collect::<Vec<_>>(), daemon);
    assert!(!runs(daemon));
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_only_has_the_pid_of_a_lost_worker_is_left_alone() {
    let mut bench = agent("hang", &[]);
    let mut ready = bench.pipe("READY");
    let running = bench.start();
    ready.wait_for_line();
    bench.lose_shim(running);
    let record = bench.record();
    let worker = record.worker.unwrap();
    let tell = |boot: &str, start: u64| {
        let record = serde_json::json!({
            "cookie": "of another", "boot": boot, "shim": record.shim,
            "worker": {"pid": worker.pid, "start": start},
        });
        fs::write(bench.folder().join("proc.json"), record.to_string()).unwrap();
    };
    let (boot, start) = (record.boot.clone().unwrap(), worker.start.unwrap());
    tell("another boot", start);
    assert!(kill_orphans(&bench.folder()).unwrap().is_empty());
    tell(&boot, start - 1);
    assert!(kill_orphans(&bench.folder()).unwrap().is_empty());
    assert!(runs(worker.pid));
    tell(&boot, start);
    assert!(!kill_orphans(&bench.folder()).unwrap().is_empty());
    assert!(!runs(worker.pid));
}

#[test]
fn a_folder_holds_one_job_and_keeps_its_secrets() {
    let mut bench = sh("echo ready >$READY; read -r _ <$GO");
    let (mut ready, mut go) = (bench.pipe("READY"), bench.pipe("GO"));
    assert_eq!(bench.status(), JobStatus::Absent);
    let running = bench.start();
    let again = || {
        let _context = bench.runtime.enter();
        bench.executor.start(&bench.folder(), &bench.job).map(drop)
    };
    assert!(matches!(again(), Err(ExecError::Used(_))));
    ready.wait_for_line();
    assert!(!bench.folder().join("job.json").exists());
    let mode = fs::metadata(bench.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    go.say("");
    assert_eq!(bench.end(running).exit, Exit::Code(0));
    assert!(matches!(again(), Err(ExecError::Used(_))));
}

#[test]
fn the_log_can_be_followed_while_the_worker_writes() {
    let mut bench = sh("echo one; echo ready >$READY; read -r _ <$GO; echo two");
    let (mut ready, mut go) = (bench.pipe("READY"), bench.pipe("GO"));
    let running = bench.start();
    let mut follower = log::Follower::new(&bench.folder());
    ready.wait_for_line();
    // The shim may be a moment behind the worker's message.
    let mut first = Vec::new();
    while first.is_empty() {
        std::thread::yield_now();
        first = follower.read().unwrap();
    }
    assert_eq!(first, b"one\n");
    go.say("");
    bench.end(running);
    assert_eq!(follower.read().unwrap(), b"two\n");
}

#[test]
fn an_end_that_the_shim_did_not_record_is_not_believed() {
    let mut bench = sh("echo ready >$READY; read -r _ <$GO");
    let (mut ready, _go) = (bench.pipe("READY"), bench.pipe("GO"));
    let running = bench.start();
    ready.wait_for_line();
    let forged =
        r#"{"exit":{"code":0},"stopped":false,"millis":5,"leftovers":[],"dropped_bytes":0}"#;
    let sealed = forged.replacen('{', r#"{"seal":"00","#, 1);
    for text in [forged, &sealed] {
        fs::write(bench.folder().join("exit.json"), text).unwrap();
        assert_eq!(bench.status(), JobStatus::Alive);
    }
    bench.lose_shim(running);
    assert_eq!(bench.status(), JobStatus::Lost);
    fs::write(bench.folder().join("exit.json"), forged).unwrap();
    assert_eq!(bench.status(), JobStatus::Lost);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stopped_shim_is_continued_after_the_limit_and_keeps_it() {
    let mut bench = sh("echo ready >$READY; exec sleep 600");
    let mut ready = bench.pipe("READY");
    bench.job.timeout = Some(SHORT);
    bench.job.grace = SHORT;
    let running = bench.start();
    ready.wait_for_line();
    let shim = Pid::from_raw(bench.record().shim.pid).unwrap();
    kill_process(shim, Signal::STOP).unwrap();
    assert_eq!(bench.end(running).exit, Exit::TimedOut);
}

#[test]
fn a_shim_that_cannot_work_says_why() {
    let bench = sh("true");
    fs::create_dir_all(bench.folder()).unwrap();
    fs::write(bench.folder().join("job.json"), "{").unwrap();
    let shim = Program::new(env!("CARGO_BIN_EXE_dispatch"));
    let shim = shim.arg("__attempt").arg(bench.folder()).output().unwrap();
    assert_eq!(shim.status.code(), Some(1));
    let said = String::from_utf8(shim.stderr).unwrap();
    assert!(
        said.contains("job.json is damaged: EOF while parsing"),
        "{said}"
    );
    assert_eq!(bench.status(), JobStatus::Absent);
}

#[test]
fn a_shim_that_ends_without_a_word_is_an_error() {
    let mut bench = sh("true");
    bench.executor = LocalExecutor::new("false");
    let running = bench.start();
    let error = bench.runtime.block_on(running.wait()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "exit status: 1");
}

#[test]
fn a_program_that_is_no_shim_is_an_error() {
    let mut bench = sh("true");
    bench.executor = LocalExecutor::new("/no/such/dispatch");
    let _context = bench.runtime.enter();
    let error = bench
        .executor
        .start(&bench.folder(), &bench.job)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not run /no/such/dispatch for the attempt"
    );
}
