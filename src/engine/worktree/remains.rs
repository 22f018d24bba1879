//! Keeps the work that an attempt left, committed or not.

use crate::base::fault;
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::worktree::log_mark::mark_end;
use crate::engine::worktree::submodules::{keep_nested, keep_submodules, nested_repositories};
use crate::engine::worktree::work::{capture, head_of_work, without_set_up};
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::merge::change::Change;
use crate::merge::oid::Oid;
use crate::model::ids::{AttemptNumber, TaskNumber};

/// Keeps a commit reachable under this reference, or under the first free one with a suffix.
///
/// # Errors
/// When the store cannot be written.
pub fn keep(store: &Store, name: &str, commit: Oid) -> Result<(), StoreError> {
    for suffix in 0.. {
        let name = if suffix == 0 {
            name.to_owned()
        } else {
            format!("{name}-{suffix}")
        };
        match store.reference(&name)? {
            Some(found) if found == commit => return Ok(()),
            Some(_) => {}
            None => return store.move_reference(&name, Oid::ZERO, commit, "dispatch: kept"),
        }
    }
    Ok(())
}

/// Explains that a worker's commits are one now.
pub const LOST_COMMITS: &str = "its commits were removed by a `git gc --prune=now` that ran at the \
     same time; what is in its worktree was committed again";

/// The work that an attempt left, kept in git.
#[derive(Default)]
pub struct Remains {
    /// The commit with its files; `None` if it changed none.
    pub commit: Option<Oid>,
    /// Remarks on work that is elsewhere than in that commit.
    pub remarks: Vec<String>,
}

/// Keeps everything an attempt left, and moves its worktree to that commit.
///
/// # Errors
/// When the worktree cannot be read or the store cannot be written.
pub fn keep_remains(
    context: &Context,
    store: &Store,
    task: TaskNumber,
    attempt: AttemptNumber,
    base: Oid,
    worktree: &Worktree,
) -> Result<Remains, EngineError> {
    let lost = store.keep_commits(worktree, base)?.then_some(LOST_COMMITS);
    let captured = capture(context, store, worktree)?;
    let tree = without_set_up(store, worktree, captured.tree)?.tree;
    let mut tip = head_of_work(worktree, captured.head, base);
    if tip != captured.head {
        take_off_branch(store, worktree, captured.head, base)?;
    }
    if tree != store.tree_of(tip)? {
        let trailers = context.trailers(task, attempt);
        tip = store.write_commit(&NewCommit {
            tree,
            parents: &[tip],
            message: &format!("Uncommitted work of attempt {attempt} at {task}\n\n{trailers}"),
            time: context.clock.now(),
            by: By::Dispatch,
        })?;
    }
    let changes = store.changes(store.tree_of(base)?, tree)?;
    let mut remarks = keep_repositories(context, (task, attempt), worktree, &changes)?;
    remarks.extend(lost.map(str::to_owned));
    if tip == base {
        mark_end(&context.repo, worktree);
        worktree.unlock();
        return Ok(Remains {
            commit: None,
            remarks,
        });
    }
    keep(store, &context.attempt_ref(task, attempt), tip)?;
    fault::point("remains", "kept");
    store.settle(worktree, &Head::Detached(tip))?;
    mark_end(&context.repo, worktree);
    worktree.unlock();
    fault::point("remains", "unlocked");
    Ok(Remains {
        commit: Some(tip),
        remarks,
    })
}

/// Moves the branch of an attempt back to its base, from a commit that set-up made there.
fn take_off_branch(
    store: &Store,
    worktree: &Worktree,
    commit: Oid,
    base: Oid,
) -> Result<(), EngineError> {
    let Some(Head::Branch(branch)) = worktree.head() else {
        return Ok(());
    };
    store.settle(worktree, &Head::Detached(base))?;
    let why = "dispatch: without set-up";
    Ok(store.move_reference(&branch_ref(&branch), commit, base, why)?)
}

/// Keeps the commits in submodules and nested repositories. One that cannot be kept is a remark: its
/// worktree then stays, and the rest is kept anyway.
fn keep_repositories(
    context: &Context,
    of: (TaskNumber, AttemptNumber),
    worktree: &Worktree,
    changes: &[Change],
) -> Result<Vec<String>, EngineError> {
    let nested = nested_repositories(context, worktree, changes)?;
    let mut remarks = Vec::new();
    for kept in [
        keep_submodules(context, of, worktree, &[]),
        keep_nested(context, of, worktree, &nested),
    ] {
        match kept.map_err(EngineError::from) {
            Ok(found) => remarks.extend(found),
            Err(error) if is_full(&error) || error.is_killed_git() => return Err(error),
            Err(error) => remarks.push(error_chain(&error)),
        }
    }
    Ok(remarks)
}
