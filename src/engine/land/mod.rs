//! Landing: the one moment when a branch of the user's moves, because the user said so.
//!
//! The landing commit is built aside. Then the target moves in one step: by compare-and-swap, or,
//! where it is checked out, by `git merge --ff-only`, which keeps unrelated local changes and
//! refuses before it changes anything when they are in the way.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::engine::EngineError;
use crate::engine::assemble::commit_message::{resolution_trailers, resolutions_paragraph};
use crate::engine::assemble::integration_branch::last_board_commit;
use crate::engine::candidates::conflicts::verdict_on;
use crate::engine::kernel::context::Context;
use crate::engine::land::hooks::Hooks;
use crate::engine::land::lock::Moving;
use crate::engine::publish::{render_board_file, with_board};
use crate::git::merge_engine::MergeEngine;
use crate::git::refs::branch_ref;
use crate::git::{GitError, Store};
use crate::merge::answer::MergeAnswer;
use crate::merge::oid::Oid;
use crate::model::integration::{AgainstBase, CheckResult, Integration, Landing};
use crate::model::resolution::Resolution;
use crate::model::run::RunState;

mod error;
pub mod hooks;
pub mod lock;
pub mod move_target;
pub mod pull_request;
pub mod reintegrate;
pub mod undo;

pub use crate::engine::land::error::LandError;
pub use crate::engine::land::move_target::carry_out;
pub(crate) use crate::engine::land::move_target::{
    free_backup, make_ready, make_sure_it_can_move, move_branch, only_checkout,
};

/// The shape in which a run lands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One merge commit of the target and the integration branch.
    Merge,
    /// The target moves forward to the assembled chain.
    FastForward,
    /// One ordinary commit.
    Squash,
}

/// What the user asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LandOptions {
    /// Another target than the run's.
    pub into: Option<String>,
    /// The shape.
    pub shape: Shape,
    /// Whether the board comes along.
    pub board: bool,
    /// Land although a check of the assembled branch failed.
    pub force: bool,
    /// Do not run the user's hooks.
    pub no_verify: bool,
    /// Do not redo the integration on a target that has moved.
    pub no_rebuild: bool,
    /// Land on a target that no longer has what the run started from, which brings that back.
    pub allow_rewound: bool,
}

/// Where a landing would go, as it is right now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ground {
    /// The target branch.
    pub target: String,
    /// What it is.
    pub from: Oid,
    /// Where it is checked out, if it is.
    pub checkout: Option<PathBuf>,
    /// The target has everything already: a landing that was cut off before it was recorded, or a
    /// person's own merge.
    pub is_contained: bool,
    /// The target has what the assembled work was not made and checked with.
    pub has_moved: bool,
    /// The tip of the integration branch right after assembly.
    pub(crate) tip: Oid,
    /// The same without any board.
    pub(crate) code_tip: Oid,
}

/// What is to be landed on that ground.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// This commit, as it is.
    Chain(Oid),
    /// A commit with this tree, the board aside.
    Tree {
        /// The tree.
        tree: Oid,
        /// The conflicts with what the target has become, and what settled them.
        settled: Vec<Resolution>,
    },
}

/// What will move, ready to be shown and then carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// From where to where.
    pub landing: Landing,
    /// The checkout that moves with it, if the target is checked out.
    pub checkout: Option<PathBuf>,
}

/// Looks at the target and at what was assembled; changes nothing.
///
/// # Errors
/// Why the run cannot land.
pub fn survey(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
) -> Result<Ground, LandError> {
    let integration = landable(state, options)?;
    let store = Store::open(&context.repo)?;
    let target = options.into.clone().or(state.target.clone());
    let target = target.ok_or(LandError::NoTarget)?;
    let from = store.reference(&branch_ref(&target)).ok().flatten();
    let from = from.ok_or_else(|| LandError::TargetGone(target.clone()))?;
    let checkout = only_checkout(context, &target)?;
    let (Some(code_tip), Some(tip)) = (integration.code_tip, integration.tip) else {
        return Err(LandError::Nothing);
    };
    refuse_foreign_commits(context, &store)?;
    let has_moved = !store.is_ancestor(from, code_tip)?;
    let is_contained = is_contained(context, &store, from, code_tip)?;
    if !is_contained {
        refuse_last_board_commit(&store, state, options, &target, from)?;
    }
    Ok(Ground {
        is_contained,
        has_moved,
        target,
        from,
        checkout,
        tip,
        code_tip,
    })
}

