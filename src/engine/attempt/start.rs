//! Starts an attempt: base, worktree, set-up, worker.

use std::sync::Arc;

use crate::base::fault;
use crate::base::removal::remove_own_folder;
use crate::engine::EngineError;
use crate::engine::attempt::execution::{Execution, Reached};
use crate::engine::attempt::job::prepare_job;
use crate::engine::attempt::keep::keep_unfinished;
use crate::engine::attempt::outside_changes::look_before;
use crate::engine::attempt::private_folder;
use crate::engine::attempt::watch::RunningWorker;
use crate::engine::candidates::starting_point::{StartingPoint, starting_point};
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::message::Message;
use crate::engine::pool::prepare::{Prepared, prepare};
use crate::engine::pool::release::{hold, is_warm};
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::engine::worktree::populate::{EarlierUse, Population};
use crate::engine::worktree::purpose::Purpose;
use crate::engine::worktree::setup::SetUpFailure;
use crate::engine::worktree::{hand_made_commits, reuse};
use crate::exec::JobStatus;
use crate::git::Store;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::event::Event;

/// The result of starting an attempt.
pub(super) enum Start {
    /// Its worker runs.
    Running(RunningWorker),
    /// It has no worker.
    Over(Reached),
}

/// Starts an attempt.
///
/// # Errors
/// When git, the store, a file or the executor fails.
pub(super) async fn start(execution: &Execution) -> Result<Start, EngineError> {
    if execution.context.is_stopping() {
        return Ok(Start::Over(Reached::Aborted(None)));
    }
    keep_hand_made(execution).await?;
    if let Some(reuse) = &execution.spec.reuse {
        let base = reuse.base;
        let Some(worktree) = reopen(execution).await? else {
            // Another attempt has taken its worktree over since; the next one gets another.
            return Ok(Start::Over(Reached::Aborted(None)));
        };
        return start_worker(execution, base, worktree).await;
    }
    let base = match find_base(execution).await? {
        StartingPoint::Commit(base) => base,
        conflict => {
            post_conflict(execution, conflict);
            return Ok(Start::Over(Reached::Blocked));
        }
    };
    fault::point("attempt", "with its base");
    let prepared = fill_worktree(execution, base).await?;
    fault::point("attempt", "with its worktree");
    let worktree = prepared.worktree.clone();
    if let Some(failed) = populate(execution, base, &prepared).await? {
        return not_set_up(execution, base, worktree, failed).await;
    }
    start_worker(execution, base, worktree).await
}

/// Populates the worktree of the attempt, as far as an earlier attempt in it has not done so.
async fn populate(
    execution: &Execution,
    base: Oid,
    prepared: &Prepared,
) -> Result<Option<SetUpFailure>, EngineError> {
    let Execution {
        context,
        spec,
        cancel,
        ..
    } = execution;
    for message in &prepared.messages {
        execution.post(Message::Warning(message.clone()));
    }
    let (entry, worktree) = (prepared.entry.as_ref(), &prepared.worktree);
    let mark = match entry {
        Some(_) => SetUpMark::of(context, base)?,
        None => None,
    };
    let has_set_up = |entry| {
        mark.as_ref()
            .is_some_and(|mark: &SetUpMark| mark.is_on(entry))
    };
    let population = Population {
        context,
        purpose: Purpose::Attempt(spec, base),
        worktree,
        tree: context.repo.with_store(|store| store.tree_of(base))?,
        cancel,
        earlier: match entry {
            None => EarlierUse::None,
            Some(entry) if has_set_up(entry) => EarlierUse::SetUp,
            Some(_) if !is_warm(&context.repo, &spec.worktree) => EarlierUse::None,
            Some(_) => EarlierUse::Folders,
        },
    };
    let failed = population.populate_for_work().await?;
    if let (Some(entry), Some(mark), None) = (entry, mark, &failed)
        && !cancel.is_cancelled()
    {
        let (context, entry, worktree) = (Arc::clone(context), entry.clone(), worktree.clone());
        blocking(move || mark.put_on(&context, &entry, &worktree)).await?;
    }
    Ok(failed)
}

