//! Inspects the worktree of an attempt for a possible candidate.

use crate::base::text::error_chain;
use crate::config::reaction::Reaction;
use crate::engine::EngineError;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::content::{embedded_repository, large_files};
use crate::engine::attempt::outward_links::outward_links;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::remains::LOST_COMMITS;
use crate::engine::worktree::submodules::keep_submodules;
use crate::engine::worktree::work::{self, without_set_up};
use crate::failure::evidence::Fact;
use crate::git::capture::{Capture, CaptureError};
use crate::git::{GitError, Store};
use crate::merge::change::{Change, RepoPath, paths_in_short};
use crate::merge::oid::Oid;
use crate::model::plan::Produces;
use crate::model::scope::{undeclared_paths, undeclared_sentence};

/// The words of git about a nested repository that has no commit yet.
const WITHOUT_COMMIT: &str = "' does not have a commit checked out";

/// The work that an attempt offers if its checks pass.
#[derive(Clone)]
pub(super) struct Offer {
    /// The worker's last commit.
    pub(super) head: Oid,
    /// The captured tree without what dispatch brought: the board, links, copies, set-up.
    pub(super) tree: Oid,
    pub(super) changed: bool,
    pub(super) remarks: Vec<String>,
    /// Remarks on work in submodules that the tree does not contain.
    pub(super) left_behind: Vec<String>,
    pub(super) outside: Vec<RepoPath>,
}

impl Offer {
    /// Inspects a worktree; a fact says why its content cannot be a candidate.
    ///
    /// # Errors
    /// When the store or git fails.
    pub(super) fn inspect(case: &Case, store: &Store) -> Result<Result<Offer, Fact>, EngineError> {
        let is_lost = store.keep_commits(&case.worktree, case.base)?;
        let capture = match capture(case, store)? {
            Ok(capture) => capture,
            Err(fact) => return Ok(Err(fact)),
        };
        let head = work::head_of_work(&case.worktree, capture.head, case.base);
        let base_tree = store.tree_of(case.base)?;
        let work = without_set_up(store, &case.worktree, capture.tree)?;
        let mut remarks = work.remarks;
        remarks.extend(is_lost.then(|| LOST_COMMITS.to_owned()));
        let (tree, dropped) = without_board(case, store, base_tree, work.tree)?;
        remarks.extend(dropped);
        let (tree, dropped) = without_links(case, store, base_tree, tree)?;
        remarks.extend(dropped);
        let changes = store.changes(base_tree, tree)?;
        remarks.extend(was_hidden(&capture.hidden, &changes));
        if let Some(path) = embedded_repository(store, tree, &changes)? {
            return Ok(Err(Fact::EmbeddedRepository(path)));
        }
        remarks.extend(large_files(store, &changes)?);
        remarks.extend(outward_links(store, &case.worktree.path, &changes)?);
        let left_behind = match in_submodules(case, &changes)? {
            Ok(found) => found,
            Err(fact) => return Ok(Err(fact)),
        };
        let outside = undeclared(case, &changes);
        if let Some(fact) = refusal(case, &changes, &outside) {
            return Ok(Err(fact));
        }
        if !outside.is_empty() {
            remarks.push(undeclared_sentence(&outside));
        }
        Ok(Ok(Offer {
            head,
            tree,
            changed: !changes.is_empty(),
            remarks,
            left_behind,
            outside,
        }))
    }
}

/// Captures a worktree that has no unfinished operation and still contains its base.
fn capture(case: &Case, store: &Store) -> Result<Result<Capture, Fact>, EngineError> {
    let capture = match work::capture(&case.execution.context, store, &case.worktree) {
        Err(CaptureError::Git(GitError::Failed { message, .. }))
            if message.contains(WITHOUT_COMMIT) =>
        {
            return Ok(Err(Fact::EmbeddedRepository(repository_named_in(&message))));
        }
        other => other?,
    };
    if capture.unfinished.is_some() {
        return Ok(Err(Fact::UnfinishedMerge));
    }
    if !store.is_ancestor(case.base, capture.head)? {
        return Ok(Err(Fact::BaseLost));
    }
    Ok(Ok(capture))
}

