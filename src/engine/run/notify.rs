//! Runs the notification program (`[notify]`): it gets one object on its standard input.
//!
//! The run never waits for it before its end. A program that takes too long is killed and never
//! started again by this run. A failure is reported once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::base::clock::render_duration;
use crate::base::process::{Program, find_program};
use crate::base::text::{error_chain, one_line};
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::run::webhook::Webhook;
use crate::model::run::RunState;
use crate::report::notification::Notification;

/// The longest time of one program.
const LIMIT: Duration = Duration::from_secs(10);

/// The interval at which the end of the last program is checked.
const LOOK: Duration = Duration::from_millis(10);

/// Runs the notification programs, one after the other.
#[derive(Debug)]
pub struct Notifier {
    queue: Option<Sender<Program>>,
    thread: Option<JoinHandle<()>>,
    command: Vec<String>,
    desktop: bool,
    webhook: Option<Webhook>,
    repository: String,
}

impl Notifier {
    /// Creates the notifier of a run; a program that fails is reported to the loop.
    pub fn new(context: &Context, post: Post) -> Notifier {
        let settings = &context.settings.notify;
        let mut notifier = Notifier {
            queue: None,
            thread: None,
            command: settings.command.clone(),
            desktop: settings.desktop,
            webhook: None,
            repository: context.repo.home().display().to_string(),
        };
        match Webhook::of(settings) {
            Ok(webhook) => notifier.webhook = webhook,
            Err(wrong) => {
                // The loop ends only with the program.
                let _ = post.send(Message::Warning(wrong));
            }
        }
        if !notifier.command.is_empty() || notifier.desktop || notifier.webhook.is_some() {
            let (queue, programs) = channel();
            notifier.queue = Some(queue);
            notifier.thread = Some(thread::spawn(move || work(&programs, &post)));
        }
        notifier
    }

    /// Sends a notification about a run in this state, without waiting.
    pub fn send(&self, state: &RunState, notification: &Notification) {
        let Some(queue) = &self.queue else { return };
        let object = notification.value(state, &self.repository);
        if let Some((program, args)) = self.command.split_first() {
            let program = Program::new(program).args(args).folder(&self.repository);
            let _ = queue.send(program.stdin(format!("{object}\n")));
        }
        if let Some(webhook) = &self.webhook {
            let _ = queue.send(webhook.program(&object));
        }
        if self.desktop
            && let Some(program) = on_desktop(&notification.message)
        {
            let _ = queue.send(program);
        }
    }

    /// Waits for the programs that are queued, within their limit.
    pub async fn finish(&mut self) {
        self.queue = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let end = Instant::now() + 2 * LIMIT;
        while !thread.is_finished() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn work(programs: &Receiver<Program>, post: &Post) {
    let mut has_complained = false;
    while let Ok(program) = programs.recv() {
        let (wrong, is_over) = match program.output_within(LIMIT) {
            Ok(Some(ended)) if ended.status.success() => continue,
            Ok(Some(ended)) => {
                let said = one_line(&String::from_utf8_lossy(&ended.stderr));
                let said = crate::base::text::clip(&said, 200);
                let colon = if said.is_empty() { "" } else { ": " };
                (format!("ended with {}{colon}{said}", ended.status), false)
            }
            Ok(None) => {
                let limit = render_duration(LIMIT);
                (
                    format!("was killed after {limit} and is not started again"),
                    true,
                )
            }
            Err(error) => (error_chain(&error), false),
        };
        if !std::mem::replace(&mut has_complained, true) {
            let what = format!("notification failed: the command of [notify] {wrong}");
            // The loop ends only with the program.
            let _ = post.send(Message::Warning(what));
        }
        if is_over {
            return;
        }
    }
}

/// Returns a program of this desktop that shows a notification.
fn on_desktop(message: &str) -> Option<Program> {
    const SCRIPT: &str =
        "on run argv\ndisplay notification (item 1 of argv) with title \"dispatch\"\nend run";
    if let Some(program) = find_program("notify-send") {
        return Some(Program::new(program).args(["--app-name=dispatch", "dispatch", message]));
    }
    let program = find_program("osascript")?;
    Some(Program::new(program).args(["-e", SCRIPT, message]))
}
