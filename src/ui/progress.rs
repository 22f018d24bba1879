//! Progress of a run: a live display on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use crate::base::safe::terminal::for_terminal;
use crate::ui::Ui;
use crate::ui::bars::Bars;
use crate::ui::task_line::Line;

/// The display of a running run, on standard error.
#[derive(Debug)]
pub enum Progress {
    /// A live display with one row a task.
    Terminal(Bars),
    /// One line for each change of a status.
    Plain(Plain),
    /// Nothing.
    Silent,
}

impl Progress {
    /// Chooses the display for this terminal and number of tasks.
    pub fn new(ui: &Ui, total: usize) -> Progress {
        if ui.is_quiet() {
            Progress::Silent
        } else if ui.may_draw() && io::stderr().is_terminal() {
            Progress::Terminal(Bars::on_stderr(total))
        } else {
            Progress::Plain(Plain::new(Box::new(anstream::stderr())))
        }
    }

    /// Shows the state of one task.
    pub fn update(&mut self, line: Line) {
        match self {
            Progress::Terminal(bars) => bars.update(line),
            Progress::Plain(plain) => plain.update(&line),
            Progress::Silent => {}
        }
    }

    /// Shows the state of the run below the tasks; plain output has no such line.
    pub fn total(&mut self, text: &str) {
        if let Progress::Terminal(bars) = self {
            bars.total(text);
        }
    }

    /// Prints a message above the live display.
    pub fn say(&mut self, text: &str) {
        match self {
            Progress::Terminal(bars) => bars.say(text),
            Progress::Plain(plain) => plain.write(text),
            Progress::Silent => {}
        }
    }

    /// Rings the terminal bell.
    pub fn ring(&self) {
        if io::stderr().is_terminal() {
            let mut terminal = io::stderr().lock();
            // A closed terminal has no bell.
            let _ = terminal.write_all(b"\x07").and_then(|()| terminal.flush());
        }
    }

    /// Removes the live display.
    pub fn finish(&mut self) {
        if let Progress::Terminal(bars) = self {
            bars.finish();
        }
    }
}

/// Prints one line for each change of a status, none for a note: `09:14:03 #2 API IN PROGRESS — started`.
pub struct Plain {
    out: Box<dyn Write + Send>,
    last: BTreeMap<u32, String>,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("last", &self.last).finish()
    }
}

impl Plain {
    /// Prints to this writer.
    pub fn new(out: Box<dyn Write + Send>) -> Plain {
        Plain {
            out,
            last: BTreeMap::new(),
        }
    }

    fn update(&mut self, line: &Line) {
        let before = self.last.insert(line.key, line.status.clone());
        if before.as_ref() != Some(&line.status) {
            let time = line.at.strftime("%H:%M:%S");
            self.write(&format!("{time} {}", line.text()));
        }
    }

    /// Writes a line; a closed pipe must not stop a run.
    fn write(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}", for_terminal(text)).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(key: u32, second: i64, status: &str, note: &str) -> Line {
        Line {
            key,
            head: format!("#{key} T{key}"),
            status: status.to_owned(),
            note: note.to_owned(),
            since: None,
            at: Timestamp::from_second(second).unwrap(),
            over: false,
        }
    }

    #[test]
    fn without_a_terminal_a_line_is_printed_when_a_status_changes() {
        let written = Shared::default();
        let mut progress = Progress::Plain(Plain::new(Box::new(written.clone())));
        progress.say("dispatching 2 tasks");
        progress.update(line(1, 33_243, "IN PROGRESS", ""));
        progress.update(line(1, 33_250, "IN PROGRESS", "6/8 endpoints"));
        progress.update(line(2, 33_251, "QUEUED", ""));
        progress.update(line(1, 33_260, "DONE", "all\nof \u{1b}[31mit"));
        progress.total("1 of 2 done");
        progress.finish();
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(text, @r"
        dispatching 2 tasks
        09:14:03 #1 T1 IN PROGRESS
        09:14:11 #2 T2 QUEUED
        09:14:20 #1 T1 DONE — all of \u{1b}[31mit
        ");
    }

    #[test]
    fn a_quiet_run_prints_nothing() {
        let ui = Ui::non_interactive().quiet(true);
        assert!(matches!(Progress::new(&ui, 3), Progress::Silent));
    }
}
