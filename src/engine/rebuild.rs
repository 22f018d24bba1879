//! A landing on a target that has moved since the run was assembled: what was checked is not what
//! would land, so the integration is redone on top of what the target is now and checked again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::assemble::Chain;
use crate::engine::attempt::blocking;
use crate::engine::context::Context;
use crate::engine::history::HistoryWriter;
use crate::engine::ladder::Ladder;
use crate::engine::land::{Ground, LandError, LandOptions, Shape, Work, merged};
use crate::engine::leash::Leash;
use crate::engine::shutdown::Signals;
use crate::engine::trial::{reds, try_candidates};
use crate::engine::verify::Checker;
use crate::exec::StopSignal;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::merge::blame::Red;
use crate::model::ids::{Oid, TaskNumber};
use crate::model::integration::{CheckResult, LeftOutReason};
use crate::model::run::RunState;
use crate::model::words::together_with;

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
        let leash = Leash::default();
        let redo = Redo {
            ladder: Arc::new(Ladder::new(&there, &leash)),
            there: &there,
            state,
            ground,
            leash: &leash,
        };
        let mut work = std::pin::pin!(redo.work(context, options));
        let mut signal = StopSignal::Interrupt;
        loop {
            tokio::select! {
                work = &mut work => return work,
                _ = signals.next() => {
                    leash.pull(signal);
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
    ladder: Arc<Ladder>,
    leash: &'a Leash,
}

impl Redo<'_> {
    async fn work(&self, context: &Context, options: &LandOptions) -> Result<Work, LandError> {
        let (work, tree) = match options.shape {
            Shape::FastForward => self.replayed().await?,
            shape => match merged(context, self.ground, shape) {
                Ok(Work::Tree(tree)) => (Work::Tree(tree), tree),
                Ok(Work::Chain(tip)) => {
                    let tree = Store::open(&context.repo)?.tree_of(tip)?;
                    (Work::Chain(tip), tree)
                }
                Err(conflict) => return Err(self.named(conflict).await),
            },
        };
        if !options.force {
            self.verify(tree).await?;
        }
        Ok(work)
    }

    /// The merged candidates, put onto the target one after the other, and those that do not go.
    async fn chain(&self) -> Result<(Chain, Vec<TaskNumber>), EngineError> {
        let (there, state) = (Arc::clone(self.there), self.state.clone());
        let ladder = Arc::clone(&self.ladder);
        blocking(move || {
            let merged = state.integration.iter().flat_map(|found| &found.merged);
            let order: Vec<TaskNumber> = merged.map(|merged| merged.task).collect();
            let chain = Chain::build(&there, &state, &order, &[], &ladder)?;
            let is_in = |task: &TaskNumber| chain.steps.iter().any(|step| step.task == *task);
            let missing = order.iter().copied().filter(|task| !is_in(task)).collect();
            Ok((chain, missing))
        })
        .await
    }

    /// The assembled history as it would be had the run started from what the target is now.
    async fn replayed(&self) -> Result<(Work, Oid), LandError> {
        let (there, ground) = (self.there, self.ground);
        let (chain, missing) = self.chain().await?;
        if let Some(out) = chain
            .left_out
            .iter()
            .find(|out| missing.contains(&out.task))
        {
            let (class, paths) = match &out.reason {
                LeftOutReason::Conflict { class, paths, .. } => (*class, paths.clone()),
                _ => return Err(LandError::NotRebuilt(ground.target.clone())),
            };
            return Err(LandError::Conflict {
                target: ground.target.clone(),
                tasks: missing,
                class,
                paths,
            });
        }
        let store = Store::open(&there.repo)?;
        let board = store.entry(store.tree_of(ground.from)?, &there.settings.board.file)?;
        let writer = HistoryWriter::new(there, self.state, &store, &chain.steps)?;
        let commits = writer.write(ground.from, board)?;
        match (commits.last(), chain.steps.last()) {
            (Some(tip), Some(step)) => Ok((Work::Chain(*tip), step.tree)),
            _ => Err(LandError::Nothing),
        }
    }

    /// A conflict with the names of the tasks that make it, where they can be told apart.
    async fn named(&self, conflict: LandError) -> LandError {
        match (conflict, self.chain().await) {
            (
                LandError::Conflict {
                    target,
                    class,
                    paths,
                    ..
                },
                Ok((_, tasks)),
            ) => LandError::Conflict {
                target,
                tasks,
                class,
                paths,
            },
            (other, _) => other,
        }
    }

    async fn verify(&self, tree: Oid) -> Result<(), LandError> {
        let (there, state, ground, leash) = (self.there, self.state, self.ground, self.leash);
        let count = there.settings.assemble.check.len();
        if count == 0 {
            return Ok(());
        }
        let mut checker = Checker::new(there, leash);
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
            if leash.is_pulled() {
                return Err(LandError::Stopped);
            }
            if failed.iter().all(CheckResult::passed) {
                return Ok(());
            }
        }
        let before = checker.results(ground.from, count).await?;
        if leash.is_pulled() {
            return Err(LandError::Stopped);
        }
        let new: BTreeSet<Red> = reds(&failed).difference(&reds(&before)).cloned().collect();
        let place = match new.first() {
            Some(red) => red.check,
            None => failed
                .iter()
                .position(|check| !check.passed())
                .unwrap_or_default(),
        };
        let why = match new.is_empty() {
            true => format!("it fails on {} without it, too", ground.target),
            false => self.blamed().await?.unwrap_or_else(|| {
                let said = one_line(&failed[place].tail);
                let start = said
                    .char_indices()
                    .rev()
                    .nth(SAID)
                    .map_or(0, |(place, _)| place);
                said[start..].to_owned()
            }),
        };
        Err(LandError::ChecksFailedThere {
            target: ground.target.clone(),
            command: failed[place].command.clone(),
            why,
        })
    }

    /// `#4 together with #2`: who makes the check fail on the target as it is now.
    async fn blamed(&self) -> Result<Option<String>, LandError> {
        let (chain, missing) = self.chain().await?;
        if !missing.is_empty() {
            return Ok(None);
        }
        let tried =
            try_candidates(self.there, self.state, &chain, &self.ladder, self.leash).await?;
        let Some(tried) = tried else {
            return Err(LandError::Stopped);
        };
        let guilty = tried.guilty.iter();
        let guilty =
            guilty.map(|guilty| format!("{} {}", guilty.task, together_with(&guilty.with)));
        let guilty: Vec<String> = guilty.collect();
        let fails = if guilty.len() == 1 { "fails" } else { "fail" };
        Ok((!guilty.is_empty()).then(|| format!("{} {fails} there", guilty.join(", "))))
    }
}
