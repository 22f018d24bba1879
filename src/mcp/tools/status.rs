//! `run_status`: the state of a run in a few lines.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Effect, ToolSpec};
use crate::base::text::plural;
use crate::engine::EngineError;
use crate::engine::candidates::newer_commits::note_newer_commits;
use crate::engine::runs::standing::standing_view;
use crate::journal::replay;
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::repository::Repository;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::usage::Cost;
use crate::report::board::view::{BoardView, Standing, TaskRow};
use crate::report::board::{banners, text};
use crate::report::suggest;

/// The number of tasks in an answer unless the call asks for more.
const LIMIT: usize = 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the one this server started last, else
    /// the latest.
    #[serde(default)]
    run: Option<String>,
    /// The `seq` of an earlier answer: only tasks that changed after it are listed.
    #[serde(default)]
    since: Option<u64>,
    /// The most tasks to list. Default: 20.
    #[serde(default)]
    limit: Option<usize>,
}

/// The state of a run.
#[derive(Serialize, JsonSchema)]
pub(super) struct RunLine {
    run: String,
    title: String,
    /// `running`, `finished`, `needs-attention`, `interrupted` or `paused`.
    state: String,
    /// The number of the last event; pass it as `since` to see only later changes.
    seq: u64,
    done: usize,
    tasks: usize,
    /// The number of tasks by status.
    counts: BTreeMap<String, usize>,
    /// Tasks that run or failed first.
    list: Vec<TaskLine>,
    /// The number of tasks that are not listed.
    more: usize,
    /// The number of conflicting pairs of results.
    conflicts: usize,
    assembled: Option<Assembled>,
    /// The commit that landed.
    landed: Option<String>,
    /// Dollars spent so far, as far as the agents report them; null if none reports any.
    cost: Option<f64>,
    notices: Vec<String>,
    /// The next step.
    next: String,
}

