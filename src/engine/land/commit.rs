//! Builds the landing commit, without moving anything.

use std::ffi::OsString;

use jiff::Timestamp;

use crate::engine::EngineError;
use crate::engine::assemble::commit_message::{resolution_trailers, resolutions_paragraph};
use crate::engine::assemble::trailers::with_trailers;
use crate::engine::candidates::conflicts::verdict_on;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::land::error::LandError;
use crate::engine::land::hooks::Hooks;
use crate::engine::land::lock::LandLock;
use crate::engine::land::move_target::{backup_name, refuse_blocked_checkout};
use crate::engine::land::target::LandTarget;
use crate::engine::land::{LandOptions, MergeMethod, PreparedMove};
use crate::engine::publish::{render_board_file, with_board};
use crate::git::commit::By;
use crate::git::merge_engine::MergeEngine;
use crate::git::{Git, GitError, Store};
use crate::merge::answer::MergeAnswer;
use crate::merge::oid::Oid;
use crate::model::integration::Landing;
use crate::model::resolution::Resolution;
use crate::model::run::RunState;

/// The content of a landing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LandContent {
    /// This commit, as it is.
    Commit(Oid),
    /// A commit with this tree and the board.
    Tree {
        /// The tree, without the board.
        tree: Oid,
        /// The conflicts with a target that has moved, and their resolutions.
        resolved: Vec<Resolution>,
    },
}

/// Merges the assembled work with a target that has not moved.
///
/// # Errors
/// When the two conflict.
pub fn merge(
    context: &Context,
    target: &LandTarget,
    method: MergeMethod,
) -> Result<LandContent, LandError> {
    if method == MergeMethod::FastForward {
        return Ok(LandContent::Commit(target.code_tip));
    }
    let engine = MergeEngine::writing(&context.repo, target.from).map_err(EngineError::from)?;
    let answer = engine.merge(target.from, target.code_tip);
    match answer.map_err(EngineError::from)? {
        MergeAnswer::Done(result) if result.is_sound() => Ok(LandContent::Tree {
            tree: result.tree,
            resolved: Vec::new(),
        }),
        _ => {
            let (class, paths) = verdict_on(context, target.from, target.code_tip)?;
            Err(LandError::Conflict {
                target: target.branch.clone(),
                tasks: Vec::new(),
                class,
                paths,
            })
        }
    }
}

/// Everything that a landing commit is built from.
pub struct Preparation<'a> {
    /// The run.
    pub context: &'a Context,
    /// Its state.
    pub state: &'a RunState,
    /// The user's options.
    pub options: &'a LandOptions,
    /// The lock that the hooks hold while they run.
    pub lock: &'a LandLock,
    /// The handle that cancels the set-up of their worktree.
    pub cancel: &'a CancelHandle,
    /// The target.
    pub target: &'a LandTarget,
    /// The time of the commit.
    pub now: Timestamp,
}

impl Preparation<'_> {
    /// Builds the landing commit. The target moves to exactly this commit.
    ///
    /// # Errors
    /// When the checkout could not move, a hook rejects the commit, or it cannot be written.
    pub fn prepare(&self, content: &LandContent) -> Result<PreparedMove, LandError> {
        let to = match content {
            LandContent::Commit(tip) => {
                self.refuse_blocked_checkout(*tip)?;
                *tip
            }
            LandContent::Tree { tree, resolved } => self.commit_tree(*tree, resolved)?,
        };
        let landing = Landing {
            to,
            backup: Some(backup_name(self.context, "landing", self.target.from)?),
            ..self.landing()
        };
        Ok(PreparedMove {
            landing,
            checkout: self.target.checkout.clone(),
        })
    }

    fn landing(&self) -> Landing {
        Landing {
            target: self.target.branch.clone(),
            from: self.target.from,
            to: self.target.from,
            at: self.now,
            backup: None,
        }
    }

    fn refuse_blocked_checkout(&self, to: Oid) -> Result<(), LandError> {
        let target = self.target;
        match &target.checkout {
            Some(place) => {
                refuse_blocked_checkout(self.context, &target.branch, place, target.from, to)
            }
            None => Ok(()),
        }
    }

    fn commit_tree(&self, tree: Oid, resolved: &[Resolution]) -> Result<Oid, LandError> {
        let (context, target, options) = (self.context, self.target, self.options);
        let tree = self.tree_with_board(tree)?;
        self.refuse_blocked_checkout(tree)?;
        let integration = if options.board {
            target.tip
        } else {
            target.code_tip
        };
        let parents = match options.method {
            MergeMethod::Squash => vec![target.from],
            _ => vec![target.from, integration],
        };
        let mut message = message(self.state, &target.branch, options, resolved);
        if options.method == MergeMethod::Squash {
            let store = Store::open(&context.repo)?;
            message += &store.co_authors(target.code_tip, target.from)?;
        }
        let hooks = Hooks::find(context, options.method, options.no_verify)?;
        let (tree, message) = if hooks.is_empty() {
            (tree, message)
        } else {
            let content = (tree, integration, target);
            hooks.run((context, self.cancel), self.lock, content, &message)?
        };
        commit(context, tree, &parents, message, self.now)
    }

    /// Adds the board, which describes the landing as done, because it is read after that. It names
    /// everything but its own commit.
    fn tree_with_board(&self, tree: Oid) -> Result<Oid, LandError> {
        if !self.options.board || self.options.method == MergeMethod::Squash {
            return Ok(tree);
        }
        let mut landed = self.state.clone();
        landed.undone_landing = None;
        landed.landed = Some(Landing {
            to: Oid::ZERO,
            ..self.landing()
        });
        let store = Store::open(&self.context.repo)?;
        let board = render_board_file(&landed);
        Ok(with_board(&store, self.context, tree, &board)?)
    }
}

/// Renders the message. The user's own text gets the trailers, too: they tell which run landed.
fn message(
    state: &RunState,
    target: &str,
    options: &LandOptions,
    resolved: &[Resolution],
) -> String {
    let run = &state.run;
    let trailers = format!("Dispatch-Run: {run}\n{}", resolution_trailers(resolved));
    if let Some(text) = &options.message {
        return with_trailers(text, &trailers);
    }
    let merged = state.integration.iter();
    let merged = merged.flat_map(|integration| &integration.merged);
    let tasks = merged.map(|merged| {
        let task = state.plan.task(merged.task);
        format!("* {} {}: {}\n", merged.task, task.tag, task.title)
    });
    format!(
        "Merge dispatch run {run} into {target}: {title}\n\n{tasks}\n{paragraph}{trailers}",
        title = state.plan.title(),
        tasks = tasks.collect::<String>(),
        paragraph = resolutions_paragraph(resolved),
    )
}

/// Writes the commit with git itself, with the user as author, and signed if the user's git signs.
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
    let git = repo.git().in_foreground();
    let git = git.setting("i18n.commitEncoding=UTF-8");
    let store = Store::open(repo)?;
    let identity = store.identity_env((By::User, now), None);
    let set = |git: Git, (name, value): (&str, OsString)| git.env(name, value);
    let git = identity.into_iter().fold(git, set);
    let line = match git.line(&args) {
        Err(GitError::Failed { message, .. }) if signs => {
            return Err(LandError::Engine(EngineError::Unsigned(message)));
        }
        line => line?,
    };
    let Ok(commit) = line.parse() else {
        return Err(LandError::Engine(EngineError::Broken(line)));
    };
    store.keep_commit(commit)?;
    Ok(commit)
}
