//! Everything any board shows, built from the run state and nothing else.

use jiff::Timestamp;

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::bill::Bill;
use crate::model::blockers::MOST_STOPPERS;
use crate::model::failure::FailureClass;
use crate::model::ids::{RunId, TaskNumber};
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

/// What every board of a run is rendered from. Text in it is as it was said, except for notes,
/// which are one safe line already; each renderer escapes for its own form.
#[derive(Clone, PartialEq, Debug)]
pub struct BoardView {
    /// The run.
    pub run: RunId,
    /// What the plan is called.
    pub title: String,
    /// The commit the run starts from.
    pub base: Oid,
    /// What that commit was called, for people.
    pub base_label: String,
    /// The branch the result is meant for.
    pub target: Option<String>,
    /// When the run started.
    pub started: Timestamp,
    /// When something last happened.
    pub updated: Timestamp,
    /// Where the run as a whole stands. Whether the process that drives it still lives is not in
    /// the journal: who knows that it does not sets this to [`Standing::Interrupted`].
    pub standing: Standing,
    /// One row a task, in the order of the plan.
    pub tasks: Vec<TaskRow>,
    /// What is known about pairs of candidates, conflicts and clean meetings.
    pub conflicts: Vec<ConflictRow>,
    /// Conflicts of work that still goes on, with the time since when.
    pub speculative: Vec<(ConflictRow, Timestamp)>,
    /// The integration branch, without `refs/heads/`.
    pub integration_branch: String,
    /// What is on it, once it was assembled.
    pub integration: Option<Integration>,
    /// Where it landed.
    pub landed: Option<Landing>,
    /// A landing that was taken back.
    pub undone_landing: Option<Landing>,
    /// Its pull requests.
    pub pull_requests: Vec<PullRequest>,
    /// What the agents used and cost so far, if any of them says.
    pub spending: Option<Spending>,
    /// The same in words.
    pub bill: Option<String>,
    /// The workers that start nothing for a while, by name.
    pub parked: Vec<(String, Parking)>,
    /// What is to be said about the run as a whole, one safe line each.
    pub notices: Vec<String>,
}

/// Where a run as a whole stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Something is alive or scheduled, or may start.
    Running,
    /// Over, and nothing is left to decide.
    Finished,
    /// Over as far as it can go without a person.
    NeedsPerson,
    /// Stopped before its end.
    Interrupted,
    /// At rest with tasks that could start.
    Paused,
}

/// What a board says about one task.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskRow {
    /// Its number.
    pub number: TaskNumber,
    /// Its tag.
    pub tag: String,
    /// Its title.
    pub title: String,
    /// The profile of its last attempt.
    pub worker: Option<String>,
    /// `claude-2`, once there is an attempt.
    pub worker_name: Option<String>,
    /// Where it is.
    pub status: Status,
    /// How many attempts were made, those that do not count included.
    pub attempts: usize,
    /// The class of the last failure, while that is why the task is where it is.
    pub class: Option<FailureClass>,
    /// One safe line, at most 120 characters.
    pub note: String,
    /// Whether it passed with the very files it had failed with.
    pub flaky: bool,
    /// What changed outside its worktree during its last attempt.
    pub outside_changes: Vec<String>,
    /// The branch of its last attempt, without `refs/heads/`.
    pub branch: Option<String>,
    /// The commit it offers.
    pub candidate: Option<Oid>,
    /// The worktree of its last attempt.
    pub worktree: Option<String>,
    /// What its attempts used and cost so far, if any of them says.
    pub spending: Option<Spending>,
}

/// What a board says about a pair of candidates.
#[derive(Clone, PartialEq, Debug)]
pub struct ConflictRow {
    /// The verdict.
    pub conflict: TaskConflict,
    /// Every path, those of the worst kind first.
    pub paths: Vec<RepoPath>,
    /// What to do about it.
    pub suggested: String,
}

impl BoardView {
    /// The view of a run as it stands.
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
            spending: Spending::of(state.tasks.iter().flat_map(|task| &task.attempts)),
            bill: Bill::of(state).map(|bill| bill.to_string()),
            parked: state
                .worker_health
                .parked(state.updated)
                .map(|(worker, parking)| (worker.to_owned(), parking.clone()))
                .collect(),
            notices: notices(state),
        }
    }

    /// How many tasks passed.
    pub fn done(&self) -> usize {
        let done = |row: &&TaskRow| row.status == Status::Done;
        self.tasks.iter().filter(done).count()
    }

    /// The pairs that people are shown: those git would stop at.
    pub fn open_conflicts(&self) -> impl Iterator<Item = &ConflictRow> {
        let stops = |row: &&ConflictRow| row.conflict.class.is_conflict();
        self.conflicts.iter().filter(stops)
    }
}

impl Standing {
    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Running => "running",
            Standing::Finished => "finished",
            Standing::NeedsPerson => "needs-attention",
            Standing::Interrupted => "interrupted",
            Standing::Paused => "paused",
        }
    }

    /// As it is said to people.
    pub fn words(self) -> &'static str {
        match self {
            Standing::NeedsPerson => "needs a person",
            other => other.word(),
        }
    }

    fn of(state: &RunState, stoppers: &[Vec<TaskNumber>]) -> Standing {
        let any = |wanted: fn(&TaskPhase) -> bool| state.tasks.iter().any(|t| wanted(&t.phase));
        let stuck = |phase: &TaskPhase| {
            matches!(
                phase,
                TaskPhase::Failed | TaskPhase::DependenciesConflict { .. }
            )
        };
        let blocked = stoppers.iter().any(|stoppers| !stoppers.is_empty());
        let integration = state.integration.as_ref();
        match state.phase {
            RunPhase::Running | RunPhase::Stopping => Standing::Running,
            RunPhase::Paused => Standing::Paused,
            RunPhase::Ended(130) => Standing::Interrupted,
            RunPhase::Ended(_) if any(stuck) || blocked => Standing::NeedsPerson,
            RunPhase::Ended(_) if any(may_go_on) => Standing::Paused,
            RunPhase::Ended(_) if integration.is_some_and(Integration::needs_attention) => {
                Standing::NeedsPerson
            }
            RunPhase::Ended(_) if state.assembly_refused.is_some() => Standing::NeedsPerson,
            RunPhase::Ended(_) => Standing::Finished,
        }
    }
}

fn may_go_on(phase: &TaskPhase) -> bool {
    matches!(
        phase,
        TaskPhase::Queued | TaskPhase::Running | TaskPhase::RetryAt(_)
    )
}

fn outside_changes(task: &TaskState) -> Vec<String> {
    let changes = task.outcome().map(|outcome| &outcome.outside_changes);
    let changes = changes.into_iter().flatten();
    changes.map(|change| change.what.clone()).collect()
}

impl TaskRow {
    /// Renders the row of one task.
    pub fn of(state: &RunState, number: TaskNumber) -> TaskRow {
        let mut stoppers = state.root_causes(number);
        stoppers.truncate(MOST_STOPPERS);
        TaskRow::new(state, number, &stoppers)
    }

    fn new(state: &RunState, number: TaskNumber, stoppers: &[TaskNumber]) -> TaskRow {
        let (task, now) = (state.plan.task(number), state.task(number));
        let status = state.status(number);
        let last = now.last_attempt();
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
            note: note(state, number, &status, stoppers),
            status,
            attempts: now.attempts.len(),
            class,
            flaky: state.is_flaky(number),
            outside_changes: outside_changes(now),
            branch: last.map(|attempt| attempt.branch.clone()),
            candidate: now.candidate(),
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
