//! Events that keep tasks from starting.

use crate::model::event::Event;
use crate::model::shortage::Shortage;
use crate::report::event_sentence::quoted;
use crate::report::words::{
    access_denied_sentence, cost_limit_sentence, parked_sentence, setup_failed_sentence,
};

pub(super) fn of_limit(event: &Event) -> String {
    match event {
        Event::WorkerParked {
            worker,
            until,
            reason,
            ..
        } => parked_sentence(worker, *until, &quoted(reason)),
        Event::WorkerUnparked { worker, .. } => format!("{worker} may start again"),
        Event::CostLimitReached { spent, max_cost } => cost_limit_sentence(*spent, *max_cost),
        Event::SetupBroken { tasks, message } => setup_failed_sentence(tasks, &quoted(message)),
        Event::WorkerAccessDenied {
            worker,
            tasks,
            message,
        } => access_denied_sentence(worker, tasks, &quoted(message)),
        Event::ShortageBegan { shortage } => short(shortage),
        Event::ShortageEnded {} => "disk space is available again".to_owned(),
        Event::WorktreesEvicting { worktrees } => {
            let names: Vec<String> = worktrees.iter().map(|path| quoted(path)).collect();
            format!("removed to free disk space: {}", names.join(", "))
        }
        _ => String::new(),
    }
}

fn short(shortage: &Shortage) -> String {
    format!("no more tasks start: {}", quoted(&shortage.message()))
}
