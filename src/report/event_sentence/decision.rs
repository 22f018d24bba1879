//! Decisions of the user about a task, and what becomes of its conflicts.

use crate::model::event::Event;
use crate::model::task_list::and_list;
use crate::report::event_sentence::quoted;

pub(super) fn of_user(name: &str, event: &Event) -> String {
    match event {
        Event::RetryRequested {
            extra_prompt,
            worker,
            continue_session,
            by_hand,
            ..
        } => {
            let more = [
                worker.as_ref().map(|worker| format!("with {worker}")),
                continue_session.then(|| "in the session of its last attempt".to_owned()),
                by_hand.map(|commit| format!("with the user's commit {}", commit.short())),
                extra_prompt
                    .as_ref()
                    .map(|text| format!("with the note \u{201c}{}\u{201d}", quoted(text))),
            ];
            let more: String = more
                .iter()
                .flatten()
                .map(|part| format!(" {part}"))
                .collect();
            format!("{name}: the user asked for a retry{more}")
        }
        Event::MessageGiven { text, .. } => {
            format!("{name}: the user sent \u{201c}{}\u{201d}", quoted(text))
        }
        Event::MessageDelivered {
            attempt, message, ..
        } => format!("{name}: message {message} reached attempt {attempt}"),
        Event::MessageWaits {
            attempt, message, ..
        } => format!("{name}: message {message} waits for the end of attempt {attempt}"),
        Event::PrioritySet { priority, .. } => {
            format!("{name}: the user gave it priority {priority}")
        }
        Event::TaskCancelled { .. } => format!("{name}: the user cancelled it"),
        Event::TaskSkipped { cascade, .. } => {
            let more = if *cascade {
                ", with its dependents"
            } else {
                ""
            };
            format!("{name}: the user skipped it{more}")
        }
        Event::Reviewed { accepted, .. } => match accepted {
            true => format!("{name}: accepted in review"),
            false => format!("{name}: left out in review"),
        },
        _ => String::new(),
    }
}

pub(super) fn of_resolution(name: &str, event: &Event) -> String {
    match event {
        Event::ConflictResolved { resolutions, .. } => {
            let each: Vec<String> = resolutions.iter().map(ToString::to_string).collect();
            format!("{name}: resolved {}", each.join("; "))
        }
        Event::ResolutionRolledBack {
            strategy, command, ..
        } => format!(
            "{name}: {strategy} taken back, because `{}` failed",
            quoted(command)
        ),
        Event::Redispatched { base, with, .. } => format!(
            "{name}: starts again on {}, because it conflicts with {}",
            base.short(),
            and_list(with)
        ),
        Event::RedispatchFailed { .. } => {
            format!("{name}: the new attempt failed; the earlier result counts again")
        }
        Event::ResolutionOpened { worktree, .. } => {
            format!(
                "{name}: the user resolves its conflict in {}",
                quoted(worktree)
            )
        }
        Event::ResolutionAccepted { candidate, .. } => {
            format!("{name}: resolved by hand as {}", candidate.short())
        }
        Event::ResolutionClosed { .. } => format!("{name}: the resolution by hand is complete"),
        Event::ResolutionAborted { .. } => {
            format!("{name}: the resolution by hand was given up; the earlier result counts again")
        }
        _ => String::new(),
    }
}
