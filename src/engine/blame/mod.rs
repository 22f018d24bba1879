//! Finds the task that wrote a line of a file, also where its commit was rebased or squashed.

mod commits;
mod whole_run;

use std::collections::{BTreeSet, HashMap};

use crate::engine::EngineError;
use crate::engine::blame::commits::{TaskCommits, same_change};
use crate::engine::blame::whole_run::WholeRuns;
use crate::git::blame::BlamedLine;
use crate::git::{Repo, Store};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::run::RunState;
use crate::report::blame::{Credit, CreditedLine};

/// Finds commit and task of the lines `from` to `to` (from 1, both included) of a file in `commit`; of
/// all lines without a range. `board` is the name of the board file, which does not count as a change of the run.
///
/// A commit belongs to a task if the journal names it, if it lies between base and result of the task, or
/// if it makes the same change as one of these. Trailers of messages do not count: anyone can write them.
///
/// # Errors
/// When the commit has no such file, the file has fewer lines, or history is missing.
pub fn credit_lines(
    (repo, store): (&Repo, &Store),
    runs: &[RunState],
    board: &RepoPath,
    commit: Oid,
    (path, lines): (&RepoPath, Option<(usize, usize)>),
) -> Result<Vec<CreditedLine>, EngineError> {
    let blamed = repo.blame(commit, path, lines)?;
    let wanted: BTreeSet<Oid> = blamed.iter().map(|line| line.commit).collect();
    let known = TaskCommits::read(store, runs, &wanted)?;
    let unknown: BTreeSet<Oid> = wanted
        .iter()
        .copied()
        .filter(|oid| !known.has(*oid))
        .collect();
    let same = same_change(repo, store, runs, &unknown)?;
    let left: BTreeSet<Oid> = unknown
        .iter()
        .copied()
        .filter(|oid| !same.contains_key(oid))
        .collect();
    let mut whole = WholeRuns::find((repo, store), runs, board, &left)?;
    let mut credited = Vec::new();
    for line in blamed {
        let credit = match known.get(line.commit).or_else(|| same.get(&line.commit)) {
            Some(credit) => Some(credit.clone()),
            None => whole.credit((repo, store), &line)?,
        };
        credited.push(with_credit(line, credit));
    }
    Ok(credited)
}

fn with_credit(line: BlamedLine, credit: Option<Credit>) -> CreditedLine {
    CreditedLine {
        number: line.number,
        text: String::from_utf8_lossy(&line.text).into_owned(),
        commit: Some(line.commit),
        credit,
    }
}

/// The credits of commits.
type Credits = HashMap<Oid, Credit>;
