//! The wire form of an event: one line of JSON with version, number and time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::event::{Event, Recorded};
use crate::model::ids::RunId;
use crate::model::recovery::{Finding, FindingKind};

/// The version of the wire form, increased by changes that an older reader would misread.
pub const VERSION: u32 = 1;

/// The envelope around an event.
#[derive(Serialize, Deserialize)]
struct Envelope<'a, E> {
    version: u32,
    seq: u64,
    time: Timestamp,
    run: std::borrow::Cow<'a, str>,
    #[serde(flatten)]
    event: E,
}

/// The version alone, which tells a newer form from a broken one.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// An unreadable line.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer dispatch.
    #[error("version {0}")]
    Newer(u32),
    /// Not an event.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Renders one line of JSON, without the line end.
pub fn render_record(run: &RunId, recorded: &Recorded) -> String {
    let envelope = Envelope {
        version: VERSION,
        seq: recorded.seq,
        time: recorded.time,
        run: run.as_str().into(),
        event: &recorded.event,
    };
    // Events hold only strings, numbers and lists of them, which always serialise.
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// Parses a line of [`render_record`].
///
/// # Errors
/// When it was written by a newer dispatch or is broken.
pub fn parse_record(line: &str) -> Result<Recorded, RecordError> {
    let Version { version } = serde_json::from_str(line)?;
    if version > VERSION {
        return Err(RecordError::Newer(version));
    }
    let envelope: Envelope<'_, Event> = serde_json::from_str(line)?;
    Ok(Recorded {
        seq: envelope.seq,
        time: envelope.time,
        event: envelope.event,
    })
}

/// Returns the name of the run in a line of [`render_record`].
pub fn run_in(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        run: String,
    }
    let named: Named = serde_json::from_str(line).ok()?;
    Some(named.run)
}

