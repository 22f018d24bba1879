//! Putting the candidates onto the integration branch: in memory, in order, never half-merged.
//!
//! The merges are a chain of two-parent commits over trees whose board file is the base's (the
//! *code chain*); what is published has the same trees with the board in them. So a prediction,
//! the published branch and what lands later cannot differ in anything but the board. The checks
//! run on the chain, before anything is published.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::fault;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::attempt::{Message, Post, blocking};
use crate::engine::built_on::BuiltOn;
use crate::engine::context::Context;
use crate::engine::detect::guilty::{MERGES_PER_SET, Sequence};
use crate::engine::history::HistoryWriter;
use crate::engine::ladder::{Clash, Climb, Ladder};
use crate::engine::leash::Leash;
use crate::engine::matches::candidate_conflicts;
use crate::engine::merged::MergedTree;
use crate::engine::settled::Settled;
use crate::engine::trial::{Tried, try_candidates};
use crate::engine::worktree::keep;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::merge_tree::MergeEngine;
use crate::git::refs::branch_ref;
use crate::merge::choice::{Cause, Choice, OrderInput, OrderTask};
use crate::merge::order::{Order, assembly_order};
use crate::model::change::RepoPath;
use crate::model::conflict::TaskConflict;
use crate::model::event::Event;
use crate::model::ids::{Oid, TaskNumber};
use crate::model::integration::{Integration, LeftOut, LeftOutReason, Merged};
use crate::model::resolution::{Resolution, RungName, TriedRung};
use crate::model::run::RunState;

/// Assembles the candidates of a state and posts what happened, step by step.
pub async fn run(context: Arc<Context>, state: RunState, leash: Leash, post: Post) {
    let result = assemble(&context, state, &leash, &post).await;
    // The loop is gone only when the program ends; then there is nobody left to tell.
    let _ = post.send(Message::Assembled(result));
}

async fn assemble(
    context: &Arc<Context>,
    state: RunState,
    leash: &Leash,
    post: &Post,
) -> Result<(), EngineError> {
    if let Some(settled) = recalled(context, &state).await? {
        let (order, integration) = (settled.order, settled.integration);
        let _ = post.send(Message::Fact(Event::AssemblyStarting { order }));
        let _ = post.send(Message::Fact(Event::Assembled { integration }));
        return Ok(());
    }
    let (order, choice, conflicts) = {
        let (context, state, post) = (Arc::clone(context), state.clone(), post.clone());
        blocking(move || {
            let fact = |event| drop(post.send(Message::Fact(event)));
            let conflicts = candidate_conflicts(&context, &state)?;
            if conflicts != state.conflicts {
                fact(Event::ConflictsFound {
                    conflicts: conflicts.clone(),
                });
            }
            let Order { steps, choice } = order(&context, &state, &conflicts)?;
            let order: Vec<TaskNumber> = steps.into_iter().map(|step| step.task).collect();
            fact(Event::AssemblyStarting {
                order: order.clone(),
            });
            fault::point("assembly", "ordered");
            Ok((order, choice, conflicts))
        })
        .await?
    };
    let ladder = Arc::new(Ladder::new(context, leash));
    let mut runs = 0;
    let (built, mut tried) = loop {
        let built = {
            let (context, state, ladder) = (Arc::clone(context), state.clone(), ladder.clone());
            let (order, conflicts, choice) = (order.clone(), conflicts.clone(), choice.clone());
            blocking(move || {
                let mut chain = Chain::build(&context, &state, &order, &conflicts, &ladder)?;
                chain.add_untried(&state, &order, &choice);
                fault::point("assembly", "merged");
                Ok(chain)
            })
            .await?
        };
        if leash.is_pulled() {
            // Stopped: nothing is recorded, and the next call assembles anew.
            return Ok(());
        }
        built.announce_settled(post);
        let Some(tried) = try_candidates(context, &state, &built, &ladder, leash).await? else {
            return Ok(());
        };
        runs += tried.runs;
        let rolled_back = built.roll_back(&ladder, &tried);
        if rolled_back.is_empty() {
            break (built, tried);
        }
        for event in rolled_back {
            let _ = post.send(Message::Fact(event));
        }
    };
    fault::point("assembly", "checked");
    tried.runs = runs;
    let integration = {
        let (context, ladder) = (Arc::clone(context), ladder.clone());
        blocking(move || {
            let chain = built.without(&context, &state, &tried, &ladder)?;
            let integration = chain.publish(&context, &state)?;
            let integration = Integration {
                checks: tried.checks,
                guilty: tried.guilty,
                check_runs: tried.runs,
                ..integration
            };
            Settled::keep(&context, &state, &conflicts, order, &integration)?;
            Ok(integration)
        })
        .await?
    };
    let _ = post.send(Message::Fact(Event::Assembled { integration }));
    Ok(())
}

