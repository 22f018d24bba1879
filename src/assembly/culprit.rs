//! Who is to blame when the checks fail on the assembled candidates.
//!
//! [`Blame`] says on which candidates to run the checks next and is told what failed, until the
//! verdict is clear. The whole set is tried first. If something fails that does not fail on the
//! base, it is run again; if it fails again, the cumulative prefixes of the assembled order are
//! bisected, and the boundary is run again too. The candidate that tips it is tried alone, with what
//! it was built on; if that passes, the others are shrunk until no partner can be spared. Then the
//! rest is tried without it and without what was built on it, until it passes.
//!
//! With `n` candidates, `r` re-runs, `L = ⌈log2 n⌉` and `m` partners of each guilty candidate, the
//! checks run at most `2 + Σ (2r + L + 2 + m (L + 1))` times ([`bound`]): the whole and the base
//! once, and for each guilty candidate the re-runs of whole and boundary, the bisection, the
//! candidate alone, for each partner a bisection and a look whether it is enough, and the rest.
//!
//! Invariant: what is blamed was seen to fail `1 + r` times on a set, and to pass on the set without
//! the blamed candidate.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::TaskNumber;

/// Something that failed: a check, or one test of a check that names its tests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Red {
    /// The place of the check in the list of checks.
    pub check: usize,
    /// The test; none when all that is known is that the check failed.
    pub test: Option<String>,
}

/// What the checks are to be run on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// The candidates on top of the base, in assembled order; none for the base itself.
    pub set: Vec<TaskNumber>,
    /// How many of the checks are wanted, from the first one on.
    pub checks: usize,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The checks ran, and this failed.
    Ran(BTreeSet<Red>),
    /// The candidates do not merge without the others; this one is where it stops.
    Stuck(TaskNumber),
}

/// What to do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// Run the checks, then [`Blame::take`] what failed.
    Run(Run),
    /// It is clear.
    Done(Verdict),
}

/// Who is to blame, and what stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// The candidates that pass together, in assembled order.
    pub standing: Vec<TaskNumber>,
    /// Those that fail, alone or with others.
    pub guilty: Vec<Guilty>,
    /// Those that were built on a guilty or stuck one, and that one.
    pub built_on: Vec<(TaskNumber, TaskNumber)>,
    /// Those that only merge on top of one that is out.
    pub stuck: Vec<TaskNumber>,
    /// What fails on the standing set: on the base, too, so nobody is blamed.
    pub already_failing: BTreeSet<Red>,
    /// What failed on the base and passes on the standing set.
    pub fixed: BTreeSet<Red>,
    /// What failed once on the standing set and passed when it was run again.
    pub flaky: BTreeSet<Red>,
}

/// A candidate that makes checks fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guilty {
    /// The candidate.
    pub task: TaskNumber,
    /// The smallest set of others it needs to fail; none if it fails alone.
    pub with: Vec<TaskNumber>,
    /// What fails, all of one check.
    pub reds: BTreeSet<Red>,
}

/// The search, step by step.
#[derive(Clone, Debug)]
pub struct Blame {
    order: Vec<TaskNumber>,
    built_on: BTreeMap<TaskNumber, Vec<TaskNumber>>,
    checks: usize,
    reruns: usize,
    known: BTreeMap<BTreeSet<TaskNumber>, Vec<(usize, Answer)>>,
    runs: usize,
}

/// How often the checks may run for `candidates` with these numbers of partners, one for each
/// guilty candidate.
pub fn bound(candidates: usize, reruns: usize, partners: &[usize]) -> usize {
    let halvings = candidates.max(1).next_power_of_two().ilog2() as usize;
    let for_each = partners
        .iter()
        .map(|partners| 2 * reruns + halvings + 2 + partners * (halvings + 1));
    2 + for_each.sum::<usize>()
}

impl Blame {
    /// A search over the candidates in assembled order. `built_on` names what each contains, of
    /// which only what is in `order` counts; `checks` is how many checks there are.
    pub fn new(
        order: Vec<TaskNumber>,
        built_on: BTreeMap<TaskNumber, Vec<TaskNumber>>,
        checks: usize,
        reruns: usize,
    ) -> Blame {
        Blame {
            order,
            built_on,
            checks,
            reruns,
            known: BTreeMap::new(),
            runs: 0,
        }
    }

    /// What to do now. The answer stays the same until [`Blame::take`].
    pub fn next(&self) -> Next {
        match self.search() {
            Ok(verdict) => Next::Done(verdict),
            Err(run) => Next::Run(run),
        }
    }

