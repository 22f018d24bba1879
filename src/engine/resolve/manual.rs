//! Settling a conflict by hand: a worktree with the conflict in it as `git merge` leaves it, and what
//! a person made of it taken as the task's result.
//!
//! Opening is announced in the journal, then the worktree is made, then a file beside the logs says
//! that it may be used: without that file nobody has worked in it, and it is made anew. Taking the
//! result writes a commit with both sides as parents and touches nothing in the worktree, so that a
//! person can go on there when the checks say no.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::base::fault;
use crate::base::files;
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::pair_verdict;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::auto::meetings;
use crate::engine::resolve::recorded::{Meeting, remember};
use crate::engine::worktree::prepare::keep;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_tree::{MergeAnswer, MergeEngine};
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::manual_resolution::Resolving;
use crate::model::redispatch::Onto;
use crate::model::run::{RunState, TaskPhase};

pub use crate::engine::resolve::accept::take;
pub use crate::engine::resolve::error::ResolveError;

/// What a conflict to be opened is about.
///
/// # Errors
/// When the task is not out because of a conflict with what is in.
pub fn may_open(state: &RunState, task: TaskNumber) -> Result<Onto, ResolveError> {
    if let TaskPhase::DependenciesConflict { between, .. } = &state.task(task).phase {
        let between = between.clone();
        return Err(ResolveError::Waits { task, between });
    }
    let no_conflict = |why: &str| ResolveError::NoConflict {
        task,
        why: why.to_owned(),
    };
    let Some(integration) = &state.integration else {
        return Err(no_conflict("nothing was assembled"));
    };
    let out = integration.left_out.iter().find(|out| out.task == task);
    match out.map(|out| &out.reason) {
        Some(LeftOutReason::Conflict { .. }) => {}
        Some(LeftOutReason::BuiltOn { task: on }) => {
            return Err(ResolveError::BuiltOn { task, on: *on });
        }
        Some(LeftOutReason::Person) => return Err(no_conflict("a person left it out")),
        Some(LeftOutReason::FailedChecks {
            command, timed_out, ..
        }) => {
            let fails = if *timed_out { "times out in" } else { "fails" };
            return Err(no_conflict(&format!("it {fails} `{command}`")));
        }
        None if integration.contains(task) => return Err(no_conflict("it is in")),
        None => {
            let status = state.status(task).to_string();
            return Err(no_conflict(&format!("it is {status}")));
        }
    }
    let onto = state.would_be_onto(task).ok_or(ResolveError::Stale)?;
    match state.task(task).candidate() == Some(onto.candidate) {
        true => Ok(onto),
        false => Err(ResolveError::Stale),
    }
}

