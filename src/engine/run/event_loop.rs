//! Runs the loop around the driver: waits for messages, carries out effects.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::base::fault;
use crate::base::text::error_chain;
use crate::control::{ControlError, Server, control_socket};
use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::known_settings;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::kernel::signals::Signals;
use crate::engine::publish::Publisher;
use crate::engine::run::driver::{Driver, Start};
use crate::engine::run::effect::{Effect, Leave};
use crate::engine::run::notify::Unsent;
use crate::engine::run::now::Now;
use crate::engine::run::outside::Outside;
use crate::engine::run::watcher::Watcher;
use crate::engine::spec::confinement::delegation;
use crate::engine::start::worker_pool::limits;
use crate::exec::{SHIM_ARGUMENT, adopt_orphans};
use crate::git::Store;
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;

/// A run to drive.
pub struct EventLoop<'a> {
    /// Its fixed facts.
    pub context: Arc<Context>,
    /// Its state.
    pub state: RunState,
    /// Its journal.
    pub journal: Journal,
    /// The display of the user.
    pub watcher: &'a mut dyn Watcher,
    /// The random numbers for the delays of retries.
    pub random: fastrand::Rng,
    /// The tasks that may be left to another process once only such tasks are open.
    pub background: Vec<TaskNumber>,
}

/// A run that the loop has left.
#[derive(Debug)]
pub struct Driven {
    /// Its state.
    pub state: RunState,
    /// Its exit code.
    pub exit: u8,
    /// Only background tasks are left, and no process drives them now.
    pub left: bool,
    /// Notifications that are still being sent.
    pub unsent: Option<Unsent>,
}

impl EventLoop<'_> {
    /// Records the user's requests, then drives the run until nothing is alive or scheduled.
    ///
    /// # Errors
    /// When the journal cannot be written or git fails; the run can be resumed.
    pub async fn run(self, asked: Vec<Event>) -> Result<Driven, EngineError> {
        Store::keep_no_objects();
        let mut signals = Signals::listen()
            .map_err(|error| EngineError::File("signal handlers".to_owned(), error))?;
        let (post, mut inbox) = unbounded_channel();
        let context = self.context;
        adopt_orphans();
        if let Some(delegation) = delegation(&context.settings) {
            delegation.sweep();
        }
        let _server = listen(&context, &post);
        let publisher = Publisher::new(&context.repo)?;
        // Reading the sizes of a large tree takes a while.
        let shared = Arc::clone(&context);
        blocking(move || Ok(shared.size())).await?;
        let shared = Arc::clone(&context);
        blocking(move || {
            shared.changed_programs()?;
            known_settings::record(&shared.repo, &shared.run, &shared.shared_state()?.state)
        })
        .await?;
        let mut driver = Driver::new(
            Start {
                settings: Arc::new(context.settings.clone()),
                layout: context.layout.clone(),
                limits: limits(&context.plan, &context.settings),
                secrets: context.secrets.clone(),
                random: self.random,
                background: self.background,
                board_is_committed: publisher.is_committed(&context, &self.state)?,
                state: self.state,
            },
            now(&context),
        );
        let mut outside = Outside::new(context, self.journal, publisher, self.watcher, post);
        let begin = driver.begin(asked, now(outside.context()));
        let mut leave = turn(&mut driver, &mut outside, begin);
        while leave.is_none() {
            let sleep = driver.sleep(now(outside.context()));
            let messages = tokio::select! {
                message = inbox.recv() => drain(message, &mut inbox),
                request = signals.next() => vec![Message::Signal(request)],
                () = tokio::time::sleep(sleep) => Vec::new(),
            };
            leave = receive(&mut driver, &mut outside, messages);
        }
        let unsent = outside.finish(&mut inbox, leave.as_ref()).await;
        // Live attempts go on under their shims.
        let is_over = !has_live_attempts(driver.state());
        let looked = is_over.then(|| refuse_or_forget(outside.context()));
        let driven = finished(driver, leave)?;
        looked.unwrap_or(Ok(()))?;
        Ok(Driven { unsent, ..driven })
    }
}

/// Listens for other commands. The run works without this, too.
fn listen(context: &Context, post: &Post) -> Option<Server> {
    fault::point("control", "before it listens");
    let path = control_socket(&context.repo, &context.run);
    let asked = post.clone();
    let server = Server::listen(&path, SHIM_ARGUMENT, move |request, reply| {
        // The loop ends only with the program, which the peer notices.
        let _ = asked.send(Message::Asked(request, reply));
    });
    fault::point("control", "listening");
    let warn = |error: &ControlError| {
        let _ = post.send(Message::Warning(error_chain(error)));
    };
    server.inspect_err(warn).ok()
}

fn drain(first: Option<Message>, inbox: &mut UnboundedReceiver<Message>) -> Vec<Message> {
    let mut messages = Vec::from_iter(first);
    while let Ok(more) = inbox.try_recv() {
        messages.push(more);
    }
    messages
}

/// Handles all pending messages, so that their events share a commit.
fn receive(
    driver: &mut Driver,
    outside: &mut Outside<'_>,
    messages: Vec<Message>,
) -> Option<Leave> {
    let now = now(outside.context());
    let mut effects = Vec::new();
    let mut is_request = false;
    for message in messages {
        is_request |= matches!(message, Message::Asked(..));
        effects.extend(driver.handle(message, now));
    }
    if is_request {
        fault::point("request", "before it is recorded");
    }
    turn(driver, outside, effects)
}

/// Carries out effects and decides, until only a message can lead to more work.
fn turn(driver: &mut Driver, outside: &mut Outside<'_>, mut effects: Vec<Effect>) -> Option<Leave> {
    let now = now(outside.context());
    loop {
        let mut answers = Vec::new();
        for effect in effects {
            if let Effect::Leave(leave) = effect {
                return Some(leave);
            }
            answers.extend(outside.carry_out(effect, driver.state()));
        }
        effects = Vec::new();
        for answer in answers {
            effects.extend(driver.handle(answer, now));
        }
        if effects.is_empty() {
            effects = driver.settle(now);
        }
        if effects.is_empty() {
            return None;
        }
    }
}

fn has_live_attempts(state: &RunState) -> bool {
    let mut tasks = state.tasks.iter();
    tasks.any(|task| task.live_attempts().next().is_some())
}

/// Forgets the settings from before the workers, unless they have changed.
fn refuse_or_forget(context: &Context) -> Result<(), EngineError> {
    let changes = context.changed_programs()?;
    if changes.is_empty() {
        known_settings::forget(&context.repo, &context.run);
        return Ok(());
    }
    let since = "while the run was driven".to_owned();
    Err(EngineError::SettingsChanged { changes, since })
}

fn finished(driver: Driver, leave: Option<Leave>) -> Result<Driven, EngineError> {
    let (exit, left) = match leave {
        Some(Leave::Failed(error)) => return Err(error),
        Some(Leave::Ended(exit)) => (exit, false),
        Some(Leave::Detached) => (0, true),
        Some(Leave::Interrupted) | None => (130, false),
    };
    Ok(Driven {
        state: driver.into_state(),
        exit,
        left,
        unsent: None,
    })
}

/// Reads the clocks; the only place that does.
fn now(context: &Context) -> Now {
    Now {
        instant: Instant::now(),
        time: context.clock.now(),
    }
}