/// A target that was set back behind what the run started from lost those commits on purpose. Landing
/// would bring them back, and nobody may find them there unasked. Where another branch than the run's
/// own is named, what comes along is what was asked for.
fn refuse_last_board_commit(
    store: &Store,
    state: &RunState,
    options: &LandOptions,
    target: &str,
    from: Oid,
) -> Result<(), LandError> {
    let (target, base) = (target.to_owned(), state.base);
    if store.merge_bases(base, from)?.is_empty() {
        return Err(LandError::Unrelated { target, base });
    }
    let is_own = state.target.as_ref() == Some(&target);
    if options.allow_rewound || !is_own || store.is_ancestor(base, from)? {
        return Ok(());
    }
    let along = store.commits_above(base, Some(from))?.len();
    Err(LandError::Rewound {
        target,
        base,
        along,
    })
}

/// What lands where the target has only what the work was made and checked with.
///
/// # Errors
/// When the two do not merge.
pub fn merged(context: &Context, ground: &Ground, shape: Shape) -> Result<Work, LandError> {
    if shape == Shape::FastForward {
        return Ok(Work::Chain(ground.code_tip));
    }
    let engine = MergeEngine::writing(&context.repo, ground.from).map_err(EngineError::from)?;
    let answer = engine.merge(ground.from, ground.code_tip);
    match answer.map_err(EngineError::from)? {
        MergeAnswer::Done(result) if result.is_sound() => Ok(Work::Tree {
            tree: result.tree,
            settled: Vec::new(),
        }),
        _ => {
            let (class, paths) = verdict_on(context, ground.from, ground.code_tip)?;
            Err(LandError::Conflict {
                target: ground.target.clone(),
                tasks: Vec::new(),
                class,
                paths,
            })
        }
    }
}

/// Builds the landing commit. Nothing of the user's has moved when this returns.
///
/// # Errors
/// When the checkout could not move, a hook says no, or the commit cannot be written.
pub fn prepare(
    context: &Context,
    moving: &Moving,
    state: &RunState,
    options: &LandOptions,
    ground: &Ground,
    work: &Work,
    now: Timestamp,
) -> Result<Prepared, LandError> {
    let (target, from) = (ground.target.clone(), ground.from);
    let mut landing = Landing {
        target,
        from,
        to: from,
        at: now,
        backup: None,
    };
    let is_free = |to| match &ground.checkout {
        Some(place) => make_sure_it_can_move(context, &ground.target, place, from, to),
        None => Ok(()),
    };
    landing.to = match work {
        Work::Chain(tip) => {
            is_free(*tip)?;
            *tip
        }
        Work::Tree { tree, settled } => {
            let tree = landed_tree(context, state, options, &landing, *tree)?;
            is_free(tree)?;
            let second = if options.board {
                ground.tip
            } else {
                ground.code_tip
            };
            let parents = match options.shape {
                Shape::Squash => vec![from],
                _ => vec![from, second],
            };
            let message = message(state, &ground.target, settled);
            let hooks = Hooks::find(context, options.shape, options.no_verify)?;
            let (tree, message) = match hooks.is_empty() {
                true => (tree, message),
                false => hooks.run(context, moving, tree, from, &message)?,
            };
            commit(context, tree, &parents, message, now)?
        }
    };
    landing.backup = Some(free_backup(context, "landing", from)?);
    Ok(Prepared {
        landing,
        checkout: ground.checkout.clone(),
    })
}

/// What a person committed on the integration branch would not land: only what the run recorded
/// does.
fn refuse_foreign_commits(context: &Context, store: &Store) -> Result<(), LandError> {
    match store.reference(&branch_ref(&context.integration_branch()))? {
        Some(tip) => last_board_commit(store, context, tip)
            .map(|_| ())
            .map_err(LandError::Engine),
        None => Ok(()),
    }
}

