//! Commits that bring in a whole run at once: a pull request that was squashed.

use std::collections::{BTreeSet, HashMap};

use crate::base::line_map::{line_map, lines};
use crate::engine::EngineError;
use crate::engine::blame::commits::TaskCommits;
use crate::git::blame::BlamedLine;
use crate::git::{Repo, Store};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::run::RunState;
use crate::report::blame::{Credit, Link};

/// The runs that single commits bring in.
pub(super) struct WholeRuns<'a> {
    runs: &'a [RunState],
    /// For a commit, the place of its run and the tip with that run's own history.
    of: HashMap<Oid, (usize, Oid)>,
    /// The credits of a file in a commit, line by line, once asked for.
    files: HashMap<(Oid, RepoPath), Vec<Option<Credit>>>,
}

impl<'a> WholeRuns<'a> {
    /// Finds the runs whose whole change one of these commits makes.
    pub(super) fn find(
        (repo, store): (&Repo, &Store),
        runs: &'a [RunState],
        board: &RepoPath,
        commits: &BTreeSet<Oid>,
    ) -> Result<WholeRuns<'a>, EngineError> {
        let mut found = WholeRuns {
            runs,
            of: HashMap::new(),
            files: HashMap::new(),
        };
        let mut pairs = Vec::new();
        for commit in commits {
            if let [parent] = store.commit(*commit)?.parents[..] {
                pairs.push((*commit, parent));
            }
        }
        let wanted = repo.patch_ids(&pairs, Some(board))?;
        if wanted.is_empty() {
            return Ok(found);
        }
        let tips = runs.iter().enumerate().filter_map(|(place, state)| {
            let integration = state.integration.as_ref()?;
            let history = integration.chain_tip.or(integration.code_tip)?;
            Some((place, state.base, integration.code_tip?, history))
        });
        let tips = tips.filter(|(_, base, code, history)| {
            [base, code, history].into_iter().all(|oid| store.has(*oid))
        });
        let tips: Vec<_> = tips.collect();
        let pairs: Vec<(Oid, Oid)> = tips
            .iter()
            .map(|(_, base, code, _)| (*code, *base))
            .collect();
        let ids = repo.patch_ids(&pairs, Some(board))?;
        for (commit, id) in &wanted {
            let same = tips
                .iter()
                .find(|(_, _, code, _)| ids.get(code) == Some(id));
            if let Some((place, _, _, history)) = same {
                found.of.insert(*commit, (*place, *history));
            }
        }
        Ok(found)
    }

    /// Finds the task that wrote a line of such a commit.
    pub(super) fn credit(
        &mut self,
        at: (&Repo, &Store),
        line: &BlamedLine,
    ) -> Result<Option<Credit>, EngineError> {
        let Some((place, history)) = self.of.get(&line.commit).copied() else {
            return Ok(None);
        };
        let key = (line.commit, line.path.clone());
        if !self.files.contains_key(&key) {
            let credits = self.credits_of_file(at, place, history, &key)?;
            self.files.insert(key.clone(), credits);
        }
        let credits = &self.files[&key];
        Ok(credits.get(line.original - 1).cloned().flatten())
    }

    /// Credits the lines of a file: those that the run's own history has alike are credited there.
    fn credits_of_file(
        &self,
        (repo, store): (&Repo, &Store),
        place: usize,
        history: Oid,
        (commit, path): &(Oid, RepoPath),
    ) -> Result<Vec<Option<Credit>>, EngineError> {
        let squashed = content(store, *commit, path)?;
        let own = content(store, history, path)?;
        if own.is_empty() {
            return Ok(Vec::new());
        }
        let blamed = repo.blame(history, path, None)?;
        let wanted: BTreeSet<Oid> = blamed.iter().map(|line| line.commit).collect();
        let known = TaskCommits::read(store, &self.runs[place..=place], &wanted)?;
        let credit = |line: usize| {
            let credit = known.get(blamed.get(line)?.commit)?;
            Some(Credit {
                run: place,
                task: credit.task,
                attempt: credit.attempt,
                link: Link::WholeRun,
            })
        };
        let same = line_map(&lines(&own), &lines(&squashed)).into_iter();
        Ok(same.map(|line| credit(line?)).collect())
    }
}

/// Reads a file in a commit; empty if there is none.
fn content(store: &Store, commit: Oid, path: &RepoPath) -> Result<Vec<u8>, EngineError> {
    match store.entry_at(store.tree_of(commit)?, path)? {
        Some(entry) => Ok(store.blob(entry.oid)?),
        None => Ok(Vec::new()),
    }
}
