//! Events: the facts in the journal, from which the run state is folded.
//!
//! The serde form of [`Event`] is the wire format of the journal and of `dispatch run --json`; the
//! envelope adds version, sequence number and time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::merge::change::{ChangeStat, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber, VariantNumber};
use crate::model::integration::{Integration, Landing};
use crate::model::outcome::Outcome;
use crate::model::pull_request::PullRequest;
use crate::model::recovery::Finding;
use crate::model::resolution::{Resolution, ResolutionStrategy};
use crate::model::shortage::Shortage;
use crate::model::task_conflict::TaskConflict;
use crate::model::variant_choice::VariantChoice;

/// An event with its sequence number and time.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// The position in the journal, from 1.
    pub seq: u64,
    /// The time of recording.
    pub time: Timestamp,
    /// The event.
    pub event: Event,
}

/// A fact, recorded before any action on it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run was created; the same journal commit holds plan and settings.
    RunStarted {
        /// The title of the plan.
        title: String,
        /// The commit every independent task starts from.
        base: Oid,
        /// The name given for the base (`main`, `HEAD`, `v1.2`).
        base_name: String,
        /// The branch the result is meant for, without `refs/heads/`; none on a detached HEAD.
        target: Option<String>,
        /// The selected tasks, if not all.
        only: Option<Vec<TaskNumber>>,
        /// `true` if the candidates are assembled at the end.
        assemble: bool,
        /// The plan file, relative to the main checkout where possible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan_file: Option<String>,
    },
    /// Another process resumed the run.
    RunResumed {
        /// Its findings, each with an action.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        findings: Vec<Finding>,
    },
    /// The plan was replaced; the same journal commit holds the new one.
    PlanEdited {
        /// The change of every old and new task.
        edits: Vec<Finding>,
    },
    /// An attempt is about to create its branch and worktree.
    AttemptStarting {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The worker profile.
        worker: String,
        /// The branch, without `refs/heads/`.
        branch: String,
        /// The path of the worktree, relative to the main checkout.
        worktree: String,
        /// The variant of the task that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<VariantNumber>,
    },
    /// An attempt runs elsewhere: on this executor, and once known on this host.
    AttemptSubmitted {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The executor.
        executor: String,
        /// The host or node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// The worker of an attempt has started.
    AttemptStarted {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The base commit.
        base: Oid,
        /// `true` if its worktree is one of the pool that an earlier attempt had used.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        warm: bool,
    },
    /// The worker reported its progress.
    ProgressReported {
        /// The task.
        task: TaskNumber,
        /// The message, cut to one line.
        note: String,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The outcome.
        outcome: Box<Outcome>,
        /// A random number in [0, 1) for the delay of a retry.
        jitter: f64,
    },
    /// A failed task will be retried.
    RetryScheduled {
        /// The task.
        task: TaskNumber,
        /// The earliest time of the retry.
        due: Timestamp,
        /// The variant of the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<VariantNumber>,
    },
    /// A failed task is not retried because the run's retry budget is spent.
    RetryBudgetSpent {
        /// The task.
        task: TaskNumber,
        /// The retry budget of the run.
        budget: u32,
        /// The variant of the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<VariantNumber>,
    },
    /// The time of a scheduled retry has come.
    RetryDue {
        /// The task.
        task: TaskNumber,
        /// The variant of the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<VariantNumber>,
    },
    /// One variant of a task was chosen; the branch of the task is about to move to its candidate.
    VariantChosen {
        /// The task.
        task: TaskNumber,
        /// The choice.
        choice: VariantChoice,
    },
    /// The candidate of the chosen variant is on the branch of the task.
    VariantAccepted {
        /// The task.
        task: TaskNumber,
    },
    /// A worker hit a usage limit and starts nothing until it resets.
    ///
    /// The attempt uses up no retry.
    WorkerParked {
        /// The worker profile.
        worker: String,
        /// The task whose attempt hit the limit.
        task: TaskNumber,
        /// The time from which it may start again.
        until: Timestamp,
        /// The worker's message.
        reason: String,
    },
    /// A parked worker may start again.
    WorkerUnparked {
        /// The worker profile.
        worker: String,
        /// The end of the parking.
        until: Timestamp,
    },
    /// The reported cost has reached the run's limit, so nothing more starts.
    CostLimitReached {
        /// The reported cost in dollars.
        spent: f64,
        /// The limit in dollars.
        max_cost: f64,
    },
    /// The set-up of worktrees failed alike for several tasks, so nothing more starts.
    SetupBroken {
        /// The tasks.
        tasks: Vec<TaskNumber>,
        /// The error in one line.
        message: String,
    },
    /// A worker's authentication failed for several tasks, so it starts nothing more.
    WorkerAccessDenied {
        /// The worker profile.
        worker: String,
        /// The tasks.
        tasks: Vec<TaskNumber>,
        /// The worker's message.
        message: String,
    },
    /// A shortage keeps tasks from starting.
    ShortageBegan {
        /// The shortage.
        shortage: Shortage,
    },
    /// The shortage is over.
    ShortageEnded {},
    /// Worktrees whose work is committed are about to be removed to free space.
    WorktreesEvicting {
        /// Their paths, relative to the main checkout.
        worktrees: Vec<String>,
    },
    /// The user set the cost limit of the run.
    MaxCostSet {
        /// The limit in dollars.
        max_cost: f64,
    },
    /// The candidates of a task's dependencies conflict.
    DependenciesConflict {
        /// The task that cannot start.
        task: TaskNumber,
        /// The class of the conflict.
        class: Class,
        /// The dependencies merged before the conflict, and the one that conflicts.
        between: Vec<TaskNumber>,
        /// The paths.
        paths: Vec<RepoPath>,
        /// The attempt that could not start; the last one in older journals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptNumber>,
    },
    /// The current conflicts among candidates; replaces the previous ones.
    ConflictsFound {
        /// Every conflicting pair.
        conflicts: Vec<TaskConflict>,
    },
    /// The current conflicts of uncommitted work; replaces the previous ones.
    SpeculativeConflicts {
        /// Every conflicting pair with at least one running task; without hunks, whose lines move
        /// with every edit.
        conflicts: Vec<TaskConflict>,
        /// `true` if tasks that declare one of their paths wait.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        holds_back: bool,
    },
    /// The candidates are about to be assembled in this order.
    AssemblyStarting {
        /// The order.
        order: Vec<TaskNumber>,
    },
    /// Conflicts of a candidate were resolved; the checks come next.
    ConflictResolved {
        /// The task.
        task: TaskNumber,
        /// The resolutions.
        resolutions: Vec<Resolution>,
    },
    /// The checks failed with a resolution, so the next strategy is tried.
    ResolutionRolledBack {
        /// The task.
        task: TaskNumber,
        /// The strategy that failed.
        strategy: ResolutionStrategy,
        /// The failing check.
        command: String,
    },
    /// A task whose candidate conflicts starts again on top of the assembled ones.
    Redispatched {
        /// The task.
        task: TaskNumber,
        /// The new base commit.
        base: Oid,
        /// The tasks it conflicts with, as far as pairwise checks show.
        with: Vec<TaskNumber>,
    },
    /// A re-dispatch failed; the earlier candidate counts again.
    RedispatchFailed {
        /// The task.
        task: TaskNumber,
    },
    /// A worktree with a conflict is about to be created for the user.
    ResolutionOpened {
        /// The task that was left out.
        task: TaskNumber,
        /// The commit the worktree starts from: the assembled candidates.
        base: Oid,
        /// The task's candidate.
        candidate: Oid,
        /// The path of the worktree, relative to the main checkout.
        worktree: String,
    },
    /// The user's resolution becomes the task's candidate; the checks come next.
    ResolutionAccepted {
        /// The task.
        task: TaskNumber,
        /// The merge of both sides.
        candidate: Oid,
        /// The counts of what it adds to the results it was merged with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stat: Option<ChangeStat>,
    },
    /// The checks passed with the resolution, and the worktree is removed.
    ResolutionClosed {
        /// The task.
        task: TaskNumber,
    },
    /// The user aborted a resolution; the earlier candidate counts again.
    ResolutionAborted {
        /// The task.
        task: TaskNumber,
    },
    /// The assembly is complete.
    Assembled {
        /// The result.
        integration: Integration,
    },
    /// The assembly was refused because the integration branch must not be moved.
    AssemblyRefused {
        /// The reason, with a hint.
        reason: String,
    },
    /// The user asked for a new assembly.
    AssemblyRequested {
        /// The tasks to assemble first, in this order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        order: Vec<TaskNumber>,
        /// The tasks to leave out, besides those rejected in review.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        leave_out: Vec<TaskNumber>,
    },
    /// The user asked the run to stop (Ctrl-C).
    StopRequested {},
    /// The user asked to retry a task.
    RetryRequested {
        /// The task.
        task: TaskNumber,
        /// The text appended to the prompt.
        extra_prompt: Option<String>,
        /// The prompt that replaces the plan's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_prompt: Option<String>,
        /// The worker profile for its attempts from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
        /// `true` if its next attempt continues the agent's session of the last one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        continue_session: bool,
        /// The commit that the user made in the worktree of the last attempt, which the next attempt
        /// offers instead of starting the worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_hand: Option<Oid>,
        /// The attempt whose session is continued, or on whose worktree the user worked, if it is not
        /// the one that stands for the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptNumber>,
    },
    /// The user sent a message to a task, for its next attempt at the latest.
    MessageGiven {
        /// The task.
        task: TaskNumber,
        /// The text.
        text: String,
    },
    /// A message of the user reached a running attempt.
    MessageDelivered {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The number of the message among those of the task, from 1.
        message: usize,
    },
    /// A message of the user waits for the end of a running attempt, whose session goes on with it.
    MessageWaits {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The number of the message among those of the task, from 1.
        message: usize,
    },
    /// The user cancelled a task.
    TaskCancelled {
        /// The task.
        task: TaskNumber,
    },
    /// The user changed the priority of a task.
    PrioritySet {
        /// The task.
        task: TaskNumber,
        /// The new priority; higher ones start first.
        priority: i32,
    },
    /// The user paused the run.
    Paused {},
    /// The user continued the run.
    Unpaused {},
    /// The user skipped a task.
    TaskSkipped {
        /// The task.
        task: TaskNumber,
        /// `true` if its dependents are skipped too.
        cascade: bool,
    },
    /// The user reviewed a task's change.
    Reviewed {
        /// The task.
        task: TaskNumber,
        /// `true` if accepted; otherwise it is left out of the assembly.
        accepted: bool,
    },
    /// The run ended.
    RunEnded {
        /// The exit code of the run.
        exit: u8,
    },
    /// The target branch is about to move.
    LandingStarting {
        /// The landing.
        landing: Landing,
    },
    /// The target branch moved.
    Landed {
        /// The landing.
        landing: Landing,
    },
    /// The target branch is about to move back to its commit before the landing.
    LandingUndoStarting {
        /// The landing being undone; its backup is that of this step.
        landing: Landing,
    },
    /// The target branch moved back.
    LandingUndone {
        /// The undone landing, with the time of this step.
        landing: Landing,
    },
    /// A branch is about to be pushed for a pull request.
    PullRequestStarting {
        /// The pull request.
        pull_request: PullRequest,
    },
    /// A pull request was opened or updated.
    PullRequestOpened {
        /// The pull request.
        pull_request: PullRequest,
    },
    /// `dispatch doctor --fix` repaired the run.
    Repaired {
        /// The repairs, one sentence each.
        repairs: Vec<String>,
    },
    /// Worktrees and branches of the run were removed.
    Cleaned {
        /// The paths of the worktrees.
        worktrees: Vec<String>,
        /// The branches, without `refs/heads/`.
        branches: Vec<String>,
    },
}

impl Event {
    /// Returns the task of the event, if it has one.
    pub fn task(&self) -> Option<TaskNumber> {
        match self {
            Event::AttemptStarting { task, .. }
            | Event::AttemptSubmitted { task, .. }
            | Event::AttemptStarted { task, .. }
            | Event::ProgressReported { task, .. }
            | Event::AttemptEnded { task, .. }
            | Event::RetryScheduled { task, .. }
            | Event::RetryBudgetSpent { task, .. }
            | Event::RetryDue { task, .. }
            | Event::VariantChosen { task, .. }
            | Event::VariantAccepted { task }
            | Event::DependenciesConflict { task, .. }
            | Event::RetryRequested { task, .. }
            | Event::MessageGiven { task, .. }
            | Event::MessageDelivered { task, .. }
            | Event::MessageWaits { task, .. }
            | Event::TaskCancelled { task }
            | Event::PrioritySet { task, .. }
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