/// Whether the target has everything already: a landing that was cut off before it was recorded,
/// or a person's own merge.
fn is_contained(
    context: &Context,
    store: &Store,
    from: Oid,
    code_tip: Oid,
) -> Result<bool, LandError> {
    let engine = MergeEngine::writing(&context.repo, from).map_err(EngineError::from)?;
    let tree = store.tree_of(from)?;
    match engine.merge(from, code_tip).map_err(EngineError::from)? {
        MergeAnswer::Done(result) => Ok(result.is_sound() && result.tree == tree),
        MergeAnswer::Failed(_) => Ok(false),
    }
}

pub(crate) fn landable<'a>(
    state: &'a RunState,
    options: &LandOptions,
) -> Result<&'a Integration, LandError> {
    if let Some(landed) = &state.landed {
        let (target, commit) = (landed.target.clone(), landed.to);
        return Err(LandError::Landed { target, commit });
    }
    let integration = state.integration.as_ref().ok_or(LandError::Nothing)?;
    if integration.merged.is_empty() {
        return Err(LandError::Nothing);
    }
    if !integration.checks_passed() && !options.force {
        let is_old = |check: &CheckResult| check.against_base == Some(AgainstBase::AlreadyFailing);
        let failed = integration.checks.iter().filter(|check| !check.passed());
        // What the tasks broke is said before what was broken without them.
        let failed = failed.min_by_key(|check| is_old(check));
        return Err(LandError::ChecksFailed {
            command: failed.map_or_else(String::new, |check| check.command.clone()),
            on_base: failed.is_some_and(is_old),
        });
    }
    Ok(integration)
}

/// The board is read where it landed, so it tells of the landing as done. Its own commit is the one
/// thing it cannot name.
fn landed_tree(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
    landing: &Landing,
    tree: Oid,
) -> Result<Oid, LandError> {
    if !options.board || options.shape == Shape::Squash {
        return Ok(tree);
    }
    let mut landed = state.clone();
    landed.unlanded = None;
    landed.landed = Some(Landing {
        to: Oid::ZERO,
        ..landing.clone()
    });
    let store = Store::open(&context.repo)?;
    let board = render_board_file(&landed);
    Ok(with_board(&store, context, tree, &board)?)
}

fn message(state: &RunState, target: &str, settled: &[Resolution]) -> String {
    let title = state.plan.title();
    let mut text = format!(
        "Merge dispatch run {} into {target}: {title}\n\n",
        state.run
    );
    let merged = state
        .integration
        .iter()
        .flat_map(|integration| &integration.merged);
    for merged in merged {
        let task = state.plan.task(merged.task);
        text.push_str(&format!("* {} {}: {}\n", merged.task, task.tag, task.title));
    }
    text.push_str(&format!(
        "\n{}Dispatch-Run: {}\n{}",
        resolutions_paragraph(settled),
        state.run,
        resolution_trailers(settled),
    ));
    text
}

/// The commit is git's own, so that it is by the user and signed when the user's git signs.
fn commit(
    context: &Context,
    tree: Oid,
    parents: &[Oid],
    message: String,
    now: Timestamp,
) -> Result<Oid, LandError> {
    let repo = &context.repo;
    let signs = repo.setting(&["--bool", "commit.gpgSign"])?.as_deref() == Some("true");
    let mut args = vec!["commit-tree".to_owned(), tree.to_string()];
    for parent in parents {
        args.extend(["-p".to_owned(), parent.to_string()]);
    }
    args.extend(["-m".to_owned(), message]);
    if signs {
        args.push("-S".to_owned());
    }
    let date = format!("@{} +0000", now.as_second());
    let git = repo
        .git()
        .in_foreground()
        .env("GIT_AUTHOR_DATE", date.clone())
        .env("GIT_COMMITTER_DATE", date);
    let line = match git.line(&args) {
        Err(GitError::Failed { message, .. }) if signs => {
            return Err(LandError::Engine(EngineError::Unsigned(message)));
        }
        line => line?,
    };
    line.parse()
        .map_err(|_| LandError::Engine(EngineError::Broken(line)))
}
