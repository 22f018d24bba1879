//! The content of every board, built only from the run state.

use jiff::Timestamp;

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::bill::Bill;
use crate::model::blockers::MAX_BLOCKERS;
use crate::model::failure::FailureClass;
use crate::model::ids::{RunId, TaskNumber, VariantNumber};
use crate::model::integration::{Integration, Landing};
use crate::model::outcome::End;
use crate::model::plan::Task;
use crate::model::pull_request::PullRequest;
use crate::model::run::{RunPhase, RunState};
use crate::model::spending::Spending;
use crate::model::status::Status;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_state::{TaskPhase, TaskState};
use crate::model::worker_health::Parking;
use crate::report::board::banners::notices;
use crate::report::board::row_note::note;
use crate::report::conflict_suggestion::suggestion;

/// The content of every board of a run.
///
/// Texts are raw, except notes, which are one safe line; each renderer escapes for its format.
#[derive(Clone, PartialEq, Debug)]
pub struct BoardView {
    /// The run.
    pub run: RunId,
    /// The title of the plan.
    pub title: String,
    /// The base commit.
    pub base: Oid,
    /// The name of the base, for display.
    pub base_label: String,
    /// The branch the result is meant for.
    pub target: Option<String>,
    /// The start time of the run.
    pub started: Timestamp,
    /// The time of the last event.
    pub updated: Timestamp,
    /// The state of the whole run.
    ///
    /// The journal does not know that the driving process died; the caller that does sets
    /// [`Standing::Interrupted`].
    pub standing: Standing,
    /// One row per task, in plan order.
    pub tasks: Vec<TaskRow>,
    /// The known pairs of candidates, with or without a conflict.
    pub conflicts: Vec<ConflictRow>,
    /// The conflicts of running tasks, each with the time it began.
    pub speculative: Vec<(ConflictRow, Timestamp)>,
    /// The integration branch, without `refs/heads/`.
    pub integration_branch: String,
    /// The result of the last assembly.
    pub integration: Option<Integration>,
    /// The landing.
    pub landed: Option<Landing>,
    /// A landing that was undone.
    pub undone_landing: Option<Landing>,
    /// Its pull requests.
    pub pull_requests: Vec<PullRequest>,
    /// The tokens and the cost so far, if any agent reports them.
    pub spending: Option<Spending>,
    /// The same as text.
    pub bill: Option<String>,
    /// The parked workers, by name.
    pub parked: Vec<(String, Parking)>,
    /// The notices about the whole run, one safe line each.
    pub notices: Vec<String>,
}

/// The state of a whole run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A task is running, scheduled, or may start.
    Running,
    /// Ended, with nothing left to decide.
    Finished,
    /// Ended; the user has to decide or fix something.
    NeedsAttention,
    /// Stopped before its end.
    Interrupted,
    /// Not ended when it was fetched from another clone, where it goes on.
    Elsewhere,
    /// Ended or paused with tasks that could start.
    Paused,
}

/// The row of one task.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskRow {
    /// The number.
    pub number: TaskNumber,
    /// The tag.
    pub tag: String,
    /// The title.
    pub title: String,
    /// The worker profile of the last attempt.
    pub worker: Option<String>,
    /// `claude-2`, once there is an attempt.
    pub worker_name: Option<String>,
    /// The status.
    pub status: Status,
    /// The number of attempts, including those that do not count.
    pub attempts: usize,
    /// The chosen variant.
    pub variant: Option<VariantNumber>,
    /// The number of variants that the plan asks for, if any.
    pub variants: Option<VariantNumber>,
    /// The class of the last failure, while it decides the status.
    pub class: Option<FailureClass>,
    /// The note: one safe line of at most 120 characters.
    pub note: String,
    /// `true` if it passed with the same tree it failed with.
    pub flaky: bool,
    /// The changes outside its worktree during its last attempt.
    pub outside_changes: Vec<String>,
    /// The branch of the last attempt, without `refs/heads/`.
    pub branch: Option<String>,
    /// The candidate commit.
    pub candidate: Option<Oid>,
    /// The commits on its branch that its result does not contain, where they were looked for.
    pub newer_commits: Option<NewerRow>,
    /// The worktree of the last attempt.
    pub worktree: Option<String>,
    /// The tokens and the cost of its attempts, if any agent reports them.
    pub spending: Option<Spending>,
}

/// The commits that were made by hand on the branch of a passed task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewerRow {
    /// The number of the commits.
    pub count: usize,
    /// The last one.
    pub tip: Oid,
}

/// The row of a pair of candidates.
#[derive(Clone, PartialEq, Debug)]
pub struct ConflictRow {
    /// The verdict.
    pub conflict: TaskConflict,
    /// The paths, those of the worst class first.
    pub paths: Vec<RepoPath>,
    /// The suggested next step.
    pub suggested: String,
}

impl BoardView {
    /// Builds the view from the current state of a run.
    pub fn new(state: &RunState) -> BoardView {
        let blockers = state.blockers();
        let tasks = state.plan.tasks().iter().zip(&blockers);
        let row = |(task, blockers): (&Task, &Vec<_>)| TaskRow::new(state, task.number, blockers);
        BoardView {
            tasks: tasks.map(row).collect(),
            ..BoardView::without_rows(state, &blockers)
        }
    }

