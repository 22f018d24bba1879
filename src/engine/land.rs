//! Landing: the one moment when a branch of the user's moves, because the user said so.
//!
//! The landing commit is built aside. Then the target moves in one step: by compare-and-swap, or,
//! where it is checked out, by `git merge --ff-only`, which keeps unrelated local changes and
//! refuses before it changes anything when they are in the way.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::assemble::rewound;
use crate::engine::context::Context;
use crate::engine::hooks::Hooks;
use crate::engine::matches::verdict_on;
use crate::engine::publish::{render_board_file, with_board};
use crate::git::checkout::obstacle;
use crate::git::merge_tree::{MergeAnswer, MergeEngine};
use crate::git::refs::branch_ref;
use crate::git::{Git, GitError, Store, StoreError};
use crate::model::change::RepoPath;
use crate::model::conflict::Class;
use crate::model::ids::Oid;
use crate::model::integration::{Integration, Landing};
use crate::model::run::RunState;

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
}

/// Why a run cannot land. The target has not moved.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// Nothing was assembled.
    #[error("nothing was assembled, so there is nothing to land")]
    Nothing,
    /// It has landed before.
    #[error("the run has landed on {target} already, as {}", .commit.short())]
    Landed {
        /// The target.
        target: String,
        /// The landing commit.
        commit: Oid,
    },
    /// A check of the assembled branch failed.
    #[error("the check `{0}` did not pass on the assembled branch")]
    ChecksFailed(String),
    /// The run has no target.
    #[error("the run has no target branch, because HEAD was detached when it started")]
    NoTarget,
    /// The target is no branch.
    #[error("the target branch {0:?} does not exist")]
    TargetGone(String),
    /// The target is not behind the assembled chain.
    #[error("{0} has moved since the run started, so it cannot be fast-forwarded")]
    NotForward(String),
    /// The assembled work conflicts with the target as it is now.
    #[error("the assembled work conflicts with {target} ({class}) in {paths}", paths = list(.paths))]
    Conflict {
        /// The target.
        target: String,
        /// The class.
        class: Class,
        /// The paths.
        paths: Vec<RepoPath>,
    },
    /// The target is checked out more than once.
    #[error("{0} is checked out in several worktrees, so it is not moved")]
    SeveralCheckouts(String),
    /// A hook of the user's said no.
    #[error("the hook {0} refused the landing commit: {1}")]
    Hook(&'static str, String),
    /// git would not move the checkout.
    #[error("git did not move {target} in {}: {said}", .place.display())]
    CheckoutRefused {
        /// The target.
        target: String,
        /// The checkout.
        place: PathBuf,
        /// git's words.
        said: String,
    },
    /// The target was moved by somebody else at the same moment.
    #[error("{0} was moved by somebody else just now")]
    MovedMeanwhile(String),
    /// Anything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn list(paths: &[RepoPath]) -> String {
    paths
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl From<StoreError> for LandError {
    fn from(error: StoreError) -> LandError {
        LandError::Engine(error.into())
    }
}

impl From<GitError> for LandError {
    fn from(error: GitError) -> LandError {
        LandError::Engine(error.into())
    }
}

/// What will move, ready to be shown and then carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// From where to where.
    pub landing: Landing,
    /// The checkout that moves with it, if the target is checked out.
    pub checkout: Option<PathBuf>,
}

/// Builds the landing commit. Nothing of the user's has moved when this returns.
///
/// # Errors
/// Why the run cannot land.
pub fn prepare(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
    now: Timestamp,
) -> Result<Prepared, LandError> {
    let integration = landable(state, options)?;
    let store = Store::open(&context.repo)?;
    let target = options
        .into
        .clone()
        .or(state.target.clone())
        .ok_or(LandError::NoTarget)?;
    let from = store
        .reference(&branch_ref(&target))
        .ok()
        .flatten()
        .ok_or_else(|| LandError::TargetGone(target.clone()))?;
    let mut checkouts = context.repo.checkouts_of(&target);
    if checkouts.len() > 1 {
        return Err(LandError::SeveralCheckouts(target));
    }
    let (Some(code_tip), Some(tip)) = (integration.code_tip, integration.tip) else {
        return Err(LandError::Nothing);
    };
    refuse_foreign_commits(context, &store)?;
    let checkout = checkouts.pop();
    if is_contained(context, &store, from, code_tip)? {
        let landing = Landing {
            target,
            from,
            to: from,
            at: now,
        };
        return Ok(Prepared {
            landing,
            checkout: None,
        });
    }
    let is_free = |to| match &checkout {
        Some(place) => make_sure_it_can_move(context, &target, place, from, to),
        None => Ok(()),
    };
    let to = match options.shape {
        Shape::FastForward if store.is_ancestor(from, code_tip)? => {
            is_free(code_tip)?;
            code_tip
        }
        Shape::FastForward => return Err(LandError::NotForward(target)),
        shape => {
            let tree = merged_tree(
                context, &store, state, options, &target, from, code_tip, now,
            )?;
            is_free(tree)?;
            let second = if options.board { tip } else { code_tip };
            let parents = match shape {
                Shape::Squash => vec![from],
                _ => vec![from, second],
            };
            commit(
                context,
                options,
                tree,
                &parents,
                &message(state, &target),
                now,
            )?
        }
    };
    let landing = Landing {
        target,
        from,
        to,
        at: now,
    };
    Ok(Prepared { landing, checkout })
}

