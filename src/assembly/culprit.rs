//! Searches for the culprits when checks fail on the assembled candidates.
//!
//! [`CulpritSearch`] requests check runs on sets of candidates and records what failed, until the
//! result is clear. The whole set is tried first. If something fails that passes on the base, it is
//! run again; if it fails again, the cumulative prefixes of the assembly order are bisected, and
//! the boundary is run again too. The candidate at the boundary is tried alone, with the tasks it
//! was built on; if that passes, the others are reduced to the partners it needs. Then the rest is
//! tried without it and without the tasks built on it, until it passes.
//!
//! With `n` candidates, `r` re-runs, `L = ⌈log2 n⌉` and `m` partners of each culprit, the
//! checks run at most `2 + Σ (2r + L + 2 + m (L + 1))` times ([`max_runs`]): the whole set and the
//! base once, and for each culprit the re-runs of whole and boundary, the bisection, the candidate
//! alone, for each partner a bisection and a test of the partners so far, and the rest.
//!
//! Invariant: for every culprit, its failures occurred `1 + r` times on a set, and the set without
//! it passed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::TaskNumber;

/// A failed check, or one failed test of a check that names its tests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FailedCheck {
    /// The index of the check in the list of checks.
    pub check: usize,
    /// The test; none if the check does not name its tests.
    pub test: Option<String>,
}

/// A requested run of the checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckRun {
    /// The candidates on top of the base, in assembly order; empty for the base itself.
    pub set: Vec<TaskNumber>,
    /// The number of checks to run, from the first on.
    pub checks: usize,
}

/// The result of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RunResult {
    /// The checks ran, with these failures.
    Ran(BTreeSet<FailedCheck>),
    /// The candidates do not merge without the others; this one conflicts.
    DoesNotMerge(TaskNumber),
}

/// The next step of the search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Run the checks, then [`CulpritSearch::record`] the result.
    Run(CheckRun),
    /// The search is done.
    Done(SearchResult),
}

/// The result of the search.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchResult {
    /// The candidates that pass together, in assembly order.
    pub passing: Vec<TaskNumber>,
    /// The candidates that fail, alone or with others.
    pub culprits: Vec<Culprit>,
    /// The candidates built on a culprit or an unmergeable one, with that one.
    pub built_on: Vec<(TaskNumber, TaskNumber)>,
    /// The candidates that only merge on top of a removed one.
    pub unmergeable: Vec<TaskNumber>,
    /// The failures on the passing set that occur on the base too.
    pub already_failing: BTreeSet<FailedCheck>,
    /// The failures on the base that the passing set fixes.
    pub fixed: BTreeSet<FailedCheck>,
    /// The failures on the passing set that disappeared in a re-run.
    pub flaky: BTreeSet<FailedCheck>,
}

/// A candidate that breaks a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Culprit {
    /// The candidate.
    pub task: TaskNumber,
    /// The smallest set of others with which it fails; empty if it fails alone.
    pub with: Vec<TaskNumber>,
    /// The failures, all of one check.
    pub failures: BTreeSet<FailedCheck>,
}

/// The search, step by step.
#[derive(Clone, Debug)]
pub struct CulpritSearch {
    order: Vec<TaskNumber>,
    built_on: BTreeMap<TaskNumber, Vec<TaskNumber>>,
    checks: usize,
    reruns: usize,
    known: BTreeMap<BTreeSet<TaskNumber>, Vec<(usize, RunResult)>>,
    runs: usize,
}

/// Returns the maximum number of check runs, given the number of partners of each culprit.
pub fn max_runs(candidates: usize, reruns: usize, partners: &[usize]) -> usize {
    let halvings = candidates.max(1).next_power_of_two().ilog2() as usize;
    let for_each = partners
        .iter()
        .map(|partners| 2 * reruns + halvings + 2 + partners * (halvings + 1));
    2 + for_each.sum::<usize>()
}

impl CulpritSearch {
    /// Starts a search over the candidates in assembly order.
    ///
    /// `built_on` has the tasks each contains, of which only those in `order` count; `checks` is
    /// the number of checks.
    pub fn new(
        order: Vec<TaskNumber>,
        built_on: BTreeMap<TaskNumber, Vec<TaskNumber>>,
        checks: usize,
        reruns: usize,
    ) -> CulpritSearch {
        CulpritSearch {
            order,
            built_on,
            checks,
            reruns,
            known: BTreeMap::new(),
            runs: 0,
        }
    }

    /// Returns the next step, which stays the same until [`CulpritSearch::record`].
    pub fn next(&self) -> Step {
        match self.search() {
            Ok(result) => Step::Done(result),
            Err(run) => Step::Run(run),
        }
    }

