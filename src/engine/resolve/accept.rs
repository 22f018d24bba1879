//! Taking what a person made of a conflict; nothing in the worktree is touched.

use crate::conflicts::markers::marker_left;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::manual::{ResolveError, handed_over, message, open, worktree};
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::redispatch::Onto;
use crate::model::run::RunState;

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
