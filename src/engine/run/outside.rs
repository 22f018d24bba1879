//! Carries out effects: the only part of the loop that acts on the outside world.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::base::text::error_chain;
use crate::base::{fault, files};
use crate::control::Response;
use crate::engine::attempt::execution::Execution;
use crate::engine::attempt::run;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::{self, DiskSpace, is_full};
use crate::engine::kernel::message::{FullDisk, Message, Post, Publication, Quota, SlotAnswer};
use crate::engine::pool::release::release;
use crate::engine::publish::{Board, Committed, Publisher};
use crate::engine::remote::attempt::{RemoteAttempt, unusable};
use crate::engine::remote::fleet::Fleet;
use crate::engine::run::compare;
use crate::engine::run::effect::{Effect, Leave};
use crate::engine::run::live_work::LiveWork;
use crate::engine::run::notice::Notice;
use crate::engine::run::notify::{Notifier, Unsent};
use crate::engine::run::preparation::{Preparation, remove_idle};
use crate::engine::run::quota;
use crate::engine::run::slots::{self, Slot};
use crate::engine::run::watcher::Watcher;
use crate::engine::spec::span::attempt_span;
use crate::engine::spec::{AttemptSpec, conflicts_file};
use crate::engine::variants::accept::accept;
use crate::engine::variants::choose::choose;
use crate::engine::worktree::prepare::worker_folder;
use crate::engine::worktree::remove;
use crate::engine::worktree::reuse::is_sound;
use crate::engine::{EngineError, assemble};
use crate::git::worktree::Worktree;
use crate::journal::Journal;
use crate::model::event::Recorded;
use crate::model::ids::{AttemptKey, TaskNumber};
use crate::model::run::RunState;

/// The outside world of the loop.
pub(super) struct Outside<'a> {
    context: Arc<Context>,
    journal: Arc<Mutex<Journal>>,
    /// The last write to the journal.
    writing: Option<JoinHandle<()>>,
    publisher: Arc<Mutex<Publisher>>,
    watcher: &'a mut dyn Watcher,
    notifier: Notifier,
    post: Post,
    cancels: BTreeMap<AttemptKey, CancelHandle>,
    assembly: CancelHandle,
    choices: BTreeMap<TaskNumber, CancelHandle>,
    slots: BTreeMap<AttemptKey, Slot>,
    /// The executors that are not this machine.
    fleets: BTreeMap<String, Arc<Fleet>>,
    live_work: Arc<Mutex<Option<LiveWork>>>,
    preparation: Preparation,
}

