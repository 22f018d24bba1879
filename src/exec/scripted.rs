//! Plays workers without processes, in virtual time.
//!
//! Every job follows a [`Script`]. Nothing happens until [`ScriptedExecutor::advance`] moves the
//! clock, so tests and simulations of a run need no process and no waiting.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::base::clock::parse_duration;
use crate::exec::{
    ExecError, Executor, Exit, Job, JobEnd, JobStatus, Running, StopSignal, Stopper,
};

/// The steps of a worker, in order. After the last one the worker exits with 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Script(Vec<Step>);

/// A step of a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// It runs for this long: `run 5s`.
    Run(Duration),
    /// It reports its progress: `note half done`.
    Note(String),
    /// It exits with this code: `exit 75`.
    Exit(i32),
    /// It runs until it is killed and ignores every other signal: `hang`.
    Hang,
    /// Its shim is killed and its end is not recorded: `vanish`.
    Vanish,
    /// Its shim is stopped, so that no signal reaches it: `freeze`.
    Freeze,
}

/// A text that is not a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid step {0:?}")]
pub struct InvalidStep(String);

impl FromStr for Script {
    type Err = InvalidStep;

    /// Parses steps that are separated by commas: `run 5s, note half done, exit 75`.
    fn from_str(text: &str) -> Result<Script, InvalidStep> {
        let steps = text.split(',').map(str::trim);
        let steps = steps.filter(|step| !step.is_empty());
        steps.map(parse_step).collect::<Result<_, _>>().map(Script)
    }
}

fn parse_step(text: &str) -> Result<Step, InvalidStep> {
    let invalid = || InvalidStep(text.to_owned());
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match verb {
        "run" => Step::Run(parse_duration(rest).map_err(|_| invalid())?),
        "note" => Step::Note(rest.to_owned()),
        "exit" => Step::Exit(rest.parse().map_err(|_| invalid())?),
        "hang" => Step::Hang,
        "vanish" => Step::Vanish,
        "freeze" => Step::Freeze,
        _ => return Err(invalid()),
    })
}

/// An action of a played worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    /// Its time on the virtual clock.
    pub at: Duration,
    /// The folder of its job.
    pub folder: PathBuf,
    /// The action.
    pub what: What,
}

/// An action that a played worker can take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// It reported its progress.
    Noted(String),
    /// It ended.
    Ended(JobStatus),
}

/// An executor whose jobs follow scripts. Clones share its clock and its jobs.
#[derive(Clone)]
pub struct ScriptedExecutor(Arc<Mutex<Stage>>);

type Choose = dyn Fn(&Job) -> Script + Send;

struct Stage {
    now: Duration,
    choose: Box<Choose>,
    plays: Vec<Play>,
    by_folder: HashMap<PathBuf, usize>,
    /// The next step of each job that has one at a known time.
    due: BTreeSet<(Duration, usize)>,
    played: Vec<Played>,
}

struct Play {
    folder: PathBuf,
    steps: VecDeque<Step>,
    started: Duration,
    status: JobStatus,
    is_stopped: bool,
    wakers: Vec<Waker>,
}

impl ScriptedExecutor {
    /// Creates an executor that chooses the script of each job, at time zero.
    pub fn new(choose: impl Fn(&Job) -> Script + Send + 'static) -> ScriptedExecutor {
        ScriptedExecutor(Arc::new(Mutex::new(Stage {
            now: Duration::ZERO,
            choose: Box::new(choose),
            plays: Vec::new(),
            by_folder: HashMap::new(),
            due: BTreeSet::new(),
            played: Vec::new(),
        })))
    }

    /// Returns the time of the next step of any job.
    pub fn next_due(&self) -> Option<Duration> {
        self.stage().due.first().map(|(at, _)| *at)
    }

