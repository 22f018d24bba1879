//! Manages the worktree in which the user resolves a conflict, as `git merge` leaves it.
//!
//! Opening a conflict is announced in the journal, then the worktree is made, then a file beside the
//! logs says that it is ready. Without that file the user has not worked in it, and it is made again.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use crate::base::regular_file;
use crate::base::{fault, files};
use crate::engine::EngineError;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::interruptible::run_interruptible;
use crate::engine::resolve::error::ResolveError;
use crate::engine::worktree::bring_back::bring_back;
use crate::engine::worktree::log_mark::mark_end;
use crate::engine::worktree::losses::Losses;
use crate::engine::worktree::populate::{EarlierUse, Population};
use crate::engine::worktree::purpose::Purpose;
use crate::engine::worktree::remove::{lock_by_user, remove_inner, tear_down_if_possible};
use crate::engine::worktree::unsaved_repositories::unsaved_in_submodules;
use crate::engine::worktree::work::capture;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::OpenResolution;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

/// The worktree of an open conflict.
pub struct ConflictWorktree {
    /// The worktree.
    pub worktree: Worktree,
    /// The failure of its set-up, if it was made just now.
    pub not_set_up: Option<String>,
}

/// Creates the worktree of a conflict that the journal says is open, unless it exists.
///
/// # Errors
/// When it cannot be created, or was removed after it was ready.
pub fn create(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<ConflictWorktree, ResolveError> {
    let resolving = open_conflict(state, task)?;
    let path = context.recorded_worktree(&resolving.worktree);
    let is_ready = initial_tree(context, task).is_some();
    match context.repo.find_worktree(&path) {
        Some(worktree) if is_ready && worktree.exists() => {
            return Ok(ConflictWorktree {
                worktree,
                not_set_up: None,
            });
        }
        None if is_ready => return Err(ResolveError::WorktreeMissing(path)),
        Some(worktree) if is_ready => return Err(ResolveError::WorktreeMissing(worktree.path)),
        Some(unfinished) => context.repo.remove_worktree(&unfinished),
        None => context.repo.remove_orphan(&path),
    }
    .map_err(EngineError::from)?;
    let reason = format!("dispatch {}/resolve", context.run);
    let head = Head::Detached(resolving.conflict.chain_tip);
    let worktree = context.repo.add_worktree(&path, &head, &reason);
    let worktree = worktree.map_err(EngineError::from)?;
    fault::point("resolve", "worktree made");
    let not_set_up = populate(context, task, &worktree, resolving.conflict.chain_tip)?;
    merge(context, task, &worktree, resolving.conflict.candidate)?;
    fault::point("resolve", "merged");
    bring_back(context, &worktree)?;
    mark_end(&context.repo, &worktree);
    mark_ready(context, task, &worktree)?;
    fault::point("resolve", "ready");
    Ok(ConflictWorktree {
        worktree,
        not_set_up,
    })
}

/// Populates the worktree before the merge, whose conflicts could break a set-up. Returns what failed; the
/// conflict can be resolved anyway.
fn populate(
    context: &Context,
    task: TaskNumber,
    worktree: &Worktree,
    tip: Oid,
) -> Result<Option<String>, ResolveError> {
    let shared = Arc::new(context.on(context.base));
    let name = format!("resolve.{}", context.slug(task));
    let tree = context.repo.with_store(|store| store.tree_of(tip))?;
    let cancel = &CancelHandle::default();
    let failed = run_interruptible(cancel, async {
        let population = Population {
            context: &shared,
            purpose: Purpose::Other(&name),
            worktree,
            tree,
            cancel,
            earlier: EarlierUse::None,
        };
        match population.populate_for_merge(tip).await? {
            _ if cancel.is_cancelled() => Err(ResolveError::Stopped),
            failed => Ok(failed),
        }
    })??;
    Ok(failed.map(|failed| failed.message))
}

/// Merges as the user would, without hooks; markers, stages and `MERGE_HEAD` are git's own.
fn merge(
    context: &Context,
    task: TaskNumber,
    worktree: &Worktree,
    candidate: Oid,
) -> Result<(), ResolveError> {
    let branch = context.branch(task);
    let tip = Store::open(&context.repo)?.reference(&branch_ref(&branch))?;
    let name = match tip {
        Some(tip) if tip == candidate => branch,
        _ => candidate.to_string(),
    };
    let message = merge_message(context, task);
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
    if !is_merging(worktree) {
        return Err(git.failed(&args, &finished).into());
    }
    Ok(())
}

/// Returns `true` if a merge is in progress.
pub(super) fn is_merging(worktree: &Worktree) -> bool {
    worktree.admin.join("MERGE_HEAD").exists()
}

/// Returns the message of the merge commit.
pub(super) fn merge_message(context: &Context, task: TaskNumber) -> String {
    let named = context.plan.task(task);
    format!("Resolve {task} {}: {}", named.tag, named.title)
}

fn mark_ready(
    context: &Context,
    task: TaskNumber,
    worktree: &Worktree,
) -> Result<(), ResolveError> {
    let store = Store::open(&context.repo)?;
    let harvest = capture(context, &store, worktree).map_err(EngineError::from)?;
    let file = ready_file(context, task);
    let text = format!("{}\n", harvest.tree);
    let written = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = written.and_then(|()| files::replace(&file, text.as_bytes()));
    let failed = |error| EngineError::File(file.display().to_string(), error);
    Ok(written.map_err(failed)?)
}

/// Returns the file that marks the worktree as ready; it holds the tree of the untouched worktree.
fn ready_file(context: &Context, task: TaskNumber) -> PathBuf {
    let folder = context.repo.run_folder(context.run.as_str());
    folder.join("resolve").join(context.slug(task))
}

/// Returns the tree of the untouched worktree; `None` until it is ready.
pub(super) fn initial_tree(context: &Context, task: TaskNumber) -> Option<Oid> {
    let text = regular_file::read_line(&ready_file(context, task)).ok()?;
    text.trim_end().parse().ok()
}

/// Returns the open conflict of a task.
pub(super) fn open_conflict(
    state: &RunState,
    task: TaskNumber,
) -> Result<&OpenResolution, ResolveError> {
    let resolving = state.task(task).open_resolution.as_ref();
    resolving.ok_or(ResolveError::NotOpen(task))
}

/// Finds the worktree of an open conflict.
///
/// # Errors
/// When no conflict is open, or its worktree is missing.
pub fn find(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Worktree, ResolveError> {
    let path = context.recorded_worktree(&open_conflict(state, task)?.worktree);
    let found = context.repo.find_worktree(&path);
    let found = found.filter(Worktree::exists);
    let worktree = found.ok_or(ResolveError::WorktreeMissing(path))?;
    worktree.verify().map_err(EngineError::from)?;
    Ok(worktree)
}

/// Lists the paths that are still in conflict in a worktree, each once.
///
/// # Errors
/// When git fails.
pub fn unmerged_paths(worktree: &Worktree) -> Result<Vec<RepoPath>, ResolveError> {
    changed_paths(worktree, &["--diff-filter=U"])
}

/// Lists the paths of `git diff --name-only` with these options, each once.
pub(super) fn changed_paths(
    worktree: &Worktree,
    options: &[&str],
) -> Result<Vec<RepoPath>, ResolveError> {
    let args = [&["diff", "--name-only", "-z"], options].concat();
    let output = worktree.git().run(&args)?;
    let names = output.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    let mut paths: Vec<RepoPath> = names.map(RepoPath::new).collect();
    // git lists a path in conflict once for every side.
    paths.dedup();
    Ok(paths)
}

/// Returns `true` if the worktree of an open conflict is unchanged.
pub fn is_untouched(context: &Context, task: TaskNumber, worktree: &Worktree) -> bool {
    let store = Store::open(&context.repo);
    let harvest = store.map(|store| capture(context, &store, worktree).ok());
    let harvest = harvest.ok().flatten();
    harvest.is_some_and(|now| Some(now.tree) == initial_tree(context, task))
}

/// Removes the worktree of a conflict. The caller has saved the changes in it; ignored files and commits that
/// were left there are kept as [`Losses`] does, and named in the result.
///
/// # Errors
/// When it has work that cannot be kept elsewhere, or files cannot be removed.
pub fn remove(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<Option<String>, ResolveError> {
    let path = context.recorded_worktree(&open_conflict(state, task)?.worktree);
    let worktree = context.repo.find_worktree(&path);
    let file = ready_file(context, task);
    let was_unfinished = !file.exists();
    let mut losses = None;
    // The user has not worked in one that was never ready.
    let in_use = worktree.as_ref().filter(|found| found.exists());
    if let Some(found) = in_use.filter(|_| !was_unfinished) {
        if let Some(why) = reason_to_stay(context, task, found)? {
            let place = found.path.display();
            return Err(EngineError::Refused(format!("the worktree {place} {why}")).into());
        }
        let found_losses = Losses::of_conflict(context, found)?;
        found_losses.keep(context, found)?;
        losses = found_losses.words();
    }
    fault::point("resolve", "losses kept");
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let failed = EngineError::File(file.display().to_string(), error);
            return Err(ResolveError::Engine(failed));
        }
        _ => {}
    }
    fault::point("resolve", "no longer ready");
    let removed = match worktree {
        Some(worktree) => {
            tear_down_if_possible(context, &worktree);
            remove_inner(context, &worktree, &context.repo.worktrees())?;
            context.repo.remove_worktree(&worktree)
        }
        // A folder without its entry may hold work, unless it was never ready.
        None if was_unfinished => context.repo.remove_orphan(&path),
        None => Ok(()),
    };
    removed.map_err(EngineError::from)?;
    for folder in path.ancestors().skip(1).take(2) {
        // Only empty folders are removed.
        let _ = fs::remove_dir(folder);
    }
    Ok(losses.map(|losses| format!("removed {} with {losses}", path.display())))
}

/// Describes the work in a worktree that no reference of this repository can keep: changes in submodules and
/// nested repositories. Keeps the commits in submodules.
///
/// # Errors
/// When a commit cannot be kept, or git cannot read the worktree.
pub(super) fn reason_to_stay(
    context: &Context,
    task: TaskNumber,
    worktree: &Worktree,
) -> Result<Option<String>, ResolveError> {
    if let Some(locked) = lock_by_user(worktree) {
        return Ok(Some(locked));
    }
    let references = nested_references(context, task);
    let carried = context.repo.carry_all(worktree, &references);
    carried.map_err(EngineError::from)?;
    let head = match worktree.head() {
        Some(Head::Detached(head)) => Some(head).filter(|head| !head.is_zero()),
        _ => None,
    };
    let find = |store: &Store| unsaved_in_submodules(context, store, worktree, head);
    Ok(context.repo.with_store(find)?)
}

/// Returns the beginning of the names of references that keep commits in submodules of the worktree.
pub(super) fn nested_references(context: &Context, task: TaskNumber) -> String {
    let (run, slug) = (&context.run, context.slug(task));
    format!("refs/dispatch/attempts/{run}/{slug}/by-hand.nested")
}
