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
use crate::conflict::markers::marker_left;
use crate::engine::EngineError;
use crate::engine::context::Context;
use crate::engine::ladder::meetings;
use crate::engine::ladder::memory::{Meeting, remember};
use crate::engine::matches::pair_verdict;
use crate::engine::worktree::keep;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_tree::{MergeAnswer, MergeEngine};
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{GitError, Store, StoreError};
use crate::model::again::Onto;
use crate::model::by_hand::Resolving;
use crate::model::change::RepoPath;
use crate::model::ids::{Oid, TaskNumber};
use crate::model::integration::LeftOutReason;
use crate::model::run::{RunState, TaskPhase};
use crate::model::words::and_list;

/// Why a conflict cannot be settled by hand, or what a person made of it cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// It is in, or there is nothing of it.
    #[error("{task} was not left out because of a conflict: {why}")]
    NoConflict {
        /// The task.
        task: TaskNumber,
        /// What it is.
        why: String,
    },
    /// It goes in with another one.
    #[error("{task} was left out because it was built on {on}")]
    BuiltOn {
        /// The task.
        task: TaskNumber,
        /// That one.
        on: TaskNumber,
    },
    /// It waits for others that conflict.
    #[error("{task} waits for {}, which conflict", and_list(.between))]
    Waits {
        /// The task.
        task: TaskNumber,
        /// Those.
        between: Vec<TaskNumber>,
    },
    /// What was assembled is not what is offered now.
    #[error("what was assembled is no longer what the tasks offer")]
    Stale,
    /// Nothing is open.
    #[error("no conflict of {0} is open")]
    NotOpen(TaskNumber),
    /// The run went on.
    #[error("{of} has another result than when the conflict of {task} was opened")]
    MovedOn {
        /// The task.
        task: TaskNumber,
        /// Whose result is another one.
        of: TaskNumber,
    },
    /// The worktree is not there.
    #[error("the worktree {} is gone", .0.display())]
    Gone(PathBuf),
    /// Paths are still in conflict.
    #[error("still in conflict: {}", list(.0))]
    Unmerged(Vec<RepoPath>),
    /// Changes that would not be taken.
    #[error("changed and not added: {}", list(.0))]
    NotAdded(Vec<RepoPath>),
    /// A marker was left.
    #[error("{path} has a conflict marker, `{marker}`")]
    Marker {
        /// The file.
        path: RepoPath,
        /// The line.
        marker: String,
    },
    /// Neither the merge nor a commit of it is there.
    #[error("{} is no longer in the middle of the merge, and has no commit of it", .0.display())]
    NoMerge(PathBuf),
    /// Anything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn list(paths: &[RepoPath]) -> String {
    let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> ResolveError {
        ResolveError::Engine(error.into())
    }
}

