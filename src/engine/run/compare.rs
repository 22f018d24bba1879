//! Compares candidates and the work of running tasks in the background.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::reaction::OnNewConflict;
use crate::engine::candidates::conflicts::candidate_conflicts;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::{Message, Post};
use crate::engine::run::live_work::{self, LiveWork};
use crate::model::event::Event;
use crate::model::run::RunState;

/// Compares the candidates and posts new conflicts. Errors are ignored: the assembly compares
/// them again.
pub(super) fn candidates(context: &Arc<Context>, state: &RunState, post: &Post) {
    let (context, state, post) = (Arc::clone(context), state.clone(), post.clone());
    tokio::spawn(async move {
        let known = state.conflicts.clone();
        let found = blocking(move || candidate_conflicts(&context, &state)).await;
        if let Ok(conflicts) = found
            && conflicts != known
        {
            let _ = post.send(Message::Fact(Event::ConflictsFound { conflicts }));
        }
        let _ = post.send(Message::CandidatesCompared);
    });
}

/// Compares the work of running tasks and posts new conflicts. A worktree that cannot be read now
/// is read in the next round.
pub(super) fn work(
    context: &Arc<Context>,
    state: &RunState,
    kept: &Arc<Mutex<Option<LiveWork>>>,
    post: &Post,
) {
    let holds_back = context.settings.conflicts.on_new == OnNewConflict::PauseLaterTask;
    let (context, state, post) = (Arc::clone(context), state.clone(), post.clone());
    let kept = Arc::clone(kept);
    tokio::spawn(async move {
        let found = blocking(move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let found = live_work::compare(&context, &state, &mut kept)?;
            let known = state
                .speculative_conflicts
                .iter()
                .map(|found| &found.conflict);
            Ok(found.filter(|found| !found.iter().eq(known)))
        });
        if let Ok(Some(conflicts)) = found.await {
            let _ = post.send(Message::Fact(Event::SpeculativeConflicts {
                conflicts,
                holds_back,
            }));
        }
        let _ = post.send(Message::WorkCompared);
    });
}
