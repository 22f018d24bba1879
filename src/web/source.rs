//! Reads what a page shows beyond the state of a run, and renders the page.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use maud::Markup;
use serde_json::Value;

use crate::base::clock::Clock;
use crate::base::text::error_chain;
use crate::config::builtin::SHELL;
use crate::engine::EngineError;
use crate::engine::candidates::pair::pair_of_tasks;
use crate::engine::kernel::context::local_context;
use crate::engine::kernel::known_settings;
use crate::engine::publish::render_reports;
use crate::engine::runs::log::{LogPart, read_log};
use crate::engine::runs::read::{read_settings, read_state};
use crate::engine::runs::standing::standing_view;
use crate::git::{Repo, Store, StoreError};
use crate::journal::replay;
use crate::journal::runs::{self, RunEntry};
use crate::merge::oid::Oid;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::task_change::TaskChange;
use crate::report::history::{history_row, unreadable_row};
use crate::report::patch::{FilePatch, parse_patch};
use crate::report::task::TaskView;
use crate::report::timeline::Timeline;
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
        let title = title(state, place);
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
            Place::Board => pages::board::render(&frame, &snapshot.board, &forms.markup),
            Place::Timeline => {
                let timeline = Timeline::new(state, self.clock.now());
                pages::timeline::render(&frame, &timeline)
            }
            Place::Matrix => pages::matrix::render(&frame, &snapshot.board),
            Place::Report => {
                pages::report::render(&frame, &render_reports(state), missing_report(state))
            }
            Place::History => {
                let records = self
                    .records(&state.run)
                    .map_err(|error| error_chain(&error))?;
                pages::history::render(&frame, &state.plan, &records)
            }
            Place::Task(task) => self.task(&frame, state, task, forms),
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

    fn records(&self, run: &RunId) -> Result<Vec<crate::model::event::Recorded>, EngineError> {
        let store = Store::open(&self.repo)?;
        Ok(replay(&store, run)?.records)
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

    fn task(&self, frame: &Frame<'_>, state: &RunState, task: TaskNumber, forms: &Forms) -> String {
        let page = TaskPage {
            view: &TaskView::new(state, task, SHELL),
            patch: self.patch(state, task),
            log: self.log(state, task),
            actions: forms.markup.clone(),
            comments: forms.comments.clone(),
        };
        pages::task::render(frame, &page)
    }

    fn patch(&self, state: &RunState, task: TaskNumber) -> Result<Vec<FilePatch>, String> {
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

    fn log(&self, state: &RunState, task: TaskNumber) -> Result<Log, String> {
        let shown = state.task(task).shown_attempt();
        let attempt = shown.ok_or_else(|| format!("{task} has not started."))?;
        let store = Store::open(&self.repo).map_err(|error| error_chain(&error))?;
        let of = (task, attempt.number);
        let bytes = read_log((&self.repo, &store), state, of, LogPart::Worker);
        let bytes = bytes.map_err(|error| error_chain(&error))?;
        let before = line_start(&bytes, bytes.len().saturating_sub(LOG_LIMIT));
        Ok(Log {
            text: output(&bytes[before..]),
            before,
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

/// Returns the start of the first whole line at or after a place.
fn line_start(text: &[u8], at: usize) -> usize {
    if at == 0 {
        return 0;
    }
    let end = text[at - 1..].iter().position(|byte| *byte == b'\n');
    end.map_or(at, |end| at + end)
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
