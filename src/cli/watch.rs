//! What a person or a program sees of a run while it goes on.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use crate::board::json;
use crate::board::view::{BoardView, TaskRow};
use crate::engine::drive::Watcher;
use crate::journal::record::render_record;
use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::run::{RunPhase, RunState, TaskPhase};
use crate::model::status::Status;
use crate::ui::Ui;
use crate::ui::progress::{Line, Progress};

/// Lines on the terminal: one a task, and a total.
pub struct Lines {
    progress: Progress,
    since: BTreeMap<TaskNumber, Instant>,
    shown: BTreeMap<TaskNumber, (Status, String)>,
}

impl Lines {
    /// For a plan of so many tasks.
    pub fn new(ui: &Ui, total: usize) -> Lines {
        Lines {
            progress: Progress::new(ui, total),
            since: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    /// Leaves the terminal as it was.
    pub fn finish(&mut self) {
        self.progress.finish();
    }

    fn show(&mut self, state: &RunState, row: &TaskRow, at: Timestamp) {
        let now = (row.status.clone(), row.note.clone());
        let before = self.shown.insert(row.number, now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        let alive = state.task(row.number).phase == TaskPhase::Running;
        if alive {
            self.since.entry(row.number).or_insert_with(Instant::now);
        } else {
            self.since.remove(&row.number);
        }
        self.progress.update(Line {
            key: row.number.0,
            head: format!("{} {}", row.number, row.tag),
            status: row.status.to_string(),
            note: row.note.clone(),
            since: self.since.get(&row.number).copied(),
            at,
            over: matches!(
                row.status,
                Status::Done | Status::Failed | Status::Skipped | Status::Cancelled
            ),
        });
    }
}

impl Watcher for Lines {
    fn recorded(&mut self, state: &RunState, new: &[Recorded]) {
        let view = BoardView::new(state);
        for row in &view.tasks {
            let waits = matches!(row.status, Status::Queued | Status::Blocked(_));
            if !waits || self.shown.contains_key(&row.number) {
                self.show(state, row, state.updated);
            }
        }
        for recorded in new {
            if let Event::AssemblyStarting { order } = &recorded.event {
                let count = crate::base::text::plural(order.len(), "candidate");
                self.progress.say(&format!("assembling {count}"));
            }
        }
        let failed = view
            .tasks
            .iter()
            .filter(|row| row.status == Status::Failed)
            .count();
        let failed = if failed > 0 {
            format!(", {failed} failed")
        } else {
            String::new()
        };
        self.progress.total(&format!(
            "{} of {} done{failed}",
            view.done(),
            view.tasks.len()
        ));
    }

    fn warning(&mut self, text: &str) {
        self.progress.say(text);
    }
}

/// One JSON object a line on standard output: every event, the last one with exit code and board.
pub struct Events<'a> {
    ui: &'a Ui,
}

impl<'a> Events<'a> {
    /// On this terminal's standard output.
    pub fn new(ui: &'a Ui) -> Events<'a> {
        Events { ui }
    }
}

impl Watcher for Events<'_> {
    fn recorded(&mut self, state: &RunState, new: &[Recorded]) {
        for recorded in new {
            let line = render_record(&state.run, recorded);
            let line = match (&recorded.event, state.phase) {
                (Event::RunEnded { .. }, RunPhase::Ended(_)) => with_board(&line, state),
                _ => line,
            };
            self.ui.answer(&format!("{line}\n"));
        }
    }

    fn warning(&mut self, text: &str) {
        self.ui.warning(text);
    }
}

fn with_board(line: &str, state: &RunState) -> String {
    let mut value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("board".to_owned(), json::value(&BoardView::new(state)));
    }
    value.to_string()
}
