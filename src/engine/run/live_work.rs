//! Finds conflicts of unfinished work: the worktrees of running tasks, committed or not, against
//! each other and against the candidates.

use crate::conflicts::{Branch, Detector};
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::{options, upstream};
use crate::engine::candidates::task_conflicts::task_conflicts;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::work::without_set_up;
use crate::git::Store;
use crate::git::snapshot::Snapshots;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;

/// The number of rounds after which all snapshots are dropped, so that they do not accumulate.
const ROUNDS: u32 = 500;

/// The state between two rounds.
#[derive(Debug)]
pub struct LiveWork {
    snapshots: Snapshots,
    detector: Detector,
    /// The commits of the last round.
    seen: Vec<(TaskNumber, Oid)>,
    rounds: u32,
}

/// Returns the running tasks, with the attempt and the commit it started from. The variants of a task
/// are compared once one is chosen.
pub fn running(state: &RunState) -> Vec<(TaskNumber, &Attempt, Oid)> {
    let at_work = |number: TaskNumber| {
        let task = state.task(number);
        let mut live = task.live_attempts();
        let attempt = live.find(|attempt| attempt.variant.is_none())?;
        Some((number, attempt, attempt.base?))
    };
    let tasks = state.plan.tasks().iter();
    tasks.filter_map(|task| at_work(task.number)).collect()
}

/// Compares the work of running tasks; `None` if nothing has changed since the last round.
///
/// # Errors
/// When git or the store cannot be used as a whole; a worktree that cannot be read right now is left
/// for the next round.
pub fn compare(
    context: &Context,
    state: &RunState,
    kept: &mut Option<LiveWork>,
) -> Result<Option<Vec<TaskConflict>>, EngineError> {
    if kept.as_ref().is_some_and(|live| live.rounds >= ROUNDS) {
        *kept = None;
    }
    let live = match kept {
        Some(live) => live,
        None => kept.insert(LiveWork::new(context)?),
    };
    live.rounds += 1;
    let mut commits = live.snapshots(context, state);
    commits.extend(state.candidates());
    commits.sort_unstable();
    if commits == live.seen {
        return Ok(None);
    }
    let found = live.compare(context, state, &commits)?;
    live.seen = commits;
    Ok(Some(found))
}

/// Commits the work of an attempt among the snapshots; `None` if there is no worktree, or it is in the
/// middle of a merge or rebase.
fn snapshot(
    context: &Context,
    snapshots: &mut Snapshots,
    attempt: &Attempt,
    base: Oid,
) -> Result<Option<Oid>, EngineError> {
    let path = context.recorded_worktree(&attempt.worktree);
    let worktree = context.repo.find_worktree(&path);
    let Some(worktree) = worktree.filter(|worktree| worktree.exists()) else {
        return Ok(None);
    };
    let mut left_out = links_in(context, &path);
    left_out.push(context.settings.board.file.clone());
    let work = |store: &Store, tree| -> Result<Oid, EngineError> {
        Ok(without_set_up(store, &worktree, tree)?.tree)
    };
    snapshots.take(&worktree, base, &left_out, work)
}

/// Returns the work of a running task so far, committed or not, as `git diff` with these options writes
/// it; `None` if the task is not running, or its worktree cannot be read right now.
///
/// Nothing is written into the repository or the worktree.
///
/// # Errors
/// When git or the store cannot be used.
pub fn diff_of_work(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
    options: &[&str],
) -> Result<Option<Vec<u8>>, EngineError> {
    let running = running(state).into_iter();
    let mut running = running.filter(|(number, ..)| *number == task);
    let Some((_, attempt, base)) = running.next() else {
        return Ok(None);
    };
    let mut snapshots = Snapshots::new(&context.repo).map_err(|error| {
        EngineError::File(context.repo.dispatch_folder().display().to_string(), error)
    })?;
    let Some(commit) = snapshot(context, &mut snapshots, attempt, base)? else {
        return Ok(None);
    };
    let objects = snapshots.quarantine().objects();
    let git = context.repo.git();
    let git = git.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.as_os_str());
    let (from, to) = (base.to_string(), commit.to_string());
    let args = [options, &[from.as_str(), to.as_str(), "--"]].concat();
    Ok(Some(git.run(&args)?))
}

impl LiveWork {
    fn new(context: &Context) -> Result<LiveWork, EngineError> {
        let snapshots = Snapshots::new(&context.repo).map_err(|error| {
            EngineError::File(context.repo.dispatch_folder().display().to_string(), error)
        })?;
        let detector = Detector::on_base(&context.repo, context.base, &options(context, true))?;
        Ok(LiveWork {
            detector: detector.in_quarantine(snapshots.quarantine()),
            snapshots,
            seen: Vec::new(),
            rounds: 0,
        })
    }

    fn snapshots(&mut self, context: &Context, state: &RunState) -> Vec<(TaskNumber, Oid)> {
        let mut found = Vec::new();
        for (task, attempt, base) in running(state) {
            match snapshot(context, &mut self.snapshots, attempt, base) {
                Ok(Some(commit)) => found.push((task, commit)),
                // The last readable state is the best one known.
                Ok(None) | Err(_) => {
                    found.extend(self.seen.iter().find(|(seen, _)| *seen == task));
                }
            }
        }
        found
    }

    fn compare(
        &mut self,
        context: &Context,
        state: &RunState,
        commits: &[(TaskNumber, Oid)],
    ) -> Result<Vec<TaskConflict>, EngineError> {
        let branch = |(task, tip): &(TaskNumber, Oid)| Branch {
            name: context.branch(*task),
            tip: *tip,
        };
        let branches: Vec<Branch> = commits.iter().map(branch).collect();
        let detection = self.detector.update(&branches);
        self.detector.release();
        let detection = detection?;
        let numbers: Vec<TaskNumber> = commits.iter().map(|(task, _)| *task).collect();
        let mut found = task_conflicts(&detection, &numbers, &|task| upstream(state, task));
        let at_work = running(state);
        let is_at_work = |task: TaskNumber| at_work.iter().any(|(other, ..)| *other == task);
        found.retain(|c| !c.inherited && (is_at_work(c.a) || is_at_work(c.b)));
        let units = found.iter_mut().flat_map(|conflict| &mut conflict.units);
        units.for_each(|unit| unit.hunks.clear());
        Ok(found)
    }
}
