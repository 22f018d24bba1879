//! `dispatch show RUN TASK`: prints everything that the journal records about a task.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::base::clock::render_elapsed;
use crate::base::text::terminal_safe;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::cli::status::pretty;
use crate::config::builtin::SHELL;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::TaskNumber;
use crate::model::outcome::{End, Outcome};
use crate::model::plan::Task;
use crate::model::run::RunState;
use crate::model::task_change::{Placement, TaskChange};
use crate::model::task_state::TaskState;
use crate::model::usage::Cost;
use crate::model::user_message::UserMessage;
use crate::report::board::text::left_out_reason;
use crate::report::variants::VariantTable;
use crate::report::words::{resolved, second};
use crate::ui::Ui;

/// Show all about one task: prompt, attempts, commits, checks, timing
#[derive(Args, Debug, Clone)]
pub(crate) struct ShowArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such run or task.
pub(crate) fn run(args: ShowArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let task = find_task(&state.plan, &args.name.task)?;
    match args.json {
        true => ui.answer(&pretty(&value(&state, task))),
        false => ui.answer_text(&terminal_safe(&render(&state, task))),
    }
    Ok(ExitStatus::Ok)
}

fn value(state: &RunState, task: &Task) -> serde_json::Value {
    let attempts: Vec<serde_json::Value> = state
        .task(task.number)
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "attempt": attempt.number,
                "variant": attempt.variant,
                "worker": attempt.worker,
                "branch": attempt.branch,
                "worktree": attempt.worktree,
                "base": attempt.base.map(|base| base.to_string()),
                "started": attempt.started.to_string(),
                "ended": attempt.ended.map(|ended| ended.to_string()),
                "usage": attempt.outcome.as_ref().and_then(|outcome| outcome.usage),
                "cost": attempt.outcome.as_ref().map_or(Cost::Unknown, |outcome| outcome.cost),
                "session": attempt.outcome.as_ref().and_then(|outcome| outcome.session.clone()),
                "outcome": attempt.outcome,
            })
        })
        .collect();
    json!({
        "version": 1,
        "run": state.run.as_str(),
        "number": task.number,
        "tag": task.tag,
        "title": task.title,
        "status": state.status(task.number).to_string(),
        "merged": state.placement(task.number).is_merged(),
        "left_out": left_out(state, task.number),
        "resolved": resolved(state, task.number),
        "change": change_value(state, task.number),
        "prompt": task.text(),
        "run_command": task.fields.run,
        "depends_on": task.depends_on,
        "variants": VariantTable::of(state, task.number),
        "messages": messages_value(state, task.number),
        "attempts": attempts,
    })
}

fn messages_value(state: &RunState, number: TaskNumber) -> Vec<serde_json::Value> {
    let messages = state.task(number).messages.iter();
    let value = |message: &UserMessage| json!({"text": message.text, "delivered_to": message.delivered_to, "waits_for": message.waits_for});
    messages.map(value).collect()
}

fn render(state: &RunState, task: &Task) -> String {
    let mut text = format!("{} [{}] {}\n", task.number, task.tag, task.title);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<11} {value}");
        }
    };
    line("run", state.run.to_string());
    line("status", state.status(task.number).to_string());
    line("assembly", place(state, task.number));
    for resolution in resolved(state, task.number) {
        line("resolved", resolution);
    }
    line("change", change(state, task.number));
    let depends_on: Vec<String> = task.depends_on.iter().map(ToString::to_string).collect();
    line("depends on", depends_on.join(", "));
    line("command", task.fields.run.clone().unwrap_or_default());
    line("checks", task.fields.check.join("; "));
    let variants = VariantTable::of(state, task.number);
    line(
        "variants",
        variants.iter().map(VariantTable::summary).collect(),
    );
    text.extend(variants.iter().map(render_variants));
    if task.fields.run.is_none() {
        let _ = write!(text, "\nprompt\n{}\n", indented(task.text()));
    }
    for message in &state.task(task.number).messages {
        let place = message_place(state.task(task.number), message);
        let _ = write!(text, "\nmessage ({place})\n{}\n", indented(&message.text));
    }
    for attempt in &state.task(task.number).attempts {
        text.push_str(&render_attempt(attempt));
    }
    text
}

/// Returns the attempt that a message went to, or goes to.
fn message_place(task: &TaskState, message: &UserMessage) -> String {
    let mut live = task.live_attempts();
    let waits = live.find(|live| message.waits_for.contains(&live.number));
    match (message.delivered_to, waits) {
        (Some(attempt), _) => format!("delivered to attempt {attempt}"),
        (None, Some(live)) => format!("for the end of attempt {}", live.number),
        (None, None) => "for the next attempt".to_owned(),
    }
}

/// Returns the reason why a task was left out, as all boards give it.
fn left_out(state: &RunState, number: TaskNumber) -> Option<String> {
    match state.placement(number) {
        Placement::LeftOut(out) => Some(left_out_reason(out)),
        _ => None,
    }
}