/// Returns a remark on changes that a flag of the index hid from git.
fn was_hidden(hidden: &[RepoPath], changes: &[Change]) -> Option<String> {
    let is_hidden = |path: &&RepoPath| hidden.contains(path);
    let paths = changes.iter().map(|change| &change.path);
    let paths: Vec<RepoPath> = paths.filter(is_hidden).cloned().collect();
    let its = match paths.len() {
        0 => return None,
        1 => "its change is",
        _ => "their changes are",
    };
    let was = if paths.len() == 1 { "was" } else { "were" };
    let paths = paths_in_short(&paths);
    Some(format!(
        "{paths} {was} hidden from git by a flag of the index (`git update-index`); {its} in the result"
    ))
}

/// Returns the path that git names in `error: 'vendor/x/' does not have a commit checked out`.
fn repository_named_in(message: &str) -> String {
    let before = message.split(WITHOUT_COMMIT).next().unwrap_or_default();
    let path = before.rsplit('\'').next().unwrap_or_default();
    path.trim_end_matches('/').to_owned()
}

/// Keeps the commits of submodules, which would go with the worktree while the candidate names them.
/// A fact names the commit that could not be kept.
fn in_submodules(
    case: &Case,
    changes: &[Change],
) -> Result<Result<Vec<String>, Fact>, EngineError> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let kept = keep_submodules(context, (spec.task, spec.attempt), &case.worktree, changes);
    match kept.map_err(EngineError::from) {
        Ok(remarks) => Ok(Ok(remarks)),
        // The cause is temporary, so the attempt is judged again.
        Err(error) if is_full(&error) || error.is_killed_git() => Err(error),
        Err(error) => Ok(Err(Fact::SubmoduleNotKept(error_chain(&error)))),
    }
}

/// Returns the reason why changes cannot be a candidate.
fn refusal(case: &Case, changes: &[Change], outside: &[RepoPath]) -> Option<Fact> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let fields = &context.plan.task(spec.task).fields;
    let may_be_empty = fields.produces == Produces::Info || fields.allow_empty;
    if changes.is_empty() && !may_be_empty {
        return Some(Fact::NoChange);
    }
    let is_forbidden = context.settings.conflicts.scope == Reaction::Fail;
    (is_forbidden && !outside.is_empty()).then(|| Fact::OutsideFiles(outside.to_vec()))
}

/// Returns the changed paths that the task did not declare.
fn undeclared(case: &Case, changes: &[Change]) -> Vec<RepoPath> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    if context.settings.conflicts.scope == Reaction::Ignore {
        return Vec::new();
    }
    let files = &context.plan.task(spec.task).fields.files;
    undeclared_paths(files, changes.iter().map(|change| &change.path))
}

/// Drops a change of the board, which only dispatch writes, so that candidates cannot conflict on it.
fn without_board(
    case: &Case,
    store: &Store,
    base_tree: Oid,
    tree: Oid,
) -> Result<(Oid, Vec<String>), EngineError> {
    let file = &case.execution.context.settings.board.file;
    let before = store.entry(base_tree, file)?;
    if store.entry(tree, file)? == before {
        return Ok((tree, Vec::new()));
    }
    let remark = format!("its change of {file} was dropped: only dispatch writes the board");
    Ok((store.tree_with(tree, file, before)?, vec![remark]))
}

/// Drops the links that dispatch made, also where the worker has committed them.
fn without_links(
    case: &Case,
    store: &Store,
    base_tree: Oid,
    mut tree: Oid,
) -> Result<(Oid, Vec<String>), EngineError> {
    let mut remarks = Vec::new();
    for path in links_in(&case.execution.context, &case.worktree.path) {
        let before = store.entry(base_tree, &path)?;
        if store.entry(tree, &path)? != before {
            tree = store.tree_with(tree, &path, before)?;
            remarks.push(format!(
                "its change of {path} was dropped: it is a link that dispatch made"
            ));
        }
    }
    Ok((tree, remarks))
}
