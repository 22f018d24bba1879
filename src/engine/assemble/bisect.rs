//! The checks decide which of the merged candidates stay: [`Blame`] says on which to run them next,
//! and this carries it out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::assembly::culprit::{Answer, Blame, Next, Red, Run, Verdict};
use crate::engine::EngineError;
use crate::engine::assemble::{Chain, Step};
use crate::engine::candidates::ancestry::BuiltOn;
use crate::engine::checks::worktree::Checker;
use crate::engine::kernel::cancel::Leash;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::effect::blocking;
use crate::engine::resolve::auto::Ladder;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::{
    AgainstBase, CheckOutcome, CheckResult, Guilty, LeftOut, LeftOutReason,
};
use crate::model::run::RunState;

/// How many names of failed tests are recorded.
const TESTS_RECORDED: usize = 50;

/// What the checks said.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// The candidates that stay, in order.
    pub(crate) standing: Vec<TaskNumber>,
    /// Those that do not.
    pub(crate) left_out: Vec<LeftOut>,
    /// The checks on what stays.
    pub(crate) checks: Vec<CheckResult>,
    /// Who is to blame.
    pub(crate) guilty: Vec<Guilty>,
    /// How often the checks ran; what they said before is not counted.
    pub(crate) runs: usize,
}

/// Tries merged candidates. `None` when the run was stopped meanwhile.
pub(crate) async fn try_candidates(
    context: &Arc<Context>,
    state: &RunState,
    chain: &Chain,
    ladder: &Arc<Ladder>,
    leash: &Leash,
) -> Result<Option<Tried>, EngineError> {
    let order: Vec<TaskNumber> = chain.steps.iter().map(|step| step.task).collect();
    let settings = &context.settings.assemble;
    if settings.check.is_empty() || order.is_empty() {
        let standing = order;
        return Ok(Some(Tried {
            standing,
            ..Tried::default()
        }));
    }
    let built_on = {
        let (context, state) = (Arc::clone(context), state.clone());
        blocking(move || BuiltOn::read(&Store::open(&context.repo)?, &state)).await?
    };
    let blame = Blame::new(
        order,
        built_on.map(),
        settings.check.len(),
        settings.flaky_reruns as usize,
    );
    let trial = Trial {
        context,
        state,
        chain,
        ladder,
        leash,
        checker: Checker::new(context, leash),
        results: BTreeMap::new(),
        stuck: BTreeMap::new(),
    };
    trial.carry_out(blame).await
}

struct Trial<'a> {
    context: &'a Arc<Context>,
    state: &'a RunState,
    chain: &'a Chain,
    ladder: &'a Arc<Ladder>,
    leash: &'a Leash,
    checker: Checker<'a>,
    /// The last results of every set that was tried, with how many of the checks ran.
    results: BTreeMap<Vec<TaskNumber>, Vec<Vec<CheckResult>>>,
    /// Why a candidate does not merge without another one.
    stuck: BTreeMap<TaskNumber, LeftOutReason>,
}

