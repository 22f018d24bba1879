//! Runs the checks on a chain and leaves out the candidates that make them fail.
//!
//! [`CulpritSearch`] chooses the sets to check; [`Verifier`] merges and checks them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::assembly::culprit::{
    self, CheckRun, CulpritSearch, FailedCheck, RunResult, SearchResult,
};
use crate::engine::EngineError;
use crate::engine::assemble::chain::Chain;
use crate::engine::assemble::step::Step;
use crate::engine::candidates::ancestry::BuiltOn;
use crate::engine::checks::worktree::Checker;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::auto::AutoResolver;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::{
    BaseComparison, CheckOutcome, CheckResult, Culprit, LeftOut, LeftOutReason,
};
use crate::model::run::RunState;

/// The largest number of failed tests that are recorded.
const TESTS_RECORDED: usize = 50;

/// The result of verifying a chain.
#[derive(Debug, Default)]
pub(crate) struct Verification {
    /// The candidates that pass together, in order.
    pub(super) standing: Vec<TaskNumber>,
    /// The others.
    pub(super) left_out: Vec<LeftOut>,
    /// The last checks of those that pass.
    pub(super) checks: Vec<CheckResult>,
    /// The candidates that make checks fail.
    pub(crate) culprits: Vec<Culprit>,
    /// The number of check runs, without those answered from the cache.
    pub(super) runs: usize,
}

/// Verifies a chain. Returns `None` when the run was stopped meanwhile.
pub(crate) async fn verify(
    context: &Arc<Context>,
    state: &RunState,
    chain: &Chain,
    resolver: &Arc<AutoResolver>,
    cancel: &CancelHandle,
) -> Result<Option<Verification>, EngineError> {
    let order: Vec<TaskNumber> = chain.steps.iter().map(|step| step.task).collect();
    let settings = &context.settings.assemble;
    if settings.check.is_empty() || order.is_empty() {
        return Ok(Some(Verification {
            standing: order,
            ..Verification::default()
        }));
    }
    let built_on = {
        let (context, state) = (Arc::clone(context), state.clone());
        blocking(move || BuiltOn::read(&Store::open(&context.repo)?, &state)).await?
    };
    let search = CulpritSearch::new(
        order,
        built_on.map(),
        settings.check.len(),
        settings.flaky_reruns as usize,
    );
    let verifier = Verifier {
        context,
        state,
        chain,
        resolver,
        cancel,
        checker: Checker::new(context, cancel),
        results: BTreeMap::new(),
        unmerged: BTreeMap::new(),
    };
    verifier.run(search).await
}

/// Takes back the resolutions that make a check fail, and returns an event for each.
pub(crate) fn roll_back(
    chain: &Chain,
    resolver: &AutoResolver,
    verification: &Verification,
) -> Vec<Event> {
    let culprits = verification.culprits.iter();
    let rolled_back = culprits.filter_map(|culprit| {
        let step = chain.steps.iter().find(|step| step.task == culprit.task)?;
        let why = format!("`{}` fails with it", culprit.command);
        let strategy = resolver.exclude_weakest(step.candidate, &step.resolved, why)?;
        Some(Event::ResolutionRolledBack {
            task: culprit.task,
            strategy,
            command: culprit.command.clone(),
        })
    });
    rolled_back.collect()
}

/// Builds the chain of the candidates that passed, with the reasons why the others are left out.
pub(super) fn without_culprits(
    chain: Chain,
    context: &Context,
    state: &RunState,
    verification: &Verification,
    resolver: &AutoResolver,
) -> Result<Chain, EngineError> {
    if verification.left_out.is_empty() {
        return Ok(chain);
    }
    let mut standing = Chain::build(context, state, &verification.standing, &[], resolver)?;
    standing.left_out = chain.left_out;
    standing
        .left_out
        .extend(verification.left_out.iter().cloned());
    Ok(standing)
}

