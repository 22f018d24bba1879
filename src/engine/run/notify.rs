//! Runs the notification program (`[notify]`): it gets one object on its standard input.
//!
//! The run never waits for it before its end. A program that takes too long is killed and never
//! started again by this run. A failure is reported once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::base::clock::render_duration;
use crate::base::process::{Finished, ProcessError, Program, find_program};
use crate::base::text::{error_chain, one_line};
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::run::webhook::{NAME, Webhook, last_message, was_cut};
use crate::model::run::RunState;
use crate::report::notification::Notification;

/// The longest time of one program.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest time for which a run that has ended stays locked because of the last programs.
const GRACE: Duration = Duration::from_millis(50);

/// The interval at which the end of the last program is checked.
const LOOK: Duration = Duration::from_millis(10);

/// A program to run, and what it is called in a warning.
type Queued = (&'static str, Program);

/// Notifications that are being sent while the run is over and free for others.
#[derive(Debug)]
pub struct Unsent(JoinHandle<Option<String>>);

impl Unsent {
    /// Waits for them, within their limit. Returns a warning if one was not sent.
    pub fn wait(self) -> Option<String> {
        let end = Instant::now() + 2 * LIMIT;
        while !self.0.is_finished() && Instant::now() < end {
            thread::sleep(LOOK);
        }
        match self.0.is_finished() {
            // A panic was printed.
            true => self.0.join().ok().flatten(),
            false => Some("the last notifications were not sent: it took too long".to_owned()),
        }
    }
}

/// Runs the notification programs, one after the other.
#[derive(Debug)]
pub struct Notifier {
    queue: Option<Sender<Queued>>,
    thread: Option<JoinHandle<Option<String>>>,
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
            let _ = queue.send((
                "the command of [notify]",
                program.stdin(format!("{object}\n")),
            ));
        }
        if let Some(webhook) = &self.webhook {
            let _ = queue.send((NAME, webhook.program(&object)));
        }
        if self.desktop
            && let Some(program) = on_desktop(&notification.message)
        {
            let _ = queue.send(("the program of the desktop", program));
        }
    }

    /// Waits a moment for the programs that are queued, and returns those that are left.
    pub async fn finish(&mut self) -> Option<Unsent> {
        self.queue = None;
        let thread = self.thread.take()?;
        let end = Instant::now() + GRACE;
        while !thread.is_finished() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
        // What is over has told the loop.
        (!thread.is_finished()).then_some(Unsent(thread))
    }
}

/// Runs a program; a webhook whose connection was cut once more.
fn run(name: &str, program: &Program) -> Result<Option<Finished>, ProcessError> {
    let ended = program.output_within(LIMIT)?;
    match &ended {
        Some(cut) if name == NAME && was_cut(cut.status.code()) => program.output_within(LIMIT),
        _ => Ok(ended),
    }
}

/// Runs programs until there are no more. Returns a warning that the loop did not take, because it had
/// ended.
fn work(programs: &Receiver<Queued>, post: &Post) -> Option<String> {
    let mut has_complained = false;
    let mut unsaid = None;
    while let Ok((name, program)) = programs.recv() {
        let (wrong, is_over) = match run(name, &program) {
            Ok(Some(ended)) if ended.status.success() => continue,
            Ok(Some(ended)) => {
                let said = String::from_utf8_lossy(&ended.stderr);
                let said = match name {
                    NAME => last_message(&said),
                    _ => one_line(&said),
                };
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
            let what = format!("notification failed: {name} {wrong}");
            if post.send(Message::Warning(what.clone())).is_err() {
                unsaid = Some(what);
            }
        }
        if is_over {
            break;
        }
    }
    unsaid
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