/// Deletes the folder of a worker that was never started.
pub(super) fn forget_start(execution: &Execution) {
    let folder = execution.worker_folder();
    let status = execution.context.executor.status(&folder);
    if matches!(status, Ok(JobStatus::Absent)) {
        let _ = remove_own_folder(&folder, 6);
        let found = execution
            .context
            .repo
            .find_worktree(&execution.spec.worktree);
        // A worktree that still uses the folder of its worker is refused when the attempt starts again.
        let _ = found.map(|worktree| private_folder::take_over(execution, &worktree));
    }
}

/// Keeps commits that the user made on the task since its last attempt.
async fn keep_hand_made(execution: &Execution) -> Result<(), EngineError> {
    if execution.spec.attempt == 1 {
        return Ok(());
    }
    let keep = |execution: &Execution| {
        let (context, spec) = (&execution.context, &execution.spec);
        let keep = |store: &Store| hand_made_commits::keep_hand_made(context, store, spec);
        context.repo.with_store(keep)
    };
    execution.blocking(keep).await
}

/// Reopens the worktree that the attempt continues in; `None` if another attempt has it now.
async fn reopen(execution: &Execution) -> Result<Option<Worktree>, EngineError> {
    let reopened = execution.blocking(|execution| {
        let (context, spec) = (&execution.context, &execution.spec);
        let gone = || EngineError::Broken("an attempt without a worktree to reuse".to_owned());
        let reused = spec.reuse.as_ref().ok_or_else(gone)?;
        if !hold(context, &reused.path)? {
            return Ok(None);
        }
        reuse::reopen(context, spec.of(), reused).map(Some)
    });
    reopened.await
}

async fn find_base(execution: &Execution) -> Result<StartingPoint, EngineError> {
    if execution.spec.dependencies.is_empty() {
        return Ok(StartingPoint::Commit(execution.context.base));
    }
    let find = |execution: &Execution| {
        let spec = &execution.spec;
        starting_point(&execution.context, spec.task, &spec.dependencies)
    };
    execution.blocking(find).await
}

fn post_conflict(execution: &Execution, conflict: StartingPoint) {
    let (task, attempt) = (execution.spec.task, execution.spec.attempt);
    if let StartingPoint::Conflict {
        class,
        between,
        paths,
    } = conflict
    {
        execution.post(Message::Fact(Event::DependenciesConflict {
            task,
            class,
            between,
            paths,
            attempt: Some(attempt),
        }));
    }
}

async fn fill_worktree(execution: &Execution, base: Oid) -> Result<Prepared, EngineError> {
    // The semaphore is never closed, so this cannot fail.
    let _permit = execution.context.fills.acquire().await.ok();
    let (context, spec) = (Arc::clone(&execution.context), Arc::clone(&execution.spec));
    blocking(move || prepare(&context, &spec, base)).await
}

/// Reports a worktree that is not ready, and leaves it as it is for the user to inspect.
async fn not_set_up(
    execution: &Execution,
    base: Oid,
    worktree: Worktree,
    failed: SetUpFailure,
) -> Result<Start, EngineError> {
    let kept = keep_unfinished(execution, base, worktree).await?;
    Ok(Start::Over(Reached::NotSetUp(failed, kept)))
}

/// Starts the worker in a worktree that is ready for it.
async fn start_worker(
    execution: &Execution,
    base: Oid,
    worktree: Worktree,
) -> Result<Start, EngineError> {
    let (context, spec) = (&execution.context, &execution.spec);
    if context.is_stopping() {
        return Ok(Start::Over(Reached::Aborted(None)));
    }
    fault::point("attempt", "populated");
    look_before(context, spec).await?;
    let job = prepare_job(execution, base, &worktree).await?;
    fault::point("attempt", "with its prompt");
    fault::point("attempt", "before its worker starts");
    let own = worktree.clone();
    execution
        .blocking(move |execution| private_folder::give(execution, &own))
        .await?;
    let running = context.executor.start(&execution.worker_folder(), &job)?;
    fault::point("attempt", "after its worker has started");
    execution.post_started(base);
    Ok(Start::Running(RunningWorker {
        running,
        base,
        worktree,
    }))
}
