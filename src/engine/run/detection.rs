//! Comparing candidates and running work beside the loop, at a pace that leaves the machine to the
//! workers.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::base::text::error_chain;
use crate::config::reaction::OnNewConflict;
use crate::engine::candidates::conflicts::candidate_conflicts;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::message::Message;
use crate::engine::run::driver::Driver;
use crate::engine::run::live;
use crate::model::event::Event;
use crate::model::task_state::{TaskPhase, TaskState};

impl Driver<'_> {
    /// While tasks still run, conflicts among the candidates so far are found beside the loop, at
    /// a pace that leaves the machine to the workers.
    pub(super) fn look_for_conflicts(&mut self) {
        let now = Instant::now();
        if self.detection.due_in(now) != Some(Duration::ZERO) {
            return;
        }
        let running = |task: &TaskState| task.phase == TaskPhase::Running;
        if !self.state.tasks.iter().any(running) || self.state.candidates().len() < 2 {
            self.detection.give_up();
            return;
        }
        self.detection.begin(now);
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        let state = self.state.clone();
        tokio::spawn(async move {
            let known = state.conflicts.clone();
            let found = blocking(move || candidate_conflicts(&context, &state)).await;
            if let Ok(conflicts) = found
                && conflicts != known
            {
                let _ = post.send(Message::Fact(Event::ConflictsFound { conflicts }));
            }
            // Assembly looks again and reports an error then; here it only was a preview.
            let _ = post.send(Message::Detected);
        });
    }

    /// What running tasks have so far is compared beside the loop, again and again, at the same kind
    /// of pace.
    pub(super) fn look_at_work(&mut self) {
        let now = Instant::now();
        let running = live::running(&self.state).len();
        let is_worth_it = running > 0 && running + self.state.candidates().len() > 1;
        if !is_worth_it || self.presses > 0 {
            self.live_pace.give_up();
            return;
        }
        self.live_pace.want();
        if self.live_pace.due_in(now) != Some(Duration::ZERO) {
            return;
        }
        self.live_pace.begin(now);
        let (context, post) = (Arc::clone(&self.context), self.post.clone());
        let (state, kept) = (self.state.clone(), Arc::clone(&self.live));
        let on_new = self.context.settings.conflicts.on_new;
        tokio::spawn(async move {
            let found = blocking(move || {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let found = live::look(&context, &state, &mut kept)?;
                let known = state
                    .speculative_conflicts
                    .iter()
                    .map(|found| &found.conflict);
                Ok(found.filter(|found| !found.iter().eq(known)))
            });
            // What cannot be looked at now is looked at the next time, and in the end for certain.
            if let Ok(Some(conflicts)) = found.await {
                let _ = post.send(Message::Fact(Event::SpeculativeConflicts {
                    conflicts,
                    holds_back: on_new == OnNewConflict::PauseLaterTask,
                }));
            }
            let _ = post.send(Message::Compared);
        });
    }

    /// Where that is asked for, workers are told what their work conflicts with.
    pub(super) fn tell_workers(&mut self) {
        if self.context.settings.conflicts.on_new == OnNewConflict::Notify
            && let Err(error) = self.notices.write(&self.context, &self.state)
        {
            self.watcher.warning(&error_chain(&error));
        }
    }
}
