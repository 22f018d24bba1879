//! Renders an event of the journal as a sentence: `dispatch log`.

use crate::base::text::{clip, one_line, plural};
use crate::merge::change::RepoPath;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::{Integration, Landing};
use crate::model::outcome::{End, Outcome};
use crate::model::plan::Plan;
use crate::model::recovery::{Finding, FindingKind};
use crate::model::shortage::Shortage;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_list::{and_list, comma_list};
use crate::model::variant_choice::{ChosenBy, VariantChoice};
use crate::report::words::{
    access_denied_sentence, conflict_sentence, cost_limit_sentence, parked_sentence, second,
    setup_failed_sentence,
};

/// The most characters of a text of a worker or the user in a sentence.
const QUOTED: usize = 200;

/// Renders an event as one line without an end. `plan` is the plan of that time, or a later one.
pub fn event_sentence(plan: &Plan, event: &Event) -> String {
    match event {
        Event::AttemptStarting { task, .. }
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
    match plan.tasks().iter().find(|known| known.number == task) {
        Some(known) => format!("{task} {}", one_line(&known.tag)),
        None => task.to_string(),
    }
}

fn quoted(text: &str) -> String {
    clip(&one_line(text), QUOTED)
}

fn of_attempt(name: &str, event: &Event) -> String {
    match event {
        Event::AttemptStarting {
            attempt,
            worker,
            branch,
            variant,
            ..
        } => {
            let variant =
                variant.map_or_else(String::new, |variant| format!(" (variant {variant})"));
            format!("{name}: attempt {attempt}{variant} starts with {worker} on {branch}")
        }
        Event::AttemptStarted { attempt, base, .. } => {
            format!(
                "{name}: the worker of attempt {attempt} started at {}",
                base.short()
            )
        }
        Event::ProgressReported { note, .. } => format!("{name}: \u{201c}{}\u{201d}", quoted(note)),
        Event::AttemptEnded {
            attempt, outcome, ..
        } => format!("{name}: attempt {attempt} {}", ended(outcome)),
        Event::RetryScheduled { due, .. } => format!("{name}: retry at {}", second(*due)),
        Event::RetryBudgetSpent { budget, .. } => {
            format!("{name}: no retry, because the run's {budget} retries are used up")
        }
        Event::RetryDue { .. } => format!("{name}: the time of the retry has come"),
        Event::VariantChosen { choice, .. } => format!("{name}: {}", chosen(choice)),
        Event::VariantAccepted { .. } => {
            format!("{name}: the chosen variant is the result of the task")
        }
        Event::DependenciesConflict {
            class,
            between,
            paths,
            ..
        } => format!(
            "{name} cannot start: {}",
            conflict_sentence(between, paths, *class)
        ),
        _ => String::new(),
    }
}

fn ended(outcome: &Outcome) -> String {
    match &outcome.end {
        End::Passed {
            candidate: Some(candidate),
            stat,
            ..
        } => format!("passed with {} ({stat})", candidate.short()),
        End::Passed { .. } => "passed without a change".to_owned(),
        End::Failed(failure) => {
            format!("failed: {} ({})", quoted(&failure.message), failure.words())
        }
        End::Interrupted {} => "was interrupted and uses up no retry".to_owned(),
    }
}

fn chosen(choice: &VariantChoice) -> String {
    let by = match &choice.by {
        ChosenBy::Rule => "by the rule".to_owned(),
        ChosenBy::Judge(worker) => format!("by the judge {worker}"),
        ChosenBy::User => "by the user".to_owned(),
    };
    let (variant, reason) = (choice.variant, quoted(&choice.reason));
    format!("variant {variant} was chosen {by}: {reason}")
}

fn of_user(name: &str, event: &Event) -> String {
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

fn of_resolution(name: &str, event: &Event) -> String {
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

fn of_assembly(plan: &Plan, event: &Event) -> String {
    match event {
        Event::ConflictsFound { conflicts } if conflicts.is_empty() => {
            "the results do not conflict".to_owned()
        }
        Event::ConflictsFound { conflicts } => {
            format!("conflicts: {}", pairs(conflicts))
        }
        Event::SpeculativeConflicts { conflicts, .. } if conflicts.is_empty() => {
            "the unfinished work no longer conflicts".to_owned()
        }
        Event::SpeculativeConflicts {
            conflicts,
            holds_back,
        } => {
            let waits = match holds_back {
                true => "; tasks that declare the same paths wait",
                false => "",
            };
            format!("unfinished work conflicts: {}{waits}", pairs(conflicts))
        }
        Event::AssemblyRequested { order, leave_out } => {
            let first = match order.as_slice() {
                [] => String::new(),
                order => format!(", {} first", comma_list(order)),
            };
            let without = match leave_out.as_slice() {
                [] => String::new(),
                left => format!(", without {}", and_list(left)),
            };
            format!("the user asked for an assembly{first}{without}")
        }
        Event::AssemblyStarting { order } => {
            let names: Vec<String> = order.iter().map(|task| name(plan, *task)).collect();
            match names.as_slice() {
                [] => "the assembly starts without a result".to_owned(),
                names => format!("the assembly starts: {}", names.join(", ")),
            }
        }
        Event::Assembled { integration } => assembled(integration),
        Event::AssemblyRefused { reason } => {
            format!("the assembly was refused: {}", quoted(reason))
        }
        _ => String::new(),
    }
}

fn pairs(conflicts: &[TaskConflict]) -> String {
    let pair = |found: &TaskConflict| {
        let paths: Vec<RepoPath> = found
            .units
            .iter()
            .flat_map(|unit| unit.paths.clone())
            .collect();
        conflict_sentence(&[found.a, found.b], &paths, found.class)
    };
    conflicts.iter().map(pair).collect::<Vec<_>>().join("; ")
}

fn assembled(integration: &Integration) -> String {
    let merged = plural(integration.merged.len(), "result");
    let left_out: Vec<TaskNumber> = integration.left_out.iter().map(|left| left.task).collect();
    let left_out = match left_out.as_slice() {
        [] => String::new(),
        tasks => format!(", left out {}", and_list(tasks)),
    };
    let failed = integration.checks.iter().filter(|check| !check.passed());
    let failed: Vec<String> = failed
        .map(|check| format!(", `{}` {}", quoted(&check.command), check.result.word()))
        .collect();
    let tip = integration
        .tip
        .map_or_else(String::new, |tip| format!(" as {}", tip.short()));
    format!("assembled {merged}{tip}{left_out}{}", failed.concat())
}

fn of_delivery(event: &Event) -> String {
    let places = |landing: &Landing| (landing.target.clone(), landing.from.short());
    match event {
        Event::LandingStarting { landing } => {
            let (target, from) = places(landing);
            format!("the landing on {target} starts from {from}")
        }
        Event::Landed { landing } => {
            format!("landed: {} moved to {}", landing.target, landing.to.short())
        }
        Event::LandingUndoStarting { landing } => {
            format!("the landing on {} is being undone", landing.target)
        }
        Event::LandingUndone { landing } => {
            let (target, from) = places(landing);
            format!("the landing was undone: {target} moved back to {from}")
        }
        Event::PullRequestStarting { pull_request } => {
            format!(
                "{} is pushed for a pull request",
                quoted(&pull_request.head)
            )
        }
        Event::PullRequestOpened { pull_request } => {
            let place = pull_request.url.as_ref().unwrap_or(&pull_request.head);
            format!("the pull request is open: {}", quoted(place))
        }
        Event::Cleaned {
            worktrees,
            branches,
        } => format!(
            "cleaned up: {} and {} removed",
            plural(worktrees.len(), "worktree"),
            match branches.len() {
                1 => "1 branch".to_owned(),
                count => format!("{count} branches"),
            }
        ),
        Event::Repaired { repairs } => {
            let repairs: Vec<String> = repairs.iter().map(|repair| quoted(repair)).collect();
            format!("repaired: {}", repairs.join("; "))
        }
        _ => String::new(),
    }
}

fn of_run(plan: &Plan, event: &Event) -> String {
    match event {
        Event::RunStarted {
            title,
            base,
            base_name,
            target,
            only,
            ..
        } => {
            let count = only.as_ref().map_or(plan.tasks().len(), Vec::len);
            let target = target.as_ref().filter(|target| *target != base_name);
            let target = target.map_or_else(String::new, |target| format!(", for {target}"));
            format!(
                "the run started: {}, {} from {} ({base_name}){target}",
                quoted(title),
                plural(count, "task"),
                base.short()
            )
        }
        Event::RunResumed { findings } => format!("the run was resumed{}", found(plan, findings)),
        Event::PlanEdited { edits } => format!("the plan was edited{}", found(plan, edits)),
        Event::StopRequested {} => "the user stopped the run".to_owned(),
        Event::Paused {} => "the user paused the run".to_owned(),
        Event::Unpaused {} => "the user continued the run".to_owned(),
        Event::MaxCostSet { max_cost } => {
            format!("the user set the cost limit to ${max_cost:.2}")
        }
        Event::RunEnded { exit: 0 } => "the run ended: all tasks passed".to_owned(),
        Event::RunEnded { exit: 3 } => "the run ended: a task did not pass".to_owned(),
        Event::RunEnded { exit: 4 } => "the run ended and needs attention".to_owned(),
        Event::RunEnded { exit } => format!("the run ended with exit code {exit}"),
        _ => String::new(),
    }
}

fn of_limit(event: &Event) -> String {
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

/// Renders what a resume or an edited plan changed; what stays as it was is left out.
fn found(plan: &Plan, findings: &[Finding]) -> String {
    let is_news = |finding: &&Finding| {
        use FindingKind::{Done, Failed, GivenUp, RetryDue, Same, Waiting};
        ![Done, Failed, GivenUp, RetryDue, Same, Waiting].contains(&finding.kind)
    };
    let of = |finding: &Finding| {
        let (what, action) = finding.kind.description();
        match finding.task {
            Some(task) => format!("{} {what}, {action}", name(plan, task)),
            None => format!("{what}, {action}"),
        }
    };
    let news: Vec<String> = findings.iter().filter(is_news).map(of).collect();
    match news.as_slice() {
        [] => String::new(),
        news => format!(": {}", news.join("; ")),
    }
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
