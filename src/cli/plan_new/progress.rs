//! Shows a planner at work: a live line on a terminal, and a plain line at the start and the end
//! everywhere.

use std::time::Instant;

use jiff::Timestamp;

use crate::base::text::terminal_safe;
use crate::engine::planner::error::PlannerError;
use crate::engine::planner::request::Request;
use crate::engine::planner::watcher::Watcher;
use crate::engine::planner::{Answered, Planner};
use crate::ui::Ui;
use crate::ui::progress::Progress;
use crate::ui::task_line::Line;

/// Asks a planner for something, such as "for a plan", and shows it at work.
///
/// # Errors
/// As [`Planner::ask`].
pub(super) fn ask(
    planner: &mut Planner<'_>,
    request: &Request,
    what: &str,
    ui: &Ui,
) -> Result<Answered, PlannerError> {
    let worker = planner.worker().to_owned();
    ui.status(&format!("asking {worker} {what}"));
    let mut lines = Lines::new(ui, &worker);
    let answered = planner.ask(request, &mut lines);
    lines.finish();
    if planner.spent.calls > 0 {
        ui.status(&format!("{worker}: {}", planner.spent));
    }
    answered
}

/// The line of a planner.
struct Lines<'a> {
    ui: &'a Ui,
    worker: String,
    since: Instant,
    /// The live display, on a terminal.
    live: Option<Progress>,
}

impl Lines<'_> {
    fn new<'a>(ui: &'a Ui, worker: &str) -> Lines<'a> {
        let progress = Progress::new(ui, 1);
        let mut lines = Lines {
            ui,
            worker: worker.to_owned(),
            since: Instant::now(),
            live: matches!(progress, Progress::Terminal(_)).then_some(progress),
        };
        lines.step("");
        lines
    }

    fn finish(&mut self) {
        if let Some(live) = &mut self.live {
            live.finish();
        }
    }
}

impl Watcher for Lines<'_> {
    fn step(&mut self, step: &str) {
        let Some(live) = &mut self.live else { return };
        live.update(Line {
            key: 1,
            head: self.worker.clone(),
            status: "PLANNING".to_owned(),
            note: step.to_owned(),
            since: Some(self.since),
            at: Timestamp::now(),
            over: false,
        });
    }

    fn warning(&mut self, text: &str) {
        let text = terminal_safe(text);
        match &mut self.live {
            Some(live) => live.say(&format!("warning: {text}")),
            None => self.ui.warning(&text),
        }
    }
}
