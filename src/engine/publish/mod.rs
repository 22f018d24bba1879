//! Commits the board, DISPATCH.md, to the integration branch.

use jiff::Timestamp;

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::integration_record::{announce, is_tip_ours};
use crate::engine::publish::digest::{Digest, subject};
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store, StoreError};
use crate::merge::change::Entry;
use crate::merge::oid::Oid;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::markdown;
use crate::report::board::view::BoardView;
use crate::report::completion::Completion;
use crate::report::failure::FailureReport;

pub mod digest;

/// A board to be committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Board {
    /// The text of the file.
    pub text: String,
    /// The subject of the commit.
    pub subject: String,
    /// The time of the commit.
    pub time: Timestamp,
}

/// Renders DISPATCH.md: the board, and after the run the reports.
pub fn render_board_file(state: &RunState) -> String {
    with_reports(markdown::render(&BoardView::new(state)), state)
}

/// Returns a rendered board with the reports that are due.
pub fn with_reports(board: String, state: &RunState) -> String {
    let mut text = board;
    for report in render_reports(state) {
        text.push('\n');
        text.push_str(&report);
    }
    text
}

/// Renders the reports that are due: none before the end of the run, the failure report if
/// something failed, the completion report if everything passed.
pub fn render_reports(state: &RunState) -> Vec<String> {
    if !matches!(state.phase, RunPhase::Ended(_)) {
        return Vec::new();
    }
    match FailureReport::new(state) {
        Some(report) => vec![report.render_markdown()],
        None if state.can_progress() => Vec::new(),
        None => vec![Completion::new(state).render_markdown()],
    }
}

/// Renders the report of a run as JSON: the failure report if something failed, else the completion
/// report.
pub fn report_value(state: &RunState) -> serde_json::Value {
    let (kind, report) = match FailureReport::new(state) {
        Some(report) => ("failure", report.value()),
        None => ("completion", Completion::new(state).value()),
    };
    serde_json::json!({"version": 1, "kind": kind, "report": report})
}

/// Commits the last board of a run whose driver was killed between the end and the board; `false`
/// if it is on the branch already. A missing branch was cleaned up.
///
/// # Errors
/// When the store cannot be read or written.
pub fn catch_up(context: &Context, state: &RunState) -> Result<bool, EngineError> {
    let subject = subject(&Digest::default(), &Digest::of(state));
    publish_due(context, state, subject)
}

/// Commits the board of a run that no process drives, if it differs from the last one; `false` if not.
///
/// # Errors
/// When the store cannot be read or written.
pub fn publish_due(
    context: &Context,
    state: &RunState,
    subject: String,
) -> Result<bool, EngineError> {
    let publisher = Publisher::new(&context.repo)?;
    let branch = branch_ref(&context.integration_branch());
    let Some(tip) = publisher.store.reference(&branch)? else {
        return Ok(false);
    };
    if state.landed.is_some() || board_of(context, &publisher.store, state, tip)? {
        return Ok(false);
    }
    let board = Board {
        text: render_board_file(state),
        subject,
        time: state.updated,
    };
    Ok(publisher.publish(context, &board)? == Committed::Yes)
}

/// Returns `true` if the board of a commit is that of this state.
///
/// # Errors
/// When the commit cannot be read.
pub fn board_of(
    context: &Context,
    store: &Store,
    state: &RunState,
    commit: Oid,
) -> Result<bool, StoreError> {
    let tree = store.tree_of(commit)?;
    let text = match store.entry(tree, &context.settings.board.file)? {
        Some(entry) => store.blob(entry.oid)?,
        None => Vec::new(),
    };
    Ok(text == render_board_file(state).as_bytes())
}

/// Commits boards onto the integration branch.
#[derive(Debug)]
pub struct Publisher {
    store: Store,
}

/// The result of committing a board.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Committed {
    /// The board is on the branch.
    Yes,
    /// The branch must not be moved right now, for this reason.
    Blocked(String),
}

impl Publisher {
    /// Creates a publisher for the runs of a repository.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn new(repo: &Repo) -> Result<Publisher, StoreError> {
        let store = Store::open(repo)?;
        Ok(Publisher { store })
    }

    /// Returns `true` if a run has ended and its board is on the branch, so that resuming it without
    /// any change commits nothing.
    ///
    /// # Errors
    /// When the branch cannot be read.
    pub fn is_committed(&self, context: &Context, state: &RunState) -> Result<bool, StoreError> {
        let tip = branch_ref(&context.integration_branch());
        match (self.store.reference(&tip)?, state.phase) {
            (Some(tip), RunPhase::Ended(_)) => board_of(context, &self.store, state, tip),
            _ => Ok(false),
        }
    }

    /// Commits a board, unless the branch must not be moved right now. Waits for an assembly that
    /// moves the branch.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn publish(&self, context: &Context, board: &Board) -> Result<Committed, EngineError> {
        let _hold = context.hold_integration();
        if let Some(why) = self.hindrance(context)? {
            return Ok(Committed::Blocked(why));
        }
        self.commit(context, board)?;
        Ok(Committed::Yes)
    }

    /// Returns the reason not to move the branch: it is checked out, or was moved.
    fn hindrance(&self, context: &Context) -> Result<Option<String>, EngineError> {
        let branch = context.integration_branch();
        let checkouts = context.repo.checkouts_of(&branch);
        if let Some(place) = checkouts.first() {
            let place = place.display();
            return Ok(Some(format!(
                "{branch} is checked out in {place}; board commits wait until it is not"
            )));
        }
        let Some(tip) = self.store.reference(&branch_ref(&branch))? else {
            return Ok(None);
        };
        let is_ours = is_tip_ours(&self.store, &branch, context.run.as_str(), tip)?;
        Ok((!is_ours).then(|| {
            format!(
                "{branch} was moved by another process; board commits wait until it is restored"
            )
        }))
    }

    fn commit(&self, context: &Context, board: &Board) -> Result<(), EngineError> {
        let name = branch_ref(&context.integration_branch());
        let old = self.store.reference(&name)?;
        let parent = old.unwrap_or(context.base);
        let before = self.store.tree_of(parent)?;
        fault::point("board", "before it is written");
        let tree = with_board(&self.store, context, before, &board.text)?;
        fault::point("board", "written");
        if old.is_some() && tree == before {
            return Ok(());
        }
        let message = format!("{}\n\nDispatch-Run: {}\n", board.subject, context.run);
        let write = || {
            let commit = self.store.write_own_commit(&NewCommit {
                tree: with_board(&self.store, context, before, &board.text)?,
                parents: &[parent],
                message: &message,
                time: board.time,
                by: By::Dispatch,
            })?;
            announce(&context.repo, &context.integration_branch(), old, commit)?;
            Ok(commit)
        };
        self.store
            .write_and_move(&name, old.unwrap_or(Oid::ZERO), "dispatch: board", write)?;
        Ok(())
    }
}

/// Returns a tree with this board file in it.
///
/// # Errors
/// When the store cannot be written.
pub fn with_board(
    store: &Store,
    context: &Context,
    tree: Oid,
    text: &str,
) -> Result<Oid, StoreError> {
    let oid = store.write_blob(text.as_bytes())?;
    let entry = Entry {
        mode: 0o100_644,
        oid,
    };
    store.tree_with(tree, &context.settings.board.file, Some(entry))
}