    /// Records the result of the run that [`CulpritSearch::next`] requested.
    pub fn record(&mut self, answer: RunResult) {
        if let Step::Run(run) = self.next() {
            self.runs += usize::from(matches!(answer, RunResult::Ran(_)));
            let set = run.set.into_iter().collect();
            let answers = self.known.entry(set).or_default();
            answers.push((run.checks, answer));
        }
    }

    /// Returns the number of check runs.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Replays the search over the known answers; the first missing one ends it.
    fn search(&self) -> Result<SearchResult, CheckRun> {
        let mut result = SearchResult::default();
        let mut passing = self.order.clone();
        loop {
            let first = self.answer(&passing, self.checks)?;
            if let RunResult::DoesNotMerge(task) = first {
                result.unmergeable.push(*task);
                self.take_out(*task, &mut passing, &mut result);
                continue;
            }
            let new = self.confirmed(&passing, self.checks)?;
            let Some(check) = new.iter().map(|failure| failure.check).min() else {
                self.compare(&passing, &mut result)?;
                result.passing = passing;
                return Ok(result);
            };
            let culprit = self.culprit(&passing, check + 1)?;
            let task = culprit.task;
            result.culprits.push(culprit);
            self.take_out(task, &mut passing, &mut result);
        }
    }

    /// Removes a candidate and those built on it.
    fn take_out(&self, task: TaskNumber, passing: &mut Vec<TaskNumber>, result: &mut SearchResult) {
        let contains = |other: &TaskNumber| self.upstream(*other).contains(&task);
        let built_on_it = passing.iter().copied().filter(contains);
        result
            .built_on
            .extend(built_on_it.map(|other| (other, task)));
        passing.retain(|other| *other != task && !contains(other));
    }

    /// Returns the candidate at the boundary, and the smallest set with which it fails.
    fn culprit(&self, passing: &[TaskNumber], checks: usize) -> Result<Culprit, CheckRun> {
        let prefix = |length: usize| passing[..length].to_vec();
        let (length, failures) = loop {
            let length = self.bisect(passing.len(), checks, &prefix)?;
            let failures = self.confirmed(&prefix(length), checks)?;
            // A boundary that passes in a re-run is rejected: the bisection now knows that.
            if !failures.is_empty() {
                break (length, failures);
            }
        };
        let task = passing[length - 1];
        let last = failures
            .iter()
            .map(|failure| failure.check)
            .min()
            .unwrap_or_default();
        let failures = failures
            .into_iter()
            .filter(|failure| failure.check == last)
            .collect();
        let with = self.partners(task, &passing[..length - 1], checks)?;
        Ok(Culprit {
            task,
            with,
            failures,
        })
    }

    /// Returns the partners without which a candidate passes.
    fn partners(
        &self,
        task: TaskNumber,
        before: &[TaskNumber],
        checks: usize,
    ) -> Result<Vec<TaskNumber>, CheckRun> {
        let mut needed: BTreeSet<TaskNumber> = self.upstream(task);
        needed.insert(task);
        let mut partners = Vec::new();
        let mut others: Vec<TaskNumber> = before.to_vec();
        loop {
            others.retain(|other| !needed.contains(other));
            let set = |length: usize| self.in_order(&needed, &others[..length]);
            if others.is_empty() || self.is_bad(&set(0), checks)? {
                partners.sort();
                return Ok(partners);
            }
            let length = self.bisect(others.len(), checks, &set)?;
            let partner = others[length - 1];
            partners.push(partner);
            needed.extend(self.upstream(partner));
            needed.insert(partner);
            others.truncate(length - 1);
        }
    }