    /// Takes what came of the run that [`Blame::next`] asks for.
    pub fn take(&mut self, answer: Answer) {
        if let Next::Run(run) = self.next() {
            self.runs += usize::from(matches!(answer, Answer::Ran(_)));
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
    fn search(&self) -> Result<Verdict, Run> {
        let mut verdict = Verdict::default();
        let mut standing = self.order.clone();
        loop {
            let first = self.answer(&standing, self.checks)?;
            if let Answer::Stuck(task) = first {
                verdict.stuck.push(*task);
                self.take_out(*task, &mut standing, &mut verdict);
                continue;
            }
            let new = self.confirmed(&standing, self.checks)?;
            let Some(check) = new.iter().map(|red| red.check).min() else {
                self.compare(&standing, &mut verdict)?;
                verdict.standing = standing;
                return Ok(verdict);
            };
            let guilty = self.guilty(&standing, check + 1)?;
            let task = guilty.task;
            verdict.guilty.push(guilty);
            self.take_out(task, &mut standing, &mut verdict);
        }
    }

    /// Takes a candidate out, and what was built on it.
    fn take_out(&self, task: TaskNumber, standing: &mut Vec<TaskNumber>, verdict: &mut Verdict) {
        let contains = |other: &TaskNumber| self.upstream(*other).contains(&task);
        let built_on_it = standing.iter().copied().filter(contains);
        verdict
            .built_on
            .extend(built_on_it.map(|other| (other, task)));
        standing.retain(|other| *other != task && !contains(other));
    }

    /// The candidate that tips the checks, and the smallest set it needs for it.
    fn guilty(&self, standing: &[TaskNumber], checks: usize) -> Result<Guilty, Run> {
        let prefix = |length: usize| standing[..length].to_vec();
        let (length, reds) = loop {
            let length = self.bisect(standing.len(), checks, &prefix)?;
            let reds = self.confirmed(&prefix(length), checks)?;
            // A boundary that passes when run again is none: the bisection now knows that.
            if !reds.is_empty() {
                break (length, reds);
            }
        };
        let task = standing[length - 1];
        let last = reds.iter().map(|red| red.check).min().unwrap_or_default();
        let reds = reds.into_iter().filter(|red| red.check == last).collect();
        let with = self.partners(task, &standing[..length - 1], checks)?;
        Ok(Guilty { task, with, reds })
    }

    /// The others without which a candidate passes.
    fn partners(
        &self,
        task: TaskNumber,
        before: &[TaskNumber],
        checks: usize,
    ) -> Result<Vec<TaskNumber>, Run> {
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
    ) -> Result<usize, Run> {
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
    fn confirmed(&self, set: &[TaskNumber], checks: usize) -> Result<BTreeSet<Red>, Run> {
        if set.is_empty() || self.reds(set, checks)?.is_empty() {
            return Ok(BTreeSet::new());
        }
        let base = self.reds(&[], self.checks)?;
        let new = without(self.reds(set, checks)?, &base);
        let enough = self.answers(set, checks).count() > self.reruns;
        match new.is_empty() || enough {
            true => Ok(new),
            false => Err(run(set, checks)),
        }
    }

    fn is_bad(&self, set: &[TaskNumber], checks: usize) -> Result<bool, Run> {
        self.known_bad(set, checks).ok_or_else(|| run(set, checks))
    }

    /// Whether a set is known to fail where the base passes. What cannot be tried counts as
    /// passing: the search only ever relies on failures it saw.
    fn known_bad(&self, set: &[TaskNumber], checks: usize) -> Option<bool> {
        let base = self.reds(&[], self.checks).unwrap_or_default();
        let reds = self.reds(set, checks).ok()?;
        Some(!without(reds, &base).is_empty())
    }

    /// What failed among the first `checks` in every run of a set.
    fn reds(&self, set: &[TaskNumber], checks: usize) -> Result<BTreeSet<Red>, Run> {
        self.answer(set, checks)?;
        let mut common: Option<BTreeSet<Red>> = None;
        for answer in self.answers(set, checks) {
            let reds = match answer {
                Answer::Ran(reds) => wanted(reds, checks),
                Answer::Stuck(_) => BTreeSet::new(),
            };
            common = Some(match common {
                Some(common) => common.intersection(&reds).cloned().collect(),
                None => reds,
            });
        }
        Ok(common.unwrap_or_default())
    }

    fn answer(&self, set: &[TaskNumber], checks: usize) -> Result<&Answer, Run> {
        self.answers(set, checks)
            .next()
            .ok_or_else(|| run(set, checks))
    }

    /// The answers on a set that tell about so many checks.
    fn answers(&self, set: &[TaskNumber], checks: usize) -> impl Iterator<Item = &Answer> {
        let set: BTreeSet<TaskNumber> = set.iter().copied().collect();
        let known = self.known.get(&set).into_iter().flatten();
        known.filter_map(move |(ran, answer)| (*ran >= checks).then_some(answer))
    }

    /// How the standing set, which passes, stands against the base.
    fn compare(&self, standing: &[TaskNumber], verdict: &mut Verdict) -> Result<(), Run> {
        let now = self.reds(standing, self.checks)?;
        let base = self.reds(&[], self.checks).unwrap_or_default();
        let ever = self
            .answers(standing, self.checks)
            .filter_map(|answer| match answer {
                Answer::Ran(reds) => Some(reds),
                Answer::Stuck(_) => None,
            });
        let ever: BTreeSet<Red> = ever.flatten().cloned().collect();
        verdict.flaky = without(ever.difference(&now).cloned().collect(), &base);
        verdict.fixed = base.difference(&now).cloned().collect();
        verdict.already_failing = now;
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

fn run(set: &[TaskNumber], checks: usize) -> Run {
    Run {
        set: set.to_vec(),
        checks,
    }
}

fn wanted(reds: &BTreeSet<Red>, checks: usize) -> BTreeSet<Red> {
    let wanted = reds.iter().filter(|red| red.check < checks);
    wanted.cloned().collect()
}

/// What is red and was not on the base. A check of the base that failed without naming tests
/// covers all of its tests.
fn without(reds: BTreeSet<Red>, base: &BTreeSet<Red>) -> BTreeSet<Red> {
    let whole = |red: &Red| Red {
        check: red.check,
        test: None,
    };
    let mut reds = reds;
    reds.retain(|red| !base.contains(red) && !base.contains(&whole(red)));
    reds
}

#[cfg(test)]
mod tests;
