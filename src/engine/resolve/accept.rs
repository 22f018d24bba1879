//! Accepts the user's resolution of a conflict, without touching the worktree.

use std::collections::BTreeMap;

use crate::conflicts::markers::marker_left;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::conflict_worktree::{
    changed_paths, find, initial_tree, is_merging, merge_message, nested_references, open_conflict,
    unmerged_paths,
};
use crate::engine::resolve::error::ResolveError;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::engine::worktree::work::{capture, without_set_up};
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::worktree::Worktree;
use crate::merge::change::{Change, ChangeStat, Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::model::assembly_conflict::AssemblyConflict;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

/// Accepts the resolution of an open conflict as a commit with both sides as parents.
///
/// # Errors
/// When it is incomplete; nothing has changed then.
pub fn accept(
    context: &Context,
    state: &RunState,
    task: TaskNumber,
) -> Result<(Oid, ChangeStat), ResolveError> {
    let resolving = open_conflict(state, task)?;
    if let Some(of) = state.outdated_by(task) {
        return Err(ResolveError::MovedOn { task, of });
    }
    if initial_tree(context, task).is_none() {
        let path = context.recorded_worktree(&resolving.worktree);
        return Err(ResolveError::WorktreeMissing(path));
    }
    let worktree = find(context, state, task)?;
    refuse_any(unmerged_paths(&worktree)?, ResolveError::Unmerged)?;
    let store = Store::open(&context.repo)?;
    refuse_any(
        not_added(context, &store, &worktree)?,
        ResolveError::NotAdded,
    )?;
    let carried = context
        .repo
        .carry_all(&worktree, &nested_references(context, task));
    carried.map_err(EngineError::from)?;
    let staged = oid(worktree.git().line(&["write-tree"])?)?;
    let committed = committed(&store, &worktree, &resolving.conflict, staged)?;
    let tree = without_set_up(&store, &worktree, staged)?.tree;
    refuse_links(context, &store, &worktree, &resolving.conflict, tree)?;
    refuse_markers(&store, &resolving.conflict, tree)?;
    let stat = store.stat(store.tree_of(resolving.conflict.chain_tip)?, tree)?;
    if let Some(commit) = committed.filter(|_| tree == staged) {
        return Ok((commit, stat));
    }
    // Accepted before, but not assembled yet: this returns the same commit again.
    if let Some(by_hand) = &state.task(task).manual_resolution
        && store.tree_of(by_hand.candidate)? == tree
    {
        return Ok((by_hand.candidate, stat));
    }
    let parents = [resolving.conflict.chain_tip, resolving.conflict.candidate];
    if let Some(commit) = committed {
        // It has what set-up wrote, so it is made again without that.
        let original = store.original(commit)?;
        let again = store.write_again(&original, tree, &parents, context.clock.now())?;
        return Ok((again, stat));
    }
    let attempt = state.task(task).deciding_attempt();
    let attempt = attempt.map_or(1, |attempt| attempt.number);
    let (message, trailers) = (
        merge_message(context, task),
        context.trailers(task, attempt),
    );
    let commit = store.write_commit(&NewCommit {
        tree,
        parents: &parents,
        message: &format!("{message}\n\n{trailers}"),
        time: context.clock.now(),
        by: By::User,
    })?;
    Ok((commit, stat))
}

/// Lists the paths with changes that are not in the index, but those that are as set-up left them.
fn not_added(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
) -> Result<Vec<RepoPath>, ResolveError> {
    let mut paths = changed_paths(worktree, &[])?;
    let start = StartingTree::read(worktree).filter(|start| !start.is_as_base());
    let Some(start) = start.filter(|_| !paths.is_empty()) else {
        return Ok(paths);
    };
    let now = capture(context, store, worktree).map_err(EngineError::from)?;
    let of_set_up: BTreeMap<&RepoPath, Option<Entry>> =
        start.changes().map(|(path, _, new)| (path, new)).collect();
    let mut left = Vec::new();
    for path in paths.drain(..) {
        let is_as_set_up = match of_set_up.get(&path) {
            Some(new) => store.entry_at(now.tree, &path)? == *new,
            None => false,
        };
        if !is_as_set_up {
            left.push(path);
        }
    }
    Ok(left)
}

/// Refuses a tree with the links that dispatch made in the worktree: landing them would replace what
/// they lead to.
fn refuse_links(
    context: &Context,
    store: &Store,
    worktree: &Worktree,
    conflict: &AssemblyConflict,
    tree: Oid,
) -> Result<(), ResolveError> {
    let before = store.tree_of(conflict.chain_tip)?;
    let mut added = Vec::new();
    for path in links_in(context, &worktree.path) {
        let path = RepoPath::from(path.as_str());
        if store.entry_at(tree, &path)?.is_some() && store.entry_at(before, &path)?.is_none() {
            added.push(path);
        }
    }
    let worktree = worktree.path.clone();
    refuse_any(added, |paths| ResolveError::LinkAdded { worktree, paths })
}

fn refuse_any(
    paths: Vec<RepoPath>,
    why: impl FnOnce(Vec<RepoPath>) -> ResolveError,
) -> Result<(), ResolveError> {
    if paths.is_empty() {
        Ok(())
    } else {
        Err(why(paths))
    }
}

fn oid(line: String) -> Result<Oid, EngineError> {
    line.parse().map_err(|_| EngineError::Broken(line))
}

/// Returns the user's own commit of the merge; `None` while the merge is in progress.
fn committed(
    store: &Store,
    worktree: &Worktree,
    conflict: &AssemblyConflict,
    tree: Oid,
) -> Result<Option<Oid>, ResolveError> {
    let head = oid(worktree.git().line(&["rev-parse", "--verify", "HEAD"])?)?;
    if is_merging(worktree) && head == conflict.chain_tip {
        return Ok(None);
    }
    let has_both = store.is_ancestor(conflict.chain_tip, head)?
        && store.is_ancestor(conflict.candidate, head)?;
    if is_merging(worktree) || !has_both || store.tree_of(head)? != tree {
        return Err(ResolveError::MergeAborted(worktree.path.clone()));
    }
    Ok(Some(head))
}

/// Refuses a file that has a conflict marker which neither side has.
fn refuse_markers(
    store: &Store,
    conflict: &AssemblyConflict,
    tree: Oid,
) -> Result<(), ResolveError> {
    let (ours, theirs) = (
        store.tree_of(conflict.chain_tip)?,
        store.tree_of(conflict.candidate)?,
    );
    for change in store.changes(ours, tree)? {
        if let Some(marker) = new_marker(store, theirs, &change)? {
            let path = change.path;
            return Err(ResolveError::Marker { path, marker });
        }
    }
    Ok(())
}

fn new_marker(store: &Store, theirs: Oid, change: &Change) -> Result<Option<String>, ResolveError> {
    let is_file = |entry: &Entry| entry.mode & 0o170_000 == 0o100_000;
    let Some(new) = change.new.filter(is_file) else {
        return Ok(None);
    };
    let sides = [change.old, store.entry_at(theirs, &change.path)?];
    let sides = sides.into_iter().flatten().filter(is_file);
    let sides: Result<Vec<Vec<u8>>, _> = sides.map(|side| store.blob(side.oid)).collect();
    let sides = sides?;
    let sides: Vec<&[u8]> = sides.iter().map(Vec::as_slice).collect();
    Ok(marker_left(&store.blob(new.oid)?, &sides))
}
