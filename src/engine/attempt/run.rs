//! One attempt: starting point, worktree, worker, and then what became of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::fault;
use crate::base::files::{self, says_no_space};
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::attempt::output::Steps;
use crate::engine::attempt::outside_changes::look_before;
use crate::engine::attempt::{aborted, judge};
use crate::engine::candidates::starting_point::{StartingPoint, starting_point};
use crate::engine::commands::runner;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::{self, is_full};
use crate::engine::kernel::message::{Message, Post};
use crate::engine::spec::environment::environment;
use crate::engine::spec::limits::Bounds;
use crate::engine::spec::{AttemptSpec, PROMPT_FILE, ports, result_file, time_limits};
use crate::engine::worktree::populate::furnish;
use crate::engine::worktree::setup::{SetUpFailure, end_set_up};
use crate::engine::worktree::{prepare, reuse};
use crate::exec::{Exit, Job, JobEnd, JobStatus, Running, kill_orphans};
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::outcome::{End, Outcome};
use crate::worker::command::{Vars, command_line};
use crate::worker::result::load_result;

/// How long a worker has after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// How often a step is done again whose git was killed.
const MOST_KILLED: u32 = 3;

/// How often a worker's result file is looked at while it runs.
const NOTE_INTERVAL: Duration = Duration::from_millis(500);

/// Runs an attempt to its end and posts what became of it.
pub async fn run(context: Arc<Context>, spec: AttemptSpec, post: Post) {
    let mut patience = Patience::default();
    let begun = loop {
        match begin(&context, &spec, &post).await {
            Err(error) if patience.outlasts(&context, &spec, &post, &error).await => {
                forget_start(&context, &spec);
            }
            begun => break begun,
        }
    };
    let result = match begun {
        Ok(Begun::Runs(running, base, worktree)) => {
            watch(&context, &spec, &post, running, base, worktree).await
        }
        Ok(Begun::Not(came)) => Ok(came),
        Err(error) => Err(error),
    };
    conclude(context, spec, post, result).await;
}

/// Takes up an attempt that another process started, and posts what became of it.
pub async fn adopt(context: Arc<Context>, spec: AttemptSpec, post: Post) {
    let mut patience = Patience::default();
    let result = loop {
        match take_up(&context, &spec, &post).await {
            Err(error) if patience.outlasts(&context, &spec, &post, &error).await => {}
            result => break result,
        }
    };
    conclude(context, spec, post, result).await;
}

/// Ends an attempt that works at what the plan no longer says, keeps what it left, and posts that it
/// was cut short.
pub async fn set_aside(context: Arc<Context>, spec: AttemptSpec, post: Post) {
    let mut patience = Patience::default();
    let result = loop {
        match give_up(&context, &spec).await {
            Err(error) if patience.outlasts(&context, &spec, &post, &error).await => {}
            result => break result,
        }
    };
    conclude(context, spec, post, result).await;
}

async fn give_up(context: &Arc<Context>, spec: &AttemptSpec) -> Result<Came, EngineError> {
    let folder = context.attempt_folder(spec.task, spec.attempt);
    let worker = prepare::worker_folder(context, spec.task, spec.attempt);
    runner::end_job(context, &worker).await?;
    let found = context.repo.find_worktree(&spec.worktree);
    match (base_of(&folder), found.filter(Worktree::exists)) {
        (Some(base), Some(worktree)) => keep_lost(context, spec, base, worktree).await,
        _ => Ok(Came::Nowhere(None)),
    }
}

/// The commit an attempt works on, as its folder says.
pub fn base_of(folder: &Path) -> Option<Oid> {
    let text = files::read_if_exists(&folder.join("base")).ok()??;
    String::from_utf8_lossy(&text).parse().ok()
}

/// How far an attempt came without a failure of dispatch itself.
enum Came {
    /// Its worker is over.
    ToItsEnd(Box<Finished>),
    /// It never started, or its end is not known: it does not count. What it left is kept.
    Nowhere(Option<Oid>),
    /// Its worktree could not be set up, so its worker never started.
    NotSetUp(SetUpFailure, Option<Oid>),
    /// The dependencies conflict, which has been posted.
    Blocked,
}

/// How far the start of an attempt came.
enum Begun {
    /// Its worker runs, on this commit and in this worktree.
    Runs(Running, Oid, Worktree),
    /// There is none.
    Not(Came),
}

/// An attempt whose worker is over.
#[derive(Clone)]
struct Finished {
    worktree: Worktree,
    base: Oid,
    end: JobEnd,
}