    /// The same without the rows of the tasks.
    pub(super) fn without_rows(state: &RunState, blockers: &[Vec<TaskNumber>]) -> BoardView {
        let conflicts = state.conflicts.iter();
        let conflicts = conflicts
            .map(|conflict| ConflictRow::new(state, conflict))
            .collect();
        BoardView {
            run: state.run.clone(),
            title: state.plan.title().to_owned(),
            base: state.base,
            base_label: state.base_label().to_owned(),
            target: state.target.clone(),
            started: state.started,
            updated: state.updated,
            standing: Standing::of(state, blockers),
            tasks: Vec::new(),
            conflicts,
            speculative: state
                .speculative_conflicts
                .iter()
                .map(|found| (ConflictRow::new(state, &found.conflict), found.since))
                .collect(),
            integration_branch: state.integration_branch(),
            integration: state.integration.clone(),
            landed: state.landed.clone(),
            undone_landing: state.undone_landing.clone(),
            pull_requests: state.pull_requests.clone(),
            spending: state.spending(),
            bill: Bill::of(state).map(|bill| bill.to_string()),
            parked: state
                .worker_health
                .parked(state.updated)
                .map(|(worker, parking)| (worker.to_owned(), parking.clone()))
                .collect(),
            notices: notices(state),
        }
    }

    /// Returns the state of the run in words. Once its result has landed, the user needs to do nothing.
    pub fn words(&self) -> String {
        match (&self.landed, self.standing) {
            (Some(landing), Standing::Finished | Standing::NeedsAttention) => {
                format!("landed on {}", landing.target)
            }
            (_, standing) => standing.words().to_owned(),
        }
    }

    /// Counts the passed tasks.
    pub fn done(&self) -> usize {
        let done = |row: &&TaskRow| row.status == Status::Done;
        self.tasks.iter().filter(done).count()
    }

    /// Returns the pairs that count as conflicts.
    pub fn open_conflicts(&self) -> impl Iterator<Item = &ConflictRow> {
        let stops = |row: &&ConflictRow| row.conflict.class.is_conflict();
        self.conflicts.iter().filter(stops)
    }
}

impl Standing {
    /// Returns the word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Running => "running",
            Standing::Finished => "finished",
            Standing::NeedsAttention => "needs-attention",
            Standing::Interrupted => "interrupted",
            Standing::Elsewhere => "elsewhere",
            Standing::Paused => "paused",
        }
    }

    /// Returns the words for display.
    pub fn words(self) -> &'static str {
        match self {
            Standing::NeedsAttention => "needs attention",
            Standing::Elsewhere => "under way in another clone",
            other => other.word(),
        }
    }

    fn of(state: &RunState, blockers: &[Vec<TaskNumber>]) -> Standing {
        let any = |wanted: fn(&TaskPhase) -> bool| state.tasks.iter().any(|t| wanted(&t.phase));
        let stuck = |phase: &TaskPhase| {
            matches!(
                phase,
                TaskPhase::Failed | TaskPhase::DependenciesConflict { .. }
            )
        };
        let blocked = blockers.iter().any(|blockers| !blockers.is_empty());
        let integration = state.integration.as_ref();
        match state.phase {
            RunPhase::Running | RunPhase::Stopping => Standing::Running,
            RunPhase::Paused => Standing::Paused,
            RunPhase::Ended(130) => Standing::Interrupted,
            RunPhase::Ended(_) if any(stuck) || blocked => Standing::NeedsAttention,
            RunPhase::Ended(_) if any(may_go_on) => Standing::Paused,
            RunPhase::Ended(_) if integration.is_some_and(Integration::needs_attention) => {
                Standing::NeedsAttention
            }
            RunPhase::Ended(_) if state.assembly_refused.is_some() => Standing::NeedsAttention,
            RunPhase::Ended(_) => Standing::Finished,
        }
    }
}

fn may_go_on(phase: &TaskPhase) -> bool {
    matches!(
        phase,
        TaskPhase::Queued | TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Choosing
    )
}

fn outside_changes(task: &TaskState) -> Vec<String> {
    let changes = task.outcome().map(|outcome| &outcome.outside_changes);
    let changes = changes.into_iter().flatten();
    changes.map(|change| change.name.clone()).collect()
}

impl TaskRow {
    /// Renders the row of one task.
    pub fn of(state: &RunState, number: TaskNumber) -> TaskRow {
        let mut blockers = state.root_causes(number);
        blockers.truncate(MAX_BLOCKERS);
        TaskRow::new(state, number, &blockers)
    }

    fn new(state: &RunState, number: TaskNumber, blockers: &[TaskNumber]) -> TaskRow {
        let (task, now) = (state.plan.task(number), state.task(number));
        let status = state.status(number);
        let last = now.shown_attempt();
        let class = match (&status, now.outcome().map(|outcome| &outcome.end)) {
            (Status::Failed | Status::Retry(_), Some(End::Failed(failure))) => Some(failure.class),
            _ => None,
        };
        TaskRow {
            number,
            tag: task.tag.clone(),
            title: task.title.clone(),
            worker: last.map(|attempt| attempt.worker.clone()),
            worker_name: state.worker_name(number),
            note: note(state, number, &status, blockers),
            status,
            attempts: now.attempts.len(),
            variant: now.variant_choice().map(|choice| choice.variant),
            variants: now.variants.as_ref().map(|set| set.count),
            class,
            flaky: state.is_flaky(number),
            outside_changes: outside_changes(now),
            branch: last.map(|attempt| attempt.task_branch().to_owned()),
            candidate: now.candidate(),
            newer_commits: None,
            worktree: last.map(|attempt| attempt.worktree.clone()),
            spending: now.spending(),
        }
    }
}

impl ConflictRow {
    fn new(state: &RunState, conflict: &TaskConflict) -> ConflictRow {
        let (worst, others): (Vec<_>, Vec<_>) = conflict
            .units
            .iter()
            .partition(|unit| unit.class == conflict.class);
        let units = worst.into_iter().chain(others);
        ConflictRow {
            conflict: conflict.clone(),
            paths: units.flat_map(|unit| unit.paths.clone()).collect(),
            suggested: suggestion(state, conflict),
        }
    }
}
