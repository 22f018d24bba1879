//! Who is to blame when the checks fail on the assembled candidates.
//!
//! [`Blame`] says on which candidates to run the checks next and is told what failed, until the
//! result is clear. The whole set is tried first. If something fails that does not fail on the
//! base, it is run again; if it fails again, the cumulative prefixes of the assembled order are
//! bisected, and the boundary is run again too. The candidate that tips it is tried alone, with what
//! it was built on; if that passes, the others are shrunk until no partner can be spared. Then the
//! rest is tried without it and without what was built on it, until it passes.
//!
//! With `n` candidates, `r` re-runs, `L = ⌈log2 n⌉` and `m` partners of each culprit candidate, the
//! checks run at most `2 + Σ (2r + L + 2 + m (L + 1))` times ([`bound`]): the whole and the base
//! once, and for each culprit candidate the re-runs of whole and boundary, the bisection, the
//! candidate alone, for each partner a bisection and a look whether it is enough, and the rest.
//!
//! Invariant: what is blamed was seen to fail `1 + r` times on a set, and to pass on the set without
//! the blamed candidate.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::TaskNumber;

/// Something that failed: a check, or one test of a check that names its tests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FailedCheck {
    /// The place of the check in the list of checks.
    pub check: usize,
    /// The test; none when all that is known is that the check failed.
    pub test: Option<String>,
}

/// What the checks are to be run on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckRun {
    /// The candidates on top of the base, in assembled order; none for the base itself.
    pub set: Vec<TaskNumber>,
    /// How many of the checks are wanted, from the first one on.
    pub checks: usize,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RunResult {
    /// The checks ran, and this failed.
    Ran(BTreeSet<FailedCheck>),
    /// The candidates do not merge without the others; this one is where it stops.
    DoesNotMerge(TaskNumber),
}

/// What to do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Run the checks, then [`Blame::take`] what failed.
    Run(CheckRun),
    /// It is clear.
    Done(SearchResult),
}

/// Who is to blame, and what stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchResult {
    /// The candidates that pass together, in assembled order.
    pub passing: Vec<TaskNumber>,
    /// Those that fail, alone or with others.
    pub culprits: Vec<Culprit>,
    /// Those that were built on a culprit or stuck one, and that one.
    pub built_on: Vec<(TaskNumber, TaskNumber)>,
    /// Those that only merge on top of one that is out.
    pub unmergeable: Vec<TaskNumber>,
    /// What fails on the passing set: on the base, too, so nobody is blamed.
    pub already_failing: BTreeSet<FailedCheck>,
    /// What failed on the base and passes on the passing set.
    pub fixed: BTreeSet<FailedCheck>,
    /// What failed once on the passing set and passed when it was run again.
    pub flaky: BTreeSet<FailedCheck>,
}

/// A candidate that makes checks fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Culprit {
    /// The candidate.
    pub task: TaskNumber,
    /// The smallest set of others it needs to fail; none if it fails alone.
    pub with: Vec<TaskNumber>,
    /// What fails, all of one check.
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

/// How often the checks may run for `candidates` with these numbers of partners, one for each
/// culprit candidate.
pub fn max_runs(candidates: usize, reruns: usize, partners: &[usize]) -> usize {
    let halvings = candidates.max(1).next_power_of_two().ilog2() as usize;
    let for_each = partners
        .iter()
        .map(|partners| 2 * reruns + halvings + 2 + partners * (halvings + 1));
    2 + for_each.sum::<usize>()
}

impl CulpritSearch {
    /// A search over the candidates in assembled order. `built_on` names what each contains, of
    /// which only what is in `order` counts; `checks` is how many checks there are.
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

    /// What to do now. The answer stays the same until [`Blame::take`].
    pub fn next(&self) -> Step {
        match self.search() {
            Ok(result) => Step::Done(result),
            Err(run) => Step::Run(run),
        }
    }

    /// Takes what came of the run that [`Blame::next`] asks for.
    pub fn record(&mut self, answer: RunResult) {
        if let Step::Run(run) = self.next() {
            self.runs += usize::from(matches!(answer, RunResult::Ran(_)));
            let set = run.set.into_iter().collect();
            let answers = self.known.entry(set).or_default();
            answers.push((run.checks, answer));
        }
    }

    /// How often the checks ran.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// The whole search as far as it is known; the first answer that is missing ends it.
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

    /// Takes a candidate out, and what was built on it.
    fn take_out(&self, task: TaskNumber, passing: &mut Vec<TaskNumber>, result: &mut SearchResult) {
        let contains = |other: &TaskNumber| self.upstream(*other).contains(&task);
        let built_on_it = passing.iter().copied().filter(contains);
        result
            .built_on
            .extend(built_on_it.map(|other| (other, task)));
        passing.retain(|other| *other != task && !contains(other));
    }

    /// The candidate that tips the checks, and the smallest set it needs for it.
    fn culprit(&self, passing: &[TaskNumber], checks: usize) -> Result<Culprit, CheckRun> {
        let prefix = |length: usize| passing[..length].to_vec();
        let (length, failures) = loop {
            let length = self.bisect(passing.len(), checks, &prefix)?;
            let failures = self.confirmed(&prefix(length), checks)?;
            // A boundary that passes when run again is none: the bisection now knows that.
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

    /// The others without which a candidate passes.
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

    /// The shortest length whose set fails while the one before it passes, between 0, which is
    /// known to pass, and `longest`, which is known to fail.
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

    /// What fails on a set every time and not on the base, after as many re-runs as it takes.
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

    /// Whether a set is known to fail where the base passes. What cannot be tried counts as
    /// passing: the search only ever relies on failures it saw.
    fn known_bad(&self, set: &[TaskNumber], checks: usize) -> Option<bool> {
        let base = self.failures(&[], self.checks).unwrap_or_default();
        let failures = self.failures(set, checks).ok()?;
        Some(!without(failures, &base).is_empty())
    }

    /// What failed among the first `checks` in every run of a set.
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

    /// The answers on a set that tell about so many checks.
    fn answers(&self, set: &[TaskNumber], checks: usize) -> impl Iterator<Item = &RunResult> {
        let set: BTreeSet<TaskNumber> = set.iter().copied().collect();
        let known = self.known.get(&set).into_iter().flatten();
        known.filter_map(move |(ran, answer)| (*ran >= checks).then_some(answer))
    }

    /// How the passing set, which passes, stands against the base.
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

    /// What a candidate contains of the others, directly or through them.
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

    /// These candidates with all they were built on, in assembled order.
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

/// What is failure and was not on the base. A check of the base that failed without naming tests
/// covers all of its tests.
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
