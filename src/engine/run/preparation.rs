//! Prepares worktrees of the pool in a thread that gives way to the workers.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::base::low_priority::spawn_with_low_priority;
use crate::base::parallel::STACK;
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::{is_full, shortage, shortage_now};
use crate::engine::kernel::message::{FullDisk, Message, Post, Prepared};
use crate::engine::pool::ahead::{
    Cancelled, Round, Unmovable, Wanted, prepare_one, reset_cancelled,
};
use crate::engine::pool::free::remove_free;
use crate::engine::run::quota;
use crate::exec::StopSignal;

/// The preparation that is under way.
#[derive(Default)]
pub(super) struct Preparation {
    cancel: CancelHandle,
    unmovable: Arc<Mutex<Unmovable>>,
    running: Option<oneshot::Receiver<Option<Cancelled>>>,
}

impl Preparation {
    /// Starts a round, which posts its result.
    pub(super) fn start(&mut self, context: &Arc<Context>, wanted: Wanted, post: &Post) {
        let (context, cancel, own) = (Arc::clone(context), self.cancel.clone(), post.clone());
        let unmovable = Arc::clone(&self.unmovable);
        let (ended, running) = oneshot::channel();
        let started = spawn_with_low_priority(move || {
            let round = prepare(&context, wanted, &unmovable, &cancel, &own);
            let (prepared, cancelled) = match round {
                Ok(round) => (Ok(round.prepared), round.cancelled),
                // It is tried again when an attempt starts or ends, and there is space.
                Err(error) if is_full(&error) => {
                    let shortage = shortage_now(&context);
                    let error = error_chain(&error);
                    let _ = own.send(Message::DiskFull(FullDisk { shortage, error }));
                    (Ok(Prepared::Nothing), None)
                }
                Err(error) => (Err(error), None),
            };
            // The loop ends only with the program.
            let _ = own.send(Message::PreparedAhead(prepared));
            let _ = ended.send(cancelled);
        });
        match started {
            Ok(_) => self.running = Some(running),
            Err(error) => {
                let error = EngineError::File("a thread".to_owned(), error);
                let _ = post.send(Message::PreparedAhead(Err(error)));
            }
        }
    }

    /// Stops its set-up, and waits until the worktree is in a state that counts.
    pub(super) async fn end(&mut self, context: &Arc<Context>) {
        let Some(running) = self.running.take() else {
            return;
        };
        self.cancel.cancel(StopSignal::Kill);
        if let Ok(Some(cancelled)) = running.await {
            let context = Arc::clone(context);
            // One that cannot be reset is not used, and is named.
            let _ = blocking(move || reset_cancelled(&context, &cancelled)).await;
        }
    }
}

/// Removes worktrees of the pool that no task used for `[worktree] pool_ttl`.
pub(super) async fn remove_idle(context: &Context) {
    let (repo, settings) = (context.repo.clone(), context.settings.worktree.clone());
    let Some(ttl) = settings.pool_ttl else {
        return;
    };
    // The run has ended, and the next one or `dispatch clean` tries again.
    let _ = blocking(move || remove_free(&repo, &settings.keep, ttl, false)).await;
}

/// Prepares one worktree, with threads and programs of the priority of this thread.
fn prepare(
    context: &Arc<Context>,
    wanted: Wanted,
    unmovable: &Mutex<Unmovable>,
    cancel: &CancelHandle,
    post: &Post,
) -> Result<Round, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .map_err(|error| EngineError::File("the event loop".to_owned(), error))?;
    let may_add = || {
        let (repo, settings) = (&context.repo, &context.settings);
        shortage(repo, settings, context.size(), 2).is_none() && quota::allows_one_more(context)
    };
    let say = |message| {
        let _ = post.send(Message::Warning(message));
    };
    let mut unmovable = unmovable.lock().unwrap_or_else(PoisonError::into_inner);
    let round = prepare_one(context, wanted, may_add, &mut unmovable, cancel, say);
    runtime.block_on(round)
}
