//! What is to be said about the run as a whole: who is parked, and why nothing more starts.

use crate::base::markdown::{PROSE_LIMIT, plain_line};
use crate::model::run::{RunPhase, RunState};
use crate::report::suggest;
use crate::report::words::{
    locked_out_sentence, out_of_money_sentence, parked_sentence, set_up_broken_sentence,
};

/// One safe line each; none once nothing is left to be done.
pub(crate) fn notices(state: &RunState) -> Vec<String> {
    if !state.can_progress() {
        return Vec::new();
    }
    let mut notices: Vec<String> = Vec::new();
    for (worker, parking) in state.worker_health.parked(state.updated) {
        let said = parked_sentence(worker, parking.until, &parking.reason);
        notices.push(plain_line(&said, PROSE_LIMIT));
    }
    if let Some(shortage) = &state.shortage {
        let (said, advice) = (shortage.message(), shortage.hint());
        notices.push(plain_line(
            &format!("paused: {said}; {advice}"),
            PROSE_LIMIT,
        ));
    }
    let has_ended = matches!(state.phase, RunPhase::Ended(_));
    let mut locked_out = state.worker_health.all_denied().peekable();
    let is_locked_out = locked_out.peek().is_some();
    for (worker, broken) in locked_out {
        let said = locked_out_sentence(worker, &broken.tasks, &broken.message);
        notices.push(plain_line(&said, PROSE_LIMIT));
    }
    if has_ended && is_locked_out && state.cost_limit_reached.is_none() {
        let command = resume(state);
        notices.push(format!(
            "`{command}` goes on with its other tasks once that is repaired"
        ));
        return notices;
    }
    if let Some(broken) = state.setup.tripped() {
        let said = set_up_broken_sentence(&broken.tasks, &broken.message);
        notices.push(plain_line(&said, PROSE_LIMIT));
        if has_ended {
            let command = resume(state);
            notices.push(format!(
                "`{command}` goes on with the others once that is repaired"
            ));
            return notices;
        }
    }
    if let Some((_, max_cost)) = state.cost_limit_reached {
        notices.push(out_of_money_sentence(state.known_cost(), max_cost));
        if has_ended {
            notices.push(format!("`{}` lets it cost more and goes on", resume(state)));
        }
    } else if has_ended && !notices.is_empty() {
        let command = resume(state);
        notices.push(format!("`{command}` goes on then, with `--unpark` at once"));
    }
    notices
}

/// The command with which a run that has ended before its time goes on.
pub(crate) fn resume(state: &RunState) -> String {
    match state.cost_limit_reached {
        Some((_, max_cost)) => {
            let twice = state.known_cost().max(max_cost) * 2.0;
            suggest::resume_with(&state.run, twice)
        }
        None => suggest::resume(&state.run),
    }
}
