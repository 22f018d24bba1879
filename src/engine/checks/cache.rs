//! Caches the results of a run's checks: the same commands run only once on the same tree.
//!
//! Results are kept in order. A search that asks the same questions again gets the same answers in
//! the same order, re-runs of flaky checks included; the first new question runs the checks. A check
//! that was interrupted, not started or timed out says nothing about the tree and is not kept. Losing
//! the file costs time and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::fault;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::sealed_file;
use crate::git::Repo;
use crate::merge::oid::Oid;
use crate::model::ids::RunId;
use crate::model::integration::{CheckOutcome, CheckResult};

/// The results of a run's checks, by tree.
#[derive(Debug)]
pub(super) struct CheckCache {
    repo: Repo,
    path: PathBuf,
    stored: Stored,
    /// The number of results of each question that were returned already.
    returned: BTreeMap<String, usize>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    /// The commands; other commands make the results invalid.
    commands: Vec<String>,
    /// The results of each run, by `<tree> <number of commands>`.
    results: BTreeMap<String, Vec<Vec<CheckResult>>>,
}

impl CheckCache {
    /// Opens the cache of a run; it is empty if there is no usable file.
    pub(super) fn open(context: &Context) -> CheckCache {
        let path = path(&context.repo, &context.run);
        let text = sealed_file::read(&context.repo, &path);
        let stored: Option<Stored> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let commands = context.settings.assemble.check.clone();
        let stored = stored.filter(|stored| stored.commands == commands);
        CheckCache {
            repo: context.repo.clone(),
            path,
            stored: stored.unwrap_or(Stored {
                commands,
                results: BTreeMap::new(),
            }),
            returned: BTreeMap::new(),
        }
    }

    /// Returns the next result of the first `count` commands on a tree: on the first call that of their
    /// first run.
    pub(super) fn next(&mut self, tree: Oid, count: usize) -> Option<Vec<CheckResult>> {
        let question = question(tree, count);
        let returned = self.returned.get(&question).copied().unwrap_or_default();
        let found = self.stored.results.get(&question)?.get(returned)?.clone();
        self.returned.insert(question, returned + 1);
        Some(found)
    }

    /// Stores a result. If the file cannot be written, the checks run again later.
    pub(super) fn keep(&mut self, tree: Oid, count: usize, results: &[CheckResult]) {
        let is_conclusive = |result: &CheckResult| {
            matches!(result.result, CheckOutcome::Passed | CheckOutcome::Failed)
        };
        if results.len() != count || !results.iter().all(is_conclusive) {
            return;
        }
        let question = question(tree, count);
        let known = self.stored.results.entry(question.clone()).or_default();
        known.push(results.to_vec());
        self.returned.insert(question, known.len());
        fault::point("check", "before its result is kept");
        if let Ok(text) = serde_json::to_vec(&self.stored) {
            let _ = sealed_file::write(&self.repo, &self.path, &text);
        }
        fault::point("check", "after its result is kept");
    }
}

/// Deletes the cached results of a run, so that its checks run again. The caller holds the run's lock.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget(repo: &Repo, run: &RunId) -> std::io::Result<()> {
    match fs::remove_file(path(repo, run)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn question(tree: Oid, count: usize) -> String {
    format!("{tree} {count}")
}

fn path(repo: &Repo, run: &RunId) -> PathBuf {
    repo.run_folder(run.as_str()).join("checks.json")
}
