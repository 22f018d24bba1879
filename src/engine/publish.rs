//! The board: DISPATCH.md on the integration branch, one commit for every change of state, at most
//! one a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::base::fault;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store, StoreError};
use crate::merge::change::Entry;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;
use crate::report::board::markdown;
use crate::report::board::view::BoardView;
use crate::report::completion::Completion;
use crate::report::failure::FailureReport;

/// Changes within this time share a commit.
const INTERVAL: Duration = Duration::from_secs(1);

/// When a board that met an assembly tries again.
const ASSEMBLY_INTERVAL: Duration = Duration::from_millis(50);

/// The whole text of DISPATCH.md: the board, and after the run the reports.
pub fn render_board_file(state: &RunState) -> String {
    let mut text = markdown::render(&BoardView::new(state));
    for report in render_reports(state) {
        text.push('\n');
        text.push_str(&report);
    }
    text
}

/// The reports that are due: none before the end or while tasks could still go on, the failure
/// report if something failed, the completion report if everything passed.
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

/// Commits the last board of a run whose driver was killed between the end and the board; `false`
/// if it is there. A branch that is gone was cleaned up.
///
/// # Errors
/// When the store cannot be read or written.
pub fn catch_up(context: &Context, state: &RunState) -> Result<bool, EngineError> {
    let mut publisher = Publisher::new(&context.repo)?;
    let branch = branch_ref(&context.integration_branch());
    let Some(tip) = publisher.store.reference(&branch)? else {
        return Ok(false);
    };
    if state.landed.is_some() || board_of(context, &publisher.store, state, tip)? {
        return Ok(false);
    }
    Ok(publisher.publish(context, state)? == Publication::Done)
}

/// Whether the board of a commit is that of this state.
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

/// Writes board commits.
#[derive(Debug)]
pub struct Publisher {
    store: Store,
    published: Published,
    last: Option<Instant>,
    /// The last event after which nothing was left to commit.
    settled: u64,
    blocked: bool,
    /// The run had ended, with its board where it belongs, and was taken up again.
    resumed: bool,
}

/// What of a state the board is committed for; progress notes ride along.
#[derive(Clone, PartialEq, Debug, Default)]
struct Published {
    statuses: BTreeMap<TaskNumber, Status>,
    conflicts: usize,
    speculative: Vec<(TaskNumber, TaskNumber)>,
    merged: Option<Oid>,
    ended: Option<u8>,
    parked: Vec<String>,
    out_of_money: bool,
    set_up_broken: bool,
    locked_out: usize,
    out_of_space: bool,
}

impl Published {
    fn of(state: &RunState) -> Published {
        let numbers = state.plan.tasks().iter().map(|task| task.number);
        let speculative = state.speculative_conflicts.iter();
        Published {
            statuses: numbers
                .map(|number| (number, state.status(number)))
                .collect(),
            conflicts: state.conflicts.len(),
            speculative: speculative.map(|found| found.conflict.pair()).collect(),
            merged: state
                .integration
                .as_ref()
                .and_then(|integration| integration.tip),
            ended: match state.phase {
                RunPhase::Ended(exit) => Some(exit),
                _ => None,
            },
            parked: state
                .worker_health
                .parked(state.updated)
                .map(|(worker, _)| worker.to_owned())
                .collect(),
            out_of_money: state.cost_limit_reached.is_some(),
            set_up_broken: state.setup.tripped().is_some(),
            locked_out: state.worker_health.all_denied().count(),
            out_of_space: state.shortage.is_some(),
        }
    }
}

/// What became of a board that was due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Publication {
    /// Nothing to say, or it is on the branch.
    Done,
    /// It waits for a second to pass since the last one.
    Later(Duration),
    /// The branch is not ours to move right now; said once.
    Waiting(String),
}

