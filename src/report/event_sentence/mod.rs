//! Renders an event of the journal as a sentence: `dispatch log`.

mod assembly;
mod attempt;
mod decision;
mod delivery;
mod limit;
mod run;

use crate::base::text::{clip, one_line};
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::plan::Plan;
use crate::report::event_sentence::assembly::of_assembly;
use crate::report::event_sentence::attempt::of_attempt;
use crate::report::event_sentence::decision::{of_resolution, of_user};
use crate::report::event_sentence::delivery::of_delivery;
use crate::report::event_sentence::limit::of_limit;
use crate::report::event_sentence::run::of_run;

/// The most characters of a text of a worker or the user in a sentence.
const QUOTED: usize = 200;

/// Renders an event as one line without an end. `plan` is the plan of that time, or a later one.
pub fn event_sentence(plan: &Plan, event: &Event) -> String {
    match event {
        Event::AttemptStarting { task, .. }
        | Event::AttemptSubmitted { task, .. }
        | Event::AttemptStarted { task, .. }
        | Event::ProgressReported { task, .. }
        | Event::AttemptEnded { task, .. }
        | Event::RetryScheduled { task, .. }
        | Event::RetryBudgetSpent { task, .. }
        | Event::RetryDue { task, .. }
        | Event::VariantChosen { task, .. }
        | Event::VariantAccepted { task }
        | Event::DependenciesConflict { task, .. } => of_attempt(&name(plan, *task), event),
        Event::RetryRequested { task, .. }
        | Event::MessageGiven { task, .. }
        | Event::MessageDelivered { task, .. }
        | Event::MessageWaits { task, .. }
        | Event::TaskCancelled { task }
        | Event::PrioritySet { task, .. }
        | Event::TaskSkipped { task, .. }
        | Event::Reviewed { task, .. } => of_user(&name(plan, *task), event),
        Event::ConflictResolved { task, .. }
        | Event::ResolutionRolledBack { task, .. }
        | Event::Redispatched { task, .. }
        | Event::RedispatchFailed { task }
        | Event::ResolutionOpened { task, .. }
        | Event::ResolutionAccepted { task, .. }
        | Event::ResolutionClosed { task }
        | Event::ResolutionAborted { task } => of_resolution(&name(plan, *task), event),
        Event::ConflictsFound { .. }
        | Event::SpeculativeConflicts { .. }
        | Event::AssemblyRequested { .. }
        | Event::AssemblyStarting { .. }
        | Event::Assembled { .. }
        | Event::AssemblyRefused { .. } => of_assembly(plan, event),
        Event::LandingStarting { .. }
        | Event::Landed { .. }
        | Event::LandingUndoStarting { .. }
        | Event::LandingUndone { .. }
        | Event::PullRequestStarting { .. }
        | Event::PullRequestOpened { .. }
        | Event::Repaired { .. }
        | Event::Cleaned { .. } => of_delivery(event),
        Event::WorkerParked { .. }
        | Event::WorkerUnparked { .. }
        | Event::CostLimitReached { .. }
        | Event::SetupBroken { .. }
        | Event::WorkerAccessDenied { .. }
        | Event::ShortageBegan { .. }
        | Event::ShortageEnded {}
        | Event::WorktreesEvicting { .. } => of_limit(event),
        Event::RunStarted { .. }
        | Event::RunResumed { .. }
        | Event::PlanEdited { .. }
        | Event::StopRequested {}
        | Event::Paused {}
        | Event::Unpaused {}
        | Event::MaxCostSet { .. }
        | Event::RunEnded { .. } => of_run(plan, event),
    }
}

/// Renders `#3 API`.
fn name(plan: &Plan, task: TaskNumber) -> String {
    let place = (task.0 as usize).wrapping_sub(1);
    match plan.tasks().get(place) {
        Some(known) => format!("{task} {}", one_line(&known.tag)),
        None => task.to_string(),
    }
}

fn quoted(text: &str) -> String {
    clip(&one_line(text), QUOTED)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::merge::class::Class;
    use crate::model::fixture::{RunFixture, conflict};

    use super::*;

    #[test]
    fn a_run_reads_as_sentences() {
        let mut sentences = Vec::new();
        RunFixture::new("a · b · c <- a")
            .tags(&["AUTH", "API", "DOCS"])
            .begin(1, "claude")
            .begin(2, "codex")
            .note(1, "6/8 endpoints\u{7}")
            .fail(1, "reset by peer")
            .pass(2, "b")
            .begin(1, "claude")
            .pass(1, "a")
            .conflicts(vec![conflict(1, 2, Class::Content, &["src/app.ts"])])
            .skip(3, true)
            .conflicts(Vec::new())
            .ended(0)
            .fold(|state, recorded| {
                let sentence = event_sentence(&state.plan, &recorded.event);
                assert!(!sentence.is_empty(), "{:?}", recorded.event);
                sentences.push(sentence);
            });
        insta::assert_snapshot!(sentences.join("\n"), @r"
        the run started: Checkout v2, 3 tasks from 1a2b3c4 (main)
        #1 AUTH: attempt 1 starts with claude on dispatch/checkout-7k3q/auth
        #1 AUTH: the worker of attempt 1 started at 1a2b3c4
        #2 API: attempt 1 starts with codex on dispatch/checkout-7k3q/api
        #2 API: the worker of attempt 1 started at 1a2b3c4
        #1 AUTH: “6/8 endpoints”
        #1 AUTH: attempt 1 failed: reset by peer (logic error)
        #2 API: attempt 1 passed with 0000000 (6 files, +312 −4)
        #1 AUTH: attempt 2 starts with claude on dispatch/checkout-7k3q/auth
        #1 AUTH: the worker of attempt 2 started at 1a2b3c4
        #1 AUTH: attempt 2 passed with 0000000 (6 files, +312 −4)
        conflicts: #1 and #2 conflict in src/app.ts (content)
        #3 DOCS: the user skipped it, with its dependents
        the results do not conflict
        the run ended: all tasks passed
        ");
    }
}
