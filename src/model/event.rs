//! Facts: what the journal records and the run state is folded from.
//!
//! The serde form of [`Event`] is the journal's wire form and that of `dispatch run --json`; the
//! envelope carries version, sequence number and time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::integration::{CheckResult, Integration, Landing};
use crate::model::outside_changes::OutsideChange;
use crate::model::pull_request::PullRequest;
use crate::model::recovery::Found;
use crate::model::remains::Remains;
use crate::model::resolution::{Resolution, RungName};
use crate::model::shortage::Shortage;
use crate::model::task_conflict::TaskConflict;
use crate::model::usage::{Cost, Usage};

/// An event with its place and time.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// When it was recorded.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

/// A fact, journalled before anything acts on it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run exists; plan and settings stand in the same journal commit.
    RunStarted {
        /// The title of the plan.
        title: String,
        /// The commit every independent task starts from.
        base: Oid,
        /// What the base was called (`main`, `HEAD`, `v1.2`).
        base_name: String,
        /// The branch the result is meant for, without `refs/heads/`; none on a detached HEAD.
        target: Option<String>,
        /// The tasks that were chosen, if not all.
        only: Option<Vec<TaskNumber>>,
        /// Whether the candidates are to be assembled at the end.
        assemble: bool,
        /// The file the plan was read from, from the top of the main checkout where it is near.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan_file: Option<String>,
    },
    /// Another process took the run up again.
    RunResumed {
        /// What it found, and so what it does.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        found: Vec<Found>,
    },
    /// The plan of the run is another one from here on; it stands in the same journal commit.
    PlanEdited {
        /// What it is for every task that was there before or is there now.
        edits: Vec<Found>,
    },
    /// An attempt is about to get its branch and worktree.
    AttemptStarting {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The worker profile.
        worker: String,
        /// Its branch, without `refs/heads/`.
        branch: String,
        /// Where its worktree will be, from the top of the main checkout.
        worktree: String,
    },
    /// The attempt's worker runs.
    AttemptStarted {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The commit it works on.
        base: Oid,
    },
    /// The worker said how far it is.
    Noted {
        /// The task.
        task: TaskNumber,
        /// Its words, cut to one line.
        note: String,
    },
    /// The attempt is over.
    AttemptEnded {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// How.
        outcome: Box<Outcome>,
        /// A draw from [0, 1) for the delay of a retry.
        jitter: f64,
    },
    /// A failed attempt will be tried again.
    RetryScheduled {
        /// The task.
        task: TaskNumber,
        /// Not before this time.
        due: Timestamp,
    },
    /// A failed attempt would be tried again, but the run has spent its retries.
    OutOfRetries {
        /// The task.
        task: TaskNumber,
        /// How many retries the run may spend.
        budget: u32,
    },
    /// The time of a scheduled retry has come.
    RetryDue {
        /// The task.
        task: TaskNumber,
    },
    /// A worker ran into a limit that ends at some time; until then it starts nothing. Its attempt
    /// counts as none.
    WorkerParked {
        /// The worker profile.
        worker: String,
        /// The task whose attempt ran into it.
        task: TaskNumber,
        /// When it may start again.
        until: Timestamp,
        /// What it said.
        why: String,
    },
    /// The time for which a worker was parked is over.
    WorkerUnparked {
        /// The worker profile.
        worker: String,
        /// That time.
        until: Timestamp,
    },
    /// What the agents say they cost has reached the most the run may cost, so nothing more starts.
    OutOfMoney {
        /// What is known to be spent, in dollars.
        spent: f64,
        /// The most it may cost, in dollars.
        max_cost: f64,
    },
    /// The set-up of worktrees failed in the same way for several tasks, so nothing more starts.
    SetUpBroken {
        /// The tasks.
        tasks: Vec<TaskNumber>,
        /// What went wrong, in one line.
        why: String,
    },
    /// A worker was not let in for several tasks (no login, a bill), so it starts nothing more.
    WorkerLockedOut {
        /// The worker profile.
        worker: String,
        /// The tasks.
        tasks: Vec<TaskNumber>,
        /// What it said.
        why: String,
    },
    /// There is no room for what comes next, so nothing more starts until there is.
    OutOfSpace {
        /// What there is too little of.
        shortage: Shortage,
    },
    /// There is room again.
    SpaceIsBack {},
    /// Worktrees whose work is all in git are about to be removed, to make room for others.
    WorktreesGoing {
        /// Where they are, from the top of the main checkout.
        worktrees: Vec<String>,
    },
    /// A person lets the run cost this much.
    MaxCostSet {
        /// In dollars.
        max_cost: f64,
    },
    /// The candidates a task depends on do not merge with each other.
    DependenciesConflict {
        /// The task that can not start.
        task: TaskNumber,
        /// The class of the conflict.
        class: Class,
        /// The dependencies that were in already when the conflict came, and the one that made it.
        between: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// The conflicts among the candidates as of now; replaces what was known.
    ConflictsFound {
        /// Every pair with a conflict.
        conflicts: Vec<TaskConflict>,
    },
    /// The conflicts of work that is still going on, as of now; replaces what was known.
    SpeculativeConflicts {
        /// Every pair with a conflict of which at least one task still runs; without hunks, whose
        /// lines move with every edit.
        conflicts: Vec<TaskConflict>,
        /// Whether no task starts that declares a path of them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        holds_back: bool,
    },
    /// The candidates are about to be assembled in this order.
    AssemblyStarting {
        /// The order in which they are tried.
        order: Vec<TaskNumber>,
    },
    /// Conflicts of a candidate with what is in before it were settled; the checks come next.
    ConflictSettled {
        /// The task.
        task: TaskNumber,
        /// What was settled, and by what.
        resolutions: Vec<Resolution>,
    },
    /// The checks fail with what was settled, so it is taken back and the next rung is tried.
    ResolutionRolledBack {
        /// The task.
        task: TaskNumber,
        /// What did not hold.
        rung: RungName,
        /// The check that fails with it.
        command: String,
    },
    /// A task whose result met others is done again, on top of what is in.
    Redispatched {
        /// The task.
        task: TaskNumber,
        /// The commit it starts from.
        onto: Oid,
        /// What it met, as far as pairs show it.
        with: Vec<TaskNumber>,
    },
    /// Doing it again came to nothing: its earlier result is offered again.
    RedispatchGivenUp {
        /// The task.
        task: TaskNumber,
    },
    /// A person is about to get a worktree with a conflict in it.
    ResolveOpened {
        /// The task that was left out.
        task: TaskNumber,
        /// What is in, which the worktree starts from.
        onto: Oid,
        /// The task's result.
        candidate: Oid,
        /// Where the worktree is, from the top of the main checkout.
        worktree: String,
    },
    /// What a person made of a conflict is what the task offers now; the checks come next.
    ResolveTaken {
        /// The task.
        task: TaskNumber,
        /// The merge of both sides.
        candidate: Oid,
    },
    /// The checks agreed, and the worktree is no longer needed.
    ResolveClosed {
        /// The task.
        task: TaskNumber,
    },
    /// A person gave it up: the task offers what it did before.
    ResolveAborted {
        /// The task.
        task: TaskNumber,
    },
    /// The candidates were assembled.
    Assembled {
        /// The result.
        integration: Integration,
    },
    /// The integration branch is not dispatch's to move right now; nothing was assembled.
    AssemblyRefused {
        /// Why, and what to do about it.
        why: String,
    },
    /// A person wants the candidates assembled, whatever was assembled before.
    AssemblyRequested {
        /// The tasks to be tried first, in this order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        order: Vec<TaskNumber>,
        /// The tasks to be left out, beside those that were left out in review.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        leave_out: Vec<TaskNumber>,
    },
    /// A person asked to stop (Ctrl-C).
    StopRequested {},
    /// A person wants a task tried again.
    RetryRequested {
        /// The task.
        task: TaskNumber,
        /// Words added to its prompt.
        prompt: Option<String>,
        /// The prompt as the person wrote it anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rewritten: Option<String>,
        /// The worker profile that is to do it from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
    },
    /// A person ended a task.
    TaskCancelled {
        /// The task.
        task: TaskNumber,
    },
    /// A person wants nothing new to start.
    Paused {},
    /// A person wants the run to go on.
    Unpaused {},
    /// A person gave up a task.
    TaskSkipped {
        /// The task.
        task: TaskNumber,
        /// Whether what depends on it is skipped too.
        cascade: bool,
    },
    /// A person accepted a task's change, or left it out of the assembly.
    Reviewed {
        /// The task.
        task: TaskNumber,
        /// Whether it may go in.
        accepted: bool,
    },
    /// Nothing is alive or scheduled any more.
    RunEnded {
        /// The exit code of the run.
        exit: u8,
    },
    /// The target is about to move.
    LandingStarting {
        /// From where to where.
        landing: Landing,
    },
    /// The target has moved.
    Landed {
        /// From where to where.
        landing: Landing,
    },
    /// The target is about to move back to what it was before it landed there.
    UnlandingStarting {
        /// The landing that is taken back; its backup is that of this step.
        landing: Landing,
    },
    /// The target has moved back.
    Unlanded {
        /// The landing that was taken back, with the time of this step.
        landing: Landing,
    },
    /// A branch is about to be pushed for a pull request.
    PullRequestStarting {
        /// The pull request.
        pull_request: PullRequest,
    },
    /// A pull request was opened or brought up to date.
    PullRequestOpened {
        /// The pull request.
        pull_request: PullRequest,
    },
    /// What was not as it should be was repaired (`dispatch doctor --fix`).
    Repaired {
        /// What was done, a sentence each.
        repairs: Vec<String>,
    },
    /// Worktrees and branches of the run were removed.
    Cleaned {
        /// The folders.
        worktrees: Vec<String>,
        /// The branches, without `refs/heads/`.
        branches: Vec<String>,
    },
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Passed, failed, interrupted.
    #[serde(flatten)]
    pub end: End,
    /// What the worker reported.
    #[serde(default)]
    pub report: WorkerReport,
    /// The task's checks that were run.
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// Processes that outlived the worker and were killed, by name.
    #[serde(default)]
    pub leftovers: Vec<String>,
    /// What dispatch has to say about it (a dropped board file, a large file).
    #[serde(default)]
    pub remarks: Vec<String>,
    /// What it changed outside the `files` its task declares, where that is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<RepoPath>,
    /// How long the worker ran, in milliseconds by the monotonic clock.
    #[serde(default)]
    pub millis: u64,
    /// What changed outside its worktree while it ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meanwhile: Vec<OutsideChange>,
    /// The earlier attempt that failed with the very files it passed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaky: Option<AttemptNumber>,
    /// Commits that are to be kept for good: the candidate or what a failed attempt left.
    #[serde(default)]
    pub kept: Option<Oid>,
    /// What a failed attempt changed, as far as that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remains: Option<Remains>,
    /// The tokens the worker used, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the worker says it cost.
    #[serde(default, skip_serializing_if = "Cost::is_unknown")]
    pub cost: Cost,
    /// The agent's name for its session, with which it can be taken up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// The three ways an attempt ends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// It offers a candidate, or a report.
    Passed {
        /// The commit; none if there was no change (a report, or `allow_empty`).
        candidate: Option<Oid>,
        /// How much it changed.
        stat: ChangeStat,
        /// The report text of an `info` task.
        info: Option<String>,
    },
    /// It did not do its task.
    Failed(Failure),
    /// It was cut short by the run, not by itself, and counts as no attempt.
    Interrupted {},
}

