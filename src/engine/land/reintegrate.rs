//! A landing on a target that has moved since the run was assembled: what was checked is not what
//! would land, so the integration is redone on top of what the target is now and checked again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::assembly::culprit::Red;
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
use crate::engine::kernel::signals::Signals;
use crate::engine::land::{Ground, LandError, LandOptions, Shape, Work, merged};
use crate::engine::resolve::auto::AutoResolver;
use crate::exec::StopSignal;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;
use crate::model::ids::TaskNumber;
use crate::model::integration::{CheckOutcome, CheckResult, LeftOutReason};
use crate::model::run::RunState;
use crate::model::task_list::together_with;
use crate::report::words::check_words;

/// How much of a failed check's output is repeated, in characters.
const SAID: usize = 200;

/// What lands on a target that has moved, checked there. Ctrl-C stops the checks.
///
/// # Errors
/// When it conflicts with the target, a check fails there, the user wants nothing redone, or
/// a person stopped it. Nothing of the user's has moved.
pub fn rebuilt(
    context: &Context,
    state: &RunState,
    ground: &Ground,
    options: &LandOptions,
) -> Result<Work, LandError> {
    if options.no_rebuild {
        return Err(LandError::NotRebuilt(ground.target.clone()));
    }
    let failed = |error| LandError::Engine(EngineError::File("the event loop".to_owned(), error));
    let there = Arc::new(context.on(ground.from));
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(failed)?;
        let cancel = CancelHandle::default();
        let redo = Redo {
            ladder: Arc::new(AutoResolver::new(&there, &cancel)),
            there: &there,
            state,
            ground,
            cancel: &cancel,
        };
        let mut work = std::pin::pin!(redo.work(context, options));
        let mut signal = StopSignal::Interrupt;
        loop {
            tokio::select! {
                work = &mut work => return work,
                _ = signals.next() => {
                    cancel.cancel(signal);
                    signal = StopSignal::Kill;
                }
            }
        }
    })
}

struct Redo<'a> {
    /// The run, as if it had started from what the target is now.
    there: &'a Arc<Context>,
    state: &'a RunState,
    ground: &'a Ground,
    ladder: Arc<AutoResolver>,
    cancel: &'a CancelHandle,
}

/// The merged candidates, put onto the target one after the other.
struct Again {
    chain: Chain,
    /// Those that do not go, with the class of the first conflict and its paths.
    missing: Option<(Vec<TaskNumber>, Class, Vec<RepoPath>)>,
}

