//! Renders notices about the whole run: parked workers, shortages, reached limits.

use crate::base::markdown::{PROSE_LIMIT, plain_line};
use crate::model::run::{RunPhase, RunState};
use crate::report::suggest;
use crate::report::words::{
    access_denied_sentence, cost_limit_sentence, parked_sentence, setup_failed_sentence,
};

/// Renders the notices, one safe line each; none if the run cannot progress anyway.
pub(crate) fn notices(state: &RunState) -> Vec<String> {
    if !state.can_progress() {
        return Vec::new();
    }
    let mut notices: Vec<String> = Vec::new();
    for (worker, parking) in state.worker_health.parked(state.updated) {
        let sentence = parked_sentence(worker, parking.until, &parking.reason);
        notices.push(plain_line(&sentence, PROSE_LIMIT));
    }
    if let Some(shortage) = &state.shortage {
        let (message, hint) = (shortage.message(), shortage.hint());
        notices.push(plain_line(
            &format!("paused: {message}; {hint}"),
            PROSE_LIMIT,
        ));
        let kept = shortage.kept_message();
        notices.extend(kept.map(|kept| plain_line(&kept, PROSE_LIMIT)));
    }
    let has_ended = matches!(state.phase, RunPhase::Ended(_));
    let mut denied = state.worker_health.all_denied().peekable();
    let any_denied = denied.peek().is_some();
    for (worker, broken) in denied {
        let sentence = access_denied_sentence(worker, &broken.tasks, &broken.message);
        notices.push(plain_line(&sentence, PROSE_LIMIT));
    }
    if has_ended && any_denied && state.cost_limit_reached.is_none() {
        let command = resume(state);
        notices.push(format!(
            "fix the authentication, then continue its other tasks with `{command}`"
        ));
        return notices;
    }
    if let Some(broken) = state.setup.tripped() {
        let sentence = setup_failed_sentence(&broken.tasks, &broken.message);
        notices.push(plain_line(&sentence, PROSE_LIMIT));
        if has_ended {
            let command = resume(state);
            notices.push(format!("fix the set-up, then continue with `{command}`"));
            return notices;
        }
    }
    if let Some((_, max_cost)) = state.cost_limit_reached {
        notices.push(cost_limit_sentence(state.known_cost(), max_cost));
        if has_ended {
            notices.push(format!("continue with a higher limit: `{}`", resume(state)));
        }
    } else if has_ended && !notices.is_empty() {
        let command = resume(state);
        notices.push(format!(
            "continue then with `{command}`, or immediately with `--unpark`"
        ));
    }
    notices
}

/// Returns the command that continues a run with unfinished tasks.
pub(crate) fn resume(state: &RunState) -> String {
    match state.cost_limit_reached {
        Some((_, max_cost)) => {
            let twice = state.known_cost().max(max_cost) * 2.0;
            suggest::resume_with(&state.run, twice)
        }
        None => suggest::resume(&state.run),
    }
}
