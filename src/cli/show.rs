//! `dispatch show RUN TASK`: everything the journal knows about a task.

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
use crate::model::attempt::Attempt;
use crate::model::outcome::{End, Outcome};
use crate::model::plan::Task;
use crate::model::run::RunState;
use crate::model::usage::Cost;
use crate::ui::Ui;

/// Show all about one task: prompt, attempts, commits, checks, timing
#[derive(Args, Debug, Clone)]
pub(crate) struct ShowArgs {
    /// Which task
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
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.load(&run)?.state;
    let task = find_task(&state.plan, &args.name.task)?;
    match args.json {
        true => ui.answer(&pretty(&value(&state, task))),
        false => ui.answer(&terminal_safe(&render(&state, task))),
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
        "prompt": task.text(),
        "run_command": task.fields.run,
        "depends_on": task.depends_on,
        "attempts": attempts,
    })
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
    let depends_on: Vec<String> = task.depends_on.iter().map(ToString::to_string).collect();
    line("depends on", depends_on.join(", "));
    line("command", task.fields.run.clone().unwrap_or_default());
    line("checks", task.fields.check.join("; "));
    if task.fields.run.is_none() {
        let _ = write!(text, "\nprompt\n{}\n", indented(task.text()));
    }
    for attempt in &state.task(task.number).attempts {
        text.push_str(&render_attempt(attempt));
    }
    text
}

fn render_attempt(attempt: &Attempt) -> String {
    let mut text = format!("\nattempt {} ({})\n", attempt.number, attempt.worker);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<9} {value}");
        }
    };
    line("started", attempt.started.to_string());
    line("worktree", attempt.worktree.clone());
    line("branch", attempt.branch.clone());
    line(
        "base",
        attempt
            .base
            .map(|base| base.to_string())
            .unwrap_or_default(),
    );
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
            lines.push((
                "candidate",
                candidate.map(|oid| oid.to_string()).unwrap_or_default(),
            ));
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
            let reset = failure.reset_at.map(|at| at.to_string());
            lines.push(("reset", reset.unwrap_or_default()));
            lines.push(("cause", failure.root_cause.clone().unwrap_or_default()));
            lines.push((
                "kept",
                outcome.kept.map(|oid| oid.to_string()).unwrap_or_default(),
            ));
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

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
