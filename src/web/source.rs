//! Reads what a page shows beyond the state of a run, and renders the page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use maud::Markup;
use serde_json::Value;

use crate::base::clock::Clock;
use crate::base::safe::secrets::Secrets;
use crate::base::text::error_chain;
use crate::config::builtin::SHELL;
use crate::engine::EngineError;
use crate::engine::candidates::pair::pair_of_tasks;
use crate::engine::kernel::context::local_context;
use crate::engine::kernel::known_settings;
use crate::engine::publish::render_reports;
use crate::engine::runs::log::{LogPart, secrets_of_run};
use crate::engine::runs::log_end::{log_length, read_log_end};
use crate::engine::runs::read::{read_settings, read_state};
use crate::engine::runs::standing::standing_view;
use crate::git::{Repo, Store, StoreError};
use crate::journal::runs::{self, RunEntry};
use crate::journal::{Replayed, replay, replay_after};
use crate::merge::oid::Oid;
use crate::model::event::Recorded;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_change::TaskChange;
use crate::report::board::view::{BoardView, ConflictRow};
use crate::report::history::{history_row, unreadable_row};
use crate::report::patch::{FilePatch, parse_patch};
use crate::report::task::TaskView;
use crate::report::task_facts::elapsed;
use crate::report::timeline::{Timeline, run_time};
use crate::web::pages::board::Times;
use crate::web::pages::task::{Log, TaskPage};
use crate::web::pages::{self, Frame, Medium, Subject};
use crate::web::place::Place;
use crate::web::reader::Snapshot;
use crate::web::text::output;

/// The bytes of a log that are shown.
const LOG_LIMIT: usize = 64 * 1024;

/// The bytes of a patch that are shown.
const PATCH_LIMIT: usize = 4 * 1024 * 1024;

/// The repository that pages are about.
#[derive(Debug)]
pub(super) struct Source {
    /// The repository.
    pub(super) repo: Repo,
    /// The time of day.
    pub(super) clock: Clock,
    /// The rows of runs that have ended, by the tips of their journals.
    rows: Mutex<HashMap<Oid, Value>>,
    /// The events of runs whose history was shown, with the tips of their journals.
    events: Mutex<HashMap<RunId, Arc<History>>>,
}

/// The events of a run up to a commit of its journal.
#[derive(Debug)]
struct History {
    tip: Oid,
    records: Vec<Recorded>,
}

/// The forms on a page.
#[derive(Debug)]
pub(super) struct Forms {
    /// The forms at its top.
    pub(super) markup: Markup,
    /// The page that asks for a comment on a line of a change.
    pub(super) comments: Option<String>,
}

impl Source {
    /// Creates a source.
    pub(super) fn new(repo: Repo, clock: Clock) -> Source {
        Source {
            repo,
            clock,
            rows: Mutex::default(),
            events: Mutex::default(),
        }
    }

    /// Lists the runs of the repository, the latest first.
    ///
    /// # Errors
    /// When the references cannot be read.
    pub(super) fn runs(&self) -> Result<Vec<RunId>, StoreError> {
        let entries = runs::list(&Store::open(&self.repo)?)?.into_iter().rev();
        Ok(entries.map(|entry| entry.run).collect())
    }

    /// Returns the rows of the page of runs, the latest first.
    ///
    /// # Errors
    /// When the references cannot be read.
    pub(super) fn rows(&self) -> Result<Vec<Value>, StoreError> {
        let store = Store::open(&self.repo)?;
        let entries = runs::list(&store)?.into_iter().rev();
        Ok(entries.map(|entry| self.row(&store, &entry)).collect())
    }

    fn row(&self, store: &Store, entry: &RunEntry) -> Value {
        let known = || self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = known().get(&entry.tip) {
            return row.clone();
        }
        match read_state(&self.repo, store, &entry.run) {
            Ok(state) => {
                let row = history_row(&state, &standing_view(&self.repo, &state));
                if matches!(state.phase, RunPhase::Ended(_)) {
                    known().insert(entry.tip, row.clone());
                }
                row
            }
            Err(error) => unreadable_row(entry.run.as_str(), &error_chain(&error)),
        }
    }

