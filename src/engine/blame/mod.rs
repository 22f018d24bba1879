//! Finds the task that wrote a line of a file, also where its commit was rebased or squashed.

mod boards;
mod commits;
mod whole_run;

use std::collections::{BTreeSet, HashMap};

use crate::engine::EngineError;
use crate::engine::blame::boards::board_commits;
use crate::engine::blame::commits::{TaskCommits, same_change};
use crate::engine::blame::whole_run::WholeRuns;
use crate::git::{Repo, Store};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::run::RunState;
use crate::report::blame::{Credit, CreditedLine, Origin};

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
    // What is above the end of a shallow history is credited to the commit there, whoever wrote it.
    let ends: BTreeSet<Oid> = store.shallow_commits().into_iter().collect();
    let found = blamed.iter().map(|line| line.commit);
    let wanted: BTreeSet<Oid> = found.filter(|oid| !ends.contains(oid)).collect();
    let of_board = blamed.iter().filter(|line| line.path == *board);
    let of_board: BTreeSet<Oid> = of_board.map(|line| line.commit).collect();
    let of_board = &of_board & &wanted;
    let boards = board_commits((repo, store), runs, board, &of_board)?;
    let known = TaskCommits::read(store, runs, &wanted)?;
    let unknown = |oid: &&Oid| !known.has(**oid) && !boards.contains_key(*oid);
    let unknown: BTreeSet<Oid> = wanted.iter().filter(unknown).copied().collect();
    let same = same_change(repo, store, runs, &unknown)?;
    let left = unknown.iter().filter(|oid| !same.contains_key(oid));
    let left: BTreeSet<Oid> = left.copied().collect();
    let mut whole = WholeRuns::find((repo, store), runs, board, &left)?;
    let mut credited = Vec::new();
    for line in blamed {
        let commit = line.commit;
        let origin = if ends.contains(&commit) {
            Origin::Shallow(commit)
        } else if let Some(run) = boards.get(&commit).filter(|_| line.path == *board) {
            Origin::Board(commit, *run)
        } else {
            let credit = match known.get(commit).or_else(|| same.get(&commit)) {
                Some(credit) => Some(credit.clone()),
                None => whole.credit((repo, store), &line)?,
            };
            credit.map_or(Origin::Other(commit), |credit| Origin::Task(commit, credit))
        };
        credited.push(CreditedLine {
            number: line.number,
            text: String::from_utf8_lossy(&line.text).into_owned(),
            origin,
        });
    }
    Ok(credited)
}

/// The credits of commits.
type Credits = HashMap<Oid, Credit>;