/// Makes the worktree of a conflict that the journal says is open, unless it is there already.
///
/// # Errors
/// When it cannot be made.
pub fn make(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Worktree, ResolveError> {
    let resolving = open(state, task)?;
    let path = context.recorded_worktree(&resolving.worktree);
    let found = context.repo.find_worktree(&path);
    let is_handed_over = handed_over(context, task).is_some();
    match found {
        Some(worktree) if is_handed_over && worktree.is_there() => return Ok(worktree),
        None if is_handed_over => return Err(ResolveError::Gone(path)),
        Some(worktree) if is_handed_over => return Err(ResolveError::Gone(worktree.path)),
        Some(worktree) => context
            .repo
            .remove_worktree(&worktree)
            .map_err(EngineError::from)?,
        None => context
            .repo
            .remove_orphan(&path)
            .map_err(EngineError::from)?,
    }
    let reason = format!("dispatch {}/resolve", context.run);
    let head = Head::Detached(resolving.onto.commit);
    let worktree = context
        .repo
        .add_worktree(&path, &head, &reason)
        .map_err(EngineError::from)?;
    fault::point("resolve", "worktree made");
    merge(context, task, &worktree, resolving.onto.candidate)?;
    fault::point("resolve", "merged");
    let store = Store::open(&context.repo)?;
    let tree = store
        .harvest(&worktree, &[])
        .map_err(EngineError::from)?
        .tree;
    let file = marker_file(context, task);
    let text = format!("{tree}\n");
    let written = file.parent().map_or(Ok(()), fs::create_dir_all);
    written
        .and_then(|()| files::replace(&file, text.as_bytes()))
        .map_err(|error| EngineError::File(file.display().to_string(), error))?;
    fault::point("resolve", "handed over");
    Ok(worktree)
}

pub(super) fn open(state: &RunState, task: TaskNumber) -> Result<&Resolving, ResolveError> {
    let resolving = state.task(task).resolving.as_ref();
    resolving.ok_or(ResolveError::NotOpen(task))
}

/// As the user would do it, but for hooks: markers, stages and `MERGE_HEAD` are git's own.
fn merge(
    context: &Context,
    task: TaskNumber,
    worktree: &Worktree,
    candidate: Oid,
) -> Result<(), ResolveError> {
    let store = Store::open(&context.repo)?;
    let branch = context.branch(task);
    let tip = store.reference(&branch_ref(&branch))?;
    let name = match tip {
        Some(tip) if tip == candidate => branch,
        _ => candidate.to_string(),
    };
    let message = message(context, task);
    let args = [
        "merge",
        "--no-commit",
        "--no-ff",
        "--quiet",
        "-m",
        &message,
        &name,
    ];
    let git = worktree.git();
    let finished = git.finish(args)?;
    let merging = worktree.admin.join("MERGE_HEAD").exists();
    match merging {
        true => Ok(()),
        false => Err(git.failed(&args, &finished).into()),
    }
}

pub(super) fn message(context: &Context, task: TaskNumber) -> String {
    let named = context.plan.task(task);
    format!("Resolve {task} {}: {}", named.tag, named.title)
}

/// The file that says that the worktree may be used; in it is the tree as it was handed over.
fn marker_file(context: &Context, task: TaskNumber) -> PathBuf {
    let folder = context.repo.run_folder(context.run.as_str());
    folder.join("resolve").join(context.slug(task))
}

pub(super) fn handed_over(context: &Context, task: TaskNumber) -> Option<Oid> {
    let text = fs::read_to_string(marker_file(context, task)).ok()?;
    text.trim_end().parse().ok()
}

/// The worktree of an open conflict.
///
/// # Errors
/// When none is open, or the worktree is not there.
pub fn worktree(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Worktree, ResolveError> {
    let path = context.recorded_worktree(&open(state, task)?.worktree);
    let found = context.repo.find_worktree(&path);
    let found = found.filter(Worktree::is_there);
    let worktree = found.ok_or(ResolveError::Gone(path))?;
    worktree.verify().map_err(EngineError::from)?;
    Ok(worktree)
}

/// After the checks agreed: remembers what was done with the files in conflict, and removes the
/// worktree unless something would be lost. Gives what stays and why.
///
/// # Errors
/// When the store cannot be written.
pub fn finish(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<(PathBuf, String)>, ResolveError> {
    let resolving = open(state, task)?;
    let Some(by_hand) = &state.task(task).by_hand else {
        return Err(ResolveError::NotOpen(task));
    };
    let store = Store::open(&context.repo)?;
    let tree = store.tree_of(by_hand.candidate)?;
    remember_files(context, &store, task, &resolving.onto, tree)?;
    fault::point("resolve", "remembered");
    let path = context.recorded_worktree(&resolving.worktree);
    let worktree = context.repo.find_worktree(&path);
    if let Some(worktree) = worktree.filter(Worktree::is_there) {
        let now = store.harvest(&worktree, &[]).map_err(EngineError::from)?;
        if now.tree != tree {
            worktree.unlock();
            let why = "it has files that are not in the result".to_owned();
            return Ok(Some((path, why)));
        }
    }
    discard(context, state, task)?;
    Ok(None)
}

fn remember_files(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    onto: &Onto,
    tree: Oid,
) -> Result<(), ResolveError> {
    let units = pair_verdict(context, onto.commit, onto.candidate)?;
    let engine = MergeEngine::writing(&context.repo, context.base).map_err(EngineError::from)?;
    let answer = engine.merge(onto.commit, onto.candidate);
    let MergeAnswer::Done(result) = answer.map_err(EngineError::from)? else {
        return Ok(());
    };
    let units = units.into_iter().flat_map(|pair| pair.units);
    let met = units.filter(|unit| unit.class.is_conflict());
    let met = met.filter_map(|unit| meetings(&unit, &result)).flatten();
    let mut resolved: Vec<(Meeting, Oid)> = Vec::new();
    for meeting in met {
        // A file that was taken away or moved is no result for these files.
        if let Some(entry) = store.entry_at(tree, &meeting.path)?
            && entry.mode == meeting.mode
        {
            resolved.push((meeting, entry.oid));
        }
    }
    let about = format!(
        "Dispatch-Run: {}\nDispatch-Task: {} {}\n",
        context.run,
        task.0,
        context.plan.task(task).tag
    );
    Ok(remember(
        &context.repo,
        &resolved,
        &about,
        context.clock.now(),
    )?)
}

/// Before a conflict is given up: keeps what a person did in its worktree, and gives the reference.
///
/// # Errors
/// When it cannot be kept.
pub fn keep_work(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<String>, ResolveError> {
    let resolving = open(state, task)?;
    let path = context.recorded_worktree(&resolving.worktree);
    let worktree = context.repo.find_worktree(&path);
    let Some(worktree) = worktree.filter(Worktree::is_there) else {
        return Ok(None);
    };
    let Some(untouched) = handed_over(context, task) else {
        return Ok(None);
    };
    let store = Store::open(&context.repo)?;
    let now = store.harvest(&worktree, &[]).map_err(EngineError::from)?;
    let head = now.head;
    if now.tree == untouched && head == resolving.onto.commit {
        return Ok(None);
    }
    let attempt = state.task(task).deciding_attempt();
    let attempt = attempt.map_or(1, |attempt| attempt.number);
    let commit = store.write_commit(&NewCommit {
        tree: now.tree,
        parents: &[head, resolving.onto.candidate],
        message: &format!(
            "What was done about the conflict of {task}\n\n{}",
            context.trailers(task, attempt)
        ),
        time: context.clock.now(),
        by: By::User,
    })?;
    let name = format!(
        "refs/dispatch/attempts/{}/{}/by-hand",
        context.run,
        context.slug(task)
    );
    keep(&store, &name, commit)?;
    fault::point("resolve", "work kept");
    Ok(Some(name))
}

/// Removes the worktree of a conflict with all that is in it. The caller has made sure that nothing
/// is lost.
///
/// # Errors
/// When files cannot be removed.
pub fn discard(context: &Context, state: &RunState, task: TaskNumber) -> Result<(), ResolveError> {
    let path = context.recorded_worktree(&open(state, task)?.worktree);
    let file = marker_file(context, task);
    let was_begun = !file.exists();
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let failed = EngineError::File(file.display().to_string(), error);
            return Err(ResolveError::Engine(failed));
        }
        _ => {}
    }
    fault::point("resolve", "taken back");
    let removed = match context.repo.find_worktree(&path) {
        Some(worktree) => context.repo.remove_worktree(&worktree),
        // Without its entry nobody can tell what was done there, unless it was looked at before.
        None if was_begun => context.repo.remove_orphan(&path),
        None => Ok(()),
    };
    removed.map_err(EngineError::from)?;
    for folder in path.ancestors().skip(1).take(2) {
        // Only empty folders go.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Whether nobody has done anything in the worktree of an open conflict.
pub fn is_untouched(context: &Context, task: TaskNumber, worktree: &Worktree) -> bool {
    let store = Store::open(&context.repo);
    let now = store
        .ok()
        .and_then(|store| store.harvest(worktree, &[]).ok());
    now.is_some_and(|now| Some(now.tree) == handed_over(context, task))
}