    /// Renders a page of a run; `None` if the run has no such page.
    ///
    /// # Errors
    /// The reason why it cannot be read, as a sentence.
    pub(super) fn page(
        &self,
        snapshot: &Snapshot,
        place: Place,
        medium: Medium,
        forms: &Forms,
    ) -> Result<Option<String>, String> {
        let state = &snapshot.state;
        if !has_tasks(state, place) {
            return Ok(None);
        }
        let title = self.secrets(state).mask(&title(state, place));
        let frame = Frame {
            title: &title,
            subject: Some(Subject {
                run: &state.run,
                version: &snapshot.version,
                is_live: snapshot.is_live(),
            }),
            place: Some(place),
            medium,
        };
        let page = match place {
            Place::Board => {
                let times = self.times(state);
                pages::board::render(&frame, &snapshot.board, &times, &forms.markup)
            }
            Place::Timeline => {
                let timeline = Timeline::new(state, self.clock.now());
                pages::timeline::render(&frame, &timeline)
            }
            Place::Matrix => pages::matrix::render(&frame, &snapshot.board),
            Place::Report => {
                pages::report::render(&frame, &render_reports(state), missing_report(state))
            }
            Place::History => {
                let history = self.history(&state.run);
                let history = history.map_err(|error| error_chain(&error))?;
                pages::history::render(&frame, &state.plan, &history.records)
            }
            Place::Task(task) => self.task(&frame, snapshot, task, forms),
            Place::Pair(a, b) => {
                let pair = self
                    .pair(state, [a, b])
                    .map_err(|error| error_chain(&error))?;
                match pair {
                    Some(view) => pages::pair::render(&frame, &view, [a, b]),
                    None => pages::pair::render_missing(&frame, [a, b]),
                }
            }
        };
        Ok(Some(page))
    }

    fn times(&self, state: &RunState) -> Times {
        let now = self.clock.now();
        let tasks = state.plan.tasks().iter();
        Times {
            whole: run_time(state, now),
            tasks: tasks.map(|task| elapsed(state, task.number, now)).collect(),
        }
    }

    /// Reads the events of a run; those that were read before are not read again.
    fn history(&self, run: &RunId) -> Result<Arc<History>, EngineError> {
        let store = Store::open(&self.repo)?;
        let known = || self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().get(run).cloned();
        let Replayed { records, tip, .. } = match &before {
            Some(before) => {
                let last = before.records.last().map_or(0, |last| last.seq);
                replay_after(&store, run, before.tip, last)?
            }
            None => replay(&store, run)?,
        };
        let is_whole = records.first().is_some_and(|first| first.seq == 1);
        let history = match before {
            Some(before) if records.is_empty() => return Ok(before),
            Some(before) if !is_whole => [&before.records[..], &records].concat(),
            _ => records,
        };
        let history = Arc::new(History {
            tip,
            records: history,
        });
        known().insert(run.clone(), Arc::clone(&history));
        Ok(history)
    }

    fn pair(
        &self,
        state: &RunState,
        tasks: [TaskNumber; 2],
    ) -> Result<Option<crate::report::pair::PairView>, EngineError> {
        let settings = read_settings(&Store::open(&self.repo)?, &state.run)?;
        let context = local_context(&self.repo, state, settings, self.clock)?;
        pair_of_tasks(&context, state, tasks)
    }

    fn task(
        &self,
        frame: &Frame<'_>,
        snapshot: &Snapshot,
        task: TaskNumber,
        forms: &Forms,
    ) -> String {
        let state = &snapshot.state;
        let page = TaskPage {
            view: &TaskView::new(state, task, SHELL, &self.secrets(state)),
            time: elapsed(state, task, self.clock.now()),
            pairs: pairs_of(&snapshot.board, task),
            stat: state.task_stat(task),
            patch: self.patch(state, task),
            log: self.log(state, task),
            actions: forms.markup.clone(),
            comments: forms.comments.clone(),
        };
        pages::task::render(frame, &page)
    }