async fn conclude(
    context: Arc<Context>,
    spec: AttemptSpec,
    post: Post,
    result: Result<Came, EngineError>,
) {
    let (task, attempt) = (spec.task, spec.attempt);
    let no_room = || drop(post.send(Message::NoRoom(disk_space::shortage_now(&context))));
    let outcome = match result {
        Ok(Came::Blocked) => return,
        Ok(Came::Nowhere(kept)) => Ok(aborted::interrupted(kept)),
        Ok(Came::NotSetUp(failed, kept)) => Ok(aborted::not_set_up(&failed, kept)),
        // The shim had no room for its records, so there was no worker.
        Ok(Came::ToItsEnd(finished)) if matches!(&finished.end.exit, Exit::NotStarted(said) if says_no_space(said)) =>
        {
            no_room();
            Ok(aborted::interrupted(None))
        }
        Ok(Came::ToItsEnd(finished)) => {
            fault::point("attempt", "before it is judged");
            match judge(&context, &spec, &post, *finished).await {
                Err(error) if is_full(&error) && !context.is_stopping() => Err(error),
                Err(error) if is_full(&error) => {
                    let _ = post.send(Message::LeftOpen(task));
                    return;
                }
                judged => judged,
            }
        }
        Err(error) => Err(error),
    };
    let mut outcome = match outcome {
        // There was no room for it: it counts as none, and is made again.
        Err(error) if is_full(&error) => {
            no_room();
            aborted::interrupted(None)
        }
        outcome => outcome.unwrap_or_else(|error| aborted::could_not(&error)),
    };
    if met_full_disk(&context, &outcome) {
        no_room();
        outcome.end = End::Interrupted {};
    }
    fault::point("attempt", "judged");
    ports::release(&context, task, attempt);
    // The loop is gone only when the program ends; then there is nobody left to tell.
    let _ = post.send(Message::Ended {
        task,
        attempt,
        outcome: Box::new(outcome),
    });
}

/// Judges an attempt whose worker is over, for as long as only a full disk is in the way: its work is
/// done and must not be lost.
async fn judge(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    post: &Post,
    finished: Finished,
) -> Result<Outcome, EngineError> {
    let mut patience = Patience::default();
    loop {
        let Finished {
            worktree,
            base,
            end,
        } = finished.clone();
        match judge::conclude(context, spec, worktree, base, end).await {
            Err(error) if patience.outlasts(context, spec, post, &error).await => {}
            judged => return judged,
        }
    }
}

/// Whether a worker failed because the disk was full, which it still is. Its words alone are not
/// enough: it may have made room again, and would fail once more for ever.
fn met_full_disk(context: &Context, outcome: &Outcome) -> bool {
    let End::Failed(failure) = &outcome.end else {
        return false;
    };
    says_no_space(&failure.message)
        && disk_space::shortage(&context.repo, &context.settings, context.size(), 1).is_some()
}

/// What a step of an attempt outlasts: it is done again.
#[derive(Default)]
struct Patience {
    full: u32,
    killed: u32,
}

impl Patience {
    /// Waits until a step may be done again that failed only because a disk was full, or because its
    /// git was killed; `false` if it is to fail.
    async fn outlasts(
        &mut self,
        context: &Context,
        spec: &AttemptSpec,
        post: &Post,
        error: &EngineError,
    ) -> bool {
        if is_full(error) {
            self.full += 1;
            let _ = post.send(Message::NoRoom(disk_space::shortage_now(context)));
            disk_space::wait(context, &spec.cancel, self.full).await;
        } else if error.is_killed_git() && self.killed < MOST_KILLED {
            self.killed += 1;
        } else {
            return false;
        }
        !context.is_stopping() && !spec.cancel.is_cancelled()
    }
}

/// A start that came to nothing leaves no folder of a worker that never was.
fn forget_start(context: &Context, spec: &AttemptSpec) {
    let folder = prepare::worker_folder(context, spec.task, spec.attempt);
    if matches!(context.executor.status(&folder), Ok(JobStatus::Absent)) {
        let _ = fs::remove_dir_all(folder);
    }
}

async fn begin(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    post: &Post,
) -> Result<Begun, EngineError> {
    if context.is_stopping() {
        return Ok(Begun::Not(Came::Nowhere(None)));
    }
    if let Some(going_on) = spec.going_on.clone() {
        let (shared, task, base) = (Arc::clone(context), spec.task, going_on.base);
        let worktree = blocking(move || reuse::take_up(&shared, task, &going_on)).await?;
        return work(context, spec, post, base, worktree).await;
    }
    let base = match find_base(context, spec).await? {
        StartingPoint::Commit(base) => base,
        StartingPoint::Conflict {
            class,
            between,
            paths,
        } => {
            let task = spec.task;
            let _ = post.send(Message::Fact(Event::DependenciesConflict {
                task,
                class,
                between,
                paths,
            }));
            return Ok(Begun::Not(Came::Blocked));
        }
    };
    fault::point("attempt", "with its base");
    let worktree = fill_worktree(context, spec, base).await?;
    fault::point("attempt", "with its worktree");
    if let Some(failed) = furnish(context, spec, base, &worktree).await? {
        return unfit(context, spec, base, worktree, failed).await;
    }
    work(context, spec, post, base, worktree).await
}