/// `merged as 728c414`, `left out: content conflict with #1 in src/app.ts`.
fn place(state: &RunState, number: TaskNumber) -> String {
    let place = match state.placement(number) {
        Placement::Merged(merged) => format!("merged as {}", merged.commit.short()),
        Placement::LeftOut(out) => format!("left out: {}", left_out_reason(out)),
        Placement::NotAssembled => String::new(),
    };
    match state.is_conflict_open(number) {
        true => format!("{place}; its conflict is open in a worktree"),
        false => place,
    }
}

/// `1 file, +1 −1 (fcc604c..c34fb82)`.
fn change(state: &RunState, number: TaskNumber) -> String {
    let (stat, change) = (state.task_stat(number), state.task_change(number));
    let between = |change: TaskChange| format!("{}..{}", change.from.short(), change.to.short());
    match (stat, change) {
        (Some(stat), Some(change)) => format!("{stat} ({})", between(change)),
        (None, Some(change)) => format!("kept, not offered ({})", between(change)),
        _ => String::new(),
    }
}

fn change_value(state: &RunState, number: TaskNumber) -> serde_json::Value {
    let Some(change) = state.task_change(number) else {
        return serde_json::Value::Null;
    };
    let stat = state.task_stat(number);
    json!({
        "from": change.from.to_string(),
        "to": change.to.to_string(),
        "files": stat.map(|stat| stat.files),
        "added": stat.map(|stat| stat.added),
        "removed": stat.map(|stat| stat.removed),
    })
}

fn render_variants(table: &VariantTable) -> String {
    let mut text = String::new();
    for row in &table.variants {
        let mark = match table.chosen == Some(row.variant) {
            true => '*',
            false => ' ',
        };
        let worker = row.worker.as_deref().unwrap_or("-");
        let words = row.words().replace('\n', " ");
        let _ = writeln!(text, "          {mark} {} ({worker}) {words}", row.variant);
    }
    text
}

fn render_attempt(attempt: &Attempt) -> String {
    let variant = attempt.variant;
    let variant = variant.map_or(String::new(), |variant| format!(", variant {variant}"));
    let mut text = format!(
        "\nattempt {} ({}{variant})\n",
        attempt.number, attempt.worker
    );
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<9} {value}");
        }
    };
    line("started", second(attempt.started));
    line("worktree", attempt.worktree.clone());
    line("branch", attempt.branch.clone());
    line("base", short(attempt.base));
    if let Some(outcome) = &attempt.outcome {
        for (name, value) in describe(outcome, attempt.worker == SHELL) {
            line(name, value);
        }
    }
    text
}

fn describe(outcome: &Outcome, is_shell: bool) -> Vec<(&'static str, String)> {
    let mut lines = vec![(
        "took",
        render_elapsed(Duration::from_millis(outcome.millis)),
    )];
    match &outcome.end {
        End::Passed {
            candidate,
            stat,
            info,
        } => {
            lines.push(("ended", "passed".to_owned()));
            lines.push(("candidate", short(*candidate)));
            if candidate.is_some() {
                lines.push(("change", stat.to_string()));
            }
            let info = info.as_deref().unwrap_or_default();
            lines.push(("report", info.trim_end().replace('\n', "\n            ")));
        }
        End::Failed(failure) => {
            lines.push(("ended", format!("failed: {}", failure.message)));
            lines.push((
                "class",
                format!("{} ({})", failure.class.word(), failure.evidence),
            ));
            lines.push(("reset", failure.reset_at.map(second).unwrap_or_default()));
            lines.push(("cause", failure.root_cause.clone().unwrap_or_default()));
            lines.push(("kept", short(outcome.kept)));
        }
        End::Interrupted {} => lines.push(("ended", "interrupted; it does not count".to_owned())),
    }
    lines.push((
        "summary",
        outcome.report.summary.clone().unwrap_or_default(),
    ));
    if let Some(usage) = outcome.usage {
        lines.push(("used", usage.to_string()));
    }
    if !is_shell {
        lines.push(("cost", outcome.cost.to_string()));
    }
    lines.push(("session", outcome.session.clone().unwrap_or_default()));
    for check in &outcome.checks {
        let took = render_elapsed(Duration::from_millis(check.millis));
        lines.push((
            "check",
            format!("{} {} ({took})", check.result.word(), check.command),
        ));
    }
    for change in &outcome.outside_changes {
        lines.push(("outside", format!("{} changed meanwhile", change.name)));
    }
    for left in &outcome.killed_processes {
        lines.push(("killed", format!("{left} outlived the worker")));
    }
    for remark in &outcome.warnings {
        lines.push(("remark", remark.clone()));
    }
    lines
}

fn short(commit: Option<Oid>) -> String {
    commit.map(|commit| commit.short()).unwrap_or_default()
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