async fn recalled(
    context: &Arc<Context>,
    state: &RunState,
) -> Result<Option<Settled>, EngineError> {
    let (context, state) = (Arc::clone(context), state.clone());
    blocking(move || Settled::recall(&context, &state)).await
}

/// What would be assembled now, in which order and why, as far as pairs of candidates can tell;
/// nothing is merged or written. With the conflicts it rests on.
///
/// # Errors
/// When git's engine fails as a whole.
pub fn foresee(
    context: &Context,
    state: &RunState,
) -> Result<(Order, Vec<TaskConflict>), EngineError> {
    let conflicts = candidate_conflicts(context, state)?;
    Ok((order(context, state, &conflicts)?, conflicts))
}

/// Which candidates go in, and the order in which they are tried.
pub(super) fn order(
    context: &Context,
    state: &RunState,
    conflicts: &[TaskConflict],
) -> Result<Order, EngineError> {
    let store = Store::open(&context.repo)?;
    let base_tree = store.tree_of(context.base)?;
    let built_on = BuiltOn::read(&store, state)?;
    let mut tasks = Vec::new();
    for (number, candidate) in state.candidates() {
        let task = state.plan.task(number);
        let changes = store.changes(base_tree, store.tree_of(candidate)?)?;
        tasks.push(OrderTask {
            number,
            priority: task.fields.priority,
            depends_on: built_on.of(number),
            moves_or_deletes: changes.iter().any(|change| change.new.is_none()),
            left_out: state.is_left_out(number),
        });
    }
    let conflicts = conflicts.iter().filter(|conflict| !conflict.inherited);
    let conflicts = conflicts.map(|conflict| (conflict.a, conflict.b)).collect();
    Ok(assembly_order(&OrderInput {
        tasks,
        conflicts,
        first: state.first.clone(),
    }))
}

/// A candidate that merged.
pub(crate) struct Step {
    pub(crate) task: TaskNumber,
    pub(crate) candidate: Oid,
    /// The merged tree, with the base's board file.
    pub(crate) tree: Oid,
    /// The commit of the chain.
    pub(crate) commit: Oid,
    /// The conflicts it had with what was in before, and what settled them.
    pub(crate) resolved: Vec<Resolution>,
}