/// The worktree is not ready for its worker and stays as it is, for a person to look at.
async fn unfit(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    base: Oid,
    worktree: Worktree,
    failed: SetUpFailure,
) -> Result<Begun, EngineError> {
    match keep_lost(context, spec, base, worktree).await? {
        Came::Nowhere(kept) => Ok(Begun::Not(Came::NotSetUp(failed, kept))),
        other => Ok(Begun::Not(other)),
    }
}

/// Starts the worker in a worktree that is ready for it.
async fn work(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    post: &Post,
    base: Oid,
    worktree: Worktree,
) -> Result<Begun, EngineError> {
    if context.is_stopping() {
        return Ok(Begun::Not(Came::Nowhere(None)));
    }
    fault::point("attempt", "furnished");
    look_before(context, spec).await?;
    let job = prepare_job(context, spec, base, &worktree)?;
    fault::point("attempt", "with its prompt");
    fault::point("attempt", "before its worker starts");
    let folder = prepare::worker_folder(context, spec.task, spec.attempt);
    let running = context.executor.start(&folder, &job)?;
    fault::point("attempt", "after its worker has started");
    let (task, attempt) = (spec.task, spec.attempt);
    let _ = post.send(Message::Fact(Event::AttemptStarted {
        task,
        attempt,
        base,
    }));
    Ok(Begun::Runs(running, base, worktree))
}

async fn find_base(
    context: &Arc<Context>,
    spec: &AttemptSpec,
) -> Result<StartingPoint, EngineError> {
    if spec.dependencies.is_empty() {
        return Ok(StartingPoint::Commit(context.base));
    }
    let (context, task, candidates) = (Arc::clone(context), spec.task, spec.dependencies.clone());
    blocking(move || starting_point(&context, task, &candidates)).await
}

async fn fill_worktree(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    base: Oid,
) -> Result<Worktree, EngineError> {
    // The semaphore is never closed, so this cannot fail.
    let _permit = context.fills.acquire().await.ok();
    let (shared, task, attempt) = (Arc::clone(context), spec.task, spec.attempt);
    blocking(move || prepare::prepare(&shared, task, attempt, base)).await
}

/// Writes down what a later process needs to take the attempt up, and describes the worker.
fn prepare_job(
    context: &Context,
    spec: &AttemptSpec,
    base: Oid,
    worktree: &Worktree,
) -> Result<Job, EngineError> {
    let folder = context.attempt_folder(spec.task, spec.attempt);
    let prompt = spec.prompt.as_ref().map_err(Clone::clone)?;
    let prompt_file = folder.join(PROMPT_FILE);
    write(&prompt_file, prompt.as_bytes())?;
    write(&folder.join("base"), base.to_string().as_bytes())?;
    let task = context.plan.task(spec.task);
    let bounds = Bounds::of(&spec.worker, task);
    let max_turns = bounds.max_turns.map(|turns| turns.to_string());
    let max_cost = bounds.max_cost.map(|cost| cost.to_string());
    let line = command_line(
        &spec.worker,
        task,
        &Vars {
            prompt_text: prompt,
            prompt_file: &prompt_file.to_string_lossy(),
            worktree: &worktree.path.to_string_lossy(),
            run: context.run.as_str(),
            task: &spec.task.0.to_string(),
            attempt: &spec.attempt.to_string(),
            model: spec.worker.model.as_deref(),
            permission_mode: spec.worker.permission_mode.as_deref(),
            max_turns: max_turns.as_deref(),
            max_cost: max_cost.as_deref(),
        },
    )?;
    let (timeout, stall_timeout) = time_limits(context, spec);
    Ok(Job {
        argv: line.argv,
        cwd: worktree.path.clone(),
        env: environment(context, spec, base),
        stdin: line.stdin_is_prompt.then_some(prompt_file),
        timeout: Some(timeout),
        stall_timeout: Some(stall_timeout),
        grace: GRACE,
        max_log: context.settings.run.max_log,
        cookie: format!("{}/{}/{}", context.run, spec.task.0, spec.attempt),
        keeps_room: false,
    })
}

