//! Facts: what the journal records and the run state is folded from.
//!
//! The serde form of [`Event`] is the journal's wire form and that of `dispatch run --json`; the
//! envelope carries version, sequence number and time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::integration::{Integration, Landing};
use crate::model::outcome::Outcome;
use crate::model::pull_request::PullRequest;
use crate::model::recovery::Finding;
use crate::model::resolution::{Resolution, ResolutionStrategy};
use crate::model::shortage::Shortage;
use crate::model::task_conflict::TaskConflict;

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
        findings: Vec<Finding>,
    },
    /// The plan of the run is another one from here on; it stands in the same journal commit.
    PlanEdited {
        /// What it is for every task that was there before or is there now.
        edits: Vec<Finding>,
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
    ProgressReported {
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
    RetryBudgetSpent {
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
        reason: String,
    },
    /// The time for which a worker was parked is over.
    WorkerUnparked {
        /// The worker profile.
        worker: String,
        /// That time.
        until: Timestamp,
    },
    /// What the agents say they cost has reached the most the run may cost, so nothing more starts.
    CostLimitReached {
        /// What is known to be spent, in dollars.
        spent: f64,
        /// The most it may cost, in dollars.
        max_cost: f64,
    },
    /// The set-up of worktrees failed in the same way for several tasks, so nothing more starts.
    SetupBroken {
        /// The tasks.
        tasks: Vec<TaskNumber>,
        /// What went wrong, in one line.
        message: String,
    },
    /// A worker was not let in for several tasks (no login, a bill), so it starts nothing more.
    WorkerAccessDenied {
        /// The worker profile.
        worker: String,
        /// The tasks.
        tasks: Vec<TaskNumber>,
        /// What it said.
        message: String,
    },
    /// There is no room for what comes next, so nothing more starts until there is.
    ShortageBegan {
        /// What there is too little of.
        shortage: Shortage,
    },
    /// There is room again.
    ShortageEnded {},
    /// Worktrees whose work is all in git are about to be removed, to make room for others.
    WorktreesEvicting {
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
    ConflictResolved {
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
        strategy: ResolutionStrategy,
        /// The check that fails with it.
        command: String,
    },
    /// A task whose result met others is done again, on top of what is in.
    Redispatched {
        /// The task.
        task: TaskNumber,
        /// The commit it starts from.
        base: Oid,
        /// What it met, as far as pairs show it.
        with: Vec<TaskNumber>,
    },
    /// Doing it again came to nothing: its earlier result is offered again.
    RedispatchFailed {
        /// The task.
        task: TaskNumber,
    },
    /// A person is about to get a worktree with a conflict in it.
    ResolutionOpened {
        /// The task that was left out.
        task: TaskNumber,
        /// What is in, which the worktree starts from.
        base: Oid,
        /// The task's result.
        candidate: Oid,
        /// Where the worktree is, from the top of the main checkout.
        worktree: String,
    },
    /// What a person made of a conflict is what the task offers now; the checks come next.
    ResolutionAccepted {
        /// The task.
        task: TaskNumber,
        /// The merge of both sides.
        candidate: Oid,
        /// The counts of what it adds to the results it was merged with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stat: Option<ChangeStat>,
    },
    /// The checks agreed, and the worktree is no longer needed.
    ResolutionClosed {
        /// The task.
        task: TaskNumber,
    },
    /// A person gave it up: the task offers what it did before.
    ResolutionAborted {
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
        reason: String,
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
        extra_prompt: Option<String>,
        /// The prompt as the person wrote it anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_prompt: Option<String>,
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
    LandingUndoStarting {
        /// The landing that is taken back; its backup is that of this step.
        landing: Landing,
    },
    /// The target has moved back.
    LandingUndone {
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

impl Event {
    /// The task the event is about, if it is about one.
    pub fn task(&self) -> Option<TaskNumber> {
        match self {
            Event::AttemptStarting { task, .. }
            | Event::AttemptStarted { task, .. }
            | Event::ProgressReported { task, .. }
            | Event::AttemptEnded { task, .. }
            | Event::RetryScheduled { task, .. }
            | Event::RetryBudgetSpent { task, .. }
            | Event::RetryDue { task }
            | Event::DependenciesConflict { task, .. }
            | Event::RetryRequested { task, .. }
            | Event::TaskCancelled { task }
            | Event::TaskSkipped { task, .. }
            | Event::ConflictResolved { task, .. }
            | Event::Redispatched { task, .. }
            | Event::RedispatchFailed { task }
            | Event::ResolutionOpened { task, .. }
            | Event::ResolutionAccepted { task, .. }
            | Event::ResolutionClosed { task }
            | Event::ResolutionAborted { task }
            | Event::ResolutionRolledBack { task, .. }
            | Event::Reviewed { task, .. } => Some(*task),
            _ => None,
        }
    }
}