struct Verifier<'a> {
    context: &'a Arc<Context>,
    state: &'a RunState,
    chain: &'a Chain,
    resolver: &'a Arc<AutoResolver>,
    cancel: &'a CancelHandle,
    checker: Checker<'a>,
    /// The results of every set that was checked, one list of checks a run.
    results: BTreeMap<Vec<TaskNumber>, Vec<Vec<CheckResult>>>,
    /// Candidates that do not merge without another one, with the reason.
    unmerged: BTreeMap<TaskNumber, LeftOutReason>,
}

impl Verifier<'_> {
    async fn run(mut self, mut search: CulpritSearch) -> Result<Option<Verification>, EngineError> {
        loop {
            let run = match search.next() {
                culprit::Step::Run(run) => run,
                culprit::Step::Done(verdict) => return Ok(Some(self.verification(verdict))),
            };
            let commit = match self.commit(&run.set).await? {
                Ok(commit) => commit,
                Err((task, reason)) => {
                    self.unmerged.insert(task, reason);
                    search.record(RunResult::DoesNotMerge(task));
                    continue;
                }
            };
            let results = self.checker.results(commit, run.checks).await?;
            if self.cancel.is_cancelled() {
                return Ok(None);
            }
            let is_not_run = |result: &CheckResult| result.result == CheckOutcome::NotRun;
            if results.iter().any(is_not_run) {
                return Ok(Some(self.unverified(results)));
            }
            search.record(RunResult::Ran(failures(&results)));
            self.keep(run, results);
        }
    }

    fn keep(&mut self, run: CheckRun, results: Vec<CheckResult>) {
        self.results.entry(run.set).or_default().push(results);
    }

    /// Returns the commit with these candidates, or the one that does not merge with the reason.
    async fn commit(
        &self,
        set: &[TaskNumber],
    ) -> Result<Result<Oid, (TaskNumber, LeftOutReason)>, EngineError> {
        let steps = &self.chain.steps;
        let prefix = steps.iter().map(|step| step.task).take(set.len());
        if prefix.eq(set.iter().copied()) {
            let last = set.len().checked_sub(1).and_then(|last| steps.get(last));
            return Ok(Ok(last.map_or(self.context.base, |step: &Step| step.commit)));
        }
        let (context, state) = (Arc::clone(self.context), self.state.clone());
        let (order, resolver) = (set.to_vec(), Arc::clone(self.resolver));
        let chain =
            blocking(move || Chain::build(&context, &state, &order, &[], &resolver)).await?;
        let tip = chain.tip(self.context);
        let mut missing = chain.left_out.into_iter();
        let missing = missing.find(|out| set.contains(&out.task));
        Ok(match missing {
            Some(out) => Err((out.task, out.reason)),
            None => Ok(tip),
        })
    }

    /// Returns the result for a check that could not run: no culprit is known, and the run needs
    /// attention.
    fn unverified(&self, checks: Vec<CheckResult>) -> Verification {
        Verification {
            standing: self.chain.steps.iter().map(|step| step.task).collect(),
            checks: checks.into_iter().map(recorded).collect(),
            runs: self.checker.runs(),
            ..Verification::default()
        }
    }

    fn verification(self, verdict: SearchResult) -> Verification {
        let checks = self.last_checks(&verdict);
        let culprits = verdict.culprits.iter();
        let culprits: Vec<Culprit> = culprits.map(|culprit| self.culprit(culprit)).collect();
        Verification {
            left_out: self.left_out(&verdict, &culprits),
            checks,
            culprits,
            runs: self.checker.runs(),
            standing: verdict.passing,
        }
    }

    fn left_out(&self, verdict: &SearchResult, culprits: &[Culprit]) -> Vec<LeftOut> {
        let failed = culprits.iter().map(|culprit| {
            let reason = LeftOutReason::FailedChecks {
                command: culprit.command.clone(),
                with: culprit.with.clone(),
                timed_out: culprit.timed_out,
            };
            (culprit.task, reason)
        });
        let built_on = verdict.built_on.iter();
        let built_on = built_on.map(|(task, on)| (*task, LeftOutReason::BuiltOn { task: *on }));
        let unmerged = self.unmerged.iter();
        let unmerged = unmerged.filter(|(task, _)| verdict.unmergeable.contains(task));
        let unmerged = unmerged.map(|(task, reason)| (*task, reason.clone()));
        let all = failed.chain(built_on).chain(unmerged);
        let left_out = all.filter_map(|(task, reason)| {
            let mut steps = self.chain.steps.iter();
            let step = steps.find(|step| step.task == task)?;
            Some(LeftOut {
                task,
                candidate: step.candidate,
                reason,
            })
        });
        left_out.collect()
    }

    /// Returns the last results on the standing set, each compared with the base.
    fn last_checks(&self, verdict: &SearchResult) -> Vec<CheckResult> {
        let all = self.context.settings.assemble.check.len();
        let results = self.results.get(&verdict.passing).into_iter().flatten();
        let last = results.rev().find(|results| results.len() == all);
        let checks = last.into_iter().flatten().cloned().enumerate();
        let checks = checks.map(|(place, result)| against_base(place, result, verdict));
        checks.collect()
    }

    fn culprit(&self, culprit: &crate::assembly::culprit::Culprit) -> Culprit {
        let check = culprit.failures.first().map_or(0, |red| red.check);
        let tests = culprit.failures.iter().filter_map(|red| red.test.clone());
        let shown = self.clearest_failure(culprit, check);
        Culprit {
            task: culprit.task,
            with: culprit.with.clone(),
            command: self.context.settings.assemble.check[check].clone(),
            tests: tests.take(TESTS_RECORDED).collect(),
            timed_out: shown.is_some_and(|result| result.result == CheckOutcome::TimedOut),
            tail: shown.map(|result| result.tail.clone()).unwrap_or_default(),
        }
    }

    /// Returns the failure on the smallest set, which contains the least besides the culprit.
    fn clearest_failure(
        &self,
        culprit: &crate::assembly::culprit::Culprit,
        check: usize,
    ) -> Option<&CheckResult> {
        let is_involved = |set: &[TaskNumber]| {
            let mut involved = culprit.with.iter().chain([&culprit.task]);
            involved.all(|task| set.contains(task))
        };
        let sets = self.results.iter().filter(|(set, _)| is_involved(set));
        let runs = sets.flat_map(|(set, runs)| runs.iter().map(move |run| (set.len(), run)));
        let results = runs.filter_map(|(size, run)| Some((size, run.get(check)?)));
        let failed = results.filter(|(_, result)| result.result != CheckOutcome::Passed);
        failed.min_by_key(|(size, _)| *size).map(|(_, found)| found)
    }
}

