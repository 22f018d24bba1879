//! Keeps commits that were made by hand on a task, before an attempt starts without them.
//!
//! They are on its branch, which moves away from them, or on no branch in the worktree of an earlier
//! attempt. Each attempt names them until a result contains them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::text::plural;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::remains::keep;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{Store, StoreError};
use crate::merge::answer::Lineage;
use crate::merge::oid::Oid;
use crate::report::suggest;

/// The file in an attempt's folder.
const FILE: &str = "hand-made-commits";

/// Commits on a task that no attempt at it left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct HandMade {
    /// The last of them.
    tip: Oid,
    /// The name of a reference that keeps them, or its beginning.
    reference: String,
    /// Their number and their place, in words.
    words: String,
    /// The command with which git takes them.
    command: String,
}

/// Keeps the commits of a task that no attempt at it left, and records them for its remarks.
///
/// # Errors
/// When the store cannot be read or written, or the record cannot be written.
pub fn keep_hand_made(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
) -> Result<(), EngineError> {
    let earlier = spec.before.unwrap_or(spec.attempt - 1);
    let mut all = match earlier {
        0 => return Ok(()),
        earlier => read(&context.attempt_folder(spec.task, earlier)),
    };
    let reference = context.attempt_ref(spec.task, earlier);
    for (tip, place) in tips(context, store, spec)? {
        if all.iter().any(|one| one.tip == tip) {
            continue;
        }
        if let Some((since, above)) = above_known(store, tip, &spec.known)? {
            keep(store, &reference, tip)?;
            all.push(HandMade {
                tip,
                reference: reference.clone(),
                words: format!("{} {place}", plural(above.len(), "commit")),
                command: suggest::apply_commits(&above, since, tip),
            });
        }
    }
    all.retain(|one| !is_in_any(store, one.tip, &spec.known));
    if all.is_empty() {
        return Ok(());
    }
    let folder = context.attempt_folder(spec.task, spec.attempt);
    let failed = |error| EngineError::File(folder.display().to_string(), error);
    let text = serde_json::to_vec(&all).map_err(|error| EngineError::Broken(error.to_string()))?;
    fs::create_dir_all(&folder).map_err(failed)?;
    files::replace(&folder.join(FILE), &text).map_err(failed)
}

/// Returns a remark on the commits that [`keep_hand_made`] recorded and that the result of the attempt
/// does not contain.
pub fn remarks_on_hand_made(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
    result: Option<Oid>,
) -> Vec<String> {
    let results: Vec<Oid> = result.into_iter().collect();
    let recorded = read(&context.attempt_folder(spec.task, spec.attempt)).into_iter();
    let missing = recorded.filter(|one| !is_in_any(store, one.tip, &results));
    missing.map(|one| one.remark()).collect()
}

impl HandMade {
    fn remark(&self) -> String {
        let HandMade {
            tip,
            reference,
            words,
            command,
        } = self;
        format!(
            "its result does not contain {words} (up to {}), kept below {reference}: `git {command}`",
            tip.short()
        )
    }
}

/// Returns the tip of the branch and the commits at which the worktrees of earlier attempts are, each
/// with its place in words.
fn tips(
    context: &Context,
    store: &Store,
    spec: &AttemptSpec,
) -> Result<Vec<(Oid, String)>, StoreError> {
    let branch = context.attempt_branch(spec.of());
    let tip = store.reference(&branch_ref(&branch))?;
    let on_branch = tip.map(|tip| (tip, format!("made on its branch {branch}")));
    let mut tips: Vec<(Oid, String)> = on_branch.into_iter().collect();
    let numbers = 1..spec.attempt;
    let places = numbers.map(|number| context.worktree_path(spec.task, number));
    // A worktree that is gone is not searched for among those of all tasks.
    for path in places.filter(|path| path.join(".git").exists()) {
        // A locked one is that of another variant, whose worker runs.
        let worktree = context.repo.find_worktree(&path);
        let worktree = worktree.filter(|found| found.lock_reason().is_none());
        if let Some(Head::Detached(head)) = worktree.as_ref().and_then(Worktree::head)
            && !head.is_zero()
        {
            tips.push((head, format!("made on no branch in {}", path.display())));
        }
    }
    Ok(tips)
}

/// Returns the commits that lead to a tip from the nearest known one; `None` if a known one contains
/// it.
fn above_known(
    store: &Store,
    tip: Oid,
    known: &[Oid],
) -> Result<Option<(Oid, Vec<Lineage>)>, StoreError> {
    let mut nearest: Option<(Oid, Vec<Lineage>)> = None;
    for since in known {
        let above = store.commits_above(tip, Some(*since))?;
        if above.is_empty() {
            return Ok(None);
        }
        if nearest
            .as_ref()
            .is_none_or(|(_, best)| above.len() < best.len())
        {
            nearest = Some((*since, above));
        }
    }
    Ok(nearest)
}

fn is_in_any(store: &Store, commit: Oid, known: &[Oid]) -> bool {
    let mut known = known.iter();
    // A commit that cannot be read is named once too often.
    known.any(|known| store.is_ancestor(commit, *known).unwrap_or(false))
}

fn read(attempt_folder: &Path) -> Vec<HandMade> {
    let text = regular_file::read(&attempt_folder.join(FILE), RECORD_LIMIT);
    let all = text
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    all.unwrap_or_default()
}