fn write(path: &Path, content: &[u8]) -> Result<(), EngineError> {
    let failed = |error| EngineError::File(path.display().to_string(), error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fault::full("attempt file").map_err(failed)?;
    fs::write(path, content).map_err(failed)
}

async fn take_up(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    post: &Post,
) -> Result<Came, EngineError> {
    let folder = context.attempt_folder(spec.task, spec.attempt);
    let worker = prepare::worker_folder(context, spec.task, spec.attempt);
    let path = spec.worktree.clone();
    let base = base_of(&folder);
    let found = context.repo.find_worktree(&path);
    let worktree = found.clone().filter(Worktree::exists);
    let (Some(base), Some(worktree)) = (base, worktree) else {
        // Somebody took the worktree away, or it never was: what its worker does is lost work.
        runner::end_job(context, &worker).await?;
        // git may forget the entry of a folder that is gone, in its own time.
        found.iter().for_each(Worktree::unlock);
        return Ok(Came::Nowhere(None));
    };
    match context.executor.status(&worker)? {
        JobStatus::Absent => {
            end_set_up(context, spec).await?;
            Ok(Came::Nowhere(None))
        }
        JobStatus::Lost => {
            let lost = worker.clone();
            fault::point("orphans", "before they are ended");
            blocking(move || Ok(kill_orphans(&lost)?)).await?;
            fault::point("orphans", "ended");
            keep_lost(context, spec, base, worktree).await
        }
        JobStatus::Alive | JobStatus::Ended(_) => {
            let (task, attempt) = (spec.task, spec.attempt);
            let _ = post.send(Message::Fact(Event::AttemptStarted {
                task,
                attempt,
                base,
            }));
            let running = context.executor.adopt(&worker)?;
            watch(context, spec, post, running, base, worktree).await
        }
    }
}

/// An attempt whose shim was killed: what it left is kept, but nobody knows whether it was done.
async fn keep_lost(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    base: Oid,
    worktree: Worktree,
) -> Result<Came, EngineError> {
    let (context, task, attempt) = (Arc::clone(context), spec.task, spec.attempt);
    let kept = blocking(move || {
        let store = crate::git::Store::open(&context.repo)?;
        prepare::keep_remains(&context, &store, task, attempt, base, &worktree)
    })
    .await?;
    Ok(Came::Nowhere(kept))
}

/// Waits for the worker while passing on what it says about its progress, and ends one that lives on
/// after its last word.
async fn watch(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    post: &Post,
    running: Running,
    base: Oid,
    worktree: Worktree,
) -> Result<Came, EngineError> {
    spec.cancel.attach(running.stopper());
    let mut notes = Notes::new(context.attempt_folder(spec.task, spec.attempt));
    let mut steps = Steps::new(context, spec, &worktree, running.stopper());
    let mut interval = tokio::time::interval(NOTE_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let waiting = running.wait();
    tokio::pin!(waiting);
    let status = loop {
        tokio::select! {
            status = &mut waiting => break status?,
            _ = interval.tick() => {
                let step = steps.as_mut().and_then(Steps::look);
                // What the worker writes about its progress says more than what it does right now.
                let step = step.filter(|_| notes.last.is_none());
                if let Some(note) = notes.next().or(step) {
                    let task = spec.task;
                    let _ = post.send(Message::Fact(Event::Noted { task, note }));
                }
            }
        }
    };
    match status {
        JobStatus::Ended(end) => Ok(Came::ToItsEnd(Box::new(Finished {
            worktree,
            base,
            end,
        }))),
        _ => {
            let lost = prepare::worker_folder(context, spec.task, spec.attempt);
            blocking(move || Ok(kill_orphans(&lost)?)).await?;
            keep_lost(context, spec, base, worktree).await
        }
    }
}

/// The progress a worker writes into its result file.
struct Notes {
    file: std::path::PathBuf,
    seen: Option<SystemTime>,
    last: Option<String>,
}

impl Notes {
    fn new(folder: std::path::PathBuf) -> Notes {
        Notes {
            file: result_file(&folder),
            seen: None,
            last: None,
        }
    }

    fn next(&mut self) -> Option<String> {
        let modified = fs::metadata(&self.file)
            .and_then(|meta| meta.modified())
            .ok()?;
        if self.seen == Some(modified) {
            return None;
        }
        self.seen = Some(modified);
        let report = load_result(&self.file).ok()??;
        let note = one_line(&report.progress.or(report.summary)?);
        if self.last.as_ref() == Some(&note) {
            return None;
        }
        self.last = Some(note.clone());
        Some(note)
    }
}