impl Publisher {
    /// For one run of this repository.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn new(repo: &Repo) -> Result<Publisher, StoreError> {
        let store = Store::open(repo)?;
        Ok(Publisher {
            store,
            published: Published::default(),
            last: None,
            settled: 0,
            blocked: false,
            resumed: false,
        })
    }

    /// Before a run goes on that had ended: if its board is on the branch, the next one waits until
    /// there is something to say, so that a call that changes nothing commits nothing.
    ///
    /// # Errors
    /// When the branch cannot be read.
    pub fn take_up(&mut self, context: &Context, state: &RunState) -> Result<(), StoreError> {
        let tip = branch_ref(&context.integration_branch());
        let (Some(tip), RunPhase::Ended(_)) = (self.store.reference(&tip)?, state.phase) else {
            return Ok(());
        };
        if board_of(context, &self.store, state, tip)? {
            self.published = Published::of(state);
            self.resumed = true;
        }
        Ok(())
    }

    /// Commits the board if its state changed and a second has passed since the last commit.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn publish(
        &mut self,
        context: &Context,
        state: &RunState,
    ) -> Result<Publication, EngineError> {
        if self.settled == state.seq {
            return Ok(Publication::Done);
        }
        let ended = matches!(state.phase, RunPhase::Ended(_));
        if let Some(last) = self.last.filter(|_| !ended) {
            let waited = last.elapsed();
            if waited < INTERVAL {
                return Ok(Publication::Later(INTERVAL - waited));
            }
        }
        let due = Published::of(state);
        // The words of a report can change where nothing else does.
        let is_same = due == self.published && !(self.resumed && ended);
        if is_same || self.is_only_taken_up(&due) {
            self.settled = state.seq;
            return Ok(Publication::Done);
        }
        // The loop must not wait for an assembly; the board has time.
        let Some(_hold) = context.try_hold_integration() else {
            return Ok(Publication::Later(ASSEMBLY_INTERVAL));
        };
        if let Some(why) = self.hindrance(context)? {
            let first = !std::mem::replace(&mut self.blocked, true);
            self.last = Some(Instant::now());
            return Ok(if first {
                Publication::Waiting(why)
            } else {
                Publication::Done
            });
        }
        self.blocked = false;
        let subject = subject(&self.published, &due);
        self.commit(context, state, &subject)?;
        self.resumed &= !ended;
        self.published = due;
        self.settled = state.seq;
        self.last = Some(Instant::now());
        Ok(Publication::Done)
    }

    fn is_only_taken_up(&self, due: &Published) -> bool {
        let before = Published {
            ended: None,
            ..self.published.clone()
        };
        self.resumed && *due == before
    }

    /// A branch that somebody has checked out, or moved, is left alone.
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
        let is_ours = self.store.commit(tip)?.trailer("Dispatch-Run") == Some(context.run.as_str());
        Ok((!is_ours).then(|| {
            format!("{branch} was moved by somebody else; board commits wait until it is back")
        }))
    }

    fn commit(
        &self,
        context: &Context,
        state: &RunState,
        subject: &str,
    ) -> Result<(), EngineError> {
        let name = branch_ref(&context.integration_branch());
        let old = self.store.reference(&name)?;
        let parent = old.unwrap_or(context.base);
        let before = self.store.tree_of(parent)?;
        fault::point("board", "before it is written");
        let text = render_board_file(state);
        let tree = with_board(&self.store, context, before, &text)?;
        fault::point("board", "written");
        if old.is_some() && tree == before {
            return Ok(());
        }
        let message = format!("{subject}\n\nDispatch-Run: {}\n", context.run);
        let write = || {
            self.store.write_commit(&NewCommit {
                tree: with_board(&self.store, context, before, &text)?,
                parents: &[parent],
                message: &message,
                time: state.updated,
                by: By::Dispatch,
            })
        };
        let old = old.unwrap_or(Oid::ZERO);
        self.store
            .write_and_move(&name, old, "dispatch: board", write)?;
        Ok(())
    }
}

/// A tree with this board file in it.
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

fn subject(before: &Published, now: &Published) -> String {
    let changed = now
        .statuses
        .iter()
        .filter(|(number, status)| before.statuses.get(number) != Some(*status))
        .map(|(number, status)| format!("{number} {status}"));
    let changed: Vec<String> = changed.collect();
    let mut parts: Vec<String> = changed.iter().take(4).cloned().collect();
    if let more @ 1.. = changed.len().saturating_sub(4) {
        parts.push(format!("{more} more"));
    }
    match now.ended {
        Some(exit) if before.ended.is_none() => parts.insert(0, format!("run ended ({exit})")),
        _ => {}
    }
    if now.merged != before.merged && now.ended == before.ended {
        parts.push("assembled".to_owned());
    }
    if now.conflicts != before.conflicts {
        parts.push(crate::base::text::plural(now.conflicts, "conflict"));
    }
    if now.speculative != before.speculative {
        let count = now.speculative.len();
        parts.push(crate::base::text::plural(count, "speculative conflict"));
    }
    if now.parked != before.parked {
        parts.push(match now.parked.as_slice() {
            [] => "nobody parked".to_owned(),
            workers => format!("{} parked", workers.join(", ")),
        });
    }
    if now.out_of_money && !before.out_of_money {
        parts.push("out of money".to_owned());
    }
    if now.locked_out > before.locked_out {
        parts.push("a worker locked out".to_owned());
    }
    if now.set_up_broken && !before.set_up_broken {
        parts.push("no set-up".to_owned());
    }
    if now.out_of_space != before.out_of_space {
        let said = ["room again", "out of space"][usize::from(now.out_of_space)];
        parts.push(said.to_owned());
    }
    if parts.is_empty() {
        parts.push("its reports".to_owned());
    }
    format!("board: {}", parts.join(", "))
}