/// Why an attempt failed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Its class, which decides what happens next.
    pub class: FailureClass,
    /// One line: what went wrong.
    pub message: String,
    /// Why, in the worker's own words or the failing check's; none if nobody said.
    pub root_cause: Option<String>,
    /// What to do about it, in the worker's own words; none if nobody said.
    pub suggestion: Option<String>,
    /// What the class rests on: `exit code 75 (EX_TEMPFAIL)`.
    pub evidence: String,
    /// The normalised failure: equal twice in a row without new commits means it will not pass.
    pub signature: String,
    /// When the limit it ran into ends, if the worker's output says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
    /// Whether its provider was asked too often, so that fewer should ask at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rate_limited: bool,
    /// Whether its provider did not let it in, whatever the task: no login, a bill.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked_out: bool,
    /// What kind within its class, where that is to be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FailureKind>,
}

/// Failures that are no fault of the worker's and use up no retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Its worktree could not be set up, so that the worker never ran.
    SetUp,
}

/// The classes of failure (`docs/failures.md`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// May pass if tried again: timeout, rate limit, flaky.
    Transient,
    /// A limit that ends at a known time.
    Quota,
    /// Bad file, bad schema, bad command line.
    Input,
    /// Wrong approach, failed checks, no change.
    Logic,
    /// Two tasks at one place.
    Conflict,
    /// Login, permission, disk, missing program: a person is needed.
    Blocker,
    /// A person ended it.
    Cancelled,
    /// The run was interrupted.
    Interrupted,
}