/// What a person committed on the integration branch would not land: only what the run recorded
/// does.
fn refuse_foreign_commits(context: &Context, store: &Store) -> Result<(), LandError> {
    match store.reference(&branch_ref(&context.integration_branch()))? {
        Some(tip) => rewound(store, context, tip)
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

/// Said before hooks run, a key is asked for, or a person is.
fn make_sure_it_can_move(
    context: &Context,
    target: &str,
    place: &Path,
    from: Oid,
    to: Oid,
) -> Result<(), LandError> {
    let scratch = context.repo.dispatch_folder().join("stage");
    match obstacle(place, &scratch, from, to).map_err(EngineError::from)? {
        None => Ok(()),
        Some(said) => Err(LandError::CheckoutRefused {
            target: target.to_owned(),
            place: place.to_owned(),
            said,
        }),
    }
}

fn landable<'a>(state: &'a RunState, options: &LandOptions) -> Result<&'a Integration, LandError> {
    if let Some(landed) = &state.landed {
        let (target, commit) = (landed.target.clone(), landed.to);
        return Err(LandError::Landed { target, commit });
    }
    let integration = state.integration.as_ref().ok_or(LandError::Nothing)?;
    if integration.merged.is_empty() {
        return Err(LandError::Nothing);
    }
    if !integration.checks_passed() && !options.force {
        let mut failed = integration.checks.iter().filter(|check| !check.passed());
        let failed = failed.next().map(|check| check.command.clone());
        return Err(LandError::ChecksFailed(failed.unwrap_or_default()));
    }
    Ok(integration)
}

#[allow(clippy::too_many_arguments)]
fn merged_tree(
    context: &Context,
    store: &Store,
    state: &RunState,
    options: &LandOptions,
    target: &str,
    from: Oid,
    code_tip: Oid,
    now: Timestamp,
) -> Result<Oid, LandError> {
    let engine = MergeEngine::writing(&context.repo, from).map_err(EngineError::from)?;
    let tree = match engine.merge(from, code_tip).map_err(EngineError::from)? {
        MergeAnswer::Done(result) if result.is_sound() => result.tree,
        _ => {
            let (class, paths) = verdict_on(context, from, code_tip)?;
            return Err(LandError::Conflict {
                target: target.to_owned(),
                class,
                paths,
            });
        }
    };
    if !options.board || options.shape == Shape::Squash {
        return Ok(tree);
    }
    // The board is read where it landed, so it tells of the landing as done. Its own commit is the
    // one thing it cannot name.
    let mut landed = state.clone();
    landed.landed = Some(Landing {
        target: target.to_owned(),
        from,
        to: Oid::ZERO,
        at: now,
    });
    Ok(with_board(
        store,
        context,
        tree,
        &render_board_file(&landed),
    )?)
}

fn message(state: &RunState, target: &str) -> String {
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
    text.push_str(&format!("\nDispatch-Run: {}\n", state.run));
    text
}

/// The commit is git's own, so that it is by the user and signed when the user's git signs.
fn commit(
    context: &Context,
    options: &LandOptions,
    tree: Oid,
    parents: &[Oid],
    message: &str,
    now: Timestamp,
) -> Result<Oid, LandError> {
    let (tree, message) = match Hooks::find(context, options.no_verify)? {
        hooks if hooks.is_empty() => (tree, message.to_owned()),
        hooks => hooks.run(context, tree, parents[0], message)?,
    };
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
    let line = git.line(&args)?;
    line.parse()
        .map_err(|_| LandError::Engine(EngineError::Broken(line)))
}

/// Moves the target. Either it is at its new commit afterwards, or nothing has changed.
///
/// # Errors
/// Why the target did not move.
pub fn carry_out(context: &Context, prepared: &Prepared) -> Result<(), LandError> {
    let Landing {
        target, from, to, ..
    } = &prepared.landing;
    if from == to {
        return Ok(());
    }
    match &prepared.checkout {
        Some(place) => {
            fault::point("landing", "before the checkout moves");
            move_checkout(target, place, *from, *to)?;
            fault::point("landing", "after the checkout has moved");
            Ok(())
        }
        None => {
            let store = Store::open_durable(&context.repo)?;
            let why = format!("dispatch land {}", context.run);
            match store.move_reference(&branch_ref(target), *from, *to, &why) {
                Err(StoreError::Moved { .. }) => Err(LandError::MovedMeanwhile(target.clone())),
                other => Ok(other?),
            }
        }
    }
}

fn move_checkout(target: &str, place: &Path, from: Oid, to: Oid) -> Result<(), LandError> {
    let git = Git::at(place).with_hooks();
    if git.line(&["rev-parse", "--verify", "HEAD"])? != from.to_string() {
        return Err(LandError::MovedMeanwhile(target.to_owned()));
    }
    let finished = git.finish([
        "merge",
        "--ff-only",
        "--quiet",
        // An ignored file may be the only copy there is; git would overwrite it by default.
        "--no-overwrite-ignore",
        &to.to_string(),
    ])?;
    if finished.status.success() {
        return Ok(());
    }
    let said = crate::base::text::one_line(&String::from_utf8_lossy(&finished.stderr));
    let (target, place) = (target.to_owned(), place.to_owned());
    Err(LandError::CheckoutRefused {
        target,
        place,
        said,
    })
}
