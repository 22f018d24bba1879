//! Shows the progress of a run to the user or to a program.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use crate::engine::run::watcher::Watcher;
use crate::journal::record::render_record;
use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::outcome::Outcome;
use crate::model::plan::{Plan, Task};
use crate::model::run::{RunPhase, RunState};
use crate::model::status::Status;
use crate::model::task_state::TaskPhase;
use crate::report::board::json;
use crate::report::board::view::{BoardView, TaskRow};
use crate::report::notification::notifications;
use crate::report::words::{
    access_denied_sentence, cost_limit_sentence, parked_sentence, setup_failed_sentence,
};
use crate::ui::Ui;
use crate::ui::progress::Progress;
use crate::ui::task_line::Line;

/// The widest column of tags; a longer tag overflows it.
const TAG_WIDTH: usize = 16;

/// Lines on the terminal: one per task, and a total.
pub(crate) struct Lines {
    progress: Progress,
    since: BTreeMap<TaskNumber, Instant>,
    shown: BTreeMap<TaskNumber, (Status, String)>,
    widths: (usize, usize),
    rings: bool,
    /// The numbers of done and of failed tasks.
    counts: (usize, usize),
    total: usize,
    /// `true` once everything was shown.
    begun: bool,
    /// The last message about the run as a whole.
    said: Option<String>,
}

impl Lines {
    /// Creates the lines for the tasks of this plan.
    pub(crate) fn new(ui: &Ui, plan: &Plan) -> Lines {
        let tasks = plan.tasks();
        let number = |task: &Task| task.number.to_string().len();
        let tag = |task: &Task| task.tag.chars().count().min(TAG_WIDTH);
        Lines {
            progress: Progress::new(ui, tasks.len()),
            since: BTreeMap::new(),
            shown: BTreeMap::new(),
            widths: (
                tasks.iter().map(number).max().unwrap_or(0),
                tasks.iter().map(tag).max().unwrap_or(0),
            ),
            rings: false,
            counts: (0, 0),
            total: tasks.len(),
            begun: false,
            said: None,
        }
    }

    /// Enables or disables the terminal bell for moments that need attention.
    #[must_use]
    pub(crate) fn ringing(self, rings: bool) -> Lines {
        Lines { rings, ..self }
    }

    /// Restores the terminal.
    pub(crate) fn finish(&mut self) {
        self.progress.finish();
    }

    /// Renders `#1  AUTH`, with tags padded to the widest.
    fn head(&self, row: &TaskRow) -> String {
        let (number, tag) = self.widths;
        format!("{:<number$} {:<tag$}", row.number.to_string(), row.tag)
    }

    /// Shows the initial state; only running tasks get a line.
    fn begin(&mut self, state: &RunState, rows: &[TaskRow]) {
        for row in rows {
            if state.task(row.number).phase != TaskPhase::Running {
                self.remember(row);
            }
        }
    }

    /// Stores the displayed state of a task; returns `true` if it changed.
    fn remember(&mut self, row: &TaskRow) -> bool {
        let now = (row.status.clone(), row.note.clone());
        let before = self.shown.insert(row.number, now);
        let before = before.as_ref();
        let count = |wanted: Status, count: &mut usize| {
            let was = before.is_some_and(|(status, _)| *status == wanted);
            *count += usize::from(row.status == wanted);
            *count -= usize::from(was);
        };
        count(Status::Done, &mut self.counts.0);
        count(Status::Failed, &mut self.counts.1);
        before.is_none_or(|(status, note)| (status, note) != (&row.status, &row.note))
    }

    /// Lists the rows that these events may have changed.
    fn rows(&mut self, state: &RunState, new: &[Recorded]) -> Vec<TaskRow> {
        let affected = state.affected_by(new).filter(|_| self.begun);
        match affected {
            Some(tasks) => tasks
                .into_iter()
                .map(|task| TaskRow::of(state, task))
                .collect(),
            None => BoardView::new(state).tasks,
        }
    }

