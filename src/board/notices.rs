//! What is to be said about the run as a whole: who is parked, and why nothing more starts.

use crate::base::markdown::{PROSE_LIMIT, plain_line};
use crate::model::run::{RunPhase, RunState};
use crate::model::suggest;
use crate::model::words::{out_of_money_sentence, parked_sentence};

/// One safe line each; none once nothing is left to be done.
pub(crate) fn notices(state: &RunState) -> Vec<String> {
    if !state.may_go_on() {
        return Vec::new();
    }
    let mut notices: Vec<String> = Vec::new();
    for (worker, parking) in state.roster.parked(state.updated) {
        let said = parked_sentence(worker, parking.until, &parking.why);
        notices.push(plain_line(&said, PROSE_LIMIT));
    }
    let has_ended = matches!(state.phase, RunPhase::Ended(_));
    if let Some((spent, max_cost)) = state.out_of_money {
        notices.push(out_of_money_sentence(spent, max_cost));
        if has_ended {
            notices.push(format!("`{}` lets it cost more and goes on", resume(state)));
        }
    } else if has_ended && !notices.is_empty() {
        notices.push(format!("`{}` goes on then", resume(state)));
    }
    notices
}

/// The command with which a run that has ended before its time goes on.
pub(crate) fn resume(state: &RunState) -> String {
    match state.out_of_money {
        Some((spent, max_cost)) => suggest::resume_with(&state.run, spent.max(max_cost) * 2.0),
        None => suggest::resume(&state.run),
    }
}
