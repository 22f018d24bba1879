//! Carries the data of one attempt through its steps.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::kernel::under_way::Stay;
use crate::engine::pool::release::is_warm;
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::prepare;
use crate::engine::worktree::setup::SetUpFailure;
use crate::exec::JobEnd;
use crate::git::private_folder::left::Left;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::event::Event;

/// An attempt with everything that its steps need. Clones share the same attempt.
#[derive(Clone)]
pub struct Execution {
    pub(super) context: Arc<Context>,
    pub(super) spec: Arc<AttemptSpec>,
    pub(super) cancel: CancelHandle,
    /// The state of the git folder of its own that its worker had, once it was taken over.
    left: Arc<OnceLock<Left>>,
    post: Post,
}

/// An attempt whose worker has ended.
#[derive(Clone)]
pub(super) struct Finished {
    pub(super) worktree: Worktree,
    pub(super) base: Oid,
    pub(super) end: JobEnd,
}

/// The point that an attempt reached without a failure of dispatch itself.
pub(super) enum Reached {
    /// Its worker has ended.
    Finished(Box<Finished>),
    /// It never started, or its end is unknown: it does not count. The commit keeps its work.
    Aborted(Option<Oid>),
    /// Its supervisor was killed while this process waited for it. The commit keeps its work.
    Unsupervised(Option<Oid>),
    /// Its worktree could not be set up, so its worker never started.
    NotSetUp(SetUpFailure, Option<Oid>),
    /// Its dependencies conflict, which has been posted.
    Blocked,
}

impl Execution {
    /// Creates the execution of a described attempt.
    pub fn new(
        context: Arc<Context>,
        spec: AttemptSpec,
        cancel: CancelHandle,
        post: Post,
    ) -> Execution {
        Execution {
            context,
            spec: Arc::new(spec),
            cancel,
            left: Arc::default(),
            post,
        }
    }

    /// Notes what was taken over from the worker's own git folder, which no process uses from then on.
    pub(super) fn note_left(&self, left: Option<Left>) {
        if let Some(left) = left {
            // Taken over twice, it is the same.
            let _ = self.left.set(left);
        }
    }

    /// Returns what was taken over; `None` if another process did.
    pub(super) fn left(&self) -> Option<&Left> {
        self.left.get()
    }

    /// Enters the attempt among those under way, until the answer is dropped.
    pub(super) fn enter(&self) -> Stay {
        let attempt = (self.spec.task, self.spec.attempt);
        self.context.under_way.enter(attempt)
    }

    /// Returns the folder of the attempt: prompt, result, logs.
    pub(super) fn folder(&self) -> PathBuf {
        self.context
            .attempt_folder(self.spec.task, self.spec.attempt)
    }

    /// Returns the folder of its worker's process.
    pub(super) fn worker_folder(&self) -> PathBuf {
        prepare::worker_folder(&self.context, self.spec.task, self.spec.attempt)
    }

    /// Returns `true` until the run is stopped or the attempt cancelled.
    pub(super) fn may_go_on(&self) -> bool {
        !self.context.is_stopping() && !self.cancel.is_cancelled()
    }

    /// Sends a message to the loop, which ends only with the program.
    pub(super) fn post(&self, message: Message) {
        let _ = self.post.send(message);
    }

    /// Reports that the worker runs.
    pub(super) fn post_started(&self, base: Oid) {
        let (task, attempt) = (self.spec.task, self.spec.attempt);
        let warm = is_warm(&self.context.repo, &self.spec.worktree);
        self.post(Message::Fact(Event::AttemptStarted {
            task,
            attempt,
            base,
            warm,
        }));
    }

    /// Reports a failed write because of a full disk.
    pub(super) fn post_shortage(&self) {
        self.post(Message::OutOfSpace(disk_space::shortage_now(&self.context)));
    }

    /// Runs blocking work for the attempt.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Execution) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let execution = self.clone();
        blocking(move || work(&execution)).await
    }
}