/// Summarises an event for `git log --oneline refs/dispatch/runs/<run>`.
pub fn summary(event: &Event) -> String {
    match event {
        Event::RunStarted { title, base, .. } => {
            format!("run started: {title} at {}", base.short())
        }
        Event::RunResumed { .. } => "run resumed".to_owned(),
        Event::PlanEdited { edits } => {
            let is_new = |edit: &&Finding| edit.kind != FindingKind::Same;
            let count = edits.iter().filter(is_new).count();
            format!("plan edited: {}", crate::base::text::plural(count, "task"))
        }
        Event::AttemptStarting {
            task,
            attempt,
            worker,
            ..
        } => {
            format!("{task} attempt {attempt} starting ({worker})")
        }
        Event::AttemptSubmitted {
            task,
            attempt,
            executor,
            host,
        } => {
            let host = host
                .as_ref()
                .map_or_else(String::new, |host| format!("/{host}"));
            format!("{task} attempt {attempt} runs on {executor}{host}")
        }
        Event::AttemptStarted {
            task,
            attempt,
            base,
            warm,
        } => {
            let warm = if *warm { " in a warm worktree" } else { "" };
            format!("{task} attempt {attempt} started at {}{warm}", base.short())
        }
        Event::ProgressReported { task, note } => {
            format!("{task} noted: {}", crate::base::text::clip(note, 50))
        }
        Event::AttemptEnded {
            task,
            attempt,
            outcome,
            ..
        } => {
            format!("{task} attempt {attempt} {}", end_word(&outcome.end))
        }
        Event::RetryScheduled { task, due, .. } => format!("{task} retry due {due}"),
        Event::RetryBudgetSpent { task, budget, .. } => {
            format!("{task} has no retry: the budget of {budget} is exhausted")
        }
        Event::RetryDue { task, .. } => format!("{task} retry is due"),
        Event::VariantChosen { task, choice } => {
            format!("{task} variant {} chosen", choice.variant)
        }
        Event::VariantAccepted { task } => format!("{task} variant accepted"),
        Event::DependenciesConflict { task, class, .. } => {
            format!("{task} blocked: its dependencies conflict ({class})")
        }
        Event::ConflictsFound { conflicts } => {
            crate::base::text::plural(conflicts.len(), "conflicting pair")
        }
        Event::SpeculativeConflicts { conflicts, .. } => {
            crate::base::text::plural(conflicts.len(), "speculative conflict")
        }
        Event::AssemblyStarting { order } => {
            format!(
                "assembling {}",
                crate::base::text::plural(order.len(), "candidate")
            )
        }
        Event::Assembled { integration } => {
            let (merged, left_out) = (integration.merged.len(), integration.left_out.len());
            format!("assembled: {merged} merged, {left_out} left out")
        }
        Event::ConflictResolved { task, resolutions } => {
            let conflicts = crate::base::text::plural(resolutions.len(), "conflict");
            format!("{task}: {conflicts} resolved")
        }
        Event::ResolutionRolledBack { task, strategy, .. } => {
            format!("{task}: {strategy} rolled back")
        }
        Event::Redispatched { task, base, .. } => {
            format!("{task} re-dispatched on top of {}", base.short())
        }
        Event::ResolutionOpened { task, .. } => format!("{task}: manual resolution started"),
        Event::ResolutionAccepted {
            task, candidate, ..
        } => {
            format!("{task}: resolved by hand as {}", candidate.short())
        }
        Event::ResolutionClosed { task } => format!("{task}: its conflict is resolved"),
        Event::ResolutionAborted { task } => format!("{task}: manual resolution aborted"),
        Event::RedispatchFailed { task } => format!("{task}: re-dispatch failed"),
        Event::AssemblyRefused { reason } => {
            format!("assembly refused: {}", crate::base::text::clip(reason, 50))
        }
        Event::AssemblyRequested { .. } => "assembly requested".to_owned(),
        Event::StopRequested {} => "stop requested".to_owned(),
        Event::RetryRequested { task, .. } => format!("{task} retry requested"),
        Event::MessageGiven { task, .. } => format!("{task}: message of the user"),
        Event::MessageDelivered { task, attempt, .. } => {
            format!("{task}: message delivered to attempt {attempt}")
        }
        Event::MessageWaits { task, attempt, .. } => {
            format!("{task}: message waits for the end of attempt {attempt}")
        }
        Event::TaskCancelled { task } => format!("{task} cancelled"),
        Event::PrioritySet { task, priority } => format!("{task} has priority {priority}"),
        Event::WorkerParked { worker, until, .. } => format!("{worker} is parked until {until}"),
        Event::WorkerUnparked { worker, .. } => format!("{worker} may start again"),
        Event::CostLimitReached { spent, max_cost } => {
            format!("no further attempts: {spent:.2} of {max_cost:.2} dollars spent")
        }
        Event::WorkerAccessDenied { worker, .. } => format!("{worker}: authentication failed"),
        Event::SetupBroken { tasks, .. } => format!(
            "no further attempts: set-up failed for {}",
            crate::model::task_list::and_list(tasks)
        ),
        Event::ShortageBegan { shortage } => crate::base::text::clip(&shortage.message(), 100),
        Event::ShortageEnded {} => "enough disk space again".to_owned(),
        Event::WorktreesEvicting { worktrees } => format!(
            "{} removed for disk space",
            crate::base::text::plural(worktrees.len(), "worktree")
        ),
        Event::MaxCostSet { max_cost } => format!("cost limit is {max_cost:.2} dollars"),
        Event::Paused {} => "paused".to_owned(),
        Event::Unpaused {} => "resumed".to_owned(),
        Event::TaskSkipped { task, .. } => format!("{task} skipped"),
        Event::Reviewed {
            task,
            accepted: true,
        } => format!("{task} accepted"),
        Event::Reviewed {
            task,
            accepted: false,
        } => format!("{task} left out in review"),
        Event::RunEnded { exit } => format!("run ended with exit code {exit}"),
        Event::LandingStarting { landing } => format!("landing on {} starting", landing.target),
        Event::Landed { landing } => {
            format!("landed on {} as {}", landing.target, landing.to.short())
        }
        Event::LandingUndoStarting { landing } => {
            format!("undoing the landing on {}", landing.target)
        }
        Event::LandingUndone { landing } => {
            format!("{} moved back to {}", landing.target, landing.from.short())
        }
        Event::PullRequestStarting { pull_request } => {
            format!("pull request of {} starting", pull_request.head)
        }
        Event::PullRequestOpened { pull_request } => {
            let url = pull_request.url.as_deref().unwrap_or(&pull_request.head);
            format!("pull request {url}")
        }
        Event::Repaired { repairs } => {
            format!(
                "repaired {}",
                crate::base::text::plural(repairs.len(), "thing")
            )
        }
        Event::Cleaned { worktrees, .. } => {
            format!(
                "cleaned {}",
                crate::base::text::plural(worktrees.len(), "worktree")
            )
        }
    }
}

fn end_word(end: &crate::model::outcome::End) -> String {
    use crate::model::outcome::End;
    match end {
        End::Passed { .. } => "passed".to_owned(),
        End::Failed(failure) => {
            format!("failed: {}", crate::base::text::clip(&failure.message, 50))
        }
        End::Interrupted {} => "was interrupted".to_owned(),
    }
}