/// What a worker reports (`DISPATCH_RESULT_FILE`). Unknown keys are ignored, all are optional.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerReport {
    /// What was done.
    pub summary: Option<String>,
    /// Choices a person should look at.
    pub decisions: Vec<String>,
    /// Problems it met.
    pub issues: Vec<String>,
    /// What could come next.
    pub next_steps: Vec<String>,
    /// How far it is.
    pub progress: Option<String>,
    /// Why it could not do the task.
    pub error: Option<WorkerError>,
}

/// A worker's own account of its failure.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerError {
    /// The class it names: `input`, `transient`, …
    pub class: Option<String>,
    /// One line.
    pub message: Option<String>,
    /// Why.
    pub root_cause: Option<String>,
    /// What would help.
    pub suggestion: Option<String>,
}

impl Outcome {
    /// Whether it is a failure of this kind.
    pub fn is_of(&self, kind: FailureKind) -> bool {
        matches!(&self.end, End::Failed(failure) if failure.kind == Some(kind))
    }
}

impl Event {
    /// The task the event is about, if it is about one.
    pub fn task(&self) -> Option<TaskNumber> {
        match self {
            Event::AttemptStarting { task, .. }
            | Event::AttemptStarted { task, .. }
            | Event::Noted { task, .. }
            | Event::AttemptEnded { task, .. }
            | Event::RetryScheduled { task, .. }
            | Event::OutOfRetries { task, .. }
            | Event::RetryDue { task }
            | Event::DependenciesConflict { task, .. }
            | Event::RetryRequested { task, .. }
            | Event::TaskCancelled { task }
            | Event::TaskSkipped { task, .. }
            | Event::ConflictSettled { task, .. }
            | Event::Redispatched { task, .. }
            | Event::RedispatchGivenUp { task }
            | Event::ResolveOpened { task, .. }
            | Event::ResolveTaken { task, .. }
            | Event::ResolveClosed { task }
            | Event::ResolveAborted { task }
            | Event::ResolutionRolledBack { task, .. }
            | Event::Reviewed { task, .. } => Some(*task),
            _ => None,
        }
    }
}
