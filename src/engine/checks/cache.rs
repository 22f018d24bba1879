//! What the checks of a run said before: the same commands on the same tree are not run twice.
//!
//! Results are kept in the order in which they came. A search that asks the same questions again
//! gets the same answers in the same order, re-runs of what may be flaky included; the first
//! question that was never asked runs the checks. What was cut short, not started or stopped by its
//! time limit says nothing about the tree and is not kept. Losing the file costs time and nothing
//! else.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::fault;
use crate::base::files;
use crate::engine::kernel::context::Context;
use crate::git::Repo;
use crate::merge::oid::Oid;
use crate::model::ids::RunId;
use crate::model::integration::{CheckOutcome, CheckResult};

/// The results of a run's checks, by tree.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    kept: Kept,
    /// How many of the results of a question were given already.
    given: BTreeMap<String, usize>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The commands; with others nothing of this counts.
    commands: Vec<String>,
    /// For `<tree> <number of commands>`, every time they ran.
    results: BTreeMap<String, Vec<Vec<CheckResult>>>,
}

impl Memory {
    /// What is known; nothing if there is no file, or not one that can be used.
    pub(crate) fn open(context: &Context) -> Memory {
        let path = path(&context.repo, &context.run);
        let text = files::read_if_exists(&path).ok().flatten();
        let kept: Option<Kept> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let commands = context.settings.assemble.check.clone();
        let kept = kept.filter(|kept| kept.commands == commands);
        Memory {
            path,
            kept: kept.unwrap_or(Kept {
                commands,
                results: BTreeMap::new(),
            }),
            given: BTreeMap::new(),
        }
    }

    /// What came of the first `count` commands on a tree, the first time this is asked the first
    /// time they ran.
    pub(crate) fn recall(&mut self, tree: Oid, count: usize) -> Option<Vec<CheckResult>> {
        let question = question(tree, count);
        let given = self.given.get(&question).copied().unwrap_or_default();
        let found = self.kept.results.get(&question)?.get(given)?.clone();
        self.given.insert(question, given + 1);
        Some(found)
    }

    /// Keeps what came of them. That it could not be written only means that they run again.
    pub(crate) fn keep(&mut self, tree: Oid, count: usize, results: &[CheckResult]) {
        let says_something = |result: &CheckResult| {
            matches!(result.result, CheckOutcome::Passed | CheckOutcome::Failed)
        };
        if results.len() != count || !results.iter().all(says_something) {
            return;
        }
        let question = question(tree, count);
        let known = self.kept.results.entry(question.clone()).or_default();
        known.push(results.to_vec());
        self.given.insert(question, known.len());
        fault::point("check", "before its result is kept");
        if let Ok(text) = serde_json::to_vec(&self.kept) {
            let _ = files::replace(&self.path, &text);
        }
        fault::point("check", "after its result is kept");
    }
}

/// Forgets everything about a run's checks, so that they run again. Only for the holder of the
/// run's lock.
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