    /// Finds a length whose set fails while the set before it passes.
    ///
    /// Length 0 is known to pass and `longest` to fail.
    fn bisect(
        &self,
        longest: usize,
        checks: usize,
        set: &dyn Fn(usize) -> Vec<TaskNumber>,
    ) -> Result<usize, CheckRun> {
        let known = |length: &usize| self.known_bad(&set(*length), checks);
        let good = (0..longest).rev().find(|l| known(l) == Some(false));
        let mut good = good.unwrap_or(0);
        let bad = (good + 1..longest).find(|l| known(l) == Some(true));
        let mut bad = bad.unwrap_or(longest);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if self.is_bad(&set(middle), checks)? {
                bad = middle;
            } else {
                good = middle;
            }
        }
        Ok(bad)
    }

    /// Returns the failures that occur in every run of a set and not on the base.
    fn confirmed(
        &self,
        set: &[TaskNumber],
        checks: usize,
    ) -> Result<BTreeSet<FailedCheck>, CheckRun> {
        if set.is_empty() || self.failures(set, checks)?.is_empty() {
            return Ok(BTreeSet::new());
        }
        let base = self.failures(&[], self.checks)?;
        let new = without(self.failures(set, checks)?, &base);
        let enough = self.answers(set, checks).count() > self.reruns;
        match new.is_empty() || enough {
            true => Ok(new),
            false => Err(run(set, checks)),
        }
    }

    fn is_bad(&self, set: &[TaskNumber], checks: usize) -> Result<bool, CheckRun> {
        self.known_bad(set, checks).ok_or_else(|| run(set, checks))
    }

    /// Returns `true` if a set is known to fail where the base passes.
    ///
    /// A set that does not merge counts as passing: the search only relies on observed failures.
    fn known_bad(&self, set: &[TaskNumber], checks: usize) -> Option<bool> {
        let base = self.failures(&[], self.checks).unwrap_or_default();
        let failures = self.failures(set, checks).ok()?;
        Some(!without(failures, &base).is_empty())
    }

    /// Returns the failures among the first `checks` that occur in every run of a set.
    fn failures(
        &self,
        set: &[TaskNumber],
        checks: usize,
    ) -> Result<BTreeSet<FailedCheck>, CheckRun> {
        self.answer(set, checks)?;
        let mut common: Option<BTreeSet<FailedCheck>> = None;
        for answer in self.answers(set, checks) {
            let failures = match answer {
                RunResult::Ran(failures) => wanted(failures, checks),
                RunResult::DoesNotMerge(_) => BTreeSet::new(),
            };
            common = Some(match common {
                Some(common) => common.intersection(&failures).cloned().collect(),
                None => failures,
            });
        }
        Ok(common.unwrap_or_default())
    }

    fn answer(&self, set: &[TaskNumber], checks: usize) -> Result<&RunResult, CheckRun> {
        self.answers(set, checks)
            .next()
            .ok_or_else(|| run(set, checks))
    }

    /// Returns the answers on a set that cover at least this number of checks.
    fn answers(&self, set: &[TaskNumber], checks: usize) -> impl Iterator<Item = &RunResult> {
        let set: BTreeSet<TaskNumber> = set.iter().copied().collect();
        let known = self.known.get(&set).into_iter().flatten();
        known.filter_map(move |(ran, answer)| (*ran >= checks).then_some(answer))
    }

    /// Compares the passing set with the base.
    fn compare(&self, passing: &[TaskNumber], result: &mut SearchResult) -> Result<(), CheckRun> {
        let now = self.failures(passing, self.checks)?;
        let base = self.failures(&[], self.checks).unwrap_or_default();
        let ever = self
            .answers(passing, self.checks)
            .filter_map(|answer| match answer {
                RunResult::Ran(failures) => Some(failures),
                RunResult::DoesNotMerge(_) => None,
            });
        let ever: BTreeSet<FailedCheck> = ever.flatten().cloned().collect();
        result.flaky = without(ever.difference(&now).cloned().collect(), &base);
        result.fixed = base.difference(&now).cloned().collect();
        result.already_failing = now;
        Ok(())
    }

    /// Returns the candidates this one was built on, directly or through others.
    fn upstream(&self, task: TaskNumber) -> BTreeSet<TaskNumber> {
        let mut found = BTreeSet::new();
        let mut open = vec![task];
        while let Some(task) = open.pop() {
            for on in self.built_on.get(&task).into_iter().flatten() {
                if self.order.contains(on) && found.insert(*on) {
                    open.push(*on);
                }
            }
        }
        found
    }

    /// Returns these candidates with all they were built on, in assembly order.
    fn in_order(&self, needed: &BTreeSet<TaskNumber>, more: &[TaskNumber]) -> Vec<TaskNumber> {
        let mut set = needed.clone();
        for task in more {
            set.insert(*task);
            set.extend(self.upstream(*task));
        }
        let order = self.order.iter().copied();
        order.filter(|task| set.contains(task)).collect()
    }
}

fn run(set: &[TaskNumber], checks: usize) -> CheckRun {
    CheckRun {
        set: set.to_vec(),
        checks,
    }
}

fn wanted(failures: &BTreeSet<FailedCheck>, checks: usize) -> BTreeSet<FailedCheck> {
    let wanted = failures.iter().filter(|failure| failure.check < checks);
    wanted.cloned().collect()
}

/// Returns the failures that did not occur on the base.
///
/// A check that failed on the base without naming tests covers all of its tests.
fn without(failures: BTreeSet<FailedCheck>, base: &BTreeSet<FailedCheck>) -> BTreeSet<FailedCheck> {
    let whole = |failure: &FailedCheck| FailedCheck {
        check: failure.check,
        test: None,
    };
    let mut failures = failures;
    failures.retain(|failure| !base.contains(failure) && !base.contains(&whole(failure)));
    failures
}

#[cfg(test)]
mod tests;