fn against_base(place: usize, result: CheckResult, verdict: &SearchResult) -> CheckResult {
    let has = |reds: &BTreeSet<FailedCheck>| reds.iter().any(|red| red.check == place);
    let fixed = verdict.fixed.iter().filter(|red| red.check == place);
    let fixed = fixed.filter_map(|red| red.test.clone());
    let against_base = if has(&verdict.already_failing) {
        Some(BaseComparison::AlreadyFailing)
    } else if has(&verdict.fixed) {
        Some(BaseComparison::Fixed)
    } else {
        None
    };
    CheckResult {
        against_base,
        flaky: has(&verdict.flaky),
        fixed_tests: fixed.take(TESTS_RECORDED).collect(),
        ..recorded(result)
    }
}

fn recorded(mut result: CheckResult) -> CheckResult {
    result.failed_tests.truncate(TESTS_RECORDED);
    result
}

/// Returns the failures: the tests where a check names them, else the check as a whole.
pub(crate) fn failures(results: &[CheckResult]) -> BTreeSet<FailedCheck> {
    let failed = results.iter().enumerate();
    let failed = failed.filter(|(_, result)| result.result != CheckOutcome::Passed);
    let red = |(check, result): (usize, &CheckResult)| -> Vec<FailedCheck> {
        let tests = result.failed_tests.iter().cloned().map(Some);
        let whole = result.failed_tests.is_empty().then_some(None);
        let tests = tests.chain(whole);
        tests.map(|test| FailedCheck { check, test }).collect()
    };
    failed.flat_map(red).collect()
}