impl Redo<'_> {
    async fn work(&self, context: &Context, options: &LandOptions) -> Result<Work, LandError> {
        if options.shape != Shape::FastForward {
            match merged(context, self.ground, options.shape) {
                Ok(work) => {
                    if let (Work::Tree { tree, .. }, false) = (&work, options.force) {
                        self.verify(*tree).await?;
                    }
                    return Ok(work);
                }
                Err(LandError::Conflict { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        self.settled(options).await
    }

    /// What one merge does not bring together, the candidates one after the other may, with the same
    /// ladder as in an assembly: what settled a conflict is checked, and taken back if that fails.
    async fn settled(&self, options: &LandOptions) -> Result<Work, LandError> {
        loop {
            let again = self.again().await?;
            if let Some((tasks, class, paths)) = again.missing {
                return Err(LandError::Conflict {
                    target: self.ground.target.clone(),
                    tasks,
                    class,
                    paths,
                });
            }
            let Some(tree) = again.chain.steps.last().map(|step| step.tree) else {
                return Err(LandError::Nothing);
            };
            if !options.force
                && let Err(failed) = self.verify(tree).await
            {
                match self.takes_back(&again.chain).await? {
                    true => continue,
                    false => return Err(failed),
                }
            }
            fault::point("landing", "settled anew");
            return self.written(again.chain, tree, options.shape);
        }
    }

    async fn again(&self) -> Result<Again, EngineError> {
        let (there, state) = (Arc::clone(self.there), self.state.clone());
        let ladder = Arc::clone(&self.ladder);
        blocking(move || {
            let merged = state.integration.iter().flat_map(|found| &found.merged);
            let order: Vec<TaskNumber> = merged.map(|merged| merged.task).collect();
            let mut state = state;
            // What lands is what was assembled, whatever a person wants left out of the next one.
            state.leave_out.clear();
            let chain = Chain::build(&there, &state, &order, &[], &ladder)?;
            let is_in = |task: &TaskNumber| chain.steps.iter().any(|step| step.task == *task);
            let missing: Vec<TaskNumber> =
                order.iter().copied().filter(|task| !is_in(task)).collect();
            let mut out = chain.left_out.iter();
            let conflict = out.find_map(|out| match &out.reason {
                LeftOutReason::Conflict { class, paths, .. } if missing.contains(&out.task) => {
                    Some((*class, paths.clone()))
                }
                _ => None,
            });
            let missing = (!missing.is_empty()).then(|| {
                let (class, paths) = conflict.unwrap_or((Class::EngineFailure, Vec::new()));
                (missing, class, paths)
            });
            Ok(Again { chain, missing })
        })
        .await
    }

    /// In the shape that is asked for, without the board.
    fn written(&self, chain: Chain, tree: Oid, shape: Shape) -> Result<Work, LandError> {
        if shape != Shape::FastForward {
            let settled = chain.steps.into_iter().flat_map(|step| step.resolved);
            let settled = settled.collect();
            return Ok(Work::Tree { tree, settled });
        }
        let (there, ground) = (self.there, self.ground);
        let store = Store::open(&there.repo)?;
        let board = store.entry(store.tree_of(ground.from)?, &there.settings.board.file)?;
        let writer = HistoryWriter::new(there, self.state, &store, &chain.steps)?;
        let commits = writer.write(ground.from, board)?;
        let tip = commits.last().copied().ok_or(LandError::Nothing)?;
        Ok(Work::Chain(tip))
    }

    /// Whether what settled a conflict made a check fail, and was taken back for that.
    async fn takes_back(&self, chain: &Chain) -> Result<bool, LandError> {
        if chain.steps.iter().all(|step| step.resolved.is_empty()) {
            return Ok(false);
        }
        let tried = self.tried(chain).await?;
        Ok(!roll_back(chain, &self.ladder, &tried).is_empty())
    }

    async fn tried(&self, chain: &Chain) -> Result<Verification, LandError> {
        let (there, state, cancel) = (self.there, self.state, self.cancel);
        let tried = verify(there, state, chain, &self.ladder, cancel).await?;
        tried.ok_or(LandError::Stopped)
    }

    async fn verify(&self, tree: Oid) -> Result<(), LandError> {
        let (there, state, ground, cancel) = (self.there, self.state, self.ground, self.cancel);
        let count = there.settings.assemble.check.len();
        if count == 0 {
            return Ok(());
        }
        let mut checker = Checker::new(there, cancel);
        let commit = Store::open(&there.repo)?.write_commit(&NewCommit {
            tree,
            parents: &[ground.from, ground.code_tip],
            message: &format!("To be checked\n\nDispatch-Run: {}\n", there.run),
            time: state.updated,
            by: By::Dispatch,
        })?;
        let mut failed = Vec::new();
        // What is flaky passes when it is run again, and then nobody is blamed.
        for _ in 0..=there.settings.assemble.flaky_reruns {
            failed = checker.results(commit, count).await?;
            if cancel.is_cancelled() {
                return Err(LandError::Stopped);
            }
            if failed.iter().all(CheckResult::passed) {
                return Ok(());
            }
        }
        let before = checker.results(ground.from, count).await?;
        if cancel.is_cancelled() {
            return Err(LandError::Stopped);
        }
        Err(self.failed(&failed, &before).await?)
    }

    async fn failed(
        &self,
        failed: &[CheckResult],
        before: &[CheckResult],
    ) -> Result<LandError, LandError> {
        let target = &self.ground.target;
        let new: BTreeSet<Red> = failures(failed)
            .difference(&failures(before))
            .cloned()
            .collect();
        let place = match new.first() {
            Some(red) => red.check,
            None => failed
                .iter()
                .position(|check| !check.passed())
                .unwrap_or_default(),
        };
        let why = match new.is_empty() {
            true => format!("it fails on {target} without it, too"),
            false => match self.blamed().await? {
                Some(blamed) => blamed,
                None => said(&failed[place]),
            },
        };
        Ok(LandError::ChecksFailedThere {
            target: target.clone(),
            command: failed[place].command.clone(),
            why,
        })
    }

    /// `#4 together with #2`: who makes the check fail on the target as it is now.
    async fn blamed(&self) -> Result<Option<String>, LandError> {
        let again = self.again().await?;
        if again.missing.is_some() {
            return Ok(None);
        }
        let tried = self.tried(&again.chain).await?;
        let guilty = tried.culprits.iter();
        let guilty =
            guilty.map(|guilty| format!("{} {}", guilty.task, together_with(&guilty.with)));
        let guilty: Vec<String> = guilty.collect();
        let fails = if guilty.len() == 1 { "fails" } else { "fail" };
        Ok((!guilty.is_empty()).then(|| format!("{} {fails} there", guilty.join(", "))))
    }
}

/// That it timed out, or the end of what it said.
fn said(check: &CheckResult) -> String {
    if check.result == CheckOutcome::TimedOut {
        return check_words(check);
    }
    let said = one_line(&check.tail);
    let start = said.char_indices().rev().nth(SAID);
    said[start.map_or(0, |(place, _)| place)..].to_owned()
}
