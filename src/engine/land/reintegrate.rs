//! Merges the assembled work onto a target that has moved, and checks it there: the commit that was
//! checked before is not the one that lands.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::assembly::culprit::FailedCheck;
use crate::base::fault;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::assemble::chain::Chain;
use crate::engine::assemble::history::HistoryWriter;
use crate::engine::assemble::verify::{Verification, failures, roll_back, verify};
use crate::engine::checks::worktree::Checker;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::interruptible::run_interruptible;
use crate::engine::land::commit::{LandContent, merge};
use crate::engine::land::error::LandError;
use crate::engine::land::target::LandTarget;
use crate::engine::land::{LandOptions, MergeMethod};
use crate::engine::resolve::auto::AutoResolver;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::integration::{CheckOutcome, CheckResult, LeftOutReason};
use crate::model::run::RunState;
use crate::model::task_list::together_with;
use crate::report::words::check_words;

/// The length of the end of a failed check's output in a message, in characters.
const EXCERPT: usize = 200;

/// Integrates the assembled work on a target that has moved, and checks it there. Ctrl-C and `cancel`
/// stop the checks.
///
/// # Errors
/// When it conflicts with the target, a check fails there, the user wants no reintegration, or
/// interrupted it. Nothing of the user's has moved.
pub fn reintegrate(
    context: &Context,
    state: &RunState,
    target: &LandTarget,
    options: &LandOptions,
    cancel: &CancelHandle,
) -> Result<LandContent, LandError> {
    if options.no_rebuild {
        return Err(LandError::NotRebuilt(target.branch.clone()));
    }
    let there = Arc::new(context.on(target.from));
    run_interruptible(cancel, async {
        // The resolver runs on the event loop.
        let reintegration = Reintegration {
            resolver: Arc::new(AutoResolver::new(&there, cancel)),
            there: &there,
            state,
            target,
            cancel,
        };
        reintegration.content(context, options).await
    })?
}

struct Reintegration<'a> {
    /// The run, as if it had started from the tip of the target.
    there: &'a Arc<Context>,
    state: &'a RunState,
    target: &'a LandTarget,
    resolver: Arc<AutoResolver>,
    cancel: &'a CancelHandle,
}

/// The merged candidates, merged onto the target one after the other.
struct Remerged {
    chain: Chain,
    /// The candidates that do not merge, with the class and the paths of the first conflict.
    conflict: Option<(Vec<TaskNumber>, Class, Vec<RepoPath>)>,
}

