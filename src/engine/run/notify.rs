//! Telling a person who is not looking (`[notify]`): a program gets one object on its standard input.
//!
//! The run never waits for it while it goes on, and nothing of its fate depends on it. Each program
//! has a short time; one that takes longer is killed and never started again by this run. What went
//! wrong is said once. After a crash nothing is told twice, and something perhaps not at all.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::clock::render_duration;
use crate::base::process::{Program, find_program};
use crate::base::text::{error_chain, one_line};
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::{Message, Post};
use crate::model::event::Recorded;
use crate::model::run::RunState;
use crate::report::notification::{Kind, notifications};

/// How long one program may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Starts the programs, one after the other.
#[derive(Debug)]
pub struct Notifier {
    queue: Option<Sender<Program>>,
    thread: Option<JoinHandle<()>>,
    command: Vec<String>,
    desktop: bool,
    repository: String,
    /// Until when each worker was said to be parked.
    parked: BTreeMap<String, Timestamp>,
}

impl Notifier {
    /// For a run; says what goes wrong to the loop.
    pub fn new(context: &Context, state: &RunState, post: Post) -> Notifier {
        let settings = &context.settings.notify;
        let parked = state.worker_health.parked(state.updated);
        let mut notifier = Notifier {
            queue: None,
            thread: None,
            command: settings.command.clone(),
            desktop: settings.desktop,
            repository: context.repo.home().display().to_string(),
            parked: parked
                .map(|(worker, parking)| (worker.to_owned(), parking.until))
                .collect(),
        };
        if !notifier.command.is_empty() || notifier.desktop {
            let (queue, programs) = channel();
            notifier.queue = Some(queue);
            notifier.thread = Some(thread::spawn(move || work(&programs, &post)));
        }
        notifier
    }

    /// Tells about these facts, which led to this state, without waiting.
    pub fn tell(&mut self, state: &RunState, new: &[Recorded]) {
        let Some(queue) = &self.queue else { return };
        for told in notifications(state, new) {
            if let (Kind::QuotaParked, Some((worker, until))) = (told.kind, &told.parked) {
                let before = self.parked.insert(worker.clone(), *until);
                // Another attempt ran into a limit that is known already.
                if before.is_some_and(|before| before > told.time) {
                    continue;
                }
            }
            let object = told.value(state, &self.repository).to_string() + "\n";
            if let Some((program, args)) = self.command.split_first() {
                let program = Program::new(program).args(args).folder(&self.repository);
                let _ = queue.send(program.stdin(object));
            }
            if self.desktop
                && let Some(program) = on_desktop(&told.message)
            {
                let _ = queue.send(program);
            }
        }
    }

    /// Waits for what is under way, which has its limit.
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
            let what = format!("nobody was notified: the command of [notify] {wrong}");
            // The loop is gone only when the program ends; then there is nobody left to tell.
            let _ = post.send(Message::Remark(what));
        }
        if is_over {
            return;
        }
    }
}

/// A program of this desktop that shows a notification, if there is one.
fn on_desktop(message: &str) -> Option<Program> {
    const SCRIPT: &str =
        "on run argv\ndisplay notification (item 1 of argv) with title \"dispatch\"\nend run";
    if let Some(program) = find_program("notify-send") {
        return Some(Program::new(program).args(["--app-name=dispatch", "dispatch", message]));
    }
    let program = find_program("osascript")?;
    Some(Program::new(program).args(["-e", SCRIPT, message]))
}