impl Trial<'_> {
    async fn carry_out(mut self, mut blame: Blame) -> Result<Option<Tried>, EngineError> {
        loop {
            let run = match blame.next() {
                Next::Run(run) => run,
                Next::Done(verdict) => return Ok(Some(self.tried(verdict))),
            };
            let commit = match self.commit(&run.set).await? {
                Ok(commit) => commit,
                Err((task, reason)) => {
                    self.stuck.insert(task, reason);
                    blame.take(Answer::Stuck(task));
                    continue;
                }
            };
            let results = self.checker.results(commit, run.checks).await?;
            if self.leash.is_pulled() {
                return Ok(None);
            }
            if results
                .iter()
                .any(|result| result.result == CheckOutcome::NotRun)
            {
                return Ok(Some(self.not_tried(results)));
            }
            blame.take(Answer::Ran(reds(&results)));
            self.keep(run, results);
        }
    }

    fn keep(&mut self, run: Run, results: Vec<CheckResult>) {
        self.results.entry(run.set).or_default().push(results);
    }

    /// The commit with these candidates, or the one that does not merge and why.
    async fn commit(
        &self,
        set: &[TaskNumber],
    ) -> Result<Result<Oid, (TaskNumber, LeftOutReason)>, EngineError> {
        let steps = &self.chain.steps;
        let is_prefix = steps
            .iter()
            .map(|step| step.task)
            .take(set.len())
            .eq(set.iter().copied());
        if is_prefix {
            let last = set.len().checked_sub(1).and_then(|last| steps.get(last));
            return Ok(Ok(last.map_or(self.context.base, |step: &Step| step.commit)));
        }
        let (context, state) = (Arc::clone(self.context), self.state.clone());
        let (order, ladder) = (set.to_vec(), Arc::clone(self.ladder));
        let chain = blocking(move || Chain::build(&context, &state, &order, &[], &ladder)).await?;
        let missing = chain
            .left_out
            .into_iter()
            .find(|out| set.contains(&out.task));
        Ok(match missing {
            Some(out) => Err((out.task, out.reason)),
            None => Ok(chain
                .steps
                .last()
                .map_or(self.context.base, |step| step.commit)),
        })
    }

    /// A check could not be run at all: nobody can be blamed, and a person has to look.
    fn not_tried(&self, checks: Vec<CheckResult>) -> Tried {
        Tried {
            standing: self.chain.steps.iter().map(|step| step.task).collect(),
            checks: checks.into_iter().map(recorded).collect(),
            runs: self.checker.runs(),
            ..Tried::default()
        }
    }

    fn tried(mut self, verdict: Verdict) -> Tried {
        let checks = self.checks(&verdict);
        let guilty: Vec<Guilty> = verdict
            .guilty
            .iter()
            .map(|guilty| self.guilty(guilty))
            .collect();
        let failed = guilty.iter().map(|guilty| {
            let reason = LeftOutReason::FailedChecks {
                command: guilty.command.clone(),
                with: guilty.with.clone(),
                timed_out: guilty.timed_out,
            };
            (guilty.task, reason)
        });
        let built_on = verdict.built_on.iter();
        let built_on = built_on.map(|(task, on)| (*task, LeftOutReason::BuiltOn { task: *on }));
        let stuck = std::mem::take(&mut self.stuck).into_iter();
        let stuck = stuck.filter(|(task, _)| verdict.stuck.contains(task));
        let candidate = |wanted: TaskNumber| {
            let mut steps = self.chain.steps.iter();
            let step = steps.find(|step| step.task == wanted);
            step.map(|step| step.candidate)
        };
        let left_out = failed.chain(built_on).chain(stuck);
        let left_out = left_out.filter_map(|(task, reason)| {
            let candidate = candidate(task)?;
            Some(LeftOut {
                task,
                candidate,
                reason,
            })
        });
        Tried {
            left_out: left_out.collect(),
            standing: verdict.standing,
            checks,
            guilty,
            runs: self.checker.runs(),
        }
    }

    /// The last results on what stands, each with what is known about it.
    fn checks(&self, verdict: &Verdict) -> Vec<CheckResult> {
        let all = self.context.settings.assemble.check.len();
        let results = self.results.get(&verdict.standing).into_iter().flatten();
        let last = results.rev().find(|results| results.len() == all);
        let has = |reds: &BTreeSet<Red>, check| reds.iter().any(|red| red.check == check);
        let fixed_tests = |check| {
            let fixed = verdict.fixed.iter().filter(move |red| red.check == check);
            let fixed = fixed.filter_map(|red| red.test.clone());
            fixed.take(TESTS_RECORDED).collect()
        };
        let known = last.into_iter().flatten().cloned().enumerate();
        let known = known.map(|(check, result)| CheckResult {
            against_base: if has(&verdict.already_failing, check) {
                Some(AgainstBase::AlreadyFailing)
            } else if has(&verdict.fixed, check) {
                Some(AgainstBase::Fixed)
            } else {
                None
            },
            flaky: has(&verdict.flaky, check),
            fixed_tests: fixed_tests(check),
            ..recorded(result)
        });
        known.collect()
    }

    fn guilty(&self, guilty: &crate::assembly::culprit::Guilty) -> Guilty {
        let check = guilty.reds.first().map_or(0, |red| red.check);
        let tests = guilty.reds.iter().filter_map(|red| red.test.clone());
        let involved = |set: &[TaskNumber]| {
            let mut involved = guilty.with.iter().chain([&guilty.task]);
            involved.all(|task| set.contains(task))
        };
        // The smallest set shows the failure with the least around it.
        let failed = self.results.iter().filter(|(set, _)| involved(set));
        let failed = failed.flat_map(|(set, runs)| runs.iter().map(move |run| (set.len(), run)));
        let failed = failed.filter_map(|(size, run)| Some((size, run.get(check)?)));
        let failed = failed.filter(|(_, result)| result.result != CheckOutcome::Passed);
        let shown = failed.min_by_key(|(size, _)| *size);
        let shown = shown.map(|(_, result)| result);
        Guilty {
            task: guilty.task,
            with: guilty.with.clone(),
            command: self.context.settings.assemble.check[check].clone(),
            tests: tests.take(TESTS_RECORDED).collect(),
            timed_out: shown.is_some_and(|result| result.result == CheckOutcome::TimedOut),
            tail: shown.map(|result| result.tail.clone()).unwrap_or_default(),
        }
    }
}

fn recorded(mut result: CheckResult) -> CheckResult {
    result.failed_tests.truncate(TESTS_RECORDED);
    result
}

/// What failed: the tests by name where the check names them, else the check as such.
pub(crate) fn reds(results: &[CheckResult]) -> BTreeSet<Red> {
    let failed = results.iter().enumerate();
    let failed = failed.filter(|(_, result)| result.result != CheckOutcome::Passed);
    let red = |(check, result): (usize, &CheckResult)| -> Vec<Red> {
        let tests = result.failed_tests.iter().cloned().map(Some);
        let whole = result.failed_tests.is_empty().then_some(None);
        let tests = tests.chain(whole);
        tests.map(|test| Red { check, test }).collect()
    };
    failed.flat_map(red).collect()
}
