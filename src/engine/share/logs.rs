//! Stores the logs of a run as a commit, so that they can be pushed.

use std::collections::BTreeMap;

use crate::engine::EngineError;
use crate::engine::runs::log::{LogPart, log_file, logs_ref, read_log};
use crate::git::commit::{By, NewCommit};
use crate::git::{Repo, Store};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::model::run::RunState;

/// The mode of a file.
const FILE: u32 = 0o100_644;

/// Commits the logs of a run, with secrets masked, on top of those that were stored before. Returns the
/// commit; `None` if the run has no log.
///
/// Logs that are not on this machine stay as they are stored. Nothing new makes no commit.
pub(super) fn store_logs(
    repo: &Repo,
    store: &Store,
    state: &RunState,
) -> Result<Option<Oid>, EngineError> {
    let name = logs_ref(&state.run);
    let before = store.reference(&name)?;
    let mut files: BTreeMap<String, Oid> = BTreeMap::new();
    for (task, planned) in state.tasks.iter().zip(state.plan.tasks()) {
        for attempt in &task.attempts {
            for part in [LogPart::Worker, LogPart::SetUp, LogPart::Teardown] {
                let of = (planned.number, attempt.number);
                if let Ok(log) = read_log((repo, store), state, of, part) {
                    files.insert(log_file(of, part), store.write_blob(&log)?);
                }
            }
        }
    }
    if files.is_empty() {
        return Ok(before);
    }
    let old_tree = match before {
        Some(commit) => store.tree_of(commit)?,
        None => store.empty_tree()?,
    };
    let entry = |oid| Some(Entry { mode: FILE, oid });
    let entries: Vec<(RepoPath, Option<Entry>)> = files
        .into_iter()
        .map(|(path, oid)| (RepoPath::new(path), entry(oid)))
        .collect();
    let tree = store.tree_overlaid(old_tree, &entries)?;
    if before.is_some() && tree == old_tree {
        return Ok(before);
    }
    let run = &state.run;
    let message = format!("Logs of {run}\n\nDispatch-Run: {run}\n");
    let parents: Vec<Oid> = before.into_iter().collect();
    let write = || {
        store.write_commit(&NewCommit {
            tree,
            parents: &parents,
            message: &message,
            time: state.updated,
            by: By::Dispatch,
        })
    };
    let old = before.unwrap_or(Oid::ZERO);
    Ok(Some(store.write_and_move(
        &name,
        old,
        "logs stored",
        write,
    )?))
}
