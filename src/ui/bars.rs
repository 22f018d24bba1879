//! The live display: one row for each running or recently changed task, and a total.
//!
//! The number of rows does not depend on the number of tasks; every change decides again which tasks
//! have one. Only clocks and spinners move between changes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::base::clock::render_elapsed;
use crate::base::safe::terminal::for_terminal;
use crate::base::terminal::HiddenControls;
use crate::ui::task_line::{Line, safe};

/// Interval at which the clocks of the rows are drawn.
const TICK: Duration = Duration::from_millis(250);

/// Rows kept free for the total, the scrolling lines and the cursor.
const ROWS_KEPT: usize = 4;

/// The live display.
pub struct Bars {
    screen: MultiProgress,
    rows: Vec<ProgressBar>,
    total: ProgressBar,
    room: usize,
    lines: BTreeMap<u32, Shown>,
    changes: u64,
    controls: Option<HiddenControls>,
}

/// A line with the number of its last change.
struct Shown {
    line: Line,
    changed: u64,
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.values().map(|shown| &shown.line);
        f.debug_list().entries(lines).finish()
    }
}

impl Bars {
    /// Draws on the terminal behind standard error.
    pub(super) fn on_stderr(total: usize) -> Bars {
        let (height, _) = console::Term::stderr().size();
        let mut bars = Bars::on(ProgressDrawTarget::stderr(), usize::from(height), total);
        bars.controls = HiddenControls::on_stdin();
        // Drawing is rate-limited, so a later tick draws the last of many changes.
        bars.total.enable_steady_tick(TICK);
        bars
    }

    fn on(target: ProgressDrawTarget, height: usize, total: usize) -> Bars {
        let screen = MultiProgress::with_draw_target(target);
        let bar = screen.add(ProgressBar::new_spinner());
        bar.set_style(style("{wide_msg}"));
        Bars {
            screen,
            rows: Vec::new(),
            total: bar,
            room: height.saturating_sub(ROWS_KEPT).clamp(1, total.max(1)),
            lines: BTreeMap::new(),
            changes: 0,
            controls: None,
        }
    }

    pub(super) fn update(&mut self, line: Line) {
        self.changes += 1;
        let changed = self.changes;
        self.lines.insert(line.key, Shown { line, changed });
        self.draw();
    }

    pub(super) fn total(&mut self, text: &str) {
        self.total.set_message(safe(text));
    }

    pub(super) fn say(&mut self, text: &str) {
        // An error of the terminal must not stop a run.
        let _ = self.screen.println(for_terminal(text));
    }

    pub(super) fn finish(&mut self) {
        self.rows.drain(..).for_each(|row| row.finish_and_clear());
        self.total.finish_and_clear();
        let _ = self.screen.clear();
        self.controls = None;
    }

    fn draw(&mut self) {
        let keys = chosen(&self.lines, self.room);
        while self.rows.len() < keys.len() {
            let row = ProgressBar::new_spinner();
            self.rows.push(self.screen.insert_before(&self.total, row));
        }
        for (row, key) in self.rows.iter().zip(&keys) {
            show(row, &self.lines[key].line);
        }
    }
}

/// Chooses the lines that get a row: running ones first, then the last changed; in task order.
fn chosen(lines: &BTreeMap<u32, Shown>, room: usize) -> Vec<u32> {
    let mut all: Vec<_> = lines.iter().collect();
    all.sort_by_key(|(_, shown)| (!shown.line.is_alive(), std::cmp::Reverse(shown.changed)));
    let mut keys: Vec<u32> = all.into_iter().take(room).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys
}

fn show(row: &ProgressBar, line: &Line) {
    match line.since.filter(|_| line.is_alive()) {
        Some(since) => {
            let clock = move |_: &ProgressState, w: &mut dyn fmt::Write| {
                let _ = write!(w, "{}", render_elapsed(whole_seconds(since)));
            };
            row.set_style(
                style("{spinner} {elapsed_here:>7} {wide_msg}").with_key("elapsed_here", clock),
            );
            row.enable_steady_tick(TICK);
        }
        None => {
            row.disable_steady_tick();
            row.set_style(style("          {wide_msg}"));
        }
    }
    row.set_message(line.text());
}

/// Rounds to seconds, since the clock is drawn only four times a second.
fn whole_seconds(since: Instant) -> Duration {
    Duration::from_secs(since.elapsed().as_secs().max(1))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use indicatif::InMemoryTerm;
    use jiff::Timestamp;

    use super::*;

    fn line(key: u32, status: &str, alive: bool) -> Line {
        Line {
            key,
            head: format!("#{key}"),
            status: status.to_owned(),
            note: String::new(),
            since: alive.then(Instant::now),
            at: Timestamp::UNIX_EPOCH,
            over: !alive,
        }
    }

    fn shown(lines: &[(u32, bool)], room: usize) -> Vec<u32> {
        let numbered = lines.iter().zip(1..).map(|((key, alive), changed)| {
            let line = line(*key, "", *alive);
            (*key, Shown { line, changed })
        });
        chosen(&numbered.collect(), room)
    }

    #[test]
    fn running_tasks_have_a_row_before_recently_changed_ones() {
        let lines = [(9, true), (1, false), (2, false), (5, true), (3, false)];
        assert_eq!(shown(&lines, 2), [5, 9]);
        assert_eq!(shown(&lines, 4), [2, 3, 5, 9]);
        assert_eq!(shown(&lines, 9), [1, 2, 3, 5, 9]);
    }

    #[test]
    fn a_thousand_tasks_fit_a_small_terminal() {
        let term = InMemoryTerm::new(8, 40);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
        let mut bars = Bars::on(target, 8, 1000);
        bars.say("dispatching 1000 tasks");
        for key in 1..=1000 {
            bars.update(line(key, "DONE with words that go on and on and on", false));
        }
        bars.total("1000 of 1000 done");
        bars.total.force_draw();
        insta::assert_snapshot!(term.contents(), @r"
        dispatching 1000 tasks
                  #997 DONE with words that go o
                  #998 DONE with words that go o
                  #999 DONE with words that go o
                  #1000 DONE with words that go
        1000 of 1000 done
        ");
        bars.finish();
        insta::assert_snapshot!(term.contents(), @"dispatching 1000 tasks");
    }
}