/// The candidates that merged, in order, and those that did not.
pub(crate) struct Chain {
    pub(crate) steps: Vec<Step>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Chain {
    /// Merges these candidates in this order, as far as they merge.
    pub(crate) fn build(
        context: &Context,
        state: &RunState,
        order: &[TaskNumber],
        conflicts: &[TaskConflict],
        ladder: &Ladder,
    ) -> Result<Chain, EngineError> {
        let candidates: BTreeMap<TaskNumber, Oid> = state.candidates().into_iter().collect();
        let store = Store::open(&context.repo)?;
        let engine = MergeEngine::writing(&context.repo, context.base)?;
        let mut merged = MergedTree::new(&store, &engine, context.base)?;
        let mut chain = Chain {
            steps: Vec::new(),
            left_out: chain_rejects(state),
        };
        let mut tip = context.base;
        for task in order.iter().filter(|task| !state.is_left_out(**task)) {
            let Some(&candidate) = candidates.get(task) else {
                continue;
            };
            if let Some(out) = chain.built_on_left_out(&store, state, *task, candidate)? {
                chain.left_out.push(out);
                continue;
            }
            let (tree, resolved) = match merged.merge(tip, candidate)? {
                Some(tree) => (tree, Vec::new()),
                None => {
                    let own_base = own_base(context, state, *task);
                    let clash = Clash {
                        tip,
                        candidate,
                        own_base,
                    };
                    match ladder.climb(&clash)? {
                        Climb::Settled { tree, resolutions } => {
                            merged.settle(candidate, tree)?;
                            (tree, resolutions)
                        }
                        Climb::Stuck {
                            class,
                            paths,
                            mut tried,
                        } => {
                            if state.task(*task).redispatches > 0 {
                                tried.push(TriedRung {
                                    rung: RungName::Redispatched,
                                    why: "its new result conflicts, too".to_owned(),
                                });
                            }
                            let with = match chain.in_the_way(*task, conflicts) {
                                with if with.is_empty() => {
                                    chain.guilty(context, candidate, &paths)?
                                }
                                with => with,
                            };
                            let reason = LeftOutReason::Conflict {
                                class,
                                with,
                                paths,
                                tried,
                            };
                            chain.left_out.push(LeftOut {
                                task: *task,
                                candidate,
                                reason,
                            });
                            continue;
                        }
                    }
                }
            };
            let mut step = Step {
                task: *task,
                candidate,
                tree,
                commit: Oid::ZERO,
                resolved,
            };
            tip = store.write_commit(&NewCommit {
                tree,
                parents: &[tip, candidate],
                message: &message(context, state, &step),
                time: state.updated,
                by: By::User,
            })?;
            step.commit = tip;
            chain.steps.push(step);
        }
        Ok(chain)
    }

    /// What was not even tried because it was built on what a person left out.
    fn add_untried(&mut self, state: &RunState, order: &[TaskNumber], choice: &Choice) {
        for out in choice
            .left_out
            .iter()
            .filter(|out| !order.contains(&out.task))
        {
            if let (Cause::BuiltOn(task), Some(candidate)) =
                (&out.cause, state.task(out.task).candidate())
            {
                self.left_out.push(LeftOut {
                    task: out.task,
                    candidate,
                    reason: LeftOutReason::BuiltOn { task: *task },
                });
            }
        }
    }

    /// The chain of what stands after the checks, with the reasons why the rest does not.
    fn without(
        self,
        context: &Context,
        state: &RunState,
        tried: &Tried,
        ladder: &Ladder,
    ) -> Result<Chain, EngineError> {
        if tried.left_out.is_empty() {
            return Ok(self);
        }
        let mut chain = Chain::build(context, state, &tried.standing, &[], ladder)?;
        chain.left_out = self.left_out;
        chain.left_out.extend(tried.left_out.iter().cloned());
        Ok(chain)
    }

    /// What was built on a branch that is not in cannot go in either: it contains it.
    fn built_on_left_out(
        &self,
        store: &Store,
        state: &RunState,
        task: TaskNumber,
        candidate: Oid,
    ) -> Result<Option<LeftOut>, EngineError> {
        let built_on = state.built_on(task);
        for out in &self.left_out {
            let contains = built_on.contains(&out.task);
            if contains || store.is_ancestor(out.candidate, candidate)? {
                let reason = LeftOutReason::BuiltOn { task: out.task };
                return Ok(Some(LeftOut {
                    task,
                    candidate,
                    reason,
                }));
            }
        }
        Ok(None)
    }

    /// The tasks that are in and conflict with this one, as far as pairs show it.
    fn in_the_way(&self, task: TaskNumber, conflicts: &[TaskConflict]) -> Vec<TaskNumber> {
        let is_in = |other: TaskNumber| self.steps.iter().any(|step| step.task == other);
        let met = conflicts
            .iter()
            .filter_map(|conflict| match conflict.pair() {
                (a, b) if a == task && is_in(b) => Some(b),
                (a, b) if b == task && is_in(a) => Some(a),
                _ => None,
            });
        met.collect()
    }

    /// Says what was settled, before anything rests on it.
    fn announce_settled(&self, post: &Post) {
        let settled = self.steps.iter().filter(|step| !step.resolved.is_empty());
        for step in settled {
            let (task, resolutions) = (step.task, step.resolved.clone());
            // The loop is gone only when the program ends; then there is nobody left to tell.
            let _ = post.send(Message::Fact(Event::ConflictSettled { task, resolutions }));
        }
    }

    /// Takes back what made a check fail, if that is a settled conflict and not a candidate.
    fn roll_back(&self, ladder: &Ladder, tried: &Tried) -> Vec<Event> {
        let back = tried.guilty.iter().filter_map(|guilty| {
            let step = self.steps.iter().find(|step| step.task == guilty.task)?;
            let why = format!("`{}` fails with it", guilty.command);
            let rung = ladder.roll_back(step.candidate, &step.resolved, why)?;
            Some(Event::ResolutionRolledBack {
                task: guilty.task,
                rung,
                command: guilty.command.clone(),
            })
        });
        back.collect()
    }

    /// The fewest of what is in that this one conflicts with together, in a quarantine: most of what
    /// is merged to find out is of no use to anybody. None where a conflict was settled before: what
    /// was settled is in no candidate.
    fn guilty(
        &self,
        context: &Context,
        candidate: Oid,
        paths: &[RepoPath],
    ) -> Result<Vec<TaskNumber>, EngineError> {
        let engine = MergeEngine::quarantined(&context.repo, context.base)?;
        let store = engine.store()?;
        let mut sequence = Sequence::new(&store, &engine, context.base)?;
        for (place, step) in self.steps.iter().enumerate() {
            if !sequence.add(place, step.candidate)? {
                return Ok(Vec::new());
            }
        }
        let guilt = sequence.smallest(candidate, paths, MERGES_PER_SET)?;
        let mut with: Vec<TaskNumber> = guilt
            .members
            .iter()
            .map(|place| self.steps[*place].task)
            .collect();
        with.sort_unstable();
        Ok(with)
    }

    /// Writes both chains in the configured shape and moves the integration branch.
    fn publish(self, context: &Context, state: &RunState) -> Result<Integration, EngineError> {
        let store = Store::open(&context.repo)?;
        let name = branch_ref(&context.integration_branch());
        let _hold = context.hold_integration();
        let old = store.reference(&name)?;
        refuse_checked_out(context)?;
        let board_tip = match old {
            Some(tip) => rewound(&store, context, tip)?,
            None => context.base,
        };
        let file = &context.settings.board.file;
        let board = store.entry(store.tree_of(board_tip)?, file)?;
        let base_board = store.entry(store.tree_of(context.base)?, file)?;
        let writer = HistoryWriter::new(context, state, &store, &self.steps)?;
        let code = writer.write(context.base, base_board)?;
        let commits = writer.write(board_tip, board)?;
        let tip = commits.last().copied().unwrap_or(board_tip);
        let merged = self
            .steps
            .iter()
            .zip(&commits)
            .map(|(step, commit)| Merged {
                task: step.task,
                candidate: step.candidate,
                commit: *commit,
                resolved: step.resolved.clone(),
            });
        let merged = merged.collect();
        fault::point("assembly", "written");
        move_branch(context, &store, &name, old, tip)?;
        fault::point("assembly", "on its branch");
        Ok(Integration {
            merged,
            left_out: self.left_out,
            tip: Some(tip),
            code_tip: Some(code.last().copied().unwrap_or(context.base)),
            chain_tip: Some(self.steps.last().map_or(context.base, |step| step.commit)),
            ..Integration::default()
        })
    }
}

fn chain_rejects(state: &RunState) -> Vec<LeftOut> {
    let rejected = |(task, _): &(TaskNumber, Oid)| state.is_left_out(*task);
    let left_out = |(task, candidate)| LeftOut {
        task,
        candidate,
        reason: LeftOutReason::Person,
    };
    state
        .candidates()
        .into_iter()
        .filter(rejected)
        .map(left_out)
        .collect()
}

/// The last commit of the integration branch before anything was assembled: only boards. Commits
/// of somebody else are not rewound, and nothing is put on top of them.
///
/// # Errors
/// [`EngineError::NotOurs`] when somebody else has committed there.
pub fn rewound(store: &Store, context: &Context, tip: Oid) -> Result<Oid, EngineError> {
    let mut board_tip = tip;
    let mut walked = tip;
    while walked != context.base {
        let commit = store.commit(walked)?;
        let is_ours = commit.trailer("Dispatch-Run") == Some(context.run.as_str());
        let (true, Some(parent)) = (is_ours, commit.parents.first()) else {
            let branch = context.integration_branch();
            return Err(EngineError::NotOurs(format!(
                "{branch} has commits of somebody else ({}); give it another name with \
                 `git branch --move {branch} NAME`",
                walked.short(),
            )));
        };
        if commit.trailer("Dispatch-Task").is_some() {
            board_tip = *parent;
        }
        walked = *parent;
    }
    Ok(board_tip)
}

fn refuse_checked_out(context: &Context) -> Result<(), EngineError> {
    let branch = context.integration_branch();
    match context.repo.checkouts_of(&branch).first() {
        None => Ok(()),
        Some(place) => Err(EngineError::NotOurs(format!(
            "{branch} is checked out in {}; check out something else there",
            place.display(),
        ))),
    }
}

/// The old tip is kept: assembling again must not lose what somebody may have looked at.
fn move_branch(
    context: &Context,
    store: &Store,
    name: &str,
    old: Option<Oid>,
    tip: Oid,
) -> Result<(), EngineError> {
    refuse_checked_out(context)?;
    let Some(old) = old else {
        return Ok(store.move_reference(name, Oid::ZERO, tip, "dispatch: assembled")?);
    };
    if !store.is_ancestor(old, tip)? {
        keep(
            store,
            &format!("refs/dispatch/attempts/{}/integration/1", context.run),
            old,
        )?;
    }
    if old != tip {
        store.move_reference(name, old, tip, "dispatch: assembled")?;
    }
    Ok(())
}

/// The commit a candidate was built on, if that is not the base of the run.
fn own_base(context: &Context, state: &RunState, task: TaskNumber) -> Option<Oid> {
    let by_hand = state.task(task).by_hand.as_ref();
    let base = match by_hand {
        Some(by_hand) => by_hand.onto.commit,
        None => state.task(task).deciding_attempt()?.base?,
    };
    Some(base).filter(|base| *base != context.base)
}

/// The message of the commit that brings a task in.
pub(crate) fn message(context: &Context, state: &RunState, step: &Step) -> String {
    let number = step.task;
    let task = context.plan.task(number);
    let summary = state
        .task(number)
        .last_outcome()
        .and_then(|o| o.report.summary.clone());
    let attempt = state
        .task(number)
        .deciding_attempt()
        .map_or(1, |attempt| attempt.number);
    let body = match summary.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() && text != task.title => format!("{text}\n\n"),
        _ => String::new(),
    };
    format!(
        "Merge {number} {}: {}\n\n{body}{}{}{}",
        task.tag,
        task.title,
        settled_paragraph(&step.resolved),
        context.trailers(number, attempt),
        settled_trailers(&step.resolved),
    )
}

/// What was in conflict and what settled it, for people.
pub(crate) fn settled_paragraph(resolved: &[Resolution]) -> String {
    if resolved.is_empty() {
        return String::new();
    }
    let lines = resolved.iter().map(|resolution| {
        let paths: Vec<String> = resolution.paths.iter().map(ToString::to_string).collect();
        let (class, by) = (resolution.class, &resolution.by);
        format!("* {} ({class}): {by}\n", one_line(&paths.join(", ")))
    });
    format!(
        "Conflicts settled while assembling:\n\n{}\n",
        lines.collect::<String>()
    )
}

/// The same for programs, one trailer a conflict.
pub(crate) fn settled_trailers(resolved: &[Resolution]) -> String {
    let lines = resolved.iter().map(|resolution| {
        let paths: Vec<String> = resolution.paths.iter().map(ToString::to_string).collect();
        let rung = resolution.by.rung().word();
        format!(
            "Dispatch-Resolved: {rung} {}\n",
            one_line(&paths.join(", "))
        )
    });
    lines.collect()
}