    /// Collects the secrets that no page of a run may show.
    fn secrets(&self, state: &RunState) -> Secrets {
        let store = Store::open(&self.repo);
        store.map_or_else(
            |_| Secrets::default(),
            |store| secrets_of_run(&store, state),
        )
    }

    /// Reads the change of a task.
    ///
    /// # Errors
    /// The reason why it has none to show, as a sentence.
    pub(super) fn patch(
        &self,
        state: &RunState,
        task: TaskNumber,
    ) -> Result<Vec<FilePatch>, String> {
        let change = state.task_change(task);
        let TaskChange { from, to } =
            change.ok_or_else(|| format!("{task} has changed nothing."))?;
        known_settings::refuse_changed(&self.repo).map_err(|error| error_chain(&error))?;
        let patch = self.repo.patch(from, to, &[]);
        let patch = patch.map_err(|error| error_chain(&error))?;
        match patch.len() > PATCH_LIMIT {
            true => Err(format!(
                "The change is too long for this page; `dispatch diff {} {}` shows it.",
                state.run, task.0
            )),
            false => Ok(parse_patch(&patch)),
        }
    }

    /// Identifies the log of a task that may still grow; `None` once its attempt has ended.
    pub(super) fn log_mark(&self, state: &RunState, task: TaskNumber) -> Option<String> {
        let attempt = state.task(task).shown_attempt()?;
        attempt.outcome.is_none().then(|| {
            let length = log_length(&self.repo, &state.run, (task, attempt.number));
            format!("{}-{length}", attempt.number)
        })
    }

    /// Reads the end of the log of a task.
    ///
    /// # Errors
    /// The reason why there is none, as a sentence.
    pub(super) fn log(&self, state: &RunState, task: TaskNumber) -> Result<Log, String> {
        // What is written after this look is read again.
        let mark = self.log_mark(state, task);
        let shown = state.task(task).shown_attempt();
        let attempt = shown.ok_or_else(|| format!("{task} has not started."))?;
        let store = Store::open(&self.repo).map_err(|error| error_chain(&error))?;
        let of = (task, attempt.number);
        let place = (&self.repo, &store);
        let log = read_log_end(place, state, of, LogPart::Worker, LOG_LIMIT);
        let log = log.map_err(|error| error_chain(&error))?;
        Ok(Log {
            text: output(&log.bytes),
            before: log.before,
            mark,
        })
    }
}

impl Forms {
    /// Returns no forms.
    pub(super) fn none() -> Forms {
        Forms {
            markup: maud::PreEscaped(String::new()),
            comments: None,
        }
    }
}

/// Lists the conflicts of a task with others.
fn pairs_of(board: &BoardView, task: TaskNumber) -> Vec<&ConflictRow> {
    let running = board.speculative.iter().map(|(row, _)| row);
    let pairs = board.open_conflicts().chain(running);
    let has = |row: &&ConflictRow| {
        let (a, b) = row.conflict.pair();
        a == task || b == task
    };
    pairs.filter(has).collect()
}

/// Returns `true` if the plan has the tasks of a page.
fn has_tasks(state: &RunState, place: Place) -> bool {
    let has = |task: TaskNumber| (1..=state.tasks.len()).contains(&(task.0 as usize));
    match place {
        Place::Task(task) => has(task),
        Place::Pair(a, b) => has(a) && has(b) && a < b,
        _ => true,
    }
}

fn title(state: &RunState, place: Place) -> String {
    match place {
        Place::Task(task) => format!("{task} {}", state.plan.task(task).title),
        Place::Pair(a, b) => format!("{a} × {b}"),
        _ => {
            let known = Place::MAIN.iter().find(|(known, _)| *known == place);
            known.map_or(String::new(), |(_, name)| (*name).to_owned())
        }
    }
}

fn missing_report(state: &RunState) -> &'static str {
    match state.phase {
        RunPhase::Ended(_) => {
            "The run has tasks that can still continue, so there is no report yet."
        }
        _ => "The run has not ended, so there is no report yet.",
    }
}