    fn show(&mut self, state: &RunState, row: &TaskRow, at: Timestamp) {
        if !self.remember(row) {
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
            head: self.head(row),
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
        let rows = self.rows(state, new);
        if new.is_empty() && self.shown.is_empty() {
            self.begin(state, &rows);
        }
        self.begun = true;
        for row in &rows {
            let waits = matches!(row.status, Status::Queued | Status::Blocked(_));
            if !waits || self.shown.contains_key(&row.number) {
                self.show(state, row, state.updated);
            }
        }
        for recorded in new {
            // Every running attempt hits the same limit.
            let said = said(&recorded.event).filter(|said| self.said.as_ref() != Some(said));
            if let Some(said) = said {
                self.progress.say(&said);
                self.said = Some(said);
            }
            if let Event::Assembled { integration } = &recorded.event
                && integration.check_runs == 0
                && !integration.checks.is_empty()
            {
                self.progress.say(
                    "no check ran: nothing has changed since the last time; \
                     `dispatch assemble --recheck` runs them again",
                );
            }
        }
        if self.rings && !notifications(state, new).is_empty() {
            self.progress.ring();
        }
        let (done, failed) = self.counts;
        let failed = if failed > 0 {
            format!(", {failed} failed")
        } else {
            String::new()
        };
        self.progress
            .total(&format!("{done} of {} done{failed}", self.total));
    }

    fn warning(&mut self, text: &str) {
        self.progress.say(text);
    }
}

/// Renders a message about the run as a whole.
fn said(event: &Event) -> Option<String> {
    match event {
        Event::AssemblyStarting { order } => {
            let count = crate::base::text::plural(order.len(), "candidate");
            Some(format!("assembling {count}"))
        }
        Event::WorkerParked {
            worker,
            until,
            reason,
            ..
        } => Some(parked_sentence(worker, *until, reason)),
        Event::WorkerUnparked { worker, .. } => Some(format!("{worker} can start again")),
        Event::AttemptEnded { task, outcome, .. } => outside_sentence(*task, outcome),
        Event::ShortageBegan { shortage } => Some(format!(
            "paused: {}; {}; the run resumes automatically{}",
            shortage.message(),
            shortage.hint(),
            shortage
                .kept_message()
                .map_or_else(String::new, |kept| format!("\n{kept}"))
        )),
        Event::ShortageEnded {} => Some("disk space is available again".to_owned()),
        Event::RetryBudgetSpent { task, budget, .. } => Some(format!(
            "{task} is not retried: the {budget} retries of the run are used up"
        )),
        Event::WorkerAccessDenied {
            worker,
            tasks,
            message,
        } => Some(access_denied_sentence(worker, tasks, message)),
        Event::SetupBroken { tasks, message } => Some(setup_failed_sentence(tasks, message)),
        Event::CostLimitReached { spent, max_cost } => Some(cost_limit_sentence(*spent, *max_cost)),
        _ => None,
    }
}

/// Names what changed outside an attempt's worktree while it ran.
fn outside_sentence(task: TaskNumber, outcome: &Outcome) -> Option<String> {
    let changes = outcome.outside_changes.iter();
    let changes: Vec<&str> = changes.map(|change| change.name.as_str()).collect();
    let what = changes.join(", ");
    (!changes.is_empty()).then(|| format!("{what} changed while {task} ran"))
}

/// Prints one JSON object per line on standard output: every event, and at the end exit code and
/// board.
pub(crate) struct Events<'a> {
    ui: &'a Ui,
}

impl<'a> Events<'a> {
    /// Creates a printer for this terminal's standard output.
    pub(crate) fn new(ui: &'a Ui) -> Events<'a> {
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
            self.ui.answer_json(&format!("{line}\n"));
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

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn the_heads_of_all_tasks_are_equally_wide() {
        let plan = (1..=10).map(|n| format!("t{n}")).collect::<Vec<_>>();
        let state = RunFixture::new(&plan.join(" · "))
            .tags(&["AUTH", "A-TAG-THAT-IS-LONGER-THAN-ITS-COLUMN", "API"])
            .state();
        let lines = Lines::new(&Ui::non_interactive(), &state.plan);
        let view = BoardView::new(&state);
        let heads = view.tasks.iter().map(|row| lines.head(row) + "|");
        let heads: Vec<String> = heads.collect();
        insta::assert_snapshot!(
            [&heads[0], &heads[1], &heads[2], &heads[9]].map(String::as_str).join("\n"),
            @r"
        #1  AUTH            |
        #2  A-TAG-THAT-IS-LONGER-THAN-ITS-COLUMN|
        #3  API             |
        #10 T10             |
        "
        );
    }

    #[test]
    fn what_was_so_before_is_not_told_again() {
        let state = RunFixture::new("a · b · c")
            .fail(1, "broken")
            .begin(2, "shell")
            .state();
        let mut lines = Lines::new(&Ui::non_interactive().quiet(true), &state.plan);
        lines.recorded(&state, &[]);
        let alive: Vec<u32> = lines.since.keys().map(|number| number.0).collect();
        assert_eq!(alive, [2], "only what is alive gets a line");
        assert_eq!(lines.shown.len(), 3);
    }
}