impl Reintegration<'_> {
    async fn content(
        &self,
        context: &Context,
        options: &LandOptions,
    ) -> Result<LandContent, LandError> {
        if options.method != MergeMethod::FastForward {
            match merge(context, self.target, options.method) {
                Ok(content) => {
                    if let (LandContent::Tree { tree, .. }, false) = (&content, options.force) {
                        self.check(*tree).await?;
                    }
                    return Ok(content);
                }
                Err(LandError::Conflict { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        self.one_by_one(options).await
    }

    /// Merges the candidates one by one with the strategies of an assembly, where a single merge
    /// conflicts. Resolutions are checked, and rolled back if that fails.
    async fn one_by_one(&self, options: &LandOptions) -> Result<LandContent, LandError> {
        loop {
            let remerged = self.remerge().await?;
            if let Some((tasks, class, paths)) = remerged.conflict {
                return Err(LandError::Conflict {
                    target: self.target.branch.clone(),
                    tasks,
                    class,
                    paths,
                });
            }
            let Some(tree) = remerged.chain.steps.last().map(|step| step.tree) else {
                return Err(LandError::Nothing);
            };
            if !options.force
                && let Err(failed) = self.check(tree).await
            {
                if self.rolls_back(&remerged.chain).await? {
                    continue;
                }
                return Err(failed);
            }
            fault::point("landing", "reintegrated");
            return self.written(remerged.chain, tree, options.method);
        }
    }

    async fn remerge(&self) -> Result<Remerged, EngineError> {
        let (there, state) = (Arc::clone(self.there), self.state.clone());
        let resolver = Arc::clone(&self.resolver);
        blocking(move || {
            let merged = state.integration.iter().flat_map(|found| &found.merged);
            let order: Vec<TaskNumber> = merged.map(|merged| merged.task).collect();
            let mut state = state;
            // The assembled work lands, regardless of tasks that the user leaves out of the next
            // assembly.
            state.leave_out.clear();
            let chain = Chain::build(&there, &state, &order, &[], &resolver)?;
            let conflict = first_conflict(&chain, &order);
            Ok(Remerged { chain, conflict })
        })
        .await
    }

    /// Writes the chain for this merge method, without the board.
    fn written(
        &self,
        chain: Chain,
        tree: Oid,
        method: MergeMethod,
    ) -> Result<LandContent, LandError> {
        if method != MergeMethod::FastForward {
            let resolved = chain.steps.into_iter().flat_map(|step| step.resolved);
            let resolved = resolved.collect();
            return Ok(LandContent::Tree { tree, resolved });
        }
        let (there, target) = (self.there, self.target);
        let store = Store::open(&there.repo)?;
        let board = store.entry(store.tree_of(target.from)?, &there.settings.board.file)?;
        let writer = HistoryWriter::new(there, self.state, &store, &chain.steps)?;
        let written = writer.write(target.from, board)?;
        let tip = written.commits.last().copied().ok_or(LandError::Nothing)?;
        Ok(LandContent::Commit(tip))
    }

    /// Rolls back resolutions that make a check fail. Returns `true` if there were any.
    async fn rolls_back(&self, chain: &Chain) -> Result<bool, LandError> {
        if chain.steps.iter().all(|step| step.resolved.is_empty()) {
            return Ok(false);
        }
        let verification = self.verify(chain).await?;
        Ok(!roll_back(chain, &self.resolver, &verification).is_empty())
    }

    async fn verify(&self, chain: &Chain) -> Result<Verification, LandError> {
        let verified = verify(self.there, self.state, chain, &self.resolver, self.cancel);
        verified.await?.ok_or(LandError::Stopped)
    }

    /// Runs the checks on a tree. A flaky failure passes when it is run again.
    async fn check(&self, tree: Oid) -> Result<(), LandError> {
        let settings = &self.there.settings.assemble;
        let count = settings.check.len();
        if count == 0 {
            return Ok(());
        }
        let mut checker = Checker::new(self.there, self.cancel);
        let commit = self.commit_to_check(tree)?;
        let mut failed = Vec::new();
        for _ in 0..=settings.flaky_reruns {
            failed = checker.results(commit, count).await?;
            if self.cancel.is_cancelled() {
                return Err(LandError::Stopped);
            }
            if failed.iter().all(CheckResult::passed) {
                return Ok(());
            }
        }
        let before = checker.results(self.target.from, count).await?;
        if self.cancel.is_cancelled() {
            return Err(LandError::Stopped);
        }
        Err(self.checks_failed(&failed, &before).await?)
    }

    fn commit_to_check(&self, tree: Oid) -> Result<Oid, LandError> {
        let store = Store::open(&self.there.repo)?;
        Ok(store.write_commit(&NewCommit {
            tree,
            parents: &[self.target.from, self.target.code_tip],
            message: &format!("To be checked\n\nDispatch-Run: {}\n", self.there.run),
            time: self.state.updated,
            by: By::Dispatch,
        })?)
    }

    async fn checks_failed(
        &self,
        failed: &[CheckResult],
        before: &[CheckResult],
    ) -> Result<LandError, LandError> {
        let target = &self.target.branch;
        let new: BTreeSet<FailedCheck> = failures(failed)
            .difference(&failures(before))
            .cloned()
            .collect();
        let place = match new.first() {
            Some(red) => red.check,
            None => {
                let place = failed.iter().position(|check| !check.passed());
                place.unwrap_or_default()
            }
        };
        let why = if new.is_empty() {
            format!("it also fails on {target} alone")
        } else {
            match self.culprits().await? {
                Some(culprits) => culprits,
                None => excerpt(&failed[place]),
            }
        };
        Ok(LandError::ChecksFailedThere {
            target: target.clone(),
            command: failed[place].command.clone(),
            why,
        })
    }

    /// Names the tasks that make the check fail on the target, as in `#4 together with #2 fails`.
    async fn culprits(&self) -> Result<Option<String>, LandError> {
        let remerged = self.remerge().await?;
        if remerged.conflict.is_some() {
            return Ok(None);
        }
        let verification = self.verify(&remerged.chain).await?;
        let culprits = verification.culprits.iter();
        let culprits =
            culprits.map(|culprit| format!("{} {}", culprit.task, together_with(&culprit.with)));
        let culprits: Vec<String> = culprits.collect();
        let verb = if culprits.len() == 1 { "fails" } else { "fail" };
        Ok((!culprits.is_empty()).then(|| format!("{} {verb} there", culprits.join(", "))))
    }
}

/// Returns the tasks of an order that a chain does not have, with the first conflict.
fn first_conflict(
    chain: &Chain,
    order: &[TaskNumber],
) -> Option<(Vec<TaskNumber>, Class, Vec<RepoPath>)> {
    let is_in = |task: &TaskNumber| chain.steps.iter().any(|step| step.task == *task);
    let missing: Vec<TaskNumber> = order.iter().copied().filter(|task| !is_in(task)).collect();
    if missing.is_empty() {
        return None;
    }
    let mut out = chain.left_out.iter();
    let conflict = out.find_map(|out| match &out.reason {
        LeftOutReason::Conflict { class, paths, .. } if missing.contains(&out.task) => {
            Some((*class, paths.clone()))
        }
        _ => None,
    });
    let (class, paths) = conflict.unwrap_or((Class::EngineFailure, Vec::new()));
    Some((missing, class, paths))
}

/// Returns the end of a check's output, or that it timed out.
fn excerpt(check: &CheckResult) -> String {
    if check.result == CheckOutcome::TimedOut {
        return check_words(check);
    }
    let output = one_line(&check.tail);
    let start = output.char_indices().rev().nth(EXCERPT);
    output[start.map_or(0, |(place, _)| place)..].to_owned()
}