impl From<GitError> for ResolveError {
    fn from(error: GitError) -> ResolveError {
        ResolveError::Engine(error.into())
    }
}

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
        Some(LeftOutReason::FailedChecks { command, .. }) => {
            return Err(no_conflict(&format!("it fails `{command}`")));
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

fn open(state: &RunState, task: TaskNumber) -> Result<&Resolving, ResolveError> {
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

fn message(context: &Context, task: TaskNumber) -> String {
    let named = context.plan.task(task);
    format!("Resolve {task} {}: {}", named.tag, named.title)
}

/// The file that says that the worktree may be used; in it is the tree as it was handed over.
fn marker_file(context: &Context, task: TaskNumber) -> PathBuf {
    let folder = context.repo.run_folder(context.run.as_str());
    folder.join("resolve").join(context.slug(task))
}

fn handed_over(context: &Context, task: TaskNumber) -> Option<Oid> {
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

/// Takes what a person made of an open conflict, as a commit with both sides as parents.
///
/// # Errors
/// Why it cannot be taken; nothing has changed then.
pub fn take(context: &Context, state: &RunState, task: TaskNumber) -> Result<Oid, ResolveError> {
    let onto = &open(state, task)?.onto;
    if let Some(of) = state.moved_on(task) {
        return Err(ResolveError::MovedOn { task, of });
    }
    if handed_over(context, task).is_none() {
        let path = context.recorded_worktree(&open(state, task)?.worktree);
        return Err(ResolveError::Gone(path));
    }
    let worktree = worktree(context, state, task)?;
    let git = worktree.git();
    refuse(
        paths(&git.run(&["diff", "--name-only", "--diff-filter=U", "-z"])?),
        ResolveError::Unmerged,
    )?;
    refuse(
        paths(&git.run(&["diff", "--name-only", "-z"])?),
        ResolveError::NotAdded,
    )?;
    let store = Store::open(&context.repo)?;
    let head = git.line(&["rev-parse", "--verify", "HEAD"])?;
    let head: Oid = head.parse().map_err(|_| EngineError::Broken(head))?;
    let is_merging = worktree.admin.join("MERGE_HEAD").exists();
    let tree = git.line(&["write-tree"])?;
    let tree: Oid = tree.parse().map_err(|_| EngineError::Broken(tree))?;
    let has_both =
        store.is_ancestor(onto.commit, head)? && store.is_ancestor(onto.candidate, head)?;
    let is_committed = !is_merging && has_both && store.tree_of(head)? == tree;
    let is_in_the_middle = is_merging && head == onto.commit;
    if !is_committed && !is_in_the_middle {
        return Err(ResolveError::NoMerge(worktree.path));
    }
    refuse_markers(&store, onto, tree)?;
    if is_committed {
        return Ok(head);
    }
    // Taken before and not settled yet: the same again.
    if let Some(by_hand) = &state.task(task).by_hand
        && store.tree_of(by_hand.candidate)? == tree
    {
        return Ok(by_hand.candidate);
    }
    let attempt = state.task(task).deciding_attempt();
    let attempt = attempt.map_or(1, |attempt| attempt.number);
    let trailers = context.trailers(task, attempt);
    Ok(store.write_commit(&NewCommit {
        tree,
        parents: &[onto.commit, onto.candidate],
        message: &format!("{}\n\n{trailers}", message(context, task)),
        time: context.clock.now(),
        by: By::User,
    })?)
}

fn paths(output: &[u8]) -> Vec<RepoPath> {
    let names = output
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let mut paths: Vec<RepoPath> = names.map(RepoPath::new).collect();
    // A path in conflict is listed once for every side.
    paths.dedup();
    paths
}

fn refuse(
    paths: Vec<RepoPath>,
    why: impl Fn(Vec<RepoPath>) -> ResolveError,
) -> Result<(), ResolveError> {
    match paths.is_empty() {
        true => Ok(()),
        false => Err(why(paths)),
    }
}

/// No file that differs from both sides may have a marker that neither has.
fn refuse_markers(store: &Store, onto: &Onto, tree: Oid) -> Result<(), ResolveError> {
    let (ours, theirs) = (store.tree_of(onto.commit)?, store.tree_of(onto.candidate)?);
    for change in store.changes(ours, tree)? {
        let is_file = |mode: u32| mode & 0o170_000 == 0o100_000;
        let Some(new) = change.new.filter(|new| is_file(new.mode)) else {
            continue;
        };
        let sides = [change.old, store.entry_at(theirs, &change.path)?];
        let sides = sides
            .into_iter()
            .flatten()
            .filter(|side| is_file(side.mode));
        let sides: Result<Vec<Vec<u8>>, _> = sides.map(|side| store.blob(side.oid)).collect();
        let sides = sides?;
        let sides: Vec<&[u8]> = sides.iter().map(Vec::as_slice).collect();
        if let Some(marker) = marker_left(&store.blob(new.oid)?, &sides) {
            let path = change.path;
            return Err(ResolveError::Marker { path, marker });
        }
    }
    Ok(())
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
pub(super) fn is_untouched(context: &Context, task: TaskNumber, worktree: &Worktree) -> bool {
    let store = Store::open(&context.repo);
    let now = store
        .ok()
        .and_then(|store| store.harvest(worktree, &[]).ok());
    now.is_some_and(|now| Some(now.tree) == handed_over(context, task))
}