    /// Moves the clock to this time and returns the workers' actions until then, in order.
    pub fn advance(&self, to: Duration) -> Vec<Played> {
        let mut stage = self.stage();
        while stage.due.first().is_some_and(|(at, _)| *at <= to)
            && let Some((at, play)) = stage.due.pop_first()
        {
            stage.now = at;
            stage.step(play);
        }
        stage.now = to.max(stage.now);
        std::mem::take(&mut stage.played)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self, folder: &Path) -> Running {
        let (waiting, stopping) = (self.clone(), self.clone());
        let (job, stopped) = (folder.to_owned(), folder.to_owned());
        let end = poll_fn(move |cx| {
            let mut stage = waiting.stage();
            match stage.status(&job) {
                JobStatus::Alive => {
                    stage.wake_at_end(&job, cx.waker());
                    Poll::Pending
                }
                status => Poll::Ready(Ok(status)),
            }
        });
        let stop = move |signal| stopping.stage().stop(&stopped, signal);
        Running::new(end, Stopper::new(stop))
    }
}

impl fmt::Debug for ScriptedExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedExecutor").finish_non_exhaustive()
    }
}

impl Executor for ScriptedExecutor {
    fn start(&self, folder: &Path, job: &Job) -> Result<Running, ExecError> {
        let mut stage = self.stage();
        if stage.by_folder.contains_key(folder) {
            return Err(ExecError::Used(folder.to_owned()));
        }
        let Script(steps) = (stage.choose)(job);
        stage.start(folder, steps);
        drop(stage);
        Ok(self.running(folder))
    }

    fn status(&self, folder: &Path) -> Result<JobStatus, ExecError> {
        Ok(self.stage().status(folder))
    }

    fn adopt(&self, folder: &Path) -> Result<Running, ExecError> {
        Ok(self.running(folder))
    }
}

impl Stage {
    fn start(&mut self, folder: &Path, steps: Vec<Step>) {
        let play = self.plays.len();
        self.by_folder.insert(folder.to_owned(), play);
        self.plays.push(Play {
            folder: folder.to_owned(),
            steps: steps.into(),
            started: self.now,
            status: JobStatus::Alive,
            is_stopped: false,
            wakers: Vec::new(),
        });
        self.due.insert((self.now, play));
    }

    fn status(&self, folder: &Path) -> JobStatus {
        let play = self.by_folder.get(folder);
        play.map_or(JobStatus::Absent, |play| self.plays[*play].status.clone())
    }

    fn wake_at_end(&mut self, folder: &Path, waker: &Waker) {
        if let Some(play) = self.by_folder.get(folder) {
            self.plays[*play].wakers.push(waker.clone());
        }
    }

    /// Plays the next step of a job, and the steps after it that take no time.
    fn step(&mut self, play: usize) {
        if self.plays[play].status != JobStatus::Alive {
            return;
        }
        loop {
            match self.plays[play].steps.pop_front() {
                Some(Step::Run(time)) => {
                    self.due.insert((self.now + time, play));
                    return;
                }
                Some(Step::Note(text)) => self.say(play, What::Noted(text)),
                Some(Step::Exit(code)) => return self.exit(play, Exit::Code(code)),
                None => return self.exit(play, Exit::Code(0)),
                Some(Step::Vanish) => return self.end(play, JobStatus::Lost),
                Some(step @ (Step::Hang | Step::Freeze)) => {
                    return self.plays[play].steps.push_front(step);
                }
            }
        }
    }

    fn say(&mut self, play: usize, what: What) {
        let folder = self.plays[play].folder.clone();
        let at = self.now;
        self.played.push(Played { at, folder, what });
    }

    fn exit(&mut self, play: usize, exit: Exit) {
        let Play {
            started,
            is_stopped,
            ..
        } = self.plays[play];
        let end = JobEnd {
            exit,
            stopped: is_stopped,
            millis: (self.now - started).as_millis() as u64,
            leftovers: Vec::new(),
            dropped_bytes: 0,
            out_of_memory: false,
        };
        self.end(play, JobStatus::Ended(end));
    }

    fn end(&mut self, play: usize, status: JobStatus) {
        self.plays[play].status = status.clone();
        self.plays[play].wakers.drain(..).for_each(Waker::wake);
        self.say(play, What::Ended(status));
    }

