//! A progress bar for work that takes longer than half a second.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::base::safe::terminal_safe;
use crate::ui::Ui;

/// Time before a bar is drawn.
const MOMENT: Duration = Duration::from_millis(500);

/// Interval at which the bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Shows the progress of work until it is dropped, which removes the bar.
#[derive(Debug)]
pub struct Waiting {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Starts a bar for work whose done and total amounts `read` returns. Nothing is drawn without a
    /// terminal, nor for work that ends in half a second.
    pub fn new(
        ui: &Ui,
        label: &str,
        read: impl Fn() -> (usize, usize) + Send + 'static,
    ) -> Waiting {
        if ui.is_quiet() || !ui.may_draw() || !io::stderr().is_terminal() {
            return Waiting {
                over: None,
                thread: None,
            };
        }
        let screen = AtLineStart(Term::buffered_stderr());
        let target = ProgressDrawTarget::term_like(Box::new(screen));
        Waiting::on(target, MOMENT, label, read)
    }

    fn on(
        target: ProgressDrawTarget,
        moment: Duration,
        label: &str,
        read: impl Fn() -> (usize, usize) + Send + 'static,
    ) -> Waiting {
        let (over, is_over) = channel();
        let label = terminal_safe(label);
        let thread = std::thread::spawn(move || {
            if is_over.recv_timeout(moment) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(Some(0), target);
            bar.set_style(style("{spinner} {msg}"));
            bar.set_message(label);
            loop {
                let (done, total) = read();
                // While the total is unknown, a bar would look full.
                if total > 0 && bar.length() == Some(0) {
                    bar.set_style(style("{spinner} {msg} {wide_bar} {human_pos}/{human_len}"));
                }
                bar.set_length(total as u64);
                bar.set_position(done as u64);
                bar.tick();
                if is_over.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            bar.finish_and_clear();
        });
        Waiting {
            over: Some(over),
            thread: Some(thread),
        }
    }
}

/// A terminal whose cursor waits at the start of the line. The terminal writes `^C` at the cursor;
/// behind a bar that fills its line that would start a new line, and the bar would not be cleared.
#[derive(Debug)]
struct AtLineStart<T>(T);

impl<T: TermLike> TermLike for AtLineStart<T> {
    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.write_str("\r")?;
        self.0.flush()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            // A bar that could not be drawn does not matter.
            let _ = thread.join();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use indicatif::InMemoryTerm;

    use super::*;

    /// Pauses the bar between two readings, so that the screen does not change during a check.
    struct Steps {
        asked: Receiver<()>,
        go_on: SyncSender<()>,
    }

    fn steps(done: usize, total: usize) -> (Steps, impl Fn() -> (usize, usize) + Send + 'static) {
        let (tell, asked) = sync_channel(0);
        let (go_on, told) = sync_channel(0);
        let read = move || {
            let _ = tell.send(());
            let _ = told.recv();
            (done, total)
        };
        (Steps { asked, go_on }, read)
    }

    impl Steps {
        fn wait_for_the_first(&self) {
            self.asked.recv().unwrap();
            self.go_on.send(()).unwrap();
            self.asked.recv().unwrap();
        }
    }

    #[test]
    fn long_work_gets_a_bar_that_is_removed() {
        let screen = InMemoryTerm::new(5, 60);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let (steps, read) = steps(3, 12);
        let waiting = Waiting::on(target, Duration::ZERO, "comparing", read);
        steps.wait_for_the_first();
        let contents = screen.contents();
        assert!(contents.contains("comparing"), "{contents:?}");
        assert!(contents.contains("3/12"), "{contents:?}");
        drop(steps);
        drop(waiting);
        assert_eq!(screen.contents(), "");
    }

    #[test]
    fn an_echoed_interrupt_does_not_keep_the_bar_on_screen() {
        let screen = InMemoryTerm::new(5, 40);
        let target = ProgressDrawTarget::term_like(Box::new(AtLineStart(screen.clone())));
        let (steps, read) = steps(3, 12);
        let waiting = Waiting::on(target, Duration::ZERO, "comparing", read);
        steps.wait_for_the_first();
        assert!(screen.contents().contains("3/12"));
        screen.write_str("^C").unwrap();
        drop(steps);
        drop(waiting);
        assert_eq!(screen.contents(), "");
    }

    #[test]
    fn there_is_no_bar_before_the_total_is_known() {
        let screen = InMemoryTerm::new(5, 60);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let (steps, read) = steps(0, 0);
        let waiting = Waiting::on(target, Duration::ZERO, "comparing", read);
        steps.wait_for_the_first();
        let contents = screen.contents();
        assert!(contents.ends_with("comparing"), "{contents:?}");
        drop(steps);
        drop(waiting);
    }

    #[test]
    fn short_work_gets_no_bar() {
        let screen = InMemoryTerm::new(5, 60);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let long = Duration::from_secs(3600);
        drop(Waiting::on(target, long, "comparing", || (0, 1)));
        assert_eq!(screen.contents(), "");
    }
}