impl<'a> Outside<'a> {
    /// Creates the outside of one run.
    pub(super) fn new(
        context: Arc<Context>,
        journal: Journal,
        publisher: Publisher,
        watcher: &'a mut dyn Watcher,
        post: Post,
    ) -> Outside<'a> {
        Outside {
            notifier: Notifier::new(&context, post.clone()),
            context,
            journal: Arc::new(Mutex::new(journal)),
            writing: None,
            publisher: Arc::new(Mutex::new(publisher)),
            watcher,
            post,
            cancels: BTreeMap::new(),
            assembly: CancelHandle::default(),
            choices: BTreeMap::new(),
            slots: BTreeMap::new(),
            fleets: BTreeMap::new(),
            live_work: Arc::default(),
            preparation: Preparation::default(),
        }
    }

    /// The fixed data of the run.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Carries out one effect. A short one returns its answer; a long one runs in the background
    /// and posts it.
    pub(super) fn carry_out(&mut self, effect: Effect, state: &RunState) -> Option<Message> {
        match effect {
            Effect::Write(facts) => self.write(facts),
            Effect::Show(facts) => self.watcher.recorded(state, &facts),
            Effect::Warn(text) => self.watcher.warning(&text),
            Effect::Notify(all) => all.iter().for_each(|one| self.notifier.send(state, one)),
            Effect::Answer(reply, response) => {
                if response == Response::Done {
                    fault::point("request", "recorded");
                }
                reply.send(response);
            }
            Effect::Start(spec) => match executor_of(state, &spec) {
                Some(executor) => self.spawn_elsewhere(*spec, executor, RemoteAttempt::run),
                None => self.spawn_attempt(*spec, run::run),
            },
            Effect::Adopt(spec) => match executor_of(state, &spec) {
                Some(executor) => self.spawn_elsewhere(*spec, executor, RemoteAttempt::run),
                None => self.spawn_attempt(*spec, run::adopt),
            },
            Effect::SetAside(spec) => match executor_of(state, &spec) {
                Some(executor) => self.spawn_elsewhere(*spec, executor, RemoteAttempt::set_aside),
                None => self.spawn_attempt(*spec, run::set_aside),
            },
            Effect::Cancel(attempt, signal) => self.cancel_handle(attempt).cancel(signal),
            Effect::Release(attempt) => self.release(attempt),
            Effect::StopStarting => self.context.stop(),
            Effect::CheckReuse {
                of,
                reuse,
                dependencies,
            } => drop(self.spawn(move |context| {
                let is_sound = is_sound(context, &reuse, &dependencies);
                Ok(Message::ReuseChecked { of, is_sound })
            })),
            Effect::TakeSlot(attempt) => return self.take_slot(attempt),
            Effect::RetakeSlot(attempt) => drop(self.take_slot(attempt)),
            Effect::ReportShortage(error) => {
                return Some(Message::DiskFull(full_disk(&self.context, error)));
            }
            Effect::MeasureDisk => return Some(self.measure_disk()),
            Effect::MeasureQuota => self.measure_quota(state),
            Effect::RemoveWorktree(worktree) => self.remove(worktree),
            Effect::ReleaseWorktree(known_as) => {
                if let Err(error) = release(&self.context, &known_as) {
                    self.watcher.warning(&error_chain(&error));
                }
            }
            Effect::PrepareAhead(wanted) => {
                self.preparation.start(&self.context, wanted, &self.post)
            }
            Effect::ChooseVariant(task) => self.choose_variant(task, state),
            Effect::CancelChoice(task, signal) => {
                if let Some(choice) = self.choices.get(&task) {
                    choice.cancel(signal);
                }
            }
            Effect::AcceptVariant(task) => self.accept_variant(task, state),
            Effect::Assemble => self.assemble(state),
            Effect::ReleaseCommits(kept) => drop(kept),
            Effect::CancelAssembly(signal) => self.assembly.cancel(signal),
            Effect::CompareCandidates => {
                compare::candidates(&self.context, state, &self.post);
            }
            Effect::CompareWork => {
                compare::work(&self.context, state, &self.live_work, &self.post);
            }
            Effect::WriteNotice(notice) => self.write_notice(&notice),
            Effect::Publish(board) => self.publish(board),
            Effect::Leave(_) => {}
        }
        None
    }

    /// Waits for the journal and for a worktree that is being prepared before the loop ends, and a moment
    /// for notifications if the run has ended. Returns those that are left.
    pub(super) async fn finish(
        &mut self,
        inbox: &mut UnboundedReceiver<Message>,
        leave: Option<&Leave>,
    ) -> Option<Unsent> {
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
        self.preparation.end(&self.context).await;
        if !matches!(leave, Some(Leave::Ended(_) | Leave::Detached)) {
            return None;
        }
        remove_idle(&self.context).await;
        for fleet in self.fleets.values() {
            fleet.finish().await;
        }
        let unsent = self.notifier.finish().await;
        while let Ok(message) = inbox.try_recv() {
            if let Message::Warning(text) = message {
                self.watcher.warning(&text);
            }
        }
        unsent
    }

    /// An append waits for the disk, so it runs in the background. The loop asks for one at a time.
    fn write(&mut self, facts: Vec<Recorded>) {
        let journal = Arc::clone(&self.journal);
        let writing = self.spawn(move |context| Ok(append(context, &journal, facts)));
        self.writing = Some(writing);
    }

    fn spawn_attempt<F>(&mut self, spec: AttemptSpec, carry_on: impl FnOnce(Execution) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = attempt_span(&spec);
        let cancel = self.cancel_handle((spec.task, spec.attempt)).clone();
        let execution = Execution::new(Arc::clone(&self.context), spec, cancel, self.post.clone());
        tokio::spawn(carry_on(execution).instrument(span));
    }

    /// Hands an attempt to an executor that is not this machine.
    fn spawn_elsewhere<F>(
        &mut self,
        spec: AttemptSpec,
        executor: &str,
        carry_on: impl FnOnce(RemoteAttempt) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (task, attempt) = (spec.task, spec.attempt);
        let fleet = match self.fleet(executor) {
            Ok(fleet) => fleet,
            Err(error) => {
                let outcome = Box::new(unusable(&error));
                // The loop ends only with the program.
                let _ = self.post.send(Message::Ended {
                    task,
                    attempt,
                    outcome,
                });
                return;
            }
        };
        let planned = self.context.plan.task(task);
        let choice = self
            .context
            .settings
            .executor_of(planned, Some(&spec.worker));
        let span = attempt_span(&spec);
        let attempt = RemoteAttempt {
            context: Arc::clone(&self.context),
            cancel: self.cancel_handle((task, attempt)).clone(),
            spec: Arc::new(spec),
            post: self.post.clone(),
            fleet,
            label: choice.label.filter(|_| choice.name == executor),
        };
        tokio::spawn(carry_on(attempt).instrument(span));
    }

    /// Returns an executor of the run, which all its attempts share.
    fn fleet(&mut self, name: &str) -> Result<Arc<Fleet>, EngineError> {
        if let Some(fleet) = self.fleets.get(name) {
            return Ok(Arc::clone(fleet));
        }
        let fleet = Arc::new(Fleet::new(&self.context, name)?);
        self.fleets.insert(name.to_owned(), Arc::clone(&fleet));
        Ok(fleet)
    }

    fn cancel_handle(&mut self, attempt: AttemptKey) -> &CancelHandle {
        self.cancels.entry(attempt).or_default()
    }

    fn release(&mut self, attempt: AttemptKey) {
        self.cancels.remove(&attempt);
        self.slots.remove(&attempt);
    }

    fn take_slot(&mut self, key: AttemptKey) -> Option<Message> {
        let limit = self.context.settings.run.max_parallel_total?;
        let folder = worker_folder(&self.context, key.0, key.1);
        let answer = match slots::take(&self.context, limit, &folder) {
            Ok(Some(slot)) => {
                self.slots.insert(key, slot);
                SlotAnswer::Taken
            }
            Ok(None) => SlotAnswer::AllInUse,
            Err(error) => SlotAnswer::Unusable(error.to_string()),
        };
        Some(Message::Slot(key, answer))
    }

    fn measure_disk(&self) -> Message {
        let context = &self.context;
        let space = DiskSpace::measure(&context.repo, &context.settings, context.size());
        Message::DiskMeasured(space)
    }

    fn measure_quota(&self, state: &RunState) {
        let state = state.clone();
        self.spawn(move |context| {
            let measure = || {
                let Some(mut shortage) = quota::exceeded(context) else {
                    return Ok(Quota::Allowed);
                };
                let worktree = match quota::removable(context, &state)? {
                    Ok(worktree) => Some(worktree),
                    Err(kept) => {
                        shortage.kept = kept;
                        None
                    }
                };
                Ok(Quota::Exceeded(shortage, worktree))
            };
            Ok(Message::QuotaMeasured(measure()))
        });
    }

    fn remove(&self, worktree: Worktree) {
        let post = self.post.clone();
        self.spawn(move |context| {
            let removed = remove::remove_with_losses(context, &worktree);
            let removed = removed.map(|losses| {
                if let Some(text) = losses {
                    // The loop ends only with the program.
                    let _ = post.send(Message::Warning(text));
                }
            });
            Ok(Message::WorktreeRemoved(removed))
        });
    }

    fn choose_variant(&mut self, task: TaskNumber, state: &RunState) {
        let cancel = CancelHandle::default();
        self.choices.insert(task, cancel.clone());
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        let choice = choose(context, state.clone(), task, cancel);
        tokio::spawn(async move {
            let chosen = choice.await;
            let _ = post.send(Message::VariantChosen(task, chosen));
        });
    }

    fn accept_variant(&self, task: TaskNumber, state: &RunState) {
        let state = state.clone();
        self.spawn(move |context| {
            let accepted = accept(context, &state, task);
            Ok(Message::VariantAccepted(task, accepted))
        });
    }

    fn assemble(&mut self, state: &RunState) {
        self.assembly = CancelHandle::default();
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        let (state, cancel) = (state.clone(), self.assembly.clone());
        let assembly = assemble::run(context, state, cancel, post);
        tokio::spawn(assembly.instrument(tracing::debug_span!("assembly")));
    }

    fn write_notice(&mut self, notice: &Notice) {
        let folder = self.context.attempt_folder(notice.task, notice.attempt);
        let path = conflicts_file(&folder);
        let written = fs::create_dir_all(&folder)
            .and_then(|()| files::replace(&path, notice.text.as_bytes()));
        if let Err(error) = written {
            let error = EngineError::File(path.display().to_string(), error);
            self.watcher.warning(&error_chain(&error));
        }
    }

    fn publish(&self, board: Board) {
        let publisher = Arc::clone(&self.publisher);
        self.spawn(move |context| {
            let publisher = publisher.lock().unwrap_or_else(PoisonError::into_inner);
            let publication = match publisher.publish(context, &board) {
                Ok(Committed::Yes) => Publication::Committed,
                Ok(Committed::Blocked(why)) => Publication::Blocked(why),
                Err(error) if is_full(&error) => {
                    Publication::NoSpace(full_disk(context, error_chain(&error)))
                }
                Err(error) => Publication::Failed(error),
            };
            Ok(Message::Published(publication))
        });
    }

    /// Runs blocking work in the background and posts its message.
    fn spawn(
        &self,
        work: impl FnOnce(&Context) -> Result<Message, EngineError> + Send + 'static,
    ) -> JoinHandle<()> {
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        tokio::spawn(async move {
            let message = match blocking(move || work(&context)).await {
                Ok(message) => message,
                Err(error) => Message::Broken(error),
            };
            // The loop ends only with the program.
            let _ = post.send(message);
        })
    }
}

/// Returns the executor of an attempt that does not run on this machine.
fn executor_of<'a>(state: &'a RunState, spec: &AttemptSpec) -> Option<&'a str> {
    let attempt = state.task(spec.task).attempt(spec.attempt)?;
    attempt.executor.as_deref()
}

fn append(context: &Context, journal: &Mutex<Journal>, facts: Vec<Recorded>) -> Message {
    let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
    fault::point("turn", "before it is recorded");
    match journal.append_records(&facts) {
        Ok(()) => {}
        Err(error) if is_full(&error) => {
            let error = error_chain(&EngineError::from(error));
            return Message::NotWritten(facts, full_disk(context, error));
        }
        Err(error) => return Message::JournalFailed(error.into()),
    }
    fault::point("turn", "recorded");
    Message::Written(facts)
}

fn full_disk(context: &Context, error: String) -> FullDisk {
    let shortage = disk_space::shortage_now(context);
    FullDisk { shortage, error }
}
