//! Judges an attempt whose worker has ended: a candidate, a report, or a classed failure.

use crate::base::fault;
use crate::config::reaction::Reaction;
use crate::engine::EngineError;
use crate::engine::attempt::accept::accept;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::execution::{Execution, Finished};
use crate::engine::attempt::fail::fail;
use crate::engine::attempt::offer::Offer;
use crate::engine::attempt::private_folder::take_over;
use crate::engine::attempt::stash_uses::crossed_stash;
use crate::engine::commands::runner::CheckRun;
use crate::engine::kernel::blocking::blocking;
use crate::engine::spec::environment::environment;
use crate::failure::evidence::Fact;
use crate::model::integration::{CheckOutcome, CheckResult};
use crate::model::outcome::Outcome;

/// Judges an attempt by its exit, its output, the worker's own report, the state of its worktree and
/// its checks.
///
/// # Errors
/// When the store, git or the executor fails; a failure of the worker is a value.
pub(super) async fn judge(
    execution: &Execution,
    finished: Finished,
) -> Result<Outcome, EngineError> {
    let worktree = finished.worktree.clone();
    execution
        .blocking(move |execution| take_over(execution, &worktree))
        .await?;
    let case = Case::read(execution, finished).await?;
    if !case.ended_well() {
        return fail(case, None, Vec::new()).await;
    }
    if let Some(fact) = forbidden_changes(&case) {
        return fail(case, Some(fact), Vec::new()).await;
    }
    if let Some(how) = crossed_stash(&case) {
        return fail(case, Some(Fact::StashCrossed(how)), Vec::new()).await;
    }
    let inspected = case.clone();
    let inspect = move || {
        let repo = &inspected.execution.context.repo;
        repo.with_store(|store| Offer::inspect(&inspected, store))
    };
    match blocking(inspect).await? {
        Ok(offer) => check(case, offer).await,
        Err(fact) => fail(case, Some(fact), Vec::new()).await,
    }
}

/// Returns the changes outside its worktree, where they are not allowed.
fn forbidden_changes(case: &Case) -> Option<Fact> {
    let is_forbidden = case.execution.context.settings.run.outside_writes == Reaction::Fail;
    let what = case.meanwhile.iter().map(|change| change.name.clone());
    let what: Vec<String> = what.collect();
    (is_forbidden && !what.is_empty()).then_some(Fact::ChangedOutside(what))
}

async fn check(case: Case, offer: Offer) -> Result<Outcome, EngineError> {
    fault::point("attempt", "before its checks");
    let checks = run_checks(&case).await?;
    fault::point("attempt", "after its checks");
    let failed = checks
        .last()
        .filter(|last| last.result != CheckOutcome::Passed);
    let Some(failed) = failed else {
        let accept = move || {
            let repo = &case.execution.context.repo;
            repo.with_store(|store| accept(&case, store, &offer, checks))
        };
        return blocking(accept).await;
    };
    let fact = if case.execution.cancel.is_cancelled() {
        Fact::Stopped
    } else {
        Fact::CheckFailed {
            command: failed.command.clone(),
            tail: failed.tail.clone(),
        }
    };
    fail(case, Some(fact), checks).await
}

async fn run_checks(case: &Case) -> Result<Vec<CheckResult>, EngineError> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let task = context.plan.task(spec.task);
    if task.fields.check.is_empty() {
        return Ok(Vec::new());
    }
    let timeout = task.fields.timeout;
    let checks = CheckRun {
        context,
        folder: case.execution.folder(),
        cwd: &case.worktree.path,
        is_swept: false,
        env: environment(context, spec, case.base),
        timeout: timeout.unwrap_or(context.settings.assemble.check_timeout),
        cookie: format!("{}/{}/{}/check", context.run, task.number.0, spec.attempt),
        cancel: &case.execution.cancel,
        confined_to: Some(&case.worktree),
    };
    checks.run(&task.fields.check).await
}