#[derive(Serialize, JsonSchema)]
struct TaskLine {
    number: u32,
    tag: String,
    title: String,
    status: String,
    worker: Option<String>,
    attempts: usize,
    /// The class of the failure.
    class: Option<String>,
    note: String,
    /// The number of commits that were made by hand on its branch after it passed; its result does not
    /// contain them. `dispatch assemble --take TASK` takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    newer_commits: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Assembled {
    branch: String,
    merged: Vec<u32>,
    left_out: Vec<u32>,
    checks_passed: bool,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, RunLine>(
        ("run_status", "Show a run"),
        "Shows the state of a run: counts, the tasks that run or failed, conflicts, cost, and the next \
         step. Returns at once; use run_wait instead of calling it in a loop.",
        Effect::ReadOnly,
        Action::Read(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let state = here.state(&call.find_run(&here, input.run.as_deref())?)?;
    let changed = match input.since {
        Some(since) => Some(changed_after(&here, &state, since)?),
        None => None,
    };
    let limit = input.limit.unwrap_or(LIMIT);
    let (line, text) = describe(&here, &state, changed.as_ref(), limit)?;
    Ok(Answer::new(&line, text))
}

/// Returns the tasks with an event after this one.
fn changed_after(
    here: &Repository,
    state: &RunState,
    since: u64,
) -> Result<BTreeSet<TaskNumber>, ToolError> {
    let replayed = replay(&here.store, &state.run).map_err(EngineError::from)?;
    let later = replayed.records.iter().filter(|record| record.seq > since);
    Ok(later.filter_map(|record| record.event.task()).collect())
}

/// Describes a run as an object and as text, with these tasks or with all.
///
/// # Errors
/// When the branches of its tasks cannot be read.
pub(super) fn describe(
    here: &Repository,
    state: &RunState,
    only: Option<&BTreeSet<TaskNumber>>,
    limit: usize,
) -> Result<(RunLine, String), ToolError> {
    let mut view = standing_view(&here.repo, state);
    note_newer_commits(&here.store, state, &mut view)?;
    let line = RunLine::new(state, &view, only, limit);
    let text = line.render(&view);
    Ok((line, text))
}

impl RunLine {
    fn new(
        state: &RunState,
        view: &BoardView,
        only: Option<&BTreeSet<TaskNumber>>,
        limit: usize,
    ) -> RunLine {
        let mut counts = BTreeMap::new();
        for row in &view.tasks {
            *counts.entry(row.status.word().to_owned()).or_default() += 1;
        }
        let is_wanted = |row: &&TaskRow| only.is_none_or(|only| only.contains(&row.number));
        let mut rows: Vec<&TaskRow> = view.tasks.iter().filter(is_wanted).collect();
        rows.sort_by_key(|row| urgency(&row.status));
        RunLine {
            run: state.run.to_string(),
            title: state.plan.title().to_owned(),
            state: view.standing.word().to_owned(),
            seq: state.seq,
            done: view.done(),
            tasks: view.tasks.len(),
            counts,
            list: rows.iter().take(limit).map(|row| task_line(row)).collect(),
            more: rows.len().saturating_sub(limit),
            conflicts: view.conflicts.len(),
            assembled: state.integration.as_ref().map(|found| Assembled {
                branch: state.integration_branch(),
                merged: found.merged.iter().map(|merged| merged.task.0).collect(),
                left_out: found.left_out.iter().map(|out| out.task.0).collect(),
                checks_passed: found.checks_passed(),
            }),
            landed: state.landed.as_ref().map(|landed| landed.to.to_string()),
            cost: match state.spending().map(|spending| spending.known) {
                Some(Cost::Known(dollars)) => Some(dollars),
                _ => None,
            },
            notices: view.notices.clone(),
            next: next_step(state, view.standing),
        }
    }

    fn render(&self, view: &BoardView) -> String {
        let mut lines = vec![text::result_line(view)];
        lines.extend(self.list.iter().map(TaskLine::render));
        if self.more > 0 {
            lines.push(format!("{} more tasks: pass a larger `limit`", self.more));
        }
        lines.extend(self.notices.iter().map(|notice| format!("note: {notice}")));
        lines.push(format!("seq: {}", self.seq));
        lines.push(format!("next: {}", self.next));
        lines.join("\n")
    }
}

impl TaskLine {
    fn render(&self) -> String {
        let class = self.class.iter().map(|class| format!(" ({class})"));
        let class: String = class.collect();
        let head = format!("#{} [{}] {}{class}", self.number, self.tag, self.status);
        let line = match self.note.is_empty() {
            true => head,
            false => format!("{head}: {}", self.note),
        };
        match self.newer_commits {
            Some(count) => format!("{line}; without {} by hand", plural(count, "commit")),
            None => line,
        }
    }
}

fn task_line(row: &TaskRow) -> TaskLine {
    TaskLine {
        number: row.number.0,
        tag: row.tag.clone(),
        title: row.title.clone(),
        status: row.status.to_string(),
        worker: row.worker.clone(),
        attempts: row.attempts,
        class: row.class.map(|class| class.word().to_owned()),
        note: row.note.clone(),
        newer_commits: row.newer_commits.map(|newer| newer.count),
    }
}

/// Orders the statuses: what needs attention first.
fn urgency(status: &Status) -> u8 {
    match status {
        Status::Failed => 0,
        Status::InProgress | Status::Retry(_) => 1,
        Status::Blocked(_) | Status::Cancelled | Status::Skipped => 2,
        Status::Queued => 3,
        Status::Done => 4,
    }
}

/// Suggests the next step as a call of a tool.
fn next_step(state: &RunState, standing: Standing) -> String {
    let run = &state.run;
    let is_over = matches!(standing, Standing::Finished | Standing::NeedsAttention);
    if state.landed.is_some() && is_over {
        return format!(
            "it has landed; `{}` removes its worktrees",
            suggest::clean(run)
        );
    }
    match standing {
        Standing::Running => "call run_wait until it has ended".to_owned(),
        Standing::Interrupted | Standing::Paused | Standing::NeedsAttention
            if state.cost_limit_reached.is_some() =>
        {
            format!(
                "its cost limit is reached; if the user agrees to a higher one, `{}` resumes it",
                banners::resume(state)
            )
        }
        Standing::Interrupted => format!(
            "no process drives it; `{}` resumes it",
            suggest::resume(run)
        ),
        Standing::Elsewhere => format!(
            "it goes on in another clone; `{}` brings what happened since",
            suggest::fetch(run)
        ),
        Standing::Paused => format!("`{}` resumes it", suggest::resume(run)),
        Standing::NeedsAttention => "run_report explains it; tell the user, then task_retry, \
                                     conflicts, assemble or land"
            .to_owned(),
        Standing::Finished => {
            "run_report sums it up; tell the user, then land if they agree".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::merge::oid::Oid;
    use crate::model::fixture::RunFixture;
    use crate::model::integration::Landing;

    use super::*;

    fn render(run: RunFixture, only: Option<&BTreeSet<TaskNumber>>, limit: usize) -> String {
        let state = run.state();
        let view = BoardView::new(&state);
        RunLine::new(&state, &view, only, limit).render(&view)
    }

    #[test]
    fn the_next_step_follows_the_limit_and_the_tasks_that_may_start() {
        let mut state = RunFixture::new("a · b").begin(1, "claude").state();
        state.cost_limit_reached = Some((2.0, 1.5));
        assert!(next_step(&state, Standing::Running).contains("run_wait"));
        let next = next_step(&state, Standing::Paused);
        assert!(next.contains("--max-cost"), "{next}");
        state.landed = Some(Landing {
            target: "main".to_owned(),
            from: Oid::from_bytes([1; 20]),
            to: Oid::from_bytes([2; 20]),
            at: jiff::Timestamp::UNIX_EPOCH,
            backup: None,
        });
        assert!(next_step(&state, Standing::Running).contains("run_wait"));
        assert!(next_step(&state, Standing::Finished).contains("landed"));
    }

    #[test]
    fn a_run_is_a_few_lines_with_the_urgent_tasks_first() {
        let run = || {
            let run = RunFixture::new("a · b · c · d <- b").begin(1, "shell");
            let run = run.pass(1, "made").begin(2, "shell").fail(2, "broken");
            run.begin(3, "claude")
        };
        insta::assert_snapshot!(render(run(), None, 20), @r"
        checkout-7k3q running: 1 of 4 done, 1 in progress, 1 blocked, 1 failed
        #2 [T2] FAILED (logic): broken (logic error)
        #3 [T3] IN PROGRESS
        #4 [T4] BLOCKED (by #2): #2 failed
        #1 [T1] DONE: made
        seq: 9
        next: call run_wait until it has ended
        ");
        let only = BTreeSet::from([TaskNumber(3), TaskNumber(1)]);
        insta::assert_snapshot!(render(run(), Some(&only), 1), @r"
        checkout-7k3q running: 1 of 4 done, 1 in progress, 1 blocked, 1 failed
        #3 [T3] IN PROGRESS
        1 more tasks: pass a larger `limit`
        seq: 9
        next: call run_wait until it has ended
        ");
    }
}
