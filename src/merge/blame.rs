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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::words::comma_list;

    /// The checks as the script wants them: `2+4` fails the check when #2 and #4 are in, `2:a`
    /// fails the test `a` of it, `0` fails on the base, `~3` fails only the first time #3 is in,
    /// `3+!4` fails with #3 and without #4; `/` goes on to the next check.
    struct Script {
        rules: Vec<(usize, String)>,
        tries: BTreeMap<(Vec<TaskNumber>, usize), usize>,
    }

    impl Script {
        fn new(text: &str) -> Script {
            let checks = text.split('/').enumerate();
            let rules = checks.flat_map(|(check, rules)| {
                rules
                    .split_whitespace()
                    .map(move |rule| (check, rule.to_owned()))
            });
            Script {
                rules: rules.collect(),
                tries: BTreeMap::new(),
            }
        }

        fn answer(&mut self, run: &Run) -> Answer {
            let mut reds = BTreeSet::new();
            for (place, (check, rule)) in self.rules.iter().enumerate() {
                let (rule, test) = match rule.split_once(':') {
                    Some((rule, test)) => (rule, Some(test.to_owned())),
                    None => (rule.as_str(), None),
                };
                let once = rule.starts_with('~');
                let holds = rule.trim_start_matches('~').split('+').all(|part| {
                    let number = TaskNumber(part.trim_start_matches('!').parse().unwrap());
                    let is_in = number.0 == 0 || run.set.contains(&number);
                    is_in != part.starts_with('!')
                });
                let tries = self.tries.entry((run.set.clone(), place)).or_default();
                *tries += usize::from(holds);
                if holds && (!once || *tries == 1) && *check < run.checks {
                    reds.insert(Red {
                        check: *check,
                        test,
                    });
                }
            }
            Answer::Ran(reds)
        }
    }

    fn numbers(text: &str) -> Vec<TaskNumber> {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        words
            .map(|word| TaskNumber(word.parse().unwrap()))
            .collect()
    }

    /// `1 2 3<1,2`.
    fn blame(order: &str, script: &str, reruns: usize) -> Blame {
        let mut built_on = BTreeMap::new();
        let tasks = order.split_whitespace().map(|word| {
            let (task, on) = word.split_once('<').unwrap_or((word, ""));
            let task = numbers(task)[0];
            built_on.insert(task, numbers(on));
            task
        });
        let tasks = tasks.collect();
        Blame::new(tasks, built_on, script.split('/').count(), reruns)
    }

    fn name(red: &Red) -> String {
        let test = red.test.iter().map(|test| format!(" {test}"));
        format!("check {}{}", red.check + 1, test.collect::<String>())
    }

    fn names(reds: &BTreeSet<Red>) -> String {
        reds.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn say(verdict: &Verdict) -> String {
        let mut lines = vec![format!("stand: {}", comma_list(&verdict.standing))];
        for guilty in &verdict.guilty {
            let with = match guilty.with.as_slice() {
                [] => "alone".to_owned(),
                with => format!("together with {}", comma_list(with)),
            };
            lines.push(format!(
                "{} fails {} {with}",
                guilty.task,
                names(&guilty.reds)
            ));
        }
        let built_on = verdict.built_on.iter();
        lines.extend(built_on.map(|(task, on)| format!("{task} was built on {on}")));
        let stuck = verdict.stuck.iter();
        lines.extend(stuck.map(|task| format!("{task} does not merge without")));
        for (word, reds) in [
            ("already failing", &verdict.already_failing),
            ("fixed", &verdict.fixed),
            ("flaky", &verdict.flaky),
        ] {
            if !reds.is_empty() {
                lines.push(format!("{word}: {}", names(reds)));
            }
        }
        lines.join("\n")
    }

    fn finish(blame: &mut Blame, script: &mut Script) -> (Vec<String>, Verdict) {
        let mut lines = Vec::new();
        loop {
            match blame.next() {
                Next::Run(run) => {
                    let answer = script.answer(&run);
                    let bad = matches!(&answer, Answer::Ran(reds) if !reds.is_empty());
                    let set = match comma_list(&run.set) {
                        set if set.is_empty() => "base".to_owned(),
                        set => set,
                    };
                    lines.push(format!("{set} {}", if bad { "fails" } else { "passes" }));
                    blame.take(answer);
                }
                Next::Done(verdict) => return (lines, verdict),
            }
        }
    }

    fn play(order: &str, script: &str) -> String {
        let mut blame = blame(order, script, 1);
        let (mut lines, verdict) = finish(&mut blame, &mut Script::new(script));
        assert_eq!(lines.len(), blame.runs());
        lines.push(say(&verdict));
        lines.join("\n")
    }

    #[test]
    fn what_passes_as_a_whole_runs_once() {
        insta::assert_snapshot!(play("1 2 3 4", ""), @r"
        #1, #2, #3, #4 passes
        stand: #1, #2, #3, #4
        ");
    }

    #[test]
    fn two_that_only_fail_together_are_named_as_a_pair() {
        insta::assert_snapshot!(play("1 2 3 4 5 6 7 8", "2+6"), @r"
        #1, #2, #3, #4, #5, #6, #7, #8 fails
        base passes
        #1, #2, #3, #4, #5, #6, #7, #8 fails
        #1, #2, #3, #4 passes
        #1, #2, #3, #4, #5, #6 fails
        #1, #2, #3, #4, #5 passes
        #1, #2, #3, #4, #5, #6 fails
        #6 passes
        #1, #2, #6 fails
        #1, #6 passes
        #2, #6 fails
        #1, #2, #3, #4, #5, #7, #8 passes
        stand: #1, #2, #3, #4, #5, #7, #8
        #6 fails check 1 together with #2
        ");
    }

    #[test]
    fn one_that_fails_alone_is_named_alone() {
        insta::assert_snapshot!(play("1 2 3 4", "3"), @r"
        #1, #2, #3, #4 fails
        base passes
        #1, #2, #3, #4 fails
        #1, #2 passes
        #1, #2, #3 fails
        #1, #2, #3 fails
        #3 fails
        #1, #2, #4 passes
        stand: #1, #2, #4
        #3 fails check 1 alone
        ");
    }

    #[test]
    fn three_that_only_fail_together_are_all_named() {
        insta::assert_snapshot!(play("1 2 3 4 5", "1+3+5"), @r"
        #1, #2, #3, #4, #5 fails
        base passes
        #1, #2, #3, #4, #5 fails
        #1, #2 passes
        #1, #2, #3 passes
        #1, #2, #3, #4 passes
        #5 passes
        #1, #2, #5 passes
        #1, #2, #3, #5 fails
        #3, #5 passes
        #1, #3, #5 fails
        stand: #1, #2, #3, #4
        #5 fails check 1 together with #1, #3
        ");
    }

    #[test]
    fn what_fails_on_the_base_too_blames_nobody() {
        insta::assert_snapshot!(play("1 2 3 4", "0"), @r"
        #1, #2, #3, #4 fails
        base fails
        stand: #1, #2, #3, #4
        already failing: check 1
        ");
        insta::assert_snapshot!(play("1 2 3 4", "0:old 2:new"), @r"
        #1, #2, #3, #4 fails
        base fails
        #1, #2, #3, #4 fails
        #1, #2 fails
        #1 fails
        #1, #2 fails
        #2 fails
        #1, #3, #4 fails
        stand: #1, #3, #4
        #2 fails check 1 new alone
        already failing: check 1 old
        ");
    }

    #[test]
    fn what_was_red_and_is_green_now_is_fixed() {
        insta::assert_snapshot!(play("1 2", "!1:old / 0:other"), @r"
        #1, #2 fails
        base fails
        stand: #1, #2
        already failing: check 2 other
        fixed: check 1 old
        ");
    }

    #[test]
    fn what_passes_when_run_again_is_flaky() {
        insta::assert_snapshot!(play("1 2 3 4", "~3"), @r"
        #1, #2, #3, #4 fails
        base passes
        #1, #2, #3, #4 passes
        stand: #1, #2, #3, #4
        flaky: check 1
        ");
    }

    #[test]
    fn a_flaky_boundary_moves_the_blame_to_where_it_belongs() {
        // With #4 in it always fails; without it, #1 makes it fail once for each set.
        insta::assert_snapshot!(play("1 2 3 4", "4 ~1"), @r"
        #1, #2, #3, #4 fails
        base passes
        #1, #2, #3, #4 fails
        #1, #2 fails
        #1 fails
        #1 passes
        #1, #2 passes
        #1, #2, #3 fails
        #1, #2, #3 passes
        #4 fails
        stand: #1, #2, #3
        #4 fails check 1 alone
        flaky: check 1
        ");
    }

    #[test]
    fn what_was_built_on_the_guilty_one_goes_with_it() {
        insta::assert_snapshot!(play("1 2<1 3<2 4 5<2", "2+4"), @r"
        #1, #2, #3, #4, #5 fails
        base passes
        #1, #2, #3, #4, #5 fails
        #1, #2 passes
        #1, #2, #3 passes
        #1, #2, #3, #4 fails
        #1, #2, #3, #4 fails
        #4 passes
        #1, #4 passes
        #1, #2, #4 fails
        #1, #2, #3, #5 passes
        stand: #1, #2, #3, #5
        #4 fails check 1 together with #2
        ");
        insta::assert_snapshot!(play("4 1 2<1 3<2", "2+4"), @r"
        #4, #1, #2, #3 fails
        base passes
        #4, #1, #2, #3 fails
        #4, #1 passes
        #4, #1, #2 fails
        #4, #1, #2 fails
        #1, #2 passes
        stand: #4, #1
        #2 fails check 1 together with #4
        #3 was built on #2
        ");
    }

    #[test]
    fn every_guilty_one_is_found() {
        insta::assert_snapshot!(play("1 2 3 4", "1 / 2+4"), @r"
        #1, #2, #3, #4 fails
        base passes
        #1, #2, #3, #4 fails
        #1, #2 fails
        #1 fails
        #1 fails
        #2, #3, #4 fails
        #2, #3, #4 fails
        #2 passes
        #2, #3 passes
        #4 passes
        #2, #4 fails
        stand: #2, #3
        #1 fails check 1 alone
        #4 fails check 2 together with #2
        ");
    }

    #[test]
    fn only_the_checks_up_to_the_failing_one_run_while_searching() {
        let mut blame = blame("1 2 3 4", "/2+3/", 0);
        let mut script = Script::new("/2+3/");
        let mut wanted = Vec::new();
        while let Next::Run(run) = blame.next() {
            wanted.push(run.checks);
            blame.take(script.answer(&run));
        }
        assert_eq!(wanted, [3, 3, 2, 2, 2, 2, 2, 3]);
    }

    #[test]
    fn one_that_does_not_merge_without_the_guilty_one_is_left_out_too() {
        let mut blame = blame("1 2 3", "1", 0);
        let mut script = Script::new("1");
        let verdict = loop {
            match blame.next() {
                Next::Run(run) if run.set == numbers("2 3") => {
                    blame.take(Answer::Stuck(TaskNumber(3)));
                }
                Next::Run(run) => blame.take(script.answer(&run)),
                Next::Done(verdict) => break verdict,
            }
        };
        insta::assert_snapshot!(say(&verdict), @r"
        stand: #2
        #1 fails check 1 alone
        #3 does not merge without
        ");
    }

    #[test]
    fn the_number_of_runs_reaches_its_bound_and_never_exceeds_it() {
        for reruns in 0..3 {
            let mut most = 0;
            for (a, b) in (1..=8).flat_map(|a| (a + 1..=8).map(move |b| (a, b))) {
                let script = format!("{a}+{b}");
                let mut blame = blame("1 2 3 4 5 6 7 8", &script, reruns);
                let (lines, verdict) = finish(&mut blame, &mut Script::new(&script));
                let expected = (TaskNumber(b), vec![TaskNumber(a)]);
                let guilty = &verdict.guilty[0];
                assert_eq!((guilty.task, guilty.with.clone()), expected, "{lines:#?}");
                most = most.max(blame.runs());
            }
            assert_eq!(most, bound(8, reruns, &[1]));
        }
    }

    #[test]
    fn generated_guilty_sets_are_found_exactly_and_within_the_bound() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..400 {
            let count = rng.u32(1..=20);
            let all: Vec<u32> = (1..=count).collect();
            let size = rng.usize(1..=3.min(all.len()));
            let mut set = rng.choose_multiple(all.iter().copied(), size);
            set.sort_unstable();
            let words: Vec<String> = set.iter().map(ToString::to_string).collect();
            let order: Vec<String> = all.iter().map(ToString::to_string).collect();
            let script = words.join("+");
            let mut blame = blame(&order.join(" "), &script, 1);
            let (_, verdict) = finish(&mut blame, &mut Script::new(&script));
            let mut found = verdict.guilty[0].with.clone();
            found.push(verdict.guilty[0].task);
            assert_eq!(found, numbers(&words.join(" ")));
            assert_eq!(verdict.guilty.len(), 1);
            assert!(blame.runs() <= bound(count as usize, 1, &[size - 1]));
        }
    }
}