    fn stop(&mut self, folder: &Path, signal: StopSignal) {
        let Some(play) = self.by_folder.get(folder).copied() else {
            return;
        };
        let worker = &mut self.plays[play];
        if worker.status != JobStatus::Alive {
            return;
        }
        worker.is_stopped = true;
        let number = match (worker.steps.front(), signal) {
            (Some(Step::Freeze), _) => return,
            (_, StopSignal::Kill) => 9,
            (Some(Step::Hang), _) => return,
            (_, StopSignal::Interrupt) => 2,
            (_, StopSignal::Terminate) => 15,
        };
        // A caller that asks for the next step must see the end at once.
        self.due.insert((self.now, play));
        self.exit(play, Exit::Signal(number));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Plays one script, with signals at these seconds. Each line of the result is a time and an
    /// action.
    fn play(script: &str, signals: &[(u64, StopSignal)]) -> String {
        let script: Script = script.parse().unwrap();
        let executor = ScriptedExecutor::new(move |_| script.clone());
        let folder = Path::new("/attempt");
        let running = executor.start(folder, &job()).unwrap();
        let mut lines = Vec::new();
        for (second, signal) in signals {
            lines.extend(executor.advance(*second as u32 * SECOND));
            running.stopper().stop(*signal);
        }
        while let Some(due) = executor.next_due() {
            lines.extend(executor.advance(due));
        }
        lines.extend(executor.advance(SECOND));
        let lines = lines.iter().map(|played| {
            let what = match &played.what {
                What::Noted(text) => format!("note {text}"),
                What::Ended(JobStatus::Ended(end)) => format!("{:?} {}ms", end.exit, end.millis),
                What::Ended(status) => format!("{status:?}"),
            };
            format!("{}s {what}", played.at.as_secs())
        });
        let mut lines: Vec<String> = lines.collect();
        if executor.status(folder).unwrap() == JobStatus::Alive {
            lines.push("alive".to_owned());
        }
        lines.join("\n")
    }

    fn job() -> Job {
        Job {
            argv: Vec::new(),
            cwd: PathBuf::new(),
            env: BTreeMap::new(),
            stdin: None,
            timeout: None,
            stall_timeout: None,
            grace: SECOND,
            max_log: 0,
            cookie: String::new(),
            keeps_room: false,
            sandbox: None,
            limits: crate::exec::ResourceLimits::default(),
        }
    }

    #[test]
    fn a_worker_follows_its_script() {
        insta::assert_snapshot!(play("run 2s, note half, run 3s, exit 75", &[]), @r"
        2s note half
        5s Code(75) 5000ms
        ");
        assert_eq!(play("", &[]), "0s Code(0) 0ms");
        assert_eq!(play("run 1s, vanish", &[]), "1s Lost");
        assert_eq!(
            "walk".parse::<Script>().unwrap_err().to_string(),
            "invalid step \"walk\""
        );
    }

    #[test]
    fn signals_stop_a_worker_unless_it_hangs_or_its_shim_is_frozen() {
        use StopSignal::{Interrupt, Kill, Terminate};
        assert_eq!(play("run 9s", &[(3, Interrupt)]), "3s Signal(2) 3000ms");
        assert_eq!(play("run 9s", &[(3, Terminate)]), "3s Signal(15) 3000ms");
        assert_eq!(
            play("hang", &[(3, Interrupt), (4, Kill)]),
            "4s Signal(9) 4000ms"
        );
        assert_eq!(play("freeze", &[(3, Interrupt), (4, Kill)]), "alive");
        assert_eq!(
            play("run 1s", &[(3, Kill)]),
            "1s Code(0) 1000ms",
            "it is over"
        );
    }

    #[test]
    fn whoever_waits_is_woken_at_the_end_and_an_adopted_job_is_the_same_job() {
        let executor = ScriptedExecutor::new(|_| "run 2s".parse().unwrap());
        let folder = Path::new("/attempt");
        let started = executor.start(folder, &job()).unwrap();
        assert!(executor.start(folder, &job()).is_err());
        let mut waiting = pin!(started.wait());
        let mut adopted = pin!(executor.adopt(folder).unwrap().wait());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        executor.advance(2 * SECOND);
        for end in [
            waiting.as_mut().poll(&mut cx),
            adopted.as_mut().poll(&mut cx),
        ] {
            assert!(matches!(end, Poll::Ready(Ok(JobStatus::Ended(_)))));
        }
    }
}
